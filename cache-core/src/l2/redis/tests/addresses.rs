use super::*;
use crate::l2::redis::address::{Node, Place};

fn node(host: &str, port: u16) -> Node {
    let host = host.into();
    Node::Tcp { host, port }
}

fn node_of(address: &Address) -> Option<&Node> {
    match &address.place {
        Place::Node(node) => Some(node),
        Place::Elected(_) => None,
    }
}

fn error(url: &str) -> String {
    let error = Address::parse(url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.to_string()
}

#[test]
fn a_url_names_a_place_a_database_and_credentials() {
    let address = Address::parse("redis://ada:s%40cret@[::1]:6380/4").unwrap();
    assert_eq!(node_of(&address), Some(&node("::1", 6380)));
    assert_eq!(address.database, 4);
    let credentials = address.credentials.unwrap();
    assert_eq!(credentials.user.as_deref(), Some("ada"));
    assert_eq!(credentials.password, "s@cret");

    let address = Address::parse("redis://:pw@cache.local").unwrap();
    assert!(address.credentials.unwrap().user.is_none());

    let address = Address::parse("unix:///run/redis.sock?db=3&pass=pw").unwrap();
    assert_eq!(
        node_of(&address),
        Some(&Node::Unix("/run/redis.sock".into()))
    );
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
        ("redis-cluster://host", "Cluster"),
    ] {
        let message = error(url);
        assert!(
            message.contains(name) && message.contains("not supported yet"),
            "{message}"
        );
    }
}

#[test]
fn a_url_of_sentinels_names_them_a_service_a_database_and_two_kinds_of_credentials() {
    let address = Address::parse(
        "redis-sentinel://ada:s%40cret@one:5000,two,[::1]:7,[::2]/my-master/3?sentinel_user=eve&sentinel_password=h%2Fsh",
    )
    .unwrap();
    assert_eq!(
        address.to_string(),
        "`my-master` of Sentinel at one:5000, two:26379, [::1]:7, [::2]:26379 (database 3)"
    );
    let shown = format!(
        "{address:?} {:?}",
        Address::parse("redis-sentinel://:hush@a/b")
    );
    for secret in ["s@cret", "s%40cret", "h/sh", "h%2Fsh", "hush"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let credentials = address.credentials.unwrap();
    assert_eq!(credentials.user.as_deref(), Some("ada"));
    assert_eq!(credentials.password, "s@cret");
    let Place::Elected(electorate) = &address.place else {
        panic!("sentinels elect");
    };
    let own = electorate.credentials().unwrap();
    assert_eq!(own.user.as_deref(), Some("eve"));
    assert_eq!(own.password, "h/sh");
    assert_eq!(Address::parse("redis-sentinel://a/b").unwrap().database, 0);
}

#[test]
fn a_url_of_sentinels_that_is_wrong_is_not_quoted_and_the_right_form_is() {
    for url in [
        "redis-sentinel://",
        "redis-sentinel://hush",
        "redis-sentinel:///hush",
        "redis-sentinel://host/",
        "redis-sentinel://host/my%20hush",
        "redis-sentinel://host,/hush",
        "redis-sentinel://host:port/hush",
        "redis-sentinel://host/service/hush",
        "redis-sentinel://user:hush@host/service/-1",
        "redis-sentinel://user@host/hush",
        "redis-sentinel://host/service?password=hush",
        "redis-sentinel://host/service?sentinel_user=hush",
        "redis-sentinel://host/service?sentinel_password=%ffhush",
        "redis-sentinel://host/service?sentinel_password=hush@host",
        "redis-sentinel://host/service?hush",
        "redis-sentinel://host/service#hush",
    ] {
        let message = error(url);
        assert!(!message.contains("hush"), "{url}: {message}");
        assert!(
            message.contains("redis-sentinel://[user:password@]host[:port]"),
            "{message}"
        );
    }
}
