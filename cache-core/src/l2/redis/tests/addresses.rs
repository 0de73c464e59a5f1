//! What is understood of a URL, and what the builder says in its place.

use proptest::prelude::*;

use super::*;
use crate::{
    corpus::each_is_what_its_name_says,
    l2::redis::address::{Location, Node},
};

fn node(host: &str, port: u16) -> Node {
    let host = host.into();
    Node::Tcp { host, port }
}

fn node_of(address: &Address) -> Option<&Node> {
    match &address.place {
        Location::Node(node) => Some(node),
        Location::Elected(_) | Location::Member(..) => None,
    }
}

fn parse(url: &str) -> Address {
    Redis::from(url).address().unwrap()
}

fn error(url: &str) -> String {
    let error = Redis::from(url).address().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    error.to_string()
}

#[test]
fn a_url_names_a_place_a_database_and_credentials() {
    let address = parse("redis://ada:s%40cret@[::1]:6380/4");
    assert_eq!(node_of(&address), Some(&node("::1", 6380)));
    assert_eq!(address.database, 4);
    let credentials = address.credentials.unwrap();
    assert_eq!(credentials.user.as_deref(), Some("ada"));
    assert_eq!(credentials.password, "s@cret");

    let address = parse("redis://:pw@cache.local");
    assert!(address.credentials.unwrap().user.is_none());

    let address = parse("unix:///run/redis.sock?db=3&pass=pw");
    assert_eq!(
        node_of(&address),
        Some(&Node::Unix("/run/redis.sock".into()))
    );
    assert_eq!(address.database, 3);
}

#[test]
fn what_is_shown_of_an_address_is_no_secret() {
    let address = parse("redis://ada:hush@[::1]/4");
    assert_eq!(address.to_string(), "[::1]:6379 (database 4)");
    assert_eq!(format!("{address:?}"), "Address([::1]:6379 (database 4))");
    let address = parse("unix:///run/redis.sock?pass=hush&user=ada");
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
fn a_url_of_a_cluster_names_some_of_its_nodes() {
    let target = Redis::from("redis-cluster://ada:s%40cret@one,two:7000,[::1]").target();
    let Target::Cluster(seeds) = target.unwrap() else {
        panic!("it is a cluster");
    };
    assert_eq!(
        seeds.to_string(),
        "the cluster at one:6379, two:7000, [::1]:6379"
    );
    assert!(!format!("{seeds:?}").contains("cret"));
    assert_eq!(seeds.credentials.unwrap().password, "s@cret");
    let built = Redis::cluster([("one", 6_379), ("two", 7_000)]).target();
    let parsed = Redis::from("valkey-cluster://one,two:7000/0").target();
    assert_eq!(built.unwrap().identity(), parsed.unwrap().identity());
}

#[test]
fn a_url_of_a_cluster_that_is_wrong_is_not_quoted_and_the_right_form_is() {
    for url in [
        "redis-cluster://",
        "redis-cluster://host,,hush",
        "redis-cluster://host:hush",
        "redis-cluster://host/1",
        "redis-cluster://host/hush",
        "redis-cluster://hush@host",
        "redis-cluster://user:%ffhush@host",
        "redis-cluster://host?password=hush",
        "redis-cluster://host#hush",
    ] {
        let error = Redis::from(url).target().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        let message = error.to_string();
        assert!(!message.contains("hush"), "{url}: {message}");
        assert!(message.contains("redis-cluster://[user"), "{message}");
    }
    for redis in [
        Redis::cluster([("host", 1)]).database(1),
        Redis::cluster([] as [(&str, u16); 0]),
    ] {
        assert_eq!(redis.target().unwrap_err().kind(), ErrorKind::Configuration);
    }
}

proptest! {
    /// A secret may be anywhere in what was meant to be a URL.
    #[test]
    fn whatever_is_given_for_a_url_is_no_harm_and_is_not_shown(
        scheme in "(redis|rediss|unix|valkey|redis-sentinel|redis-cluster|[a-z]{0,8})",
        before in "[a-z0-9:@/?#%\\[\\],.=&-]{0,12}",
        after in "\\PC{0,12}",
    ) {
        let redis = Redis::from(format!("{scheme}://{before}S3CRET{after}"));
        let shown = format!("{redis:?} {:?}", redis.target().err());
        // A host, a path and the name of a service are none.
        let is_secret = redis.target().is_err();
        prop_assert!(!is_secret || !shown.contains("S3CRET"), "{shown}");
    }

    #[test]
    fn whatever_bytes_are_given_for_a_url_are_no_harm(
        scheme in "(valkeys?|rediss?|unix|redis\\+unix|rediss?-sentinel|rediss?-cluster)?(://)?", bytes: Vec<u8>,
    ) {
        let redis = Redis::from(format!("{scheme}{}", String::from_utf8_lossy(&bytes)));
        match redis.target() {
            Ok(target) => { let _ = (target.identity(), format!("{target} {target:?}")); }
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Configuration),
        }
    }

    #[test]
    fn whatever_a_password_is_it_is_not_shown(user in "\\PC{0,9}", rest in "\\PC{0,9}") {
        let password = format!("S3CRET{rest}");
        let all = [
            Redis::server("host", 1).user(&user, &password),
            Redis::sentinels("name", [("host", 1)]).sentinel_user(&user, &password),
            Redis::cluster([("host", 1)]).password(&password),
        ];
        for redis in all {
            let shown = format!("{redis:?} {:?}", redis.target().unwrap());
            prop_assert!(!shown.contains("S3CRET"), "{shown}");
        }
    }
}

#[test]
fn each_saved_url_is_taken_or_refused_as_its_name_says() {
    each_is_what_its_name_says("url", |name, bytes| {
        let redis = Redis::from(String::from_utf8_lossy(bytes).into_owned());
        let shown = format!("{redis:?} {:?}", redis.target());
        assert!(!shown.contains("hush"), "{name}: {shown}");
        if redis.target().is_ok() {
            "taken"
        } else {
            "refused"
        }
        .into()
    });
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_build_without_tls_names_the_feature() {
    for url in ["rediss://user:hush@host", "rediss-sentinel://:hush@a/b"] {
        let message = error(url);
        assert!(message.contains("`tls`"), "{message}");
        assert!(!message.contains("hush"), "{message}");
    }
}

#[test]
fn the_builder_says_what_a_url_does() {
    let same = |redis: Redis, url: &str| {
        let (built, parsed) = (redis.address().unwrap(), parse(url));
        assert_eq!(built.identity(), parsed.identity());
        let password = |address: &Address| {
            let credentials = address.credentials.as_ref();
            credentials.map(|it| it.password.clone())
        };
        assert_eq!(password(&built), password(&parsed));
    };
    same(
        Redis::server("::1", 6380).user("ada", "s@cret").database(4),
        "redis://ada:s%40cret@[::1]:6380/4",
    );
    same(
        Redis::socket("/run/redis.sock").password("pw").database(3),
        "unix:///run/redis.sock?db=3&pass=pw",
    );
    same(
        Redis::sentinels("shop", [("one", 26_379), ("two", 5_000)])
            .password("pw")
            .sentinel_user("eve", "h/sh"),
        "redis-sentinel://:pw@one,two:5000/shop?sentinel_user=eve&sentinel_password=h%2Fsh",
    );
}

#[test]
fn what_is_said_after_a_url_counts_in_its_place() {
    let redis = Redis::from("redis://ada:old@host/4").user("eve", "new");
    let address = redis.database(5).address().unwrap();
    assert_eq!(address.database, 5);
    let credentials = address.credentials.unwrap();
    assert_eq!(credentials.user.as_deref(), Some("eve"));
    assert_eq!(credentials.password, "new");

    let redis = Redis::from("redis-sentinel://a/b?sentinel_password=old").sentinel_password("new");
    let Location::Elected(electorate) = redis.address().unwrap().place else {
        panic!("sentinels elect");
    };
    assert_eq!(electorate.credentials().unwrap().password, "new");
}

#[test]
fn what_cannot_be_is_refused_when_it_is_used() {
    for (redis, word) in [
        (
            Redis::sentinels("shop", [] as [(&str, u16); 0]),
            "no sentinels",
        ),
        (
            Redis::server("host", 1).sentinel_password("hush"),
            "no sentinels",
        ),
        (Redis::from("hush").user("hush", "hush"), "redis://"),
    ] {
        let error = redis.address().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.to_string().contains(word), "{error}");
        let shown = format!("{error} {redis:?}");
        assert!(!shown.contains("hush"), "{shown}");
    }
}

#[test]
fn a_url_of_sentinels_names_them_a_service_a_database_and_two_kinds_of_credentials() {
    let address = parse(
        "redis-sentinel://ada:s%40cret@one:5000,two,[::1]:7,[::2]/my-master/3?sentinel_user=eve&sentinel_password=h%2Fsh",
    );
    assert_eq!(
        address.to_string(),
        "`my-master` of Sentinel at one:5000, two:26379, [::1]:7, [::2]:26379 (database 3)"
    );
    let shown = format!("{address:?} {:?}", parse("redis-sentinel://:hush@a/b"));
    for secret in ["s@cret", "s%40cret", "h/sh", "h%2Fsh", "hush"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let credentials = address.credentials.unwrap();
    assert_eq!(credentials.user.as_deref(), Some("ada"));
    assert_eq!(credentials.password, "s@cret");
    let Location::Elected(electorate) = &address.place else {
        panic!("sentinels elect");
    };
    let own = electorate.credentials().unwrap();
    assert_eq!(own.user.as_deref(), Some("eve"));
    assert_eq!(own.password, "h/sh");
    assert_eq!(parse("redis-sentinel://a/b").database, 0);
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

#[cfg(feature = "tls")]
mod secured {
    use super::*;

    fn error(redis: &Redis) -> String {
        let error = redis.address().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        error.to_string()
    }

    #[test]
    fn tls_is_asked_for_by_a_url_or_by_the_builder_and_changes_nothing_else() {
        let address = parse("rediss://ada:s%40cret@[::1]:6380/4");
        assert!(address.tls.is_some());
        assert_eq!(
            address.identity(),
            parse("redis://ada:s%40cret@[::1]:6380/4").identity()
        );
        assert!(parse("rediss-sentinel://a,b/c").tls.is_some());
        assert!(parse("redis://host").tls.is_none());
        let redis = Redis::server("host", 6380).tls(Tls::new());
        assert!(redis.address().unwrap().tls.is_some());
    }

    #[test]
    fn what_is_no_certificate_is_refused_by_the_name_of_its_option() {
        let with = |tls: Tls| error(&Redis::server("host", 1).tls(tls));
        for nothing in ["", "hush", "-----BEGIN CERTIFICATE-----\nhush"] {
            assert!(with(Tls::new().roots(nothing)).contains("`Tls::roots`"));
            let message = with(Tls::new().client_certificate(nothing, nothing));
            assert!(message.contains("`Tls::client_certificate`"), "{message}");
            assert!(!message.contains("hush"), "{message}");
        }
        assert!(with(Tls::new().server_name("a name")).contains("`Tls::server_name`"));
    }

    #[test]
    fn a_socket_of_the_file_system_has_no_tls() {
        let message = error(&Redis::socket("/run/redis.sock").tls(Tls::new()));
        assert!(message.contains("TLS"), "{message}");
    }

    #[test]
    fn a_key_is_not_shown() {
        let tls = Tls::new().client_certificate("hush", "hush");
        let redis = Redis::from("rediss://:hush@host").tls(tls.clone());
        let shown = format!("{tls:?} {redis:?}");
        assert!(!shown.contains("hush"), "{shown}");
    }
}
