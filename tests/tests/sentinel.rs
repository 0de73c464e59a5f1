//! A service that sentinels watch: the cache finds its primary, and the next one, and loses nothing but time.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_core::{Cache, CachedCall, ErrorKind, Event, Source, cached};
use tests::{log::Said, sentinels::Watched, server::Server, until};
use tracing_subscriber::layer::SubscriberExt as _;

const BUDGET: Duration = Duration::from_millis(100);
/// What a busy machine with seven servers may add to a call.
const SLACK: Duration = Duration::from_millis(900);
/// Where an election decides.
const LONG: Duration = Duration::from_mins(2);

/// A row is another one.
#[derive(Debug, Event)]
pub struct RowChanged {
    /// Which.
    pub id: u64,
}

static SOURCE: AtomicU64 = AtomicU64::new(0);

#[cached(ttl = 1h, invalidate_on = RowChanged { id })]
async fn row(id: u64) -> u64 {
    let _ = id;
    SOURCE.load(SeqCst)
}

#[cached(ttl = 1h, tiers = redis)]
async fn plain(id: u64) -> String {
    format!("value {id}")
}

async fn process(url: &str) -> Cache {
    let builder = Cache::builder().redis(url).redis_budget(BUDGET);
    builder.require_redis().build().await.unwrap()
}

/// Whether what one process loads another finds.
async fn is_shared(one: &Cache, other: &Cache, id: u64) -> bool {
    Cache::scope(one.clone(), plain(id)).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let answer = Cache::scope(other.clone(), plain(id).explain()).await;
    answer.unwrap().source == Source::Redis
}

/// How long it takes until it does.
async fn until_shared(one: &Cache, other: &Cache) -> Duration {
    static NEXT: AtomicU64 = AtomicU64::new(1_000);
    let begun = Instant::now();
    while !is_shared(one, other, NEXT.fetch_add(1, SeqCst)).await {
        assert!(begun.elapsed() < LONG, "not shared again");
    }
    begun.elapsed()
}

/// Calls in the background, which all come in time.
struct Callers {
    end: Arc<AtomicBool>,
    calls: tokio::task::JoinHandle<Duration>,
}

impl Callers {
    fn of(cache: &Cache) -> Self {
        let end = Arc::<AtomicBool>::default();
        let ends = Arc::clone(&end);
        let calls = tokio::spawn(Cache::scope(cache.clone(), async move {
            let mut slowest = Duration::ZERO;
            for id in 0.. {
                let begun = Instant::now();
                assert_eq!(plain(id % 50).await, format!("value {}", id % 50));
                slowest = slowest.max(begun.elapsed());
                if ends.load(SeqCst) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            slowest
        }));
        Self { end, calls }
    }

    async fn end(self) {
        self.end.store(true, SeqCst);
        let slowest = self.calls.await.unwrap();
        assert!(slowest < BUDGET + SLACK, "a call took {slowest:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a busy machine elects nobody for minutes now and then"]
async fn the_primary_is_found_and_after_a_failover_the_next_one() {
    let mut watched = Watched::start();
    let (one, other) = (process(&watched.url()).await, process(&watched.url()).await);
    until_shared(&one, &other).await;
    let callers = Callers::of(&one);

    // One that is gone, and later is there again, empty and writable for a while.
    watched.servers[0].kill();
    let next = watched.wait_for_another_than(0);
    let took = until_shared(&one, &other).await;
    println!("shared again {took:?} after there was a primary");
    watched.servers[0].start_again();
    tokio::time::sleep(Duration::from_secs(3)).await;
    until_shared(&one, &other).await;
    let left = watched.servers[0].clients("cache-core");
    assert!(left.is_empty(), "nobody of us is at the former primary");

    // One that hangs.
    watched.servers[next].pause();
    let third = watched.wait_for_another_than(next);
    let took = until_shared(&one, &other).await;
    println!("shared again {took:?} after there was a primary");
    assert_ne!(third, next);
    watched.servers[next].resume();
    tokio::time::sleep(Duration::from_secs(1)).await;
    until_shared(&one, &other).await;
    callers.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a busy machine elects nobody for minutes now and then"]
async fn what_is_invalidated_stays_so_through_failovers() {
    let watched = Watched::start();
    let bound = Duration::from_secs(1);
    let build = async || {
        let builder = Cache::builder().redis(watched.url()).redis_budget(BUDGET);
        builder.staleness_bound(bound).build().await.unwrap()
    };
    let (writer, reader) = (build().await, build().await);
    let read = async |cache: &Cache| Cache::scope(cache.clone(), row(7)).await;
    let mut primary = 0;
    for _ in 0..2 {
        let changes = async |count: u64| {
            for _ in 0..count {
                read(&reader).await;
                let now = SOURCE.fetch_add(1, SeqCst) + 1;
                // Acknowledged or not, this process knows.
                let _ = writer.emit(RowChanged { id: 7 }).await;
                assert_eq!(read(&writer).await, now, "an own mutation had returned");
            }
        };
        changes(10).await;
        watched.servers[primary].pause();
        changes(10).await;
        let next = watched.wait_for_another_than(primary);
        watched.servers[primary].resume();
        changes(10).await;
        until("all is acknowledged", || writer.stats().events.pending == 0).await;
        tokio::time::sleep(bound).await;
        assert_eq!(read(&reader).await, SOURCE.load(SeqCst));
        primary = next;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a busy machine elects nobody for minutes now and then"]
async fn a_primary_that_goes_on_after_another_was_elected_is_left() {
    let watched = Watched::start();
    let (one, other) = (process(&watched.url()).await, process(&watched.url()).await);
    until_shared(&one, &other).await;
    // Whoever operates it wants another one: the former goes on as a replica, behind connections that stay.
    watched.fail_over();
    assert_ne!(watched.primary(), 0);
    until_shared(&one, &other).await;
    until("nobody is at the former primary", || {
        watched.servers[0].clients("cache-core").is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_are_gone_or_hang_cost_nothing_while_one_answers() {
    let mut watched = Watched::start();
    watched.sentinels[0].kill();
    watched.sentinels[1].pause();
    let begun = Instant::now();
    let (one, other) = (process(&watched.url()).await, process(&watched.url()).await);
    until_shared(&one, &other).await;
    println!("connected {:?} with one sentinel of three", begun.elapsed());
    // Nor while none does.
    watched.sentinels[2].kill();
    until_shared(&one, &other).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    until_shared(&one, &other).await;
    watched.sentinels[1].resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_what_is_not_there_is_told_what_to_write() {
    let watched = Watched::start();
    let refused = async |url: &str| {
        let built = Cache::builder().redis(url).build().await;
        let error = built.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        error.to_string()
    };
    let other = watched.url().replace("mymaster", "nobody");
    let message = refused(&other).await;
    assert!(message.contains("knows no service `nobody`"), "{message}");

    // A server that is no sentinel.
    let server = Server::start();
    let url = format!("redis-sentinel://127.0.0.1:{}/mymaster", server.port());
    let message = Cache::builder().redis(url).require_redis().build().await;
    let message = message.unwrap_err().to_string();
    assert!(message.contains("the sentinel 127.0.0.1:"), "{message}");
}

#[tokio::test]
async fn servers_and_sentinels_may_have_passwords_of_their_own() {
    let said = Said::from(tracing::Level::TRACE);
    let _here = tracing::subscriber::set_default(tracing_subscriber::registry().with(said.clone()));
    let watched = Watched::with(
        &["--requirepass", "hush", "--masterauth", "hush"],
        (
            "sentinel auth-pass mymaster hush\nsentinel sentinel-pass silence\n",
            &["--requirepass", "silence"],
        ),
    );
    let with = |server: &str, sentinel: &str| {
        let url = watched.url().replace("://", &format!("://:{server}@"));
        format!("{url}?sentinel_password={sentinel}")
    };
    let url = with("hush", "silence");
    let (one, other) = (process(&url).await, process(&url).await);
    until_shared(&one, &other).await;
    for url in [
        with("hush", "wrong"),
        with("wrong", "silence"),
        watched.url(),
    ] {
        let error = Cache::builder().redis(&url).build().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
        assert!(!error.to_string().contains("hush") && !error.to_string().contains("silence"));
    }
    let said = said.take().join("\n");
    assert!(
        !said.contains("hush") && !said.contains("silence"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_majority_of_sentinels_decides_whatever_one_of_them_says() {
    let watched = Watched::start();
    // It has been apart since another server was the primary.
    let former = Server::start();
    let settings = format!("sentinel monitor mymaster 127.0.0.1 {} 1\n", former.port());
    let astray = Server::sentinel(&settings, &[]);
    let url = watched
        .url()
        .replace("://", &format!("://127.0.0.1:{},", astray.port()));
    let (one, other) = (process(&url).await, process(&url).await);
    until_shared(&one, &other).await;
    assert!(former.clients("cache-core").is_empty());
}
