//! Old values that stand in for loads, what is put beside these, and what callers are told of them.

use cache_core::{Source as From, Stale};

use super::*;

/// Two processes with one Redis, and a clock for both.
async fn two(clock: &ManualClock) -> (FakeRedis, Cache, Cache) {
    let redis = FakeRedis::on(clock);
    let build = || {
        let builder = Cache::builder().clock(clock.clock()).fake_redis(&redis);
        builder.build()
    };
    let (a, b) = (build().await.unwrap(), build().await.unwrap());
    (redis, a, b)
}

#[test]
fn a_value_that_says_what_is_left_of_its_life_stands_in_from_redis_when_nothing_is() {
    static LEFT: AtomicU64 = AtomicU64::new(10);
    #[cached(ttl = |_| Duration::from_secs(LEFT.load(SeqCst)), skip(source), strategy = stale_if_error(1h))]
    async fn token(source: &Source) -> Result<u64, Failure> {
        source.load().await
    }
    one_thread(|clock, _| async move {
        let (redis, a, b) = two(&clock).await;
        let source = Source::default();
        Cache::scope(a, token(&source)).await.unwrap();
        redis.until(|redis| redis.writes() > 0).await;
        clock.advance(20 * SECOND);
        LEFT.store(0, SeqCst);
        source.0.fails.store(true, SeqCst);
        assert_eq!(Cache::scope(b, token(&source)).await, Ok(0));
    });
}

#[test]
fn what_was_put_beside_a_load_that_failed_is_refreshed_when_it_is_due() {
    #[cached(ttl = 10s, skip(source), strategy = refresh_ahead(0.5))]
    async fn slow(source: &Source) -> Result<u64, Failure> {
        let loaded = source.load().await;
        tokio::time::sleep(30 * MS).await;
        loaded
    }
    one_thread(|clock, cache| async move {
        let source = Source::default();
        source.0.fails.store(true, SeqCst);
        let mine = source.clone();
        let call = tests::spawn_in(&cache, async move { slow(&mine).await });
        tokio::time::sleep(10 * MS).await;
        slow(&source).put(Ok(7)).await.unwrap();
        let _ = call.await.unwrap();
        source.0.fails.store(false, SeqCst);
        clock.advance(9 * SECOND);
        assert_eq!(slow(&source).await, Ok(7));
        tokio::time::sleep(20 * MS).await;
        assert_eq!(source.begun(), 2, "nothing of it had failed");
    });
}

#[test]
fn who_waited_for_a_load_that_failed_is_told_that_what_was_put_is_fresh() {
    #[derive(Debug)]
    struct Once;
    #[cached(ttl = 10s, skip(source), strategy = stale_if_error(1h))]
    async fn slow(source: &Source) -> Result<u64, Once> {
        let loaded = source.load().await;
        tokio::time::sleep(30 * MS).await;
        loaded.map_err(|_| Once)
    }
    one_thread(|_, cache| async move {
        let source = Source::default();
        source.0.fails.store(true, SeqCst);
        let [first, mine] = [source.clone(), source.clone()];
        let first = tests::spawn_in(&cache, async move { slow(&first).await.is_ok() });
        tokio::time::sleep(5 * MS).await;
        let waiting = tests::spawn_in(&cache, async move { slow(&mine).explain().await.unwrap() });
        tokio::time::sleep(5 * MS).await;
        slow(&source).put(Ok(7)).await.unwrap();
        first.await.unwrap();
        let told = waiting.await.unwrap();
        let stats = cache.stats();
        assert_eq!((told.value.ok(), told.stale), (Some(7), None));
        assert_eq!((source.begun(), stats.total().stale), (1, 0));
    });
}

#[test]
fn who_waits_while_another_call_reads_a_stale_value_is_told_that_it_is_stale() {
    #[cached(ttl = 10s, skip(source), strategy = stale_while_revalidate(1h))]
    async fn aging(source: &Source) -> Result<u64, Failure> {
        source.load().await
    }
    one_thread(|clock, _| async move {
        let (redis, a, b) = two(&clock).await;
        let source = Source::default();
        Cache::scope(a, aging(&source)).await.unwrap();
        redis.until(|redis| redis.writes() > 0).await;
        clock.advance(20 * SECOND);
        redis.delay(20 * MS);
        let calls = [(); 2].map(|()| {
            let source = source.clone();
            tests::spawn_in(&b, async move { aging(&source).explain().await.unwrap() })
        });
        for (call, from) in calls.into_iter().zip([From::Redis, From::SharedLoad]) {
            let told = call.await.unwrap();
            assert_eq!((told.source, told.stale), (from, Some(Stale::Revalidating)));
        }
        assert_eq!(b.stats().total().stale, 2);
    });
}

#[test]
fn a_panic_is_shown_though_there_is_an_old_value() {
    #[cached(ttl = 10s, skip(source), strategy = stale_if_error(1h))]
    async fn panicking(source: &Source) -> Result<u64, Failure> {
        Ok(source.load().await.expect("on purpose"))
    }
    one_thread(|clock, cache| async move {
        let source = Source::default();
        panicking(&source).await.unwrap();
        clock.advance(20 * SECOND);
        source.0.fails.store(true, SeqCst);
        let mine = source.clone();
        let call = tests::spawn_in(&cache, async move { panicking(&mine).await });
        assert!(call.await.unwrap_err().is_panic());
    });
}

#[test]
fn a_bypass_waits_for_as_long_as_it_takes() {
    #[cached(ttl = 10s, skip(source), timeout = 20ms)]
    async fn slow(source: &Source) -> Result<u64, Failure> {
        tokio::time::sleep(60 * MS).await;
        source.load().await
    }
    one_thread(|_, _| async move {
        let source = Source::default();
        assert!(matches!(slow(&source).await, Err(Failure::Late(_))));
        assert_eq!(slow(&source).bypass().await.unwrap(), Ok(0));
    });
}

#[test]
fn warming_with_what_memory_has_lets_others_have_their_turn() {
    #[cached(ttl = 1h)]
    async fn square(n: u64) -> u64 {
        n * n
    }
    one_thread(|_, cache| async move {
        square(1).await;
        let turn = tokio::spawn(async {});
        cache.warm((0..10_000).map(|_| square(1))).run().await;
        assert!(turn.is_finished());
    });
}
