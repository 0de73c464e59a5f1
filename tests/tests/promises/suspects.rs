//! Suspects that stand in.

use super::*;

// A suspect that stands in.

#[cached(
    ttl = 1s, skip(source), strategy = stale_if_error(1h, unproven), batch(id in ids), invalidate_on = Changed { id }
)]
pub(super) async fn unproven(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

#[cached(
    ttl = 1s, skip(source), strategy = stale_if_error(1h), timeout = 1s, batch(id in ids), invalidate_on = Changed { id }
)]
pub(super) async fn proven(source: &Source, ids: &[u64]) -> Result<Map, Failure> {
    source.many(ids).await
}

/// What Redis says is void stands in for nothing; what it says is valid does; and what nobody can tell where the function
/// says so.
#[test]
fn aged_suspects_of_a_batch_stand_in_where_they_are_proven() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let (here, there) = (tests::process(&redis).await, tests::process(&redis).await);
        let source = Source::default();
        Cache::scope(there.clone(), unproven(&source, &[1, 2]))
            .await
            .unwrap();
        Cache::scope(there.clone(), proven(&source, &[1, 2]))
            .await
            .unwrap();
        redis.inject(Operation::Message, Fault::Fail);
        here.emit(Changed { id: 1 }).await.unwrap();
        tokio::time::sleep(50 * MS).await;
        redis.recover();
        redis.disconnect();
        tokio::time::sleep(5_500 * MS).await;
        source.0.fails.store(true, SeqCst);
        let void = Cache::scope(there.clone(), unproven(&source, &[1, 2])).await;
        assert_eq!(void, Err(Failure::No), "1 is void");
        assert!(
            Cache::scope(there.clone(), unproven(&source, &[2]))
                .await
                .is_ok()
        );
        let void = Cache::scope(there.clone(), proven(&source, &[1, 2])).await;
        assert_eq!(void, Err(Failure::No), "1 is void");
        assert!(
            Cache::scope(there.clone(), proven(&source, &[2]))
                .await
                .is_ok()
        );
    });
}

#[test]
fn aged_suspects_of_a_batch_stand_in_unproven_only_where_the_function_says_so() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let there = tests::process(&redis).await;
        let source = Source::default();
        Cache::scope(there.clone(), unproven(&source, &[1, 2]))
            .await
            .unwrap();
        Cache::scope(there.clone(), proven(&source, &[1, 2]))
            .await
            .unwrap();
        redis.disconnect();
        tokio::time::sleep(5_500 * MS).await;
        redis.inject(Operation::Read, Fault::Fail);
        source.0.fails.store(true, SeqCst);
        assert!(
            Cache::scope(there.clone(), unproven(&source, &[1, 2]))
                .await
                .is_ok()
        );
        assert!(
            Cache::scope(there.clone(), proven(&source, &[1, 2]))
                .await
                .is_err()
        );
    });
}
