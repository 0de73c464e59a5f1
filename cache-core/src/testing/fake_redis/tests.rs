//! Tags and messages of the stand-in, as those of a real server.

use std::{sync::Arc, time::Duration};

use super::*;
use crate::l2::{
    Batch, Bump, Listener, ReadRequest, Tagged, Version,
    notes::{
        Notes,
        Told::{Connected, Fenced, Lost},
    },
};

const SOON: Duration = Duration::from_millis(500);
const BEAT: Duration = Duration::from_millis(100);
const HOUR: Duration = Duration::from_hours(1);

fn batch(nonce: Option<&str>, names: &[&str]) -> Batch {
    let bumps = names.iter().map(|name| Bump {
        key: format!("t:{name}").into(),
        name: (*name).into(),
        life: HOUR,
        nonces: nonce.map(Arc::from).into_iter().collect(),
    });
    Batch {
        channel: "events".into(),
        tail: "origin site".into(),
        bumps: bumps.collect(),
    }
}

async fn bump(store: &dyn Store, name: &str) -> Version {
    let bumped = store.bump(batch(None, &[name]), SOON).await;
    bumped.unwrap().versions[0]
}

async fn read(store: &dyn Store, tag: &str) -> Result<Tagged, StoreError> {
    let asked = ReadRequest {
        entry: None,
        expected: 0,
        tags: &[tag],
    };
    store.get_tagged(asked, SOON).await
}

async fn version(store: &dyn Store, tag: &str) -> Version {
    read(store, tag).await.unwrap().versions[0]
}

fn listen(store: &dyn Store) -> Arc<Notes> {
    let notes = Arc::new(Notes::default());
    let listener: Arc<dyn Listener> = Arc::clone(&notes) as _;
    store.listen("events", BEAT, &listener);
    notes
}

fn fences(notes: &Notes) -> usize {
    let fences = notes.all().into_iter();
    fences.filter(|told| matches!(told, Fenced(..))).count()
}

async fn beats(notes: &Notes, count: usize) {
    let target = fences(notes) + count;
    while fences(notes) < target {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn versions_grow_by_the_systems_clock_and_not_by_one_that_is_moved_by_hand() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let store = redis.store();
    let Version::Number(first) = bump(&*store, "a").await else {
        panic!("no version");
    };
    assert_eq!(version(&*store, "t:a").await, Version::Number(first));
    redis.clear();
    assert_eq!(version(&*store, "t:a").await, Version::Missing);
    let ensured = store.ensure(&["t:a"], HOUR, SOON).await.unwrap();
    let [Version::Number(second)] = ensured.versions[..] else {
        panic!("{ensured:?}");
    };
    assert!(second > first);
    let again = store.ensure(&["t:a"], HOUR, SOON).await.unwrap();
    assert_eq!(again.versions, ensured.versions);
    clock.advance(Duration::from_mins(30));
    let Version::Number(third) = bump(&*store, "a").await else {
        panic!("no version");
    };
    assert!((1..Duration::from_mins(15).as_micros()).contains(&u128::from(third - second)));
    assert_eq!((redis.tags(), redis.keys()), (vec!["t:a".into()], vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_tag_lives_as_long_as_it_was_ensured_last() {
    let clock = ManualClock::new();
    let redis = FakeRedis::on(&clock);
    let store = redis.store();
    bump(&*store, "a").await;
    store.ensure(&["t:a"], 2 * HOUR, SOON).await.unwrap();
    store.ensure(&["t:a"], HOUR, SOON).await.unwrap();
    bump(&*store, "a").await;
    clock.advance((2 * HOUR).saturating_sub(Duration::from_secs(1)));
    assert_ne!(version(&*store, "t:a").await, Version::Missing);
    clock.advance(Duration::from_secs(1));
    assert_eq!(version(&*store, "t:a").await, Version::Missing);
    assert_eq!(redis.tags(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_bump_has_been_heard_by_all_when_it_is_acknowledged() {
    let redis = FakeRedis::new();
    let (here, there) = (redis.store(), redis.store());
    let (own, other) = (listen(&*here), listen(&*there));
    let bumped = here.bump(batch(None, &["a", "b"]), SOON).await.unwrap();
    let [Version::Number(a), Version::Number(b)] = bumped.versions[..] else {
        panic!("{bumped:?}");
    };
    let message = format!("a {a} origin site\nb {b} origin site");
    assert_eq!(own.messages(), [message]);
    assert_eq!(own.messages(), other.messages());
    beats(&other, 3).await;
    assert!(matches!(other.all()[..2], [Connected(_), Fenced(..)]));
    assert_eq!(other.changes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_one_loses_tags_and_still_publishes() {
    let redis = FakeRedis::new();
    let store = redis.store();
    let notes = listen(&*store);
    bump(&*store, "a").await;
    redis.fill_up();
    assert_eq!(bump(&*store, "a").await, Version::Missing);
    assert_eq!(notes.messages()[1], "a 0 origin site");
    assert_eq!(version(&*store, "t:a").await, Version::Missing);
    let ensured = store.ensure(&["t:a"], HOUR, SOON).await;
    assert!(matches!(ensured, Err(StoreError::ReadOnly(_))));
}

#[tokio::test(start_paused = true)]
async fn a_mark_stays_until_its_last_writer_has_bumped() {
    let redis = FakeRedis::new();
    let store = redis.store();
    let notes = listen(&*store);
    let mark = async |nonce| {
        let marked = store.mark(batch(Some(nonce), &["a"]), SOON).await;
        marked.unwrap().versions[0]
    };
    let release = async |nonce| {
        let released = store.bump(batch(Some(nonce), &["a"]), SOON).await;
        released.unwrap().versions[0]
    };
    assert_eq!(mark("one").await, Version::Missing);
    assert_eq!(mark("two").await, Version::Missing);
    assert_eq!(mark("one").await, Version::Marked);
    assert_eq!(notes.messages(), ["a ! origin site"; 3]);
    assert_eq!(version(&*store, "t:a").await, Version::Marked);
    assert_eq!(bump(&*store, "a").await, Version::Marked);
    assert_eq!(release("one").await, Version::Marked);
    assert!(matches!(release("two").await, Version::Number(_)));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_costs_the_connection() {
    let redis = FakeRedis::new();
    let store = redis.store();
    let notes = listen(&*store);
    redis.inject_next(1, Operation::Message, Fault::Fail);
    bump(&*store, "a").await;
    assert_eq!(notes.messages(), Vec::<String>::new());
    assert_eq!(notes.changes().len(), 3);
    bump(&*store, "a").await;
    assert_eq!(notes.messages().len(), 1);

    redis.inject(Operation::Message, Fault::Fail);
    let fence = fences(&notes);
    sleep(10 * BEAT).await;
    assert_eq!(notes.all().pop(), Some(Lost));
    assert_eq!(fences(&notes), fence);
    redis.recover();
    assert_eq!(notes.changes().len(), 5);
    beats(&notes, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_hangs_is_missed_without_a_word_until_the_next_beat() {
    let redis = FakeRedis::new();
    let store = redis.store();
    let notes = listen(&*store);
    redis.inject_next(1, Operation::Message, Fault::Hang);
    bump(&*store, "a").await;
    assert_eq!(notes.changes().len(), 1);
    let fence = fences(&notes);
    sleep(BEAT + BEAT / 2).await;
    assert_eq!(notes.changes().len(), 3);
    let all = notes.all();
    let lost = all.iter().position(|told| *told == Lost).unwrap();
    let before = all[..lost].iter();
    let before = before.filter(|told| matches!(told, Fenced(..))).count();
    assert_eq!(before, fence);
    assert_eq!(notes.messages(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_late_comes_in_its_order_and_proofs_behind_it() {
    let redis = FakeRedis::new();
    let store = redis.store();
    let notes = listen(&*store);
    redis.inject_next(1, Operation::Message, Fault::Delay(5 * BEAT));
    bump(&*store, "a").await;
    bump(&*store, "b").await;
    let fence = fences(&notes);
    sleep(4 * BEAT).await;
    assert_eq!((notes.messages().len(), fences(&notes)), (0, fence));
    sleep(2 * BEAT).await;
    let messages = notes.messages();
    assert!(messages[0].starts_with("a ") && messages[1].starts_with("b "));
    assert!(fences(&notes) > fence);
    assert_eq!(notes.changes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failover_loses_what_the_replica_never_had_under_another_lineage() {
    let redis = FakeRedis::new();
    let store = redis.store();
    let notes = listen(&*store);
    let first = bump(&*store, "a").await;
    let before = read(&*store, "t:a").await.unwrap().lineage;
    let replica = redis.replica();
    assert_ne!(bump(&*store, "a").await, first);
    redis.fail_over(replica);
    let after = read(&*store, "t:a").await.unwrap();
    assert_eq!(after.versions.as_slice(), [first]);
    assert_ne!(after.lineage, before);
    assert_eq!(
        notes.changes(),
        [Connected(before), Lost, Connected(after.lineage)]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_during_a_failover_fails() {
    let redis = FakeRedis::new();
    let store = redis.store();
    redis.delay(Duration::from_millis(50));
    let fail_over = async {
        sleep(Duration::from_millis(20)).await;
        redis.fail_over(redis.replica());
    };
    let (answer, ()) = tokio::join!(read(&*store, "t:a"), fail_over);
    assert_eq!(answer, Err(StoreError::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_made_anew_at_once() {
    let redis = FakeRedis::new();
    let store = redis.store();
    let notes = listen(&*store);
    redis.disconnect();
    let changes = notes.changes();
    assert_eq!(changes, [changes[0].clone(), Lost, changes[0].clone()]);
}

#[tokio::test(start_paused = true)]
async fn who_is_dropped_hears_no_more() {
    let redis = FakeRedis::new();
    let (here, there) = (redis.store(), redis.store());
    let notes = listen(&*there);
    drop(there);
    assert_eq!(notes.all().pop(), Some(Lost));
    bump(&*here, "a").await;
    redis.disconnect();
    assert_eq!(notes.all().pop(), Some(Lost));
}

#[test]
fn the_next_runtime_goes_on_with_the_beats() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let redis = FakeRedis::new();
    let store = redis.store();
    let notes = runtime().block_on(async { listen(&*store) });
    let listener: Arc<dyn Listener> = Arc::clone(&notes) as _;
    runtime().block_on(async {
        store.listen("events", BEAT, &listener);
        beats(&notes, 3).await;
    });
    assert_eq!(notes.changes().len(), 1);
}
