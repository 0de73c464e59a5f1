//! Functions of many keys: an entry for each, one load for those that are missing.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use cache_core::{Cache, Event, cached, testing::FakeRedis};
use tests::on_both_runtimes;
use tokio::sync::Notify;

/// A source that remembers which keys each load asked for. Those above 1,000 are not there.
#[derive(Clone, Debug, Default)]
struct Users(Arc<State>);

#[derive(Debug, Default)]
struct State {
    loads: Mutex<Vec<Vec<u64>>>,
    is_closed: Mutex<bool>,
    opened: Notify,
}

impl Users {
    async fn load(&self, ids: &[u64]) -> HashMap<u64, String> {
        let mut asked = ids.to_vec();
        asked.sort_unstable();
        self.0.loads.lock().unwrap().push(asked);
        loop {
            let opened = self.0.opened.notified();
            if !*self.0.is_closed.lock().unwrap() {
                break;
            }
            opened.await;
        }
        let known = ids.iter().filter(|id| **id <= 1_000);
        known.map(|id| (*id, format!("user {id}"))).collect()
    }

    fn loads(&self) -> Vec<Vec<u64>> {
        std::mem::take(&mut *self.0.loads.lock().unwrap())
    }

    fn close(&self) {
        *self.0.is_closed.lock().unwrap() = true;
    }

    fn open(&self) {
        *self.0.is_closed.lock().unwrap() = false;
        self.0.opened.notify_waiters();
    }
}

type Failure = String;

#[cached(ttl = 1h, skip(users), batch(id in ids, max = 100))]
async fn users(users: &Users, ids: &[u64]) -> Result<HashMap<u64, String>, Failure> {
    if ids.contains(&6_666) {
        return Err("unlucky".into());
    }
    Ok(users.load(ids).await)
}

async fn names(origin: &Users, ids: &[u64]) -> Vec<u64> {
    let found = users(origin, ids).await.unwrap();
    for (id, name) in &found {
        assert_eq!(*name, format!("user {id}"));
    }
    let mut found: Vec<_> = found.into_keys().collect();
    found.sort_unstable();
    found
}

#[test]
fn what_is_missing_is_loaded_together_and_each_key_has_an_entry_of_its_own() {
    on_both_runtimes(|cache| async move {
        let origin = Users::default();
        assert_eq!(names(&origin, &[1, 2, 3]).await, [1, 2, 3]);
        assert_eq!(names(&origin, &[2, 3, 4]).await, [2, 3, 4]);
        assert_eq!(names(&origin, &[4]).await, [4]);
        assert_eq!(origin.loads(), [vec![1, 2, 3], vec![4]]);
        assert_eq!(cache.stats().entries, 4);
    });
}

#[test]
fn keys_that_are_not_there_are_remembered() {
    on_both_runtimes(|_| async {
        let origin = Users::default();
        assert_eq!(names(&origin, &[1, 2_000]).await, [1]);
        assert_eq!(names(&origin, &[2_000, 1]).await, [1]);
        assert_eq!(origin.loads(), [vec![1, 2_000]]);
    });
}

#[test]
fn no_key_loads_nothing_and_a_key_that_is_named_twice_is_loaded_once() {
    on_both_runtimes(|_| async {
        let origin = Users::default();
        assert!(names(&origin, &[]).await.is_empty());
        assert_eq!(names(&origin, &[7, 7, 8, 7]).await, [7, 8]);
        assert_eq!(origin.loads(), [vec![7, 8]]);
    });
}

#[test]
fn many_keys_are_loaded_in_parts_of_as_many_as_one_load_may_have() {
    on_both_runtimes(|_| async {
        let origin = Users::default();
        let ids: Vec<u64> = (1..=1_000).collect();
        assert_eq!(names(&origin, &ids).await, ids);
        let loads = origin.loads();
        assert_eq!(loads.len(), 10);
        assert!(loads.iter().all(|load| load.len() == 100));
        assert_eq!(names(&origin, &ids).await, ids);
        assert!(origin.loads().is_empty());
    });
}

#[test]
fn a_load_that_gives_more_than_it_was_asked_for_keeps_what_was_asked() {
    #[cached(ttl = 1h, batch(id in ids))]
    async fn generous(ids: Vec<u64>) -> BTreeMap<u64, u64> {
        let more = ids.iter().flat_map(|id| [*id, *id + 1]);
        more.map(|id| (id, id)).collect()
    }
    on_both_runtimes(|cache| async move {
        assert_eq!(generous(vec![1]).await, BTreeMap::from([(1, 1)]));
        assert_eq!(cache.stats().entries, 1);
    });
}

#[test]
fn an_error_is_that_of_all_who_asked_and_is_kept_for_nobody() {
    on_both_runtimes(|_| async {
        let origin = Users::default();
        let failed = users(&origin, &[1, 6_666]).await;
        assert_eq!(failed, Err("unlucky".into()));
        assert_eq!(names(&origin, &[1]).await, [1]);
        assert_eq!(origin.loads(), [vec![1]]);
    });
}

#[test]
fn overlapping_calls_load_each_key_once() {
    on_both_runtimes(|cache| async move {
        let origin = Users::default();
        origin.close();
        let call = |ids: Vec<u64>| {
            let origin = origin.clone();
            tests::spawn_in(&cache, async move { names(&origin, &ids).await })
        };
        let one = call(vec![1, 2, 3]);
        while origin.0.loads.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let two = call(vec![2, 3, 4]);
        while origin.0.loads.lock().unwrap().len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        origin.open();
        assert_eq!(one.await.unwrap(), [1, 2, 3]);
        assert_eq!(two.await.unwrap(), [2, 3, 4]);
        assert_eq!(origin.loads(), [vec![1, 2, 3], vec![4]]);
    });
}

#[test]
fn calls_at_one_moment_share_a_load() {
    on_both_runtimes(|_| async {
        let origin = Users::default();
        let origin = &origin;
        let ids = 1..=50;
        let calls = ids.map(|id| async move { names(origin, &[id]).await });
        let found = futures::future::join_all(calls).await;
        assert!(found.iter().all(|found| found.len() == 1));
        let loads = origin.loads();
        assert!(loads.len() <= 2, "{loads:?}");
        assert_eq!(loads.concat().len(), 50);
    });
}

#[test]
fn tasks_that_call_at_one_moment_share_loads() {
    on_both_runtimes(|cache| async move {
        let origin = Users::default();
        let call = |id: u64| {
            let origin = origin.clone();
            tests::spawn_in(&cache, async move { names(&origin, &[id]).await })
        };
        let calls: Vec<_> = (1..=50).map(call).collect();
        for call in calls {
            assert_eq!(call.await.unwrap().len(), 1);
        }
        let loads = origin.loads();
        assert_eq!(loads.concat().len(), 50);
        assert!(loads.len() <= 25, "{loads:?}");
    });
}

#[test]
fn a_caller_that_goes_leaves_the_others_their_answers() {
    on_both_runtimes(|cache| async move {
        let origin = Users::default();
        origin.close();
        let call = |ids: Vec<u64>| {
            let origin = origin.clone();
            tests::spawn_in(&cache, async move { names(&origin, &ids).await })
        };
        let gone = call(vec![1, 2]);
        while origin.0.loads.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let waits = call(vec![2, 3]);
        tokio::time::sleep(Duration::from_millis(20)).await;
        gone.abort();
        tokio::time::sleep(Duration::from_millis(20)).await;
        origin.open();
        assert_eq!(waits.await.unwrap(), [2, 3]);
    });
}

#[test]
fn a_panic_is_that_of_the_caller_who_loads() {
    #[cached(ttl = 1h, batch(id in ids))]
    async fn panicking(ids: &[u64]) -> HashMap<u64, u64> {
        assert!(!ids.contains(&1), "on purpose");
        ids.iter().map(|id| (*id, *id)).collect()
    }
    on_both_runtimes(|cache| async move {
        let panicked = tests::spawn_in(&cache, async { panicking(&[1]).await });
        assert!(panicked.await.unwrap_err().is_panic());
        assert_eq!(panicking(&[2]).await.len(), 1);
    });
}

#[test]
fn what_the_keys_have_in_common_is_part_of_each() {
    #[derive(Clone)]
    struct Shop {
        tenant: String,
        origin: Users,
    }
    impl Shop {
        #[cached(ttl = 1h, key = (self.tenant, kind, id), batch(id in ids))]
        async fn named(&self, kind: String, ids: &[u64]) -> HashMap<u64, String> {
            self.origin.load(ids).await;
            let name = |id: &u64| (*id, format!("{} {kind} {id}", self.tenant));
            ids.iter().map(name).collect()
        }
    }
    on_both_runtimes(|_| async {
        let origin = Users::default();
        let shop = |tenant: &str| Shop {
            tenant: tenant.into(),
            origin: origin.clone(),
        };
        let (a, b) = (shop("a"), shop("b"));
        let (one, two) = futures::join!(
            a.named("cat".into(), &[1, 2]),
            b.named("cat".into(), &[1, 2])
        );
        assert_eq!((&*one[&1], &*two[&2]), ("a cat 1", "b cat 2"));
        assert_eq!(origin.loads(), [[1, 2], [1, 2]], "others are not theirs");
        assert_eq!(a.named("dog".into(), &[1]).await[&1], "a dog 1");
    });
}

/// A user is another one.
#[derive(Debug, Event)]
pub struct UserChanged {
    /// Who.
    pub id: u64,
}

#[cached(ttl = 1h, skip(origin), batch(id in ids), invalidate_on = UserChanged { id })]
async fn watched(origin: &Users, ids: &[u64]) -> Result<HashMap<u64, String>, Failure> {
    Ok(origin.load(ids).await)
}

#[test]
fn an_event_makes_void_the_entry_of_its_key_and_no_other() {
    on_both_runtimes(|cache| async move {
        let origin = Users::default();
        watched(&origin, &[1, 2, 3]).await.unwrap();
        cache.emit(UserChanged { id: 2 }).await.unwrap();
        watched(&origin, &[1, 2, 3]).await.unwrap();
        assert_eq!(origin.loads(), [vec![1, 2, 3], vec![2]]);
    });
}

#[test]
fn an_event_during_a_load_makes_void_what_it_loads_of_that_key() {
    on_both_runtimes(|cache| async move {
        let origin = Users::default();
        origin.close();
        let loading = origin.clone();
        let call = tests::spawn_in(&cache, async move { watched(&loading, &[1, 2]).await });
        while origin.0.loads.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cache.emit(UserChanged { id: 2 }).await.unwrap();
        origin.open();
        assert_eq!(call.await.unwrap().unwrap().len(), 2);
        watched(&origin, &[1, 2]).await.unwrap();
        assert_eq!(origin.loads(), [vec![1, 2], vec![2]]);
    });
}

#[test]
fn what_is_made_of_cached_values_is_no_newer_than_they_are() {
    #[cached(ttl = 1h, skip(origin), invalidate_on = UserChanged { id })]
    async fn one(origin: &Users, id: u64) -> String {
        origin.load(&[id]).await.remove(&id).unwrap_or_default()
    }
    #[cached(ttl = 1h, skip(origin), batch(id in ids), invalidate_on = UserChanged { id })]
    async fn made(origin: &Users, ids: &[u64]) -> HashMap<u64, String> {
        let mut made = HashMap::new();
        for id in ids {
            made.insert(*id, one(origin, *id).await);
        }
        made
    }
    on_both_runtimes(|cache| async move {
        let origin = Users::default();
        made(&origin, &[1, 2]).await;
        cache.emit(UserChanged { id: 1 }).await.unwrap();
        made(&origin, &[1, 2]).await;
        assert_eq!(origin.loads(), [[1], [2], [1]]);
    });
}

#[test]
fn what_another_process_has_loaded_is_read_and_only_the_rest_is_loaded() {
    on_both_runtimes(|_| async {
        let redis = FakeRedis::new();
        let (a, b) = (tests::process(&redis).await, tests::process(&redis).await);
        let origin = Users::default();
        Cache::scope(a.clone(), names(&origin, &[1, 2, 3, 2_000])).await;
        redis.until(|redis| redis.writes() >= 4).await;
        let found = Cache::scope(b.clone(), names(&origin, &[1, 2, 3, 4, 5, 2_000]));
        assert_eq!(found.await, [1, 2, 3, 4, 5]);
        assert_eq!(origin.loads(), [vec![1, 2, 3, 2_000], vec![4, 5]]);
        let stats = b.stats();
        assert_eq!(stats.function("users").unwrap().redis_hits, 4);
    });
}

#[test]
fn with_the_cache_off_every_call_runs_the_body_with_its_keys() {
    on_both_runtimes(|_| async {
        let origin = Users::default();
        let off = || Cache::scope(Cache::disabled(), names(&origin, &[1, 2]));
        assert_eq!((off().await, off().await), (vec![1, 2], vec![1, 2]));
        assert_eq!(origin.loads(), [[1, 2], [1, 2]]);
    });
}

#[test]
fn as_many_loads_run_at_once_as_the_function_says() {
    static RUNS: tests::Runs = tests::Runs::new();
    static MOST: Mutex<usize> = Mutex::new(0);
    #[cached(ttl = 1h, batch(id in ids, max = 1), max_concurrent_loads = 3)]
    async fn slow(ids: &[u64]) -> HashMap<u64, u64> {
        let running = RUNS.add() + 1;
        let most = *MOST.lock().unwrap();
        *MOST.lock().unwrap() = most.max(running);
        tokio::time::sleep(Duration::from_millis(5)).await;
        RUNS.sub();
        ids.iter().map(|id| (*id, *id)).collect()
    }
    on_both_runtimes(|_| async {
        let ids: Vec<u64> = (0..20).collect();
        assert_eq!(slow(&ids).await.len(), 20);
        assert_eq!(*MOST.lock().unwrap(), 3);
    });
}

#[cached(ttl = 1h, skip(origin), batch(id in ids, max = 15), max_concurrent_loads = 1)]
async fn one_at_a_time(origin: &Users, ids: &[u64]) -> Result<HashMap<u64, String>, Failure> {
    let found = origin.load(ids).await;
    assert!(!ids.contains(&13), "unlucky");
    Ok(found)
}

/// Calls with one key each, each of which has come to wait for a slot before the next begins.
async fn burst(cache: &Cache, origin: &Users, ids: &[u64]) -> Vec<tokio::task::JoinHandle<u64>> {
    let mut calls = Vec::new();
    for id in ids.iter().copied() {
        let origin = origin.clone();
        let call = async move { one_at_a_time(&origin, &[id]).await.unwrap().len() as u64 };
        calls.push(tests::spawn_in(cache, call));
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    calls
}

#[test]
fn keys_that_wait_for_a_slot_are_loaded_together() {
    on_both_runtimes(|cache| async move {
        let origin = Users::default();
        origin.close();
        let ids: Vec<u64> = (100..=120).collect();
        let calls = burst(&cache, &origin, &ids).await;
        origin.open();
        for call in calls {
            assert_eq!(call.await.unwrap(), 1);
        }
        let loads = origin.loads().into_iter().map(|load| load.len());
        assert_eq!(loads.collect::<Vec<_>>(), [1, 15, 5]);
    });
}

#[test]
fn a_key_that_panics_takes_no_key_along_that_waited_for_a_slot_with_it() {
    on_both_runtimes(|cache| async move {
        let origin = Users::default();
        origin.close();
        let calls = burst(&cache, &origin, &[11, 12, 13, 14]).await;
        origin.open();
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await.ok());
        }
        assert_eq!(answers, [Some(1), Some(1), None, Some(1)]);
    });
}

#[test]
fn calls_that_go_while_they_wait_for_a_slot_leave_it_to_the_others() {
    on_both_runtimes(|cache| async move {
        let origin = Users::default();
        origin.close();
        let mut calls = burst(&cache, &origin, &[1, 2, 3, 4]).await;
        for call in calls.drain(1..3) {
            call.abort();
        }
        origin.open();
        for call in calls {
            assert_eq!(call.await.unwrap(), 1);
        }
        let origin = Users::default();
        one_at_a_time(&origin, &[9]).await.unwrap();
        assert_eq!(origin.loads(), [[9]]);
    });
}

#[test]
fn thousands_of_keys_are_read_from_redis_though_no_task_may_run_for_so_long() {
    let server = tests::server::Server::start();
    on_both_runtimes(|_| async {
        let origin = Users::default();
        let ids: Vec<u64> = (1..=1_000).collect();
        let (mut caches, namespace) = (Vec::new(), format!("n{}", std::process::id()));
        for _ in 0..2 {
            let builder = Cache::builder().namespace(&namespace).redis(server.url());
            caches.push(builder.build().await.unwrap());
        }
        let [a, b] = caches.try_into().unwrap();
        Cache::scope(a.clone(), names(&origin, &ids)).await;
        let left = a.close(tests::SOON).await;
        assert_eq!(left.fills, 0);
        assert_eq!(Cache::scope(b, names(&origin, &ids)).await, ids);
    });
}
