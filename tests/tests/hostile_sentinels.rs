//! Sentinels that answer anything: calls are right and in time, nothing panics, nothing grows, and who is asked again when
//! they tell the truth is the primary.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may fail")]

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    panic,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use cache_core::{Cache, Redis};
use tests::{
    Random, SOON,
    anything::{anything, change, far, resident, row},
    on_both_runtimes,
    rows::RowChanged,
    server::Server,
};

/// How often something else was said than the truth.
static LIES: AtomicUsize = AtomicUsize::new(0);

/// Knows one service, and says of it where its primary is, or anything.
fn sentinel(primary: u16, is_honest: &Arc<AtomicBool>, seed: u64) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let is_honest = Arc::clone(is_honest);
    thread::spawn(move || {
        for (number, client) in (0..).zip(listener.incoming().map_while(Result::ok)) {
            let is_honest = Arc::clone(&is_honest);
            let random = Random::of_seed(1_000 * seed + number);
            thread::spawn(move || converse(&client, primary, &is_honest, &random));
        }
    });
    port
}

fn address(host: &str, port: &str) -> Vec<u8> {
    let (of_host, of_port) = (host.len(), port.len());
    format!("*2\r\n${of_host}\r\n{host}\r\n${of_port}\r\n{port}\r\n").into_bytes()
}

fn lie(random: &Random) -> Vec<u8> {
    match random.below(6) {
        0 => {
            let host = random.one_of(&[
                "127.0.0.1",
                "localhost",
                "",
                "::1",
                "no such host",
                "\u{0}",
                "\u{1b}[2J",
            ]);
            address(
                host,
                random.one_of(&["1", "0", "65535", "65536", "-1", "x", "6379\n"]),
            )
        }
        1 => address(&"x".repeat(random.below(300_000)), "6379"),
        2 => b"$-1\r\n".to_vec(),
        _ => anything(random),
    }
}

fn converse(
    mut client: &TcpStream,
    primary: u16,
    is_honest: &AtomicBool,
    random: &Random,
) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut line = || {
        let mut line = String::new();
        let count = reader.read_line(&mut line).ok()?;
        (count > 0).then(|| line.trim_end().to_owned())
    };
    loop {
        let count: usize = line()?.strip_prefix('*')?.parse().ok()?;
        for _ in 0..2 * count {
            line()?;
        }
        let answer = if is_honest.load(Relaxed) {
            address("127.0.0.1", &primary.to_string())
        } else {
            LIES.fetch_add(1, Relaxed);
            lie(random)
        };
        client.write_all(&answer).ok()?;
    }
}

async fn call(cache: Cache, is_honest: Arc<AtomicBool>, mut id: u64) {
    row(id).await;
    is_honest.store(false, Relaxed);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
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
    is_honest.store(true, Relaxed);
    let begun = Instant::now();
    while cache.emit(RowChanged { id: 1 }).await.is_err() {
        assert!(begun.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn whatever_sentinels_answer_calls_are_right_in_time_and_small() {
    static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    panic::set_hook(Box::new(|info| {
        PANICS.lock().unwrap().push(info.to_string());
    }));
    let server = Server::start();
    on_both_runtimes(|_| async {
        let before = resident();
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..4 {
            let is_honest = Arc::new(AtomicBool::new(true));
            let ports = (0..3).map(|place| sentinel(server.port(), &is_honest, 3 * number + place));
            let redis = Redis::sentinels("shop", ports.map(|port| ("127.0.0.1", port)));
            let builder = Cache::builder().namespace("untrusted").redis(redis);
            let cache = builder.require_redis().build().await.unwrap();
            // It has to ask them anew now and then.
            let killed = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            assert!(killed.parse::<u64>().is_ok(), "{killed}");
            let calls_of_one = call(cache.clone(), is_honest, 1_000 * number);
            calls.spawn(Cache::scope(cache, calls_of_one));
        }
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        }
        while let Some(ended) = calls.join_next().await {
            ended.unwrap();
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 300 << 10, "{grown} kB");
    });
    let lies = LIES.load(Relaxed);
    assert!(lies > 100, "{lies}");
    let panics = PANICS.lock().unwrap();
    assert!(panics.is_empty(), "{panics:#?}");
}
