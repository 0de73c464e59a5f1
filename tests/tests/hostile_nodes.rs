//! A node of a cluster, or somebody between it and us, that says anything of who has which slot.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{
    fmt::Write as _,
    panic,
    sync::{Mutex, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, Source};
use tests::{
    Random, SOON,
    anything::{Between, add_anything, change, far, resident, row},
    rows::RowChanged,
    server::{Server, forms_clusters},
};

/// Who has what, as nobody would say it.
fn nodes(random: &Random) -> String {
    let mut text = String::new();
    for id in 0..random.one_of(&[0, 1, 3, 50, 300]) {
        let host = random.one_of(&[
            "127.0.0.1",
            "127.0.0.2",
            "",
            "no such host",
            "\u{1b}[2J",
            "::1",
        ]);
        // Nobody listens there, or what does is no node.
        let port = random.one_of(&[0, 1, 2, 3, 70_000]) + random.below(9);
        let flags = random.one_of(&[
            "master",
            "myself,master",
            "master,fail",
            "slave",
            "handshake",
            "",
        ]);
        let epoch = random.one_of(&["0", "7", "18446744073709551615", "-1"]);
        let slots = random.one_of(&[
            "0-16383",
            "0",
            "16383-0",
            "5-99999",
            "[0->-0]",
            "[5->-1] 7",
            "x",
            "",
        ]);
        writeln!(
            text,
            "{id} {host}:{port}@1 {flags} - 0 0 {epoch} connected {slots}"
        )
        .unwrap();
    }
    text
}

fn lie(random: &Random, answer: &mut Vec<u8>) {
    let is_of_nodes = answer.windows(13).any(|words| words == b"myself,master");
    match random.below(4) {
        0 => add_anything(random, answer),
        1 if is_of_nodes => {
            let all = "0-16383 ".repeat(random.below(200_000));
            let text = format!("a 127.0.0.1:1@1 myself,master - 0 0 9 connected {all}");
            *answer = format!("${}\r\n{text}\r\n", text.len()).into_bytes();
        }
        _ if is_of_nodes => {
            let text = nodes(random);
            *answer = format!("${}\r\n{text}\r\n", text.len()).into_bytes();
        }
        _ => {}
    }
}

async fn call(between: Between) {
    between.is_honest.store(false, Relaxed);
    let (begun, mut id) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(8) {
        id += 1;
        let asked = Instant::now();
        assert_eq!(row(id).await, format!("row {id}"));
        assert_eq!(far(id % 50).await, format!("far {}", id % 50));
        if id.is_multiple_of(5) {
            change(id % 50).await;
        }
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    between.is_honest.store(true, Relaxed);
    let (begun, cache) = (Instant::now(), Cache::current());
    while cache.emit(RowChanged { id: 1 }).await.is_err() {
        assert!(begun.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while far(7).explain().await.unwrap().source != Source::Redis {
        assert!(begun.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_node_says_of_slots_calls_are_right_in_time_and_small() {
    static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    if !forms_clusters() {
        return;
    }
    panic::set_hook(Box::new(|info| {
        PANICS.lock().unwrap().push(info.to_string());
    }));
    let between = Between::of(0);
    let port = between.listen(4, lie);
    let announced = [
        "--cluster-announce-ip",
        "127.0.0.1",
        "--cluster-announce-port",
    ];
    let node = Server::node(&[&announced[..], &[&port.to_string()]].concat());
    between.behind.store(node.port(), Relaxed);
    between.is_honest.store(true, Relaxed);
    assert_eq!(
        node.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]),
        "OK"
    );
    tests::until("it serves its slots", || {
        node.command(&["CLUSTER", "INFO"])
            .contains("cluster_state:ok")
    })
    .await;
    let before = resident();
    let mut calls = tokio::task::JoinSet::new();
    for name in ["one", "two", "three"] {
        let builder = Cache::builder().namespace(name);
        let redis = format!("redis-cluster://127.0.0.1:{port}");
        let cache = builder.redis(redis).require_redis().build().await.unwrap();
        calls.spawn(Cache::scope(cache, call(between.clone())));
    }
    while let Some(ended) = calls.join_next().await {
        ended.unwrap();
    }
    let grown = resident().saturating_sub(before);
    let lies = between.lies.load(Relaxed);
    println!("{lies} lies, {grown} kB");
    assert!(grown < 300 << 10, "{grown} kB");
    assert!(lies > 50, "{lies}");
    let panics = PANICS.lock().unwrap();
    assert!(panics.is_empty(), "{panics:#?}");
}
