//! Random calls, handles, failures, panics and broken-off calls in many tasks at once. All the same,
//! every call returns, nobody is given less than what was written before the call began, and
//! afterwards a key takes one load, every slot is free and the counts add up.
//!
//! A failure names its seed. `STRESS_SEED=<n>` begins with that one instead of the first, and
//! `STRESS_ROUNDS=<n>` goes through that many instead of six.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "stress/calls.rs"]
mod calls;

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use cache_core::{Cache, Eviction};
use futures::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use tests::{Random, SOON, bounded, on_both_runtimes, spawn_in, until};
use tokio::{
    runtime::Handle,
    sync::Barrier,
    task::yield_now,
    time::{sleep, timeout},
};

use self::calls::{Deed, KEYS, Place, SLOTS};

const ACTORS: usize = 30;
const STEPS: usize = 20;

/// How long a call may take.
const BOUND: Duration = Duration::from_secs(10);

/// What a task does next.
#[derive(Clone, Copy)]
enum Action {
    Call,
    /// Calls three at once.
    Join,
    /// Does something else with a call than to await it.
    Handle,
    /// Calls, and gives up after a moment.
    GiveUp,
    /// Polls a call once and drops it later.
    LeaveBehind,
    /// Spawns a call and aborts it.
    Abort,
    /// Polls a call once, makes another one, and goes on with the first in another task.
    PutOff,
    Write,
    Clear,
}

impl Action {
    #[rustfmt::skip]
    const RARE: [Self; 7] =
        [Self::Handle, Self::GiveUp, Self::LeaveBehind, Self::Abort, Self::PutOff, Self::Write, Self::Clear];
    #[rustfmt::skip]
    const NESTED: [Self; 5] =
        [Self::Call, Self::Join, Self::Handle, Self::GiveUp, Self::LeaveBehind];
}

/// The source of truth for one key.
#[derive(Default)]
struct Row {
    written: AtomicU64,
    /// What every call that begins now must see at least.
    visible: AtomicU64,
    writing: Mutex<()>,
}

struct World {
    cache: Cache,
    random: Random,
    rows: [[Row; KEYS]; SLOTS.len()],
    /// Once set, nothing fails, and loads wait here for as many as there are slots.
    meeting: Mutex<Option<Arc<Barrier>>>,
    faults: Mutex<Vec<String>>,
}

impl World {
    async fn new(seed: u64) -> Arc<Self> {
        let random = Random::of_seed(seed);
        let policy = random.one_of(&[Eviction::Adaptive, Eviction::Lru]);
        Arc::new(Self {
            cache: Cache::builder().eviction(policy).build().await.unwrap(),
            random,
            rows: Default::default(),
            meeting: Mutex::default(),
            faults: Mutex::default(),
        })
    }

    fn any_place(&self) -> Place {
        Place(self.random.below(SLOTS.len()), self.random.below(KEYS))
    }

    fn row(&self, Place(function, key): Place) -> &Row {
        &self.rows[function][key]
    }

    fn loads(&self) -> u64 {
        self.cache.stats().functions.iter().map(|f| f.loads).sum()
    }

    async fn nap(&self) {
        match self.random.below(6) {
            0 => {}
            1 => yield_now().await,
            n => sleep(Duration::from_micros(300) * u32::try_from(n).unwrap()).await,
        }
    }

    /// The body of every function.
    async fn load<E>(self: Arc<Self>, place: Place, error: E) -> Result<u64, E> {
        let seen = self.row(place).written.load(SeqCst);
        let meeting = self.meeting.lock().unwrap().clone();
        if let Some(meeting) = meeting {
            meeting.wait().await;
            return Ok(seen);
        }
        self.nap().await;
        match self.random.below(100) {
            // Without the hook, which would print it.
            0..5 => resume_unwind(Box::new("a body panics")),
            5..20 => return Err(error),
            20..60 => self.act(self.random.one_of(&Action::NESTED)).await,
            _ => {}
        }
        self.nap().await;
        Ok(seen)
    }

    /// From its return on nobody sees less than what it wrote.
    fn write(self: &Arc<Self>, place: Place) {
        let row = self.row(place);
        let _writing = row.writing.lock().unwrap();
        let version = row.written.fetch_add(1, SeqCst) + 1;
        let deed = self.random.one_of(&[Deed::Evict, Deed::Put(version)]);
        let call = deed.with(Arc::clone(self), place);
        let done = Cache::scope(self.cache.clone(), call).now_or_never();
        assert!(done.is_some(), "{deed:?} is done with the first poll");
        row.visible.fetch_max(version, SeqCst);
    }

    /// Calls, and notes what must not be.
    fn ask(self: &Arc<Self>, place: Place, deed: Deed) -> BoxFuture<'static, ()> {
        let world = Arc::clone(self);
        let asked = async move {
            let least = world.row(place).visible.load(SeqCst);
            let call = AssertUnwindSafe(deed.with(Arc::clone(&world), place)).catch_unwind();
            let fault = match timeout(BOUND, call).await {
                Err(_) => format!("{deed:?} of {place:?} did not return"),
                Ok(Ok(Some(version))) if version < least => {
                    format!("{deed:?} of {place:?} gave {version} after {least}")
                }
                Ok(_) => return,
            };
            world.faults.lock().unwrap().push(fault);
        };
        asked.boxed()
    }

    async fn act(self: &Arc<Self>, action: Action) {
        let any = || self.ask(self.any_place(), Deed::Await);
        match action {
            Action::Call => any().await,
            Action::Join => drop(futures::join!(any(), any(), any())),
            Action::Handle => {
                let deed = self.random.one_of(&Deed::RARE);
                self.ask(self.any_place(), deed).await;
            }
            Action::GiveUp => drop(timeout(Duration::from_millis(1), any()).await),
            Action::LeaveBehind => {
                let mut left_behind = any();
                let _ = futures::poll!(&mut left_behind);
                self.nap().await;
            }
            Action::Abort => {
                let spawned = spawn_in(&self.cache, any());
                self.nap().await;
                spawned.abort();
            }
            Action::PutOff => {
                let mut put_off = any();
                if futures::poll!(&mut put_off).is_pending() {
                    any().await;
                    spawn_in(&self.cache, put_off).await.unwrap();
                }
            }
            Action::Write => self.write(self.any_place()),
            Action::Clear => self.cache.clear(),
        }
    }

    async fn act_at_random(self: Arc<Self>) {
        for _ in 0..STEPS {
            let rare = self.random.one_of(&Action::RARE);
            self.act(self.random.one_of(&[rare, Action::Call])).await;
        }
    }

    /// As many keys at once as there are slots: one that is lost, or a second load, would show.
    async fn each_key_takes_one_load(self: &Arc<Self>, function: usize) {
        let slots = SLOTS[function];
        *self.meeting.lock().unwrap() = Some(Arc::new(Barrier::new(slots)));
        self.cache.clear();
        for first in (0..KEYS).step_by(slots) {
            let before = self.loads();
            let calls = (0..10 * slots).map(|nth| {
                let place = Place(function, first + nth % slots);
                spawn_in(&self.cache, self.ask(place, Deed::Await))
            });
            join_all(calls).await;
            let loads = self.loads() - before;
            assert_eq!(loads, slots as u64, "loads of {slots} keys of {function}");
        }
    }

    fn assert_counts_add_up(&self) {
        let stats = self.cache.stats();
        let rows = stats.functions.iter();
        let (entries, bytes) =
            rows.fold((0, 0), |sum, row| (sum.0 + row.entries, sum.1 + row.bytes));
        assert_eq!((entries, bytes), (stats.entries, stats.bytes), "{stats}");
    }

    fn assert_no_faults(&self) {
        let faults = self.faults.lock().unwrap();
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

async fn round(seed: u64) {
    let world = World::new(seed).await;
    let actors = (0..ACTORS).map(|_| spawn_in(&world.cache, Arc::clone(&world).act_at_random()));
    for ended in join_all(actors).await {
        ended.unwrap();
    }
    world.assert_no_faults();
    let runtime = Handle::current().metrics();
    until("loads have ended that nobody waits for", || {
        runtime.num_alive_tasks() == 0
    })
    .await;
    for function in 0..SLOTS.len() {
        world.each_key_takes_one_load(function).await;
    }
    world.assert_counts_add_up();
    world.assert_no_faults();
}

fn number_from_env(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|number| number.parse().unwrap())
}

#[test]
fn calls_in_any_disorder_return_what_is_true_and_leave_the_cache_whole() {
    let first = number_from_env("STRESS_SEED").unwrap_or(1);
    let rounds = number_from_env("STRESS_ROUNDS").unwrap_or(6);
    for seed in first..first + rounds {
        eprintln!("STRESS_SEED={seed}");
        bounded(SOON * 3, move || on_both_runtimes(|_| round(seed)));
    }
}
