//! What is said where a Redis or its user can do less than the cache asks for, and that the cache goes on.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use cache_core::{Cache, ErrorKind, Redis, Source};
use tests::{
    SOON,
    clusters::Cluster,
    log::Said,
    rows::{Table, explained, ms, row, within, write},
    sentinels::Watched,
    server::{Server, forms_clusters},
};
use tracing::{Level, subscriber::DefaultGuard};
use tracing_subscriber::{layer::SubscriberExt, registry::Registry};

/// Of a runtime of one thread.
fn listening() -> (Said, DefaultGuard) {
    let said = Said::from(Level::TRACE);
    let subscriber = Registry::default().with(said.clone());
    (said, tracing::subscriber::set_default(subscriber))
}

/// All of it but a few commands.
fn set_user(server: &Server, without: &[&str]) {
    let rules = ["ACL", "SETUSER", "shop", "on", ">hush", "~*", "&*", "+@all"];
    let answer = server.command(&[&rules, without].concat());
    assert_eq!(answer, "OK");
}

fn user(url: &str) -> Redis {
    Redis::from(url).user("shop", "hush")
}

async fn build(redis: Redis) -> Cache {
    let builder = Cache::builder().redis(redis).redis_budget(ms(500));
    builder.require_redis().build().await.unwrap()
}

/// What was said until something was that has these words, and a while after it.
async fn said_until(words: &str, said: &Said) -> Vec<String> {
    let (begun, mut lines) = (Instant::now(), Vec::new());
    while !lines.iter().any(|line: &String| line.contains(words)) {
        assert!(begun.elapsed() < SOON, "nobody says {words}: {lines:#?}");
        tokio::time::sleep(ms(20)).await;
        lines.extend(said.take());
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    lines.extend(said.take());
    lines
}

fn count(lines: &[String], words: &str) -> usize {
    lines.iter().filter(|line| line.contains(words)).count()
}

/// What one process loads the other finds, and what one changes the other does not serve, heard of or not.
async fn both_are_right(one: &Cache, other: &Cache) {
    let table = Table::default();
    for id in 0..5 {
        assert_eq!(within(one, row(&table, id)).await, table.value());
        let begun = Instant::now();
        while explained(other, row(&table, id)).await.source != Source::Redis {
            assert!(begun.elapsed() < SOON, "it is not shared");
            other.clear();
            tokio::time::sleep(ms(20)).await;
        }
        within(one, write(&table, id)).await;
        let begun = Instant::now();
        while within(other, row(&table, id)).await != table.value() {
            assert!(begun.elapsed() < SOON);
            tokio::time::sleep(ms(20)).await;
        }
        one.clear();
        other.clear();
    }
}

const NO_HELLO: [&str; 3] = ["--rename-command", "HELLO", ""];
const DEAF: &str = "processes do not hear each other's invalidations, and ask instead";

#[tokio::test]
async fn a_server_without_resp3_is_told_of_once_and_asked_instead() {
    let (said, _here) = listening();
    let server = Server::with(&NO_HELLO);
    set_user(&server, &[]);
    let one = build(user(&server.url())).await;
    let lines = said_until("`HELLO 3`", &said).await;
    let told = |line: &&String| line.contains("Redis refuses the connection: still trying");
    let told: Vec<_> = lines.iter().filter(told).collect();
    assert!(told.len() == 1 && told[0].contains(DEAF), "{lines:#?}");
    // Redis quotes the command that it does not know.
    assert_eq!(count(&lines, "hush"), 0, "{lines:#?}");
    let other = build(user(&server.other_url())).await;
    both_are_right(&one, &other).await;
    assert_eq!(other.stats().events.heard, 0);
    assert_eq!(count(&said.take(), "hush"), 0);
}

#[tokio::test]
async fn nodes_of_a_cluster_without_resp3_are_told_of_once_each() {
    if !forms_clusters() {
        return;
    }
    let (said, _here) = listening();
    let cluster = Cluster::with(&NO_HELLO);
    for node in &cluster.nodes {
        set_user(node, &[]);
    }
    let one = build(user(&cluster.url())).await;
    let lines = said_until("`HELLO 3`", &said).await;
    let warned = count(&lines, "Redis refuses the connection: still trying");
    assert_eq!((warned, count(&lines, "hush")), (3, 0), "{lines:#?}");
    let other = build(user(&cluster.other_url())).await;
    both_are_right(&one, &other).await;
}

/// A proxy that hangs up on whoever asks for RESP3.
fn without_hello(server: &Server) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, behind) = (listener.local_addr().unwrap().port(), server.port());
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect((Ipv4Addr::LOCALHOST, behind)).unwrap();
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut from, &mut to));
            thread::spawn(move || pass(client, server));
        }
    });
    port
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let said = &buffer[..count];
        if said.windows(5).any(|word| word == b"HELLO") || to.write_all(said).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[tokio::test]
async fn a_server_that_hangs_up_on_who_listens_is_told_of_once() {
    let (said, _here) = listening();
    let server = Server::start();
    let port = without_hello(&server);
    let one = build(Redis::server("127.0.0.1", port)).await;
    let lines = said_until(DEAF, &said).await;
    assert_eq!(count(&lines, DEAF), 1, "{lines:#?}");
    let other = build(Redis::server("localhost", port)).await;
    both_are_right(&one, &other).await;
}

#[tokio::test]
async fn a_user_who_may_not_look_at_the_cluster_is_told_which_command_it_lacks() {
    if !forms_clusters() {
        return;
    }
    let cluster = Cluster::start();
    for (rule, command) in [
        ("-cluster|info", "`CLUSTER INFO`"),
        ("-cluster|nodes", "`CLUSTER NODES`"),
        ("-time", "`TIME`"),
    ] {
        for node in &cluster.nodes {
            set_user(node, &[rule]);
        }
        let builder = Cache::builder().redis(user(&cluster.url()));
        let error = builder.build().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        let said = error.to_string();
        assert!(said.contains(command), "{said}");
        let way_out = rule.replacen('-', "+", 1);
        assert!(said.contains(&way_out) && said.contains("ACL SETUSER"));
        assert!(
            !said.contains("is down") && !said.contains("hush"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_user_who_may_not_ask_a_sentinel_is_told_which_command_it_lacks() {
    let server = Server::start();
    let settings = format!("sentinel monitor shop 127.0.0.1 {} 1\n", server.port());
    let sentinel = Server::sentinel(&settings, &[]);
    set_user(&sentinel, &["-sentinel"]);
    let redis = || Redis::sentinels("shop", [("127.0.0.1", sentinel.port())]);
    let refused = redis().sentinel_user("shop", "hush");
    let error = Cache::builder().redis(refused).build().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let said = error.to_string();
    assert!(said.contains("+sentinel|get-master-addr-by-name"), "{said}");
    assert!(!said.contains("hush"), "{said}");
    set_user(&sentinel, &["+sentinel|get-master-addr-by-name"]);
    build(redis().sentinel_user("shop", "hush")).await;
}

const HIDDEN: &str = "`INFO replication` without a `master_replid`";

#[tokio::test]
async fn a_user_behind_sentinels_without_info_is_told_what_does_not_hold() {
    let (said, _here) = listening();
    let watched = Watched::start();
    for server in &watched.servers {
        set_user(server, &["-info"]);
    }
    let one = build(user(&watched.url())).await;
    let lines = said_until("but after a failover", &said).await;
    assert_eq!(count(&lines, HIDDEN), 1, "{lines:#?}");
    assert_eq!(count(&lines, "also across failovers"), 0, "{lines:#?}");
    let elsewhere = watched.url().replace("127.0.0.1", "localhost");
    both_are_right(&one, &build(user(&elsewhere)).await).await;
}

#[tokio::test]
async fn a_user_of_a_cluster_without_info_is_told_what_does_not_hold() {
    if !forms_clusters() {
        return;
    }
    let (said, _here) = listening();
    let cluster = Cluster::start();
    for node in &cluster.nodes {
        set_user(node, &["-info"]);
    }
    let one = build(user(&cluster.url())).await;
    let lines = said_until("but after a failover", &said).await;
    assert_eq!(count(&lines, HIDDEN), 3, "one for each: {lines:#?}");
    assert_eq!(count(&lines, "also across failovers"), 0, "{lines:#?}");
    both_are_right(&one, &build(user(&cluster.other_url())).await).await;
}
