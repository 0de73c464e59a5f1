//! Redis over TLS: whom the cache believes, whom it does not and what it says then, and that all else is as without.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use cache_core::{
    Cache, CachedCall, Error, ErrorKind, Event, Redis, Source, Tls, cached, invalidates,
};
use tests::{
    SOON,
    authority::{Authority, Identity},
    rows::filled,
    server::{Server, forms_clusters, speaks_tls},
    until,
};

/// A row is another one.
#[derive(Debug, Event)]
pub struct RowChanged {
    /// Which.
    pub id: u64,
}

static SOURCE: AtomicU64 = AtomicU64::new(1);

#[cached(ttl = 1h, invalidate_on = RowChanged { id })]
async fn row(id: u64) -> u64 {
    let _ = id;
    SOURCE.load(SeqCst)
}

#[invalidates(RowChanged { id })]
async fn write(id: u64, value: u64) {
    let _ = id;
    SOURCE.store(value, SeqCst);
}

#[cached(ttl = 1h, tiers = redis)]
async fn large(id: u64) -> Vec<u8> {
    vec![u8::try_from(id).unwrap(); 300_000]
}

const NO_CLIENTS: [&str; 2] = ["--tls-auth-clients", "no"];

/// A server with a certificate for 127.0.0.1 that asks its clients for none.
fn server(authority: &Authority) -> Server {
    Server::secured(authority, &authority.issue(&["127.0.0.1"]), &NO_CLIENTS)
}

fn believing(server: &Server, authority: &Authority) -> Redis {
    Redis::from(server.url()).tls(Tls::new().roots(authority.pem.as_str()))
}

async fn build(redis: impl Into<Redis>) -> Result<Cache, Error> {
    let builder = Cache::builder().redis(redis).require_redis();
    builder.redis_budget(Duration::from_secs(1)).build().await
}

/// What it is refused with.
async fn refused(redis: impl Into<Redis>) -> String {
    let begun = Instant::now();
    let error = build(redis).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    error.to_string()
}

/// Whether a value gets there and back.
async fn works(cache: &Cache) -> bool {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = NEXT.fetch_add(1, SeqCst) % 256;
    Cache::scope(cache.clone(), async {
        large(id).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        large(id).explain().await.unwrap().source == Source::Redis
    })
    .await
}

async fn until_works(cache: &Cache) {
    let begun = Instant::now();
    while !works(cache).await {
        assert!(begun.elapsed() < SOON, "it is not used");
    }
}

#[tokio::test]
async fn entries_and_events_travel_between_processes_as_without() {
    if !speaks_tls() {
        return;
    }
    let authority = Authority::new();
    let server = Server::secured(
        &authority,
        &authority.issue(&["127.0.0.1", "localhost"]),
        &NO_CLIENTS,
    );
    let tls = Tls::new().roots(authority.pem.as_str());
    let one = build(believing(&server, &authority)).await.unwrap();
    let other = Redis::server("localhost", server.port()).tls(tls);
    let other = build(other).await.unwrap();

    let read = |cache: &Cache| Cache::scope(cache.clone(), row(7));
    assert_eq!(read(&one).await, 1);
    filled(&one, "row").await;
    let found = Cache::scope(other.clone(), row(7).explain()).await;
    assert_eq!(found.unwrap().source, Source::Redis);
    Cache::scope(one.clone(), write(7, 2)).await;
    assert_eq!(read(&one).await, 2);
    let begun = Instant::now();
    while read(&other).await != 2 {
        assert!(begun.elapsed() < SOON, "the other process hears of it");
    }
    // Over the connection for large values as well.
    assert!(works(&one).await);
}

#[tokio::test]
async fn a_certificate_by_an_authority_that_nobody_believes_is_refused() {
    if !speaks_tls() {
        return;
    }
    let authority = Authority::new();
    let server = server(&authority);
    let message = refused(server.url()).await;
    assert!(message.contains("`Tls::roots`"), "{message}");
    let message = refused(believing(&server, &Authority::new())).await;
    assert!(message.contains("certificate of `127.0.0.1`"), "{message}");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused_unless_it_is_named() {
    if !speaks_tls() {
        return;
    }
    let authority = Authority::new();
    let identity = authority.issue(&["redis.internal"]);
    let server = Server::secured(&authority, &identity, &NO_CLIENTS);
    let message = refused(believing(&server, &authority)).await;
    assert!(message.contains("`Tls::server_name`"), "{message}");
    let tls = Tls::new().roots(authority.pem.as_str());
    let named = Redis::from(server.url()).tls(tls.server_name("redis.internal"));
    assert!(works(&build(named).await.unwrap()).await);
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_is_given_one_or_says_so() {
    if !speaks_tls() {
        return;
    }
    let authority = Authority::new();
    let identity = authority.issue(&["127.0.0.1"]);
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let server = Server::secured(&authority, &identity, &["--tls-protocols", protocol]);
        let message = refused(believing(&server, &authority)).await;
        assert!(message.contains("`Tls::client_certificate`"), "{message}");

        let with = |Identity { certificate, key }: Identity| {
            let tls = Tls::new().roots(authority.pem.as_str());
            Redis::from(server.url()).tls(tls.client_certificate(certificate, key))
        };
        let stranger = Authority::new().issue(&["shop"]);
        let message = refused(with(stranger)).await;
        assert!(message.contains("`Tls::client_certificate`"), "{message}");
        let cache = build(with(authority.issue(&["shop"]))).await.unwrap();
        assert!(works(&cache).await, "{protocol}");
    }
}

#[tokio::test]
async fn a_port_without_tls_and_a_client_without_it_are_told() {
    if !speaks_tls() {
        return;
    }
    // It waits for the end of what it takes for a line.
    let plain = Server::start();
    let error = build(format!("rediss://127.0.0.1:{}/", plain.port())).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("TLS"), "{error}");

    let secured = server(&Authority::new());
    let url = format!("redis://127.0.0.1:{}/", secured.port());
    let error = build(url).await.unwrap_err();
    assert!(error.to_string().contains("`rediss://`"), "{error}");
}

#[tokio::test]
async fn a_user_signs_in_over_tls_and_a_wrong_password_is_not_shown() {
    if !speaks_tls() {
        return;
    }
    let authority = Authority::new();
    let server = server(&authority);
    server.command(&[
        "ACL", "SETUSER", "shop", "on", ">s3cret", "~*", "&*", "+@all",
    ]);
    server.command(&["ACL", "SETUSER", "default", "off"]);
    let redis = || believing(&server, &authority);
    let message = refused(redis()).await;
    assert!(message.contains("asks for a password"), "{message}");
    let message = refused(redis().user("shop", "hush")).await;
    assert!(!message.contains("hush"), "{message}");
    let cache = build(redis().user("shop", "s3cret")).await.unwrap();
    assert!(works(&cache).await);
}

#[tokio::test]
async fn a_server_that_comes_back_with_a_new_certificate_is_believed_again() {
    if !speaks_tls() {
        return;
    }
    let authority = Authority::new();
    let mut server = server(&authority);
    let cache = build(believing(&server, &authority)).await.unwrap();
    assert!(works(&cache).await);
    server.kill();
    server.secure(&authority, &authority.issue(&["127.0.0.1"]));
    server.start_again();
    until_works(&cache).await;

    // Another authority has signed this one: it is not used, and calls come all the same.
    server.kill();
    server.secure(&authority, &Authority::new().issue(&["127.0.0.1"]));
    server.start_again();
    for _ in 0..20 {
        assert!(!works(&cache).await);
    }
}

#[tokio::test]
async fn a_server_that_hangs_in_the_handshake_costs_a_second_at_most() {
    if !speaks_tls() {
        return;
    }
    let authority = Authority::new();
    let server = server(&authority);
    server.pause();
    let begun = Instant::now();
    let builder = Cache::builder().redis(believing(&server, &authority));
    let cache = builder.build().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
    server.resume();
    until_works(&cache).await;
}

#[tokio::test]
async fn sentinels_and_servers_are_asked_over_tls_both() {
    if !speaks_tls() {
        return;
    }
    let authority = Authority::new();
    let identity = authority.issue(&["127.0.0.1"]);
    let primary = Server::secured(&authority, &identity, &["--tls-replication", "yes"]);
    let settings = format!("sentinel monitor shop 127.0.0.1 {} 1\n", primary.port());
    let sentinel = Server::secured_sentinel(&authority, &identity, &settings);
    let own = authority.issue(&["shop"]);
    let tls = Tls::new().roots(authority.pem.as_str());
    let sentinels = || Redis::sentinels("shop", [("127.0.0.1", sentinel.port())]);
    let cache = build(sentinels().tls(tls.clone().client_certificate(own.certificate, own.key)));
    assert!(works(&cache.await.unwrap()).await);

    let error = build(sentinels()).await.unwrap_err();
    assert!(error.to_string().contains("sentinel 127.0.0.1"), "{error}");
    let message = refused(sentinels().tls(tls)).await;
    assert!(message.contains("`Tls::client_certificate`"), "{message}");
}

#[tokio::test]
async fn a_cluster_is_asked_over_tls() {
    if !speaks_tls() || !forms_clusters() {
        return;
    }
    let authority = Authority::new();
    let identity = authority.issue(&["127.0.0.1"]);
    let arguments = [&NO_CLIENTS[..], &["--tls-cluster", "yes"]].concat();
    let node = Server::secured_node(&authority, &identity, &arguments);
    assert_eq!(
        node.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]),
        "OK"
    );
    until("it serves its slots", || {
        node.command(&["CLUSTER", "INFO"])
            .contains("cluster_state:ok")
    })
    .await;
    let url = format!("rediss-cluster://127.0.0.1:{}", node.port());
    let message = refused(url.as_str()).await;
    assert!(message.contains("`Tls::roots`"), "{message}");
    let tls = Tls::new().roots(authority.pem.as_str());
    let cache = build(Redis::from(url).tls(tls)).await.unwrap();
    assert!(works(&cache).await);
}
