//! Which cached function a handle acts on, and what becomes of the future around it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::future::Future;

use cache_core::{Cache, CachedCall, NotCached, Source, cached};
use tests::{Runs, on_both_runtimes, until};

#[cached(ttl = 1h)]
async fn number(id: u64) -> u64 {
    id
}

#[cached(ttl = 1h)]
async fn word(id: u64) -> String {
    id.to_string()
}

fn loads(cache: &Cache, name: &str) -> u64 {
    cache.stats().function(name).map_or(0, |row| row.loads)
}

/// Asks every handle, and each says that this is no call of a cached function.
async fn assert_not_cached<F>(call: impl Fn() -> F, output: F::Output)
where
    F: Future<Output: Clone + Send + PartialEq + std::fmt::Debug + 'static>,
{
    assert_eq!(call().peek().await, None);
    assert_eq!(call().refresh().await, Err(NotCached));
    assert_eq!(call().evict().await, Err(NotCached));
    assert_eq!(call().put(output).await, Err(NotCached));
    assert_eq!(call().bypass().await, Err(NotCached));
    assert_eq!(call().prefetch().await, Err(NotCached));
    assert_eq!(call().explain().await.map(|_| ()), Err(NotCached));
}

/// Counts how often it is dropped.
struct Guard(&'static Runs);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.add();
    }
}

#[test]
fn a_plain_future_is_polled_once_and_dropped() {
    static BEGUN: Runs = Runs::new();
    static ENDED: Runs = Runs::new();
    static DROPPED: Runs = Runs::new();
    async fn plain() -> u64 {
        let _guard = Guard(&DROPPED);
        BEGUN.add();
        tokio::task::yield_now().await;
        ENDED.add();
        1
    }
    on_both_runtimes(|cache| async move {
        assert_not_cached(plain, 1).await;
        tokio::task::yield_now().await;
        assert_eq!((BEGUN.take(), ENDED.take(), DROPPED.take()), (7, 0, 7));
        assert_eq!(cache.stats().functions.len(), 0);
    });
}

#[test]
fn a_plain_future_that_never_waits_runs_to_its_end() {
    static RUNS: Runs = Runs::new();
    on_both_runtimes(|_| async {
        let plain = || async { RUNS.add() };
        assert_not_cached(plain, 1).await;
        assert_eq!(RUNS.take(), 7);
    });
}

#[test]
fn a_function_reached_only_in_a_later_poll_is_called_by_nobody() {
    async fn late(id: u64) -> u64 {
        tokio::task::yield_now().await;
        number(id).await
    }
    on_both_runtimes(|cache| async move {
        assert_not_cached(|| late(1), 1).await;
        assert_eq!(loads(&cache, "number"), 0);
    });
}

#[test]
fn a_function_of_another_type_is_called_as_without_a_handle() {
    async fn longer(id: u64) -> u64 {
        word(id).await.len() as u64
    }
    on_both_runtimes(|cache| async move {
        assert_not_cached(|| longer(12), 2).await;
        // Its load was begun in the first poll, and runs on as it would for any caller that is dropped.
        until("the word is kept", || cache.stats().entries == 1).await;
        assert_eq!(loads(&cache, "word"), 1);
        assert_eq!(longer(12).await, 2);
    });
}

#[test]
fn behind_a_function_of_another_type_a_handle_acts_only_if_that_one_did_not_wait() {
    #[cached(ttl = 1h, inline)]
    async fn slow(id: u64) -> u64 {
        tokio::task::yield_now().await;
        id
    }
    async fn doubled(id: u64) -> String {
        word(slow(id).await * 2).await
    }
    on_both_runtimes(|_| async {
        assert_eq!(doubled(3).refresh().await, Err(NotCached));
        slow(3).await;
        assert_eq!(doubled(3).refresh().await.as_deref(), Ok("6"));
        let read = doubled(3).explain().await.unwrap();
        assert_eq!((read.source, &*read.key), (Source::Memory, "6"));
    });
}

#[test]
fn behind_a_wrapper_of_its_type_the_function_is_acted_on_and_the_rest_runs_where_there_is_an_output()
 {
    static BEHIND: Runs = Runs::new();
    async fn one_more(id: u64) -> u64 {
        let n = number(id).await;
        BEHIND.add();
        n + 1
    }
    on_both_runtimes(|cache| async move {
        assert_eq!(one_more(1).peek().await, None);
        assert_eq!(one_more(1).put(70).await, Ok(()));
        assert_eq!(one_more(2).prefetch().await, Ok(()));
        until("both are kept", || cache.stats().entries == 2).await;
        assert_eq!(one_more(2).evict().await, Ok(()));
        assert_eq!(BEHIND.take(), 0, "without an output it goes no further");

        assert_eq!(number(1).await, 70, "what was put is the function's");
        assert_eq!(one_more(1).peek().await, Some(71));
        let read = one_more(1).explain().await.unwrap();
        assert_eq!((read.source, read.value), (Source::Memory, 71));
        assert_eq!(one_more(1).bypass().await, Ok(2));
        assert_eq!(one_more(1).refresh().await, Ok(2));
        assert_eq!(BEHIND.take(), 4);
    });
}

#[test]
fn of_two_calls_in_one_future_the_first_is_acted_on_and_the_second_is_only_called() {
    async fn sum(a: u64, b: u64) -> u64 {
        number(a).await + number(b).await
    }
    on_both_runtimes(|cache| async move {
        assert_eq!(sum(1, 2).peek().await, None);
        assert_eq!(loads(&cache, "number"), 0);
        number(1).put(10).await.unwrap();
        assert_eq!(
            sum(1, 2).peek().await,
            Some(12),
            "found, it goes on and loads the second"
        );
        assert_eq!(loads(&cache, "number"), 1);

        number(2).put(20).await.unwrap();
        assert_eq!(sum(1, 2).refresh().await, Ok(21));
        assert_eq!(sum(1, 2).evict().await, Ok(()));
        assert_eq!(number(1).peek().await, None);
        assert_eq!(number(2).peek().await, Some(20));
        assert_eq!(sum(1, 2).put(5).await, Ok(()));
        assert_eq!(number(1).peek().await, Some(5));
        assert_eq!(number(2).peek().await, Some(20));
    });
}

#[test]
fn a_function_that_calls_another_is_the_one_that_is_acted_on() {
    #[cached(ttl = 1h)]
    async fn outer(id: u64) -> u64 {
        number(id).await
    }
    on_both_runtimes(|cache| async move {
        outer(1).await;
        assert_eq!(outer(1).evict().await, Ok(()));
        assert_eq!(outer(1).peek().await, None);
        assert_eq!(number(1).peek().await, Some(1));
        assert_eq!(outer(1).refresh().await, Ok(1));
        assert_eq!(loads(&cache, "number"), 1, "the inner one is not refreshed");
    });
}

#[test]
fn a_call_in_a_task_of_its_own_is_not_reached() {
    async fn elsewhere(id: u64, cache: Cache) -> u64 {
        tests::spawn_in(&cache, number(id)).await.unwrap()
    }
    on_both_runtimes(|cache| async move {
        let call = elsewhere(1, cache.clone()).evict();
        assert_eq!(call.await, Err(NotCached));
        until("it went its own way", || cache.stats().entries == 1).await;
    });
}
