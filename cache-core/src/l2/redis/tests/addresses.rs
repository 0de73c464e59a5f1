use super::*;
use crate::l2::redis::address::Place;

fn error(url: &str) -> String {
    let error = Address::parse(url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.to_string()
}

#[test]
fn a_url_names_a_place_a_database_and_credentials() {
    let address = Address::parse("redis://ada:s%40cret@[::1]:6380/4").unwrap();
    assert_eq!(
        address.place,
        Place::Tcp {
            host: "::1".into(),
            port: 6380
        }
    );
    assert_eq!(address.database, 4);
    let credentials = address.credentials.unwrap();
    assert_eq!(credentials.user.as_deref(), Some("ada"));
    assert_eq!(credentials.password, "s@cret");

    let address = Address::parse("redis://:pw@cache.local").unwrap();
    assert!(address.credentials.unwrap().user.is_none());

    let address = Address::parse("unix:///run/redis.sock?db=3&pass=pw").unwrap();
    assert_eq!(address.place, Place::Unix("/run/redis.sock".into()));
    assert_eq!(address.database, 3);
}

#[test]
fn what_is_shown_of_an_address_is_no_secret() {
    let address = Address::parse("redis://ada:hush@[::1]/4").unwrap();
    assert_eq!(address.to_string(), "[::1]:6379 (database 4)");
    assert_eq!(format!("{address:?}"), "Address([::1]:6379 (database 4))");
    let address = Address::parse("unix:///run/redis.sock?pass=hush&user=ada").unwrap();
    assert_eq!(address.to_string(), "/run/redis.sock (database 0)");
}

#[test]
fn a_url_that_is_wrong_is_not_quoted_and_the_right_form_is() {
    for url in [
        "hush",
        "http://hush@host",
        "redis://",
        "redis://hush:hush@",
        "redis://user:hu/sh@host:6379",
        "redis://user:hush@host:port",
        "redis://user:hush@host/hush",
        "redis://user:hush@host/-1",
        "redis://host?password=hush",
        "redis://host#hush",
        "redis://hush@host",
        "redis://:%ffhush@host",
    ] {
        let message = error(url);
        assert!(!message.contains("hush"), "{message}");
        assert!(
            message.contains("redis://[user:password@]host[:port][/database]"),
            "{message}"
        );
    }
}

#[test]
fn what_is_not_supported_yet_is_refused_by_name() {
    for (url, name) in [
        ("rediss://user:hush@host", "TLS"),
        ("redis-sentinel://host/mymaster", "Sentinel"),
        ("redis-cluster://host", "Cluster"),
    ] {
        let message = error(url);
        assert!(
            message.contains(name) && message.contains("not supported yet"),
            "{message}"
        );
    }
}
