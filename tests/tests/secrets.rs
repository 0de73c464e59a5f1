//! Passwords and private keys are in nothing that is said or shown, whatever goes wrong.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{error::Error as _, fmt::Debug, time::Instant};

use cache_core::{Cache, CachedCall, ErrorKind, Redis, Tls};
use tests::{
    SOON,
    authority::Authority,
    clusters::Cluster,
    log::Said,
    rows::{RowChanged, Table, ms, row, within, write},
    server::{Server, forms_clusters, speaks_tls},
};
use tracing_subscriber::{layer::SubscriberExt, registry::Registry};

/// Part of every password, as it is and as a URL has it.
const SECRET: &str = "s3cret";
const RIGHT: (&str, &str) = ("r@ght/s3cret", "r%40ght%2Fs3cret");
const WRONG: (&str, &str) = ("wr:ng s3cret", "wr%3Ang%20s3cret");

/// Of every server, from its start on.
const USER: [&str; 7] = ["--user", "shop", "on", ">r@ght/s3cret", "~*", "&*", "+@all"];

/// All that a test has been shown.
struct Seen {
    said: Said,
    shown: Vec<String>,
    /// Parts of private keys.
    secrets: Vec<String>,
}

impl Seen {
    fn of(said: Said) -> Self {
        let secrets = vec![SECRET.to_owned()];
        let shown = Vec::new();
        Self {
            said,
            shown,
            secrets,
        }
    }

    fn show(&mut self, what: &impl Debug) {
        self.shown.push(format!("{what:?} {what:#?}"));
    }

    fn show_error(&mut self, error: &cache_core::Error) {
        self.show(error);
        self.shown.push(error.to_string());
        let mut source = error.source();
        while let Some(error) = source {
            self.shown.push(format!("{error} {error:?}"));
            source = error.source();
        }
    }

    /// Nothing of it is secret. Something was said that has these words: else nobody would have listened.
    fn has_no_secret(mut self, words: &[&str]) {
        let said = self.said.take();
        for words in words {
            let found = said.iter().any(|line| line.contains(words));
            assert!(found, "nobody says `{words}`: {said:#?}");
        }
        self.shown.extend(said);
        for secret in &self.secrets {
            for line in &self.shown {
                assert!(!line.contains(secret.as_str()), "{line}");
            }
        }
    }
}

/// As a URL says it, and as the builder does.
fn ways(url: &str, tls: Option<&Tls>, password: (&str, &str)) -> Vec<Redis> {
    let signed = url.replacen("://", &format!("://shop:{}@", password.1), 1);
    let builder = Redis::from(url).user("shop", password.0);
    let ways = [Redis::from(signed), builder];
    let secured = ways.into_iter().map(|redis| match tls {
        Some(tls) => redis.tls(tls.clone()),
        None => redis,
    });
    secured.collect()
}

/// What cannot be understood, each with a secret somewhere.
fn nonsense(url: &str) -> Vec<Redis> {
    let (scheme, place) = url.split_once("://").unwrap();
    let place = place.trim_end_matches('/');
    let urls = [
        format!("{scheme}s3cret://{place}"),
        format!("{scheme}://shop:s3cret@"),
        format!("{scheme}://s3cret@{place}"),
        format!("{scheme}://shop:%ffs3cret@{place}"),
        format!("{scheme}://shop:a@{place}/s3cret"),
        format!("{scheme}://shop:a@{place}?password=s3cret"),
        format!("{scheme}://shop:a@{place}#s3cret"),
    ];
    let mut all: Vec<_> = urls.iter().map(Redis::from).collect();
    if !url.contains("sentinel") {
        all.push(Redis::from(url).sentinel_password("s3cret"));
    }
    all
}

/// Everything that may be said of a password.
async fn everything(seen: &mut Seen, (url, tls): (&str, Option<&Tls>), servers: &mut [Server]) {
    for redis in nonsense(url) {
        let builder = Cache::builder().redis(redis.clone());
        seen.show(&redis);
        seen.show(&builder);
        let error = builder.build().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
        seen.show_error(&error);
    }
    let own = Redis::from(url).password(WRONG.0);
    let own = tls.iter().fold(own, |redis, tls| redis.tls((*tls).clone()));
    for redis in ways(url, tls, WRONG).into_iter().chain([own]) {
        let builder = Cache::builder().redis(redis.clone());
        seen.show(&redis);
        seen.show(&builder);
        let error = builder.build().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        seen.show_error(&error);
    }
    for redis in ways(url, tls, RIGHT) {
        let builder = Cache::builder().redis(redis).redis_budget(ms(500));
        seen.show(&builder);
        let cache = builder.require_redis().build().await.unwrap();
        one_is_filled(&cache).await;
        troubles(seen, &cache, servers).await;
        seen.show(&cache);
        seen.show(&cache.stats());
        seen.shown.push(cache.stats().to_string());
        seen.show(&cache.close(SOON).await);
    }
}

/// Something is written to Redis: not always the first row, where a node of a cluster has just come back.
async fn one_is_filled(cache: &Cache) {
    let table = Table::default();
    let fills = || cache.stats().function("row").map_or(0, |it| it.redis_fills);
    let begun = Instant::now();
    for id in 0.. {
        within(cache, row(&table, id)).await;
        tokio::time::sleep(ms(20)).await;
        if fills() > 0 {
            return;
        }
        assert!(begun.elapsed() < SOON, "no row is written to Redis");
    }
}

/// A server goes, comes back, and knows another password, while there are calls.
async fn troubles(seen: &mut Seen, cache: &Cache, servers: &mut [Server]) {
    let table = Table::default();
    servers[0].kill();
    for id in 0..20 {
        within(cache, write(&table, id)).await;
        let answer = within(cache, row(&table, id).explain()).await.unwrap();
        seen.shown.push(format!("{answer} {answer:?}"));
        if let Err(error) = within(cache, cache.emit(RowChanged { id })).await {
            seen.show_error(&error);
        }
        tokio::time::sleep(ms(20)).await;
    }
    servers[0].start_again();
    for password in ["anothers3cret", RIGHT.0] {
        for server in servers.iter() {
            server.command(&[
                "ACL",
                "SETUSER",
                "shop",
                "resetpass",
                &format!(">{password}"),
            ]);
            server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
            server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
        }
        for id in 0..20 {
            within(cache, row(&table, id)).await;
            tokio::time::sleep(ms(50)).await;
        }
    }
    let begun = Instant::now();
    while let Err(error) = within(cache, cache.emit(RowChanged { id: 1 })).await {
        seen.show_error(&error);
        assert!(begun.elapsed() < SOON, "{error}");
        tokio::time::sleep(ms(50)).await;
    }
}

const REFUSED: &str = "Redis refuses the user or the password";

#[tokio::test]
async fn of_one_server_nothing_secret_is_said() {
    let said = Said::everything();
    let _here = tracing::subscriber::set_default(Registry::default().with(said.clone()));
    let mut seen = Seen::of(said);
    let server = Server::with(&USER);
    let url = server.url();
    everything(&mut seen, (&url, None), &mut [server]).await;
    seen.has_no_secret(&[REFUSED, "connected to Redis again", "lost the connection"]);
}

#[tokio::test]
async fn of_a_server_over_tls_nothing_secret_is_said() {
    if !speaks_tls() {
        return;
    }
    let said = Said::everything();
    let _here = tracing::subscriber::set_default(Registry::default().with(said.clone()));
    let mut seen = Seen::of(said);
    let authority = Authority::new();
    let server = Server::secured(&authority, &authority.issue(&["127.0.0.1"]), &USER);
    let client = authority.issue(&["shop"]);
    seen.secrets
        .extend(client.key.lines().nth(1).map(str::to_owned));
    let tls = Tls::new().roots(authority.pem.as_str());
    let tls = tls.client_certificate(client.certificate, client.key);
    seen.show(&tls);
    let url = server.url();
    everything(&mut seen, (&url, Some(&tls)), &mut [server]).await;
    seen.has_no_secret(&[REFUSED, "connected to Redis again", "lost the connection"]);
}

#[tokio::test]
async fn of_a_cluster_nothing_secret_is_said() {
    if !forms_clusters() {
        return;
    }
    let said = Said::everything();
    let _here = tracing::subscriber::set_default(Registry::default().with(said.clone()));
    let mut seen = Seen::of(said);
    let mut cluster = Cluster::with(&USER);
    let url = cluster.url();
    everything(&mut seen, (&url, None), &mut cluster.nodes).await;
    seen.has_no_secret(&[REFUSED, "connected to Redis", "lost the connection"]);
}
