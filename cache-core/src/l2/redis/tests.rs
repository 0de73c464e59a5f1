//! Against real servers, and some that only pretend.

mod addresses;
mod channel;
mod faults;
mod runtimes;
mod server;
mod tags;
pub(super) mod values;

use std::{
    future::poll_fn,
    task::Poll,
    time::{Duration, Instant, SystemTime},
};

use server::{Server, bulk, pretend, recent};

use super::{reads::PLACES, *};

const SOON: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(1);

async fn bounded<T>(body: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(20);
    timeout(limit, body).await.expect("the test ends in time")
}

async fn open(url: &str) -> RedisStore {
    let (store, reason) = RedisStore::connect(Redis::from(url).address().unwrap(), PATIENCE)
        .await
        .unwrap();
    assert_eq!(reason, None);
    store
}

fn set(key: &str, bytes: impl Into<Vec<u8>>) -> Write {
    Write::Set {
        key: key.into(),
        bytes: bytes.into(),
        milliseconds: 60_000,
    }
}

fn delete(key: &str) -> Write {
    Write::Delete { key: key.into() }
}

async fn get(store: &RedisStore, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
    store.get(key, 100, SOON).await
}

async fn put(store: &RedisStore, key: &str, bytes: &[u8]) {
    let results = store.write(vec![set(key, bytes)], SOON).await;
    assert_eq!(results, [Ok(())]);
}

async fn poll_once<T>(future: &mut Pending<'_, T>) -> Poll<T> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

/// Waits until something holds, at most so long.
async fn until<F: AsyncFnMut() -> bool>(limit: Duration, mut holds: F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < limit, "not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn values_are_written_read_and_deleted() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&format!("{}/3", server.url())).await;
        assert_eq!(get(&store, "a").await, Ok(None));
        let writes = vec![set("a", "one"), set("b", ""), delete("c"), set("a", "two")];
        assert_eq!(store.write(writes, SOON).await, vec![Ok(()); 4]);
        assert_eq!(get(&store, "a").await, Ok(Some(b"two".to_vec())));
        assert_eq!(get(&store, "b").await, Ok(Some(Vec::new())));
        assert_eq!(store.write(vec![delete("a")], SOON).await, [Ok(())]);
        assert_eq!(get(&store, "a").await, Ok(None));
        assert_eq!(store.write(Vec::new(), SOON).await, []);
        assert!(server.command(&["INFO", "keyspace"]).contains("db3:keys=1"));
    })
    .await;
}

#[tokio::test]
async fn a_value_lives_as_long_as_it_was_told_and_at_least_a_moment() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let lives = [0, 60_000, u64::MAX];
        let writes = lives.map(|milliseconds| Write::Set {
            key: milliseconds.to_string(),
            bytes: b"v".to_vec(),
            milliseconds,
        });
        assert_eq!(store.write(writes.into(), SOON).await, vec![Ok(()); 3]);
        let left = server.command(&["PTTL", "60000"]);
        let left: u64 = left.strip_prefix(':').unwrap().parse().unwrap();
        assert!(left > 50_000 && left <= 60_000);
        until(SOON, async || get(&store, "0").await == Ok(None)).await;
        assert_eq!(
            get(&store, &u64::MAX.to_string()).await,
            Ok(Some(b"v".to_vec()))
        );
    })
    .await;
}

#[tokio::test]
async fn what_is_of_another_type_says_so_and_a_write_replaces_it() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        server.command(&["LPUSH", "list", "x"]);
        assert_eq!(get(&store, "list").await, Err(StoreError::OtherType));
        put(&store, "list", b"value").await;
        assert_eq!(get(&store, "list").await, Ok(Some(b"value".to_vec())));
    })
    .await;
}

#[tokio::test]
async fn each_of_500_reads_gets_its_own_value_and_few_commands_are_sent() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let keys: Vec<String> = (0..500).map(|n| format!("key:{n}")).collect();
        let writes = keys.iter().map(|key| set(key, key.as_bytes()));
        let written = store.write(writes.step_by(2).collect(), SOON).await;
        assert!(written.iter().all(Result::is_ok));
        let store = Arc::new(store);
        let reads: Vec<_> = keys
            .iter()
            .map(|key| {
                let (store, key) = (Arc::clone(&store), key.clone());
                tokio::spawn(async move { get(&store, &key).await })
            })
            .collect();
        for (n, read) in reads.into_iter().enumerate() {
            let expected = (n % 2 == 0).then(|| keys[n].clone().into_bytes());
            assert_eq!(read.await.unwrap(), Ok(expected));
        }
        let (alone, many) = (server.calls("get"), server.calls("mget"));
        assert!(alone + many < 50, "{alone} GET and {many} MGET");
        assert!(many >= 500 / 64);
    })
    .await;
}

#[tokio::test]
async fn one_reader_is_never_made_to_wait_for_a_batch() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        for _ in 0..20 {
            assert_eq!(get(&store, "a").await, Ok(None));
        }
        assert_eq!((server.calls("get"), server.calls("mget")), (20, 0));
    })
    .await;
}

#[tokio::test]
async fn large_values_take_a_second_connection_that_is_made_at_first_need() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let large: Vec<u8> = (0..500_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        put(&store, "small", b"v").await;
        assert_eq!(server.connections("cache-core-bulk"), 0);
        put(&store, "large", &large).await;
        until(SOON, async || store.bulk.is_up()).await;
        assert_eq!(store.get("large", large.len(), SOON).await, Ok(Some(large)));
        assert_eq!(server.connections("cache-core-bulk"), 1);
        assert_eq!(server.connections("cache-core"), 1);
        let list = server.command(&["CLIENT", "LIST"]);
        let bulk = list.lines().find(|line| line.contains("cache-core-bulk"));
        assert!(bulk.unwrap().contains("cmd=get"));
    })
    .await;
}

#[tokio::test]
async fn a_unix_socket_serves_as_well() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&format!("unix://{}?db=2", server.socket().display())).await;
        put(&store, "a", b"v").await;
        assert_eq!(get(&store, "a").await, Ok(Some(b"v".to_vec())));
        assert!(server.command(&["INFO", "keyspace"]).contains("db2:keys=1"));
    })
    .await;
}

#[tokio::test]
async fn the_servers_clock_lies_between_the_bounds() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        for _ in 0..3 {
            let before = micros_since_1970();
            let time = store.time().unwrap();
            let later = micros_since_1970();
            // The server's clock is this machine's.
            assert!(time.earliest <= later && before <= time.latest, "{time:?}");
            assert!(time.latest - time.earliest < 250_000);
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
    })
    .await;
}

fn micros_since_1970() -> u64 {
    let elapsed = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    u64::try_from(elapsed.as_micros()).unwrap()
}

#[tokio::test]
async fn dropped_callers_mix_up_nothing() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let writes = (0..100).map(|n| set(&format!("k{n}"), format!("v{n}")));
        store.write(writes.collect(), SOON).await;
        let store = Arc::new(store);
        let readers: Vec<_> = (0..16_u64)
            .map(|seed| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let mut random = seed + 1;
                    let mut answers = 0;
                    for _ in 0..300 {
                        random = random
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1);
                        let n = (random >> 33) % 100;
                        let wait = Duration::from_micros((random >> 40) % 400);
                        let key = format!("k{n}");
                        let read = timeout(wait, get(&store, &key)).await;
                        if let Ok(answer) = read {
                            assert_eq!(answer, Ok(Some(format!("v{n}").into_bytes())));
                            answers += 1;
                        }
                    }
                    answers
                })
            })
            .collect();
        let mut answers = 0;
        for reader in readers {
            answers += reader.await.unwrap();
        }
        assert!(
            (1..16 * 300).contains(&answers),
            "{answers} of 4800 were awaited"
        );
        assert_eq!(get(&store, "k7").await, Ok(Some(b"v7".to_vec())));
    })
    .await;
}

#[tokio::test]
async fn a_dropped_store_leaves_no_connection() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        put(&store, "large", &vec![0; LARGE]).await;
        until(SOON, async || server.connections("cache-core-bulk") == 1).await;
        drop(store);
        until(SOON, async || {
            server.connections("cache-core") + server.connections("cache-core-bulk") == 0
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_reply_of_another_shape_is_refused() {
    let port = pretend(|command| match command[0].as_str() {
        "GET" => ":7\r\n".into(),
        "MGET" => format!("*1\r\n{}", bulk("v")),
        "SET" => "*0\r\n".into(),
        _ => recent(command),
    });
    bounded(async {
        let store = Arc::new(open(&format!("redis://127.0.0.1:{port}")).await);
        let refused = |result: &StoreError| matches!(result, StoreError::Refused(_));
        let reads: Vec<_> = (0..20)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { get(&store, &n.to_string()).await })
            })
            .collect();
        for read in reads {
            assert!(refused(&read.await.unwrap().unwrap_err()));
        }
        let results = store.write(vec![set("a", "v")], SOON).await;
        assert!(refused(results[0].as_ref().unwrap_err()));
    })
    .await;
}
