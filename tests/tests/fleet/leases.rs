//! What becomes of a fleet whose loading process is gone, or takes too long.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use cache_core::{Cache, cached, testing::FakeRedis};
use futures::future::join_all;
use tests::{origin::Failure, until};

use super::processes;

const MS: Duration = Duration::from_millis(1);

/// A source whose first load hangs until it is let go, and fails then.
#[derive(Clone, Debug, Default)]
struct Source(Arc<State>);

#[derive(Debug, Default)]
struct State {
    begun: AtomicU64,
    is_let_go: AtomicBool,
}

impl Source {
    async fn load(&self) -> Result<u64, Failure> {
        let number = self.0.begun.fetch_add(1, SeqCst) + 1;
        if number > 1 {
            tokio::time::sleep(300 * MS).await;
            return Ok(number);
        }
        while !self.0.is_let_go.load(SeqCst) {
            tokio::time::sleep(MS).await;
        }
        Err(Failure::Temporary)
    }

    fn begun(&self) -> u64 {
        self.0.begun.load(SeqCst)
    }

    async fn until_begun(&self, loads: u64) {
        until("a load begins", || self.begun() >= loads).await;
    }
}

#[cached(ttl = 1h, skip(source), fleet)]
async fn patient(source: &Source, id: u64) -> Result<u64, Failure> {
    source.load().await
}

#[cached(ttl = 1h, skip(source), fleet, timeout = 2s)]
async fn limited(source: &Source, id: u64) -> Result<u64, Failure> {
    source.load().await
}

/// One process begins to load, and is never heard of again; six others wait for it from then on.
async fn after_the_first_is_gone<F>(
    caches: &[Cache],
    source: &Source,
    call: impl Fn(Source) -> F,
) -> Vec<Result<u64, Failure>>
where
    F: Future<Output = Result<u64, Failure>> + Send + 'static,
{
    let gone = tokio::spawn(Cache::scope(caches[0].clone(), call(source.clone())));
    source.until_begun(1).await;
    let waiting = caches[1..]
        .iter()
        .map(|cache| Cache::scope(cache.clone(), call(source.clone())));
    let answers = join_all(waiting).await;
    gone.abort();
    answers
}

fn is_second(answer: &Result<u64, Failure>) -> bool {
    *answer == Ok(2)
}

#[tokio::test]
async fn where_the_loading_process_is_gone_one_of_those_who_wait_loads() {
    let caches = processes(&FakeRedis::new(), 7).await;
    let source = Source::default();
    let call = |source: Source| async move { patient(&source, 1).await };
    let answers = after_the_first_is_gone(&caches, &source, call).await;
    assert!(answers.iter().all(is_second), "{answers:?}");
    assert_eq!(source.begun(), 2);
}

#[tokio::test]
async fn where_callers_have_a_limit_there_is_time_for_a_second_process_to_load() {
    let caches = processes(&FakeRedis::new(), 7).await;
    let source = Source::default();
    let call = |source: Source| async move { limited(&source, 1).await };
    let answers = after_the_first_is_gone(&caches, &source, call).await;
    assert!(answers.iter().all(is_second), "{answers:?}");
    assert_eq!(source.begun(), 2);
}

#[tokio::test]
async fn a_process_that_comes_late_gives_back_no_lease_but_its_own() {
    let redis = FakeRedis::new();
    let caches = processes(&redis, 3).await;
    let source = Source::default();
    let begin = |cache: &Cache| {
        let (cache, source) = (cache.clone(), source.clone());
        tokio::spawn(Cache::scope(
            cache,
            async move { limited(&source, 1).await },
        ))
    };
    let late = begin(&caches[0]);
    source.until_begun(1).await;
    let second = begin(&caches[1]);
    source.until_begun(2).await;
    source.0.is_let_go.store(true, SeqCst);
    late.await.unwrap().unwrap_err();
    tokio::time::sleep(50 * MS).await;
    let third = begin(&caches[2]);
    let answers = [second.await.unwrap(), third.await.unwrap()];
    assert!(answers.iter().all(is_second), "{answers:?}");
    assert_eq!(source.begun(), 2);
    redis.until(|redis| redis.keys().len() == 1).await;
}

/// A source that has nothing to give, after a while.
async fn nothing(begun: &AtomicU64) -> Result<u64, Failure> {
    begun.fetch_add(1, SeqCst);
    tokio::time::sleep(300 * MS).await;
    Err(Failure::Temporary)
}

#[cached(ttl = 1h, skip(begun), fleet)]
async fn failing(begun: &AtomicU64, id: u64) -> Result<u64, Failure> {
    nothing(begun).await
}

#[cached(ttl = 1h, skip(begun), fleet, keep_if = |value| *value > 0)]
async fn unkept(begun: &AtomicU64, id: u64) -> u64 {
    nothing(begun).await.unwrap_or(0)
}

/// Eight processes ask for what none of them is given, and none waits for more than one other.
async fn all_are_answered_after_two_loads(caches: &[Cache]) {
    let begun = AtomicU64::new(0);
    for is_failing in [true, false] {
        let calls = caches.iter().map(|cache| {
            let cache = cache.clone();
            Cache::scope(cache, async {
                if is_failing {
                    failing(&begun, 1).await.unwrap_err();
                } else {
                    assert_eq!(unkept(&begun, 1).await, 0);
                }
            })
        });
        let since = Instant::now();
        join_all(calls).await;
        let took = since.elapsed();
        assert!(took < 1_200 * MS, "one behind the other: {took:?}");
        assert_eq!(begun.swap(0, SeqCst), caches.len() as u64);
    }
}

#[tokio::test]
async fn where_the_load_gives_nothing_all_who_wait_load_at_once() {
    let caches = processes(&FakeRedis::new(), 8).await;
    all_are_answered_after_two_loads(&caches).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_real_server_all_who_wait_load_at_once_too_and_nothing_is_left_behind() {
    let server = tests::server::Server::start();
    let caches = on_server(&server, 8).await;
    all_are_answered_after_two_loads(&caches).await;
    let left = || server.command(&["KEYS", "cache:k:*"]);
    until("no lease is left", || left().is_empty()).await;
}

/// Processes on one server.
#[cfg(unix)]
async fn on_server(server: &tests::server::Server, number: usize) -> Vec<Cache> {
    let mut caches = Vec::new();
    for number in 0..number {
        // Another text is another process to the cache.
        let url = server.url();
        let url = format!("{}{}", url.trim_end_matches('/'), "/".repeat(number % 2));
        let builder = Cache::builder().redis(url).require_redis();
        caches.push(builder.build().await.unwrap());
    }
    caches
}

#[tokio::test]
async fn where_redis_fails_while_processes_wait_each_loads() {
    let redis = FakeRedis::new();
    let caches = processes(&redis, 7).await;
    let source = Source::default();
    let call = |source: Source| async move { patient(&source, 1).await };
    let failing = async {
        source.until_begun(1).await;
        tokio::time::sleep(50 * MS).await;
        redis.fail();
    };
    let (answers, ()) = futures::join!(after_the_first_is_gone(&caches, &source, call), failing);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(source.begun(), 7);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_real_server_one_of_those_who_wait_loads_too_and_gives_the_lease_back() {
    let server = tests::server::Server::start();
    let caches = on_server(&server, 7).await;
    let source = Source::default();
    let call = |source: Source| async move { limited(&source, 1).await };
    let answers = after_the_first_is_gone(&caches, &source, call).await;
    assert!(answers.iter().all(is_second), "{answers:?}");
    assert_eq!(source.begun(), 2);
    let left = || server.command(&["KEYS", "cache:k:*"]);
    until("the lease is given back", || left().is_empty()).await;
}
