//! Panics, runtimes that end, caches that are closed.

use super::commands::soft;
use super::policies::policies;
use super::*;

// Panics.

#[derive(Debug, PartialEq)]
pub(super) struct Reason(u64);

#[cached(ttl = 1h, batch(id in ids))]
pub(super) async fn panicking_plain(ids: &[u64]) -> Result<Map, Failure> {
    if ids.contains(&666) {
        std::panic::panic_any(Reason(666));
    }
    Ok(ids.iter().map(|id| (*id, *id)).collect())
}

#[cached(ttl = 1h, timeout = 5s)]
pub(super) async fn panicking_one(id: u64) -> Result<u64, Failure> {
    if id == 666 {
        std::panic::panic_any(Reason(666));
    }
    Ok(id)
}

pub(super) async fn reason<F: Future<Output: Send + std::fmt::Debug> + Send + 'static>(
    cache: &Cache,
    call: F,
) -> Option<Reason> {
    let panic = ends(tests::spawn_in(cache, call))
        .await
        .unwrap_err()
        .into_panic();
    panic.downcast::<Reason>().ok().map(|reason| *reason)
}

#[test]
fn the_panic_of_a_load_is_that_of_its_caller() {
    on_both_runtimes(|cache| async move {
        assert_eq!(
            reason(&cache, async { panicking_one(666).await }).await,
            Some(Reason(666))
        );
        assert_eq!(
            reason(&cache, async { panicking_plain(&[1, 666]).await }).await,
            Some(Reason(666))
        );
    });
}

// No runtime, and runtimes that end.

#[test]
fn a_batch_under_a_time_limit_ends_outside_a_runtime() {
    tests::bounded(8 * SECOND, || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let redis = FakeRedis::new();
        let cache = runtime.block_on(fast(&redis));
        let source = Source::default();
        let call = Cache::scope(cache, soft(&source, &[1, 2, 3]));
        assert_eq!(futures::executor::block_on(call).unwrap().len(), 3);
    });
}

#[test]
fn a_runtime_that_ends_while_a_batch_reads_leaves_its_keys_to_others() {
    tests::bounded(20 * SECOND, || {
        for round in 0..20 {
            let redis = FakeRedis::new();
            let stays = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            let cache = stays.block_on(fast(&redis));
            let source = Source::default();
            source.0.took.store(5, SeqCst);
            redis.inject(Operation::Read, Fault::Delay(10 * MS));
            let goes = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            let mine = source.clone();
            let _first = goes.spawn(Cache::scope(cache.clone(), async move {
                soft(&mine, &[1, 2, 3]).await
            }));
            std::thread::sleep(Duration::from_millis(round));
            let mine = source.clone();
            let second = stays.spawn(Cache::scope(cache.clone(), async move {
                soft(&mine, &[2, 3, 4]).await
            }));
            std::thread::sleep(Duration::from_millis(round / 3));
            goes.shutdown_background();
            let found = stays.block_on(async { ends(second).await });
            assert_eq!(found.unwrap().unwrap().len(), 3, "{round}");
        }
    });
}

// Off.

pub(super) static PAGES: Mutex<Vec<u64>> = Mutex::new(Vec::new());

#[cached(ttl = 1h, prefetch = page(number + 1))]
pub(super) async fn page(number: u64) -> u64 {
    PAGES.lock().unwrap().push(number);
    number
}

/// What is off keeps nothing: there is nothing to begin beforehand.
#[test]
fn where_the_cache_is_off_nothing_is_loaded_beforehand() {
    on_both_runtimes(|_| async {
        PAGES.lock().unwrap().clear();
        Cache::scope(Cache::disabled(), page(1)).await;
        tokio::time::sleep(50 * MS).await;
        let off = PAGES.lock().unwrap().clone();
        PAGES.lock().unwrap().clear();
        let builder = Cache::builder().policies(policies(r#"{ "page": { "off": true } }"#));
        let cache = builder.build().await.unwrap();
        Cache::scope(cache.clone(), page(1)).await;
        tokio::time::sleep(50 * MS).await;
        let by_policy = PAGES.lock().unwrap().clone();
        PAGES.lock().unwrap().clear();
        let closed = Cache::builder().build().await.unwrap();
        let _left = closed.close(SECOND).await;
        Cache::scope(closed, page(1)).await;
        tokio::time::sleep(50 * MS).await;
        let closed = PAGES.lock().unwrap().clone();
        assert_eq!((off, by_policy, closed), (vec![1], vec![1], vec![1]));
    });
}

#[test]
fn a_cache_that_is_closed_while_a_batch_reads_answers_it() {
    on_both_runtimes(|_| async {
        for round in 0..12 {
            let redis = FakeRedis::new();
            let cache = fast(&redis).await;
            let source = Source::default();
            source.0.took.store(3, SeqCst);
            redis.delay(8 * MS);
            let mine = source.clone();
            let call = tests::spawn_in(&cache, async move { soft(&mine, &[1, 2, 3]).await });
            tokio::time::sleep(round * 2 * MS).await;
            let _left = cache.close(SECOND).await;
            assert_eq!(ends(call).await.unwrap().unwrap().len(), 3, "{round}");
        }
    });
}

// Keys that panic.

pub(super) static HASHED: AtomicUsize = AtomicUsize::new(0);
pub(super) static POISON: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Debug, PartialEq, Eq, cache_core::CacheKey)]
pub(super) struct Poisonous {
    id: u64,
}

impl std::hash::Hash for Poisonous {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        HASHED.fetch_add(1, SeqCst);
        assert!(
            !(POISON.load(SeqCst) && self.id == 666 && HASHED.load(SeqCst) > 2),
            "of the key"
        );
        self.id.hash(hasher);
    }
}

#[cached(ttl = 1h, timeout = 300ms, batch(id in ids))]
pub(super) async fn poisoned(ids: &[Poisonous]) -> Result<HashMap<Poisonous, u64>, Failure> {
    Ok(ids.iter().map(|id| (id.clone(), id.id)).collect())
}

#[test]
fn a_key_that_panics_where_it_is_looked_at_does_not_spin() {
    on_both_runtimes(|cache| async move {
        POISON.store(true, SeqCst);
        HASHED.store(0, SeqCst);
        let ids = [Poisonous { id: 1 }, Poisonous { id: 666 }];
        let call = tests::spawn_in(&cache, async move { poisoned(&ids).await });
        let ended = ends(call).await;
        eprintln!(
            "{:?}",
            ended.as_ref().map(|ended| ended.as_ref().map(HashMap::len))
        );
        let hashed = HASHED.load(SeqCst);
        tokio::time::sleep(500 * MS).await;
        let behind = HASHED.load(SeqCst) - hashed;
        POISON.store(false, SeqCst);
        assert!(
            hashed < 100 && behind < 100,
            "looked at {hashed} times, and {behind} times when its caller had gone"
        );
    });
}
