//! What is put while somebody reads or loads.

use super::commands::{bounded, plain, soft};
use super::sharing::narrow;
use super::*;

// Prefetching with a strategy is bounded; and what is put meanwhile stays.

#[cached(ttl = 1h, skip(source), invalidate_on = Changed { id })]
pub(super) async fn single(source: &Source, id: u64) -> Result<u64, Failure> {
    source.one(id).await
}

pub(super) async fn put_at<F, P, A>(
    wait: u32,
    call: impl FnOnce(Source) -> F,
    put: impl FnOnce(Source) -> P,
    again: impl Fn(Source) -> A,
) where
    F: Future<Output = ()> + Send + 'static,
    P: Future<Output = ()>,
    A: Future<Output = u64>,
{
    let redis = FakeRedis::new();
    let cache = fast(&redis).await;
    let source = Source::default();
    source.0.took.store(40, SeqCst);
    redis.delay(20 * MS);
    Cache::scope(cache.clone(), async {
        let call = tests::spawn_in(&cache, call(source.clone()));
        tokio::time::sleep(wait * MS).await;
        put(source.clone()).await;
        assert_eq!(again(source.clone()).await, 5, "at once, at {wait}");
        ends(call).await.unwrap();
        assert_eq!(again(source.clone()).await, 5, "then, at {wait}");
        tokio::time::sleep(100 * MS).await;
        assert_eq!(again(source.clone()).await, 5, "later, at {wait}");
    })
    .await;
}

#[test]
fn what_is_put_while_a_single_call_reads_or_loads_stays() {
    on_both_runtimes(|_| async {
        for wait in [5, 30, 60] {
            put_at(
                wait,
                |source| async move { drop(single(&source, 1).await) },
                |source| async move { single(&source, 1).put(Ok(5)).await.unwrap() },
                |source| async move { single(&source, 1).await.unwrap() },
            )
            .await;
        }
    });
}

#[test]
fn what_is_put_while_a_batch_without_a_limit_reads_or_loads_stays() {
    on_both_runtimes(|_| async {
        for wait in [5, 30, 60] {
            put_at(
                wait,
                |source| async move { drop(plain(&source, &[1, 2]).await) },
                |source| async move {
                    plain(&source, &[1])
                        .put(Ok(HashMap::from([(1, 5)])))
                        .await
                        .unwrap();
                },
                |source| async move { plain(&source, &[1]).await.unwrap()[&1] },
            )
            .await;
        }
    });
}

#[test]
fn what_is_put_while_a_batch_under_a_limit_reads_or_loads_stays() {
    on_both_runtimes(|_| async {
        for wait in [5, 30, 60] {
            put_at(
                wait,
                |source| async move { drop(bounded(&source, &[1, 2]).await) },
                |source| async move {
                    bounded(&source, &[1])
                        .put(Ok(HashMap::from([(1, 5)])))
                        .await
                        .unwrap();
                },
                |source| async move { bounded(&source, &[1]).await.unwrap()[&1] },
            )
            .await;
        }
    });
}

#[test]
fn what_is_put_while_a_batch_under_a_limit_with_events_reads_or_loads_stays() {
    on_both_runtimes(|_| async {
        for wait in [5, 30, 60] {
            put_at(
                wait,
                |source| async move { drop(soft(&source, &[1, 2]).await) },
                |source| async move {
                    soft(&source, &[1])
                        .put(Ok(HashMap::from([(1, 5)])))
                        .await
                        .unwrap();
                },
                |source| async move { soft(&source, &[1]).await.unwrap()[&1] },
            )
            .await;
        }
    });
}

#[cached(ttl = 1h, skip(source), strategy = stale_if_error(1h), soft_timeout = 2s, timeout = 4s, invalidate_on = Changed { id })]
pub(super) async fn soft_one(source: &Source, id: u64) -> Result<u64, Failure> {
    source.one(id).await
}

#[test]
fn what_is_put_while_a_single_call_under_a_limit_with_events_reads_or_loads_stays() {
    on_both_runtimes(|_| async {
        for wait in [5, 30, 60] {
            put_at(
                wait,
                |source| async move { drop(soft_one(&source, 1).await) },
                |source| async move { soft_one(&source, 1).put(Ok(5)).await.unwrap() },
                |source| async move { soft_one(&source, 1).await.unwrap() },
            )
            .await;
        }
    });
}

#[test]
fn a_handle_of_a_batch_whose_load_takes_too_long() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let cache = fast(&redis).await;
        let source = Source::default();
        Cache::scope(cache, async {
            narrow(&source, &[1, 2]).await.unwrap();
            source.0.hangs.store(true, SeqCst);
            assert_eq!(
                narrow(&source, &[1, 2]).refresh().await,
                Ok(Err(Failure::Late))
            );
            assert_eq!(
                narrow(&source, &[1, 2]).await.unwrap().len(),
                2,
                "it keeps what there is"
            );
            source.set(1);
            source.0.hangs.store(false, SeqCst);
            tokio::time::sleep(50 * MS).await;
            assert_eq!(
                narrow(&source, &[1, 2])
                    .peek()
                    .await
                    .unwrap()
                    .unwrap()
                    .len(),
                2
            );
        })
        .await;
    });
}
