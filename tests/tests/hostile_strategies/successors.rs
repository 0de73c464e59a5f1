//! Attacks on who loads the successor of an old value, and when.

use super::*;

/// Whoever had begun to load it is gone with its runtime, and cannot say so.
#[test]
fn a_successor_whose_runtime_is_shut_down_is_loaded_by_the_next_call() {
    #[cached(ttl = 1s, skip(source), strategy = stale_while_revalidate(1h))]
    async fn kept(source: &Source, id: u64) -> Result<u64, Failure> {
        let _ = id;
        source.load().await
    }
    let (one, two) = (one_worker(), one_worker());
    let (clock, source) = (ManualClock::new(), Source::default());
    let cache = Cache::builder().clock(clock.clock()).build();
    let cache = two.block_on(cache).unwrap();
    let call = || Cache::scope(cache.clone(), kept(&source, 1));
    two.block_on(call()).unwrap();
    clock.advance(2 * SECOND);
    source.0.hangs.store(true, SeqCst);
    one.block_on(call()).unwrap();
    two.block_on(tests::until("it is begun", || source.begun() == 2));
    one.shutdown_timeout(SECOND);
    source.0.hangs.store(false, SeqCst);
    clock.advance(200 * MS);
    two.block_on(call()).unwrap();
    two.block_on(tests::until("it is begun again", || source.begun() == 3));
}

#[cached(ttl = 100s, skip(source), invalidate_on = Changed { id }, strategy = [refresh_ahead(0.5), stale_if_invalidated(1h)])]
async fn ahead(source: &Source, id: u64) -> Result<u64, Failure> {
    source.load().await
}

/// One that began before the event brings what is void too.
#[test]
fn what_an_event_makes_void_has_a_successor_loaded_though_one_is_under_way() {
    one_thread(|clock, cache| async move {
        let source = Source::default();
        ahead(&source, 1).await.unwrap();
        clock.advance(95 * SECOND);
        source.0.hangs.store(true, SeqCst);
        ahead(&source, 1).await.unwrap();
        tests::until("one is under way", || source.begun() == 2).await;
        source.0.hangs.store(false, SeqCst);
        source.set(7);
        cache.emit(Changed { id: 1 }).await.unwrap();
        assert_eq!(ahead(&source, 1).await, Ok(0));
        tests::until("another one is", || source.begun() == 3).await;
        tokio::time::sleep(20 * MS).await;
        assert_eq!(ahead(&source, 1).await, Ok(7));
        assert_eq!(source.begun(), 3);
    });
}

/// That is put off for ten seconds: for what is merely old.
#[test]
fn what_an_event_makes_void_has_a_successor_loaded_though_the_last_one_failed() {
    one_thread(|clock, cache| async move {
        let source = Source::default();
        ahead(&source, 1).await.unwrap();
        clock.advance(95 * SECOND);
        source.0.fails.store(true, SeqCst);
        ahead(&source, 1).await.unwrap();
        tests::until("one is begun", || source.begun() == 2).await;
        tokio::time::sleep(20 * MS).await;
        ahead(&source, 1).await.unwrap();
        tokio::time::sleep(20 * MS).await;
        assert_eq!(source.begun(), 2, "it is put off");
        cache.emit(Changed { id: 1 }).await.unwrap();
        for _ in 0..2 {
            assert_eq!(ahead(&source, 1).await, Ok(0));
            tokio::time::sleep(20 * MS).await;
            assert_eq!(source.begun(), 3, "once, as that one fails too");
        }
    });
}

/// While it was late something stood in for it. That ends with the error.
#[test]
fn an_error_that_no_old_value_stands_in_for_is_shown_though_it_came_late() {
    #[cached(ttl = 10s, skip(source), soft_timeout = 50ms, strategy = stale_if_error(1h, |error| *error != Failure::No))]
    async fn choosy(source: &Source, id: u64) -> Result<u64, Failure> {
        let _ = id;
        if source.0.fails.load(SeqCst) {
            tokio::time::sleep(100 * MS).await;
        }
        source.load().await
    }
    one_thread(|clock, _| async move {
        let source = Source::default();
        choosy(&source, 1).await.unwrap();
        clock.advance(20 * SECOND);
        source.0.fails.store(true, SeqCst);
        assert_eq!(choosy(&source, 1).await, Ok(0), "it is late");
        tests::until("it has failed", || source.begun() == 2).await;
        source.0.fails.store(false, SeqCst);
        source.set(7);
        tokio::time::sleep(20 * MS).await;
        assert_eq!(choosy(&source, 1).await, Ok(7));
    });
}
