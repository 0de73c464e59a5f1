//! The courier carries bumps to the shared tier, and hears those of others: one task for the caches of this process that
//! share entries, on the runtime that built the first, and on the next one that calls when that is gone.

use std::{
    fmt,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Waker},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    task::yield_now,
    time::{sleep, timeout},
};
use tracing::Instrument;

use super::{
    ear::{ByOneStore, Ear},
    mark::{Mark, Marks},
    peer_caches::{self, PeerCaches},
};
use crate::{
    call::BoxFuture,
    clock::{Nanos, asleep, before, system_now},
    coherence::{Cell, Coherence, Emitter, Emitters, NOBODY, Nonces, Outgoing},
    event::Tag,
    l2::{Backing, Batch, Bump, Message, Store, StoreError, TAG_LIFE},
    lock::Mutex,
    spans, tasks,
};

/// How long one round trip of bumps may take. Whoever waits for it waits no longer than the budget.
pub(super) const WITHIN: Duration = Duration::from_secs(1);
/// After so long it will not be answered: whoever carries it is not driven.
const CARRIED: Duration = Duration::from_secs(2);
/// How often the task shows that it is alive.
pub(crate) const SIGN_EVERY: Duration = Duration::from_millis(500);
/// A task without a sign of life for so long is on a runtime that nobody drives.
const ABANDONED: Nanos = 3_000_000_000;
/// More tags in one message are told without who emitted them, which would be said with each.
const MOST_NAMED: usize = 64;
/// What a machine sleeps without anybody noticing.
const NAP: Nanos = 500_000_000;

/// What calls and mutations ask of the courier. A table: programs without a shared tier hold nothing of it.
pub(crate) trait Carrier: fmt::Debug + Send + Sync {
    /// Marks what `by` is about to change; nothing where the others could not be told in time.
    fn mark<'a>(
        &'a self,
        tags: &'a [Tag],
        by: &'a Emitter,
        within: Duration,
    ) -> BoxFuture<'a, Option<Arc<Mark>>>;

    /// Makes sure that somebody carries: on this runtime, if the one before is gone or nobody drives it.
    fn attend(&self);

    /// What was just emitted is to be sent.
    fn begin(&self);

    /// Nobody waits for what is on its way, or it takes too long: on this runtime somebody looks whether it is still being
    /// carried.
    fn look_again(&self);

    /// The caches that hear what is changed by hand.
    fn peer_caches(&self) -> &PeerCaches;

    /// What its caches share.
    fn backing(&self) -> &Arc<Backing>;

    /// Has all of them ask this store, and hear by it, as soon as it is ready: whoever made it was let in otherwise.
    fn prefer(&self, store: Arc<dyn Store>);

    /// What the others are told of an entry that the cache of this number changed by hand.
    fn message(&self, cache: u64, function: &str, record: &str) -> Message;
}

/// The way of bumps to the shared tier and back.
#[derive(Debug)]
pub(crate) struct Courier {
    route: Arc<Route>,
}

pub(super) struct Route {
    pub(super) coherence: Arc<Coherence>,
    backing: Arc<Backing>,
    /// Takes the place of the store when it is ready.
    candidate: Mutex<Option<Arc<dyn Store>>>,
    ear: Arc<Ear>,
    /// The same, as the store knows it, which listens for as long as this is there.
    by_store: Mutex<ByOneStore>,
    pub(super) marks: Marks,
    channel: Arc<str>,
    /// Behind each tag that is published, where it is not said who emitted it.
    anonymous: Arc<str>,
    /// When the task was last seen; zero without one.
    seen: AtomicU64,
    /// Which task is in charge: the latest.
    epoch: AtomicU64,
    /// Where it runs.
    runtime: Mutex<Option<Id>>,
    /// What was begun in another task, for the one in charge to see to its end.
    begun: Mutex<Vec<BoxFuture<'static, ()>>>,
    /// The runtimes from which somebody looks whether it still is.
    lookers: Mutex<Vec<Id>>,
    /// Without any what is left is sent, and then it is over.
    couriers: AtomicUsize,
    /// It was said that Redis refuses bumps and marks, and it has taken none since.
    has_warned: AtomicBool,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("channel", &self.channel)
            .field("store", &self.store())
            .finish_non_exhaustive()
    }
}

impl Courier {
    pub(crate) fn new(namespace: &str, coherence: &Arc<Coherence>, backing: Arc<Backing>) -> Self {
        let ear = Ear::new(coherence);
        // Keys of another database are others, and channels are the same.
        let channel = match backing.store().database() {
            0 => format!("{namespace}:b"),
            other => format!("{namespace}:b:{other}"),
        };
        let route = Arc::new(Route {
            coherence: Arc::clone(coherence),
            channel: channel.into(),
            anonymous: format!("{} {NOBODY}", coherence.origin()).into(),
            backing,
            candidate: Mutex::default(),
            by_store: Mutex::new(ByOneStore::of(&ear)),
            ear,
            marks: Marks::default(),
            seen: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            runtime: Mutex::default(),
            begun: Mutex::default(),
            couriers: AtomicUsize::new(0),
            lookers: Mutex::default(),
            has_warned: AtomicBool::new(false),
        });
        Self::of(route)
    }

    fn of(route: Arc<Route>) -> Self {
        route.couriers.fetch_add(1, Relaxed);
        let courier = Self { route };
        courier.attend();
        courier
    }

    /// What is left of this when it is dropped.
    pub(super) fn rest(&self) -> Rest {
        Rest(Arc::downgrade(&self.route))
    }

    pub(super) fn coherence(&self) -> &Arc<Coherence> {
        &self.route.coherence
    }
}

impl Carrier for Courier {
    fn mark<'a>(
        &'a self,
        tags: &'a [Tag],
        by: &'a Emitter,
        within: Duration,
    ) -> BoxFuture<'a, Option<Arc<Mark>>> {
        Box::pin(async move {
            let mark = self.route.mark(tags, by, within).await;
            if mark.is_some() {
                self.look_again();
            }
            mark
        })
    }

    fn begin(&self) {
        self.attend();
        self.route.begin();
    }

    fn peer_caches(&self) -> &PeerCaches {
        &self.route.ear.peer_caches
    }

    fn backing(&self) -> &Arc<Backing> {
        &self.route.backing
    }

    fn prefer(&self, store: Arc<dyn Store>) {
        let before = self.route.candidate.lock().replace(store);
        drop(before);
        self.route.switch();
    }

    fn message(&self, cache: u64, function: &str, record: &str) -> Message {
        let origin = self.route.coherence.origin();
        Message {
            channel: Arc::clone(&self.route.channel),
            text: peer_caches::message((cache, origin), function, record).into(),
        }
    }

    fn attend(&self) {
        self.route.attend();
    }

    fn look_again(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let route = &self.route;
        if route.is_here(&runtime) {
            return;
        }
        let mut lookers = route.lookers.lock();
        if lookers.contains(&runtime.id()) {
            return;
        }
        lookers.push(runtime.id());
        drop(lookers);
        let mut looking = Looking {
            route: Arc::downgrade(route),
            runtime: runtime.id(),
            has_ended: false,
        };
        tasks::spawn(&runtime, async move {
            while looking.goes_on() {
                sleep(SIGN_EVERY).await;
            }
        });
    }
}

/// Looks whether what is to be carried is, from a runtime that is driven.
struct Looking {
    route: Weak<Route>,
    runtime: Id,
    has_ended: bool,
}

impl Looking {
    /// Has a look, where there still is something to be carried.
    fn goes_on(&mut self) -> bool {
        let Some(route) = self.route.upgrade() else {
            return false;
        };
        // Whoever emits behind this finds that nobody looks.
        let mut lookers = route.lookers.lock();
        self.has_ended = route.coherence.unsent() == 0 && !route.marks.are_there();
        if self.has_ended {
            lookers.retain(|id| *id != self.runtime);
        }
        drop(lookers);
        if !self.has_ended {
            route.attend();
        }
        !self.has_ended
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        if !self.has_ended
            && let Some(route) = self.route.upgrade()
        {
            route.lookers.lock().retain(|id| *id != self.runtime);
        }
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        if self.route.couriers.fetch_sub(1, Relaxed) > 1 {
            return;
        }
        self.route.ear.leave();
        // They hold the route that holds them.
        let begun = std::mem::take(&mut *self.route.begun.lock());
        drop(begun);
        if self.route.coherence.unsent() > 0 {
            LEFT.lock().push(Arc::clone(&self.route));
            // It may have been sent meanwhile.
            if self.route.coherence.unsent() == 0 {
                take_from_left(&self.route);
            }
        }
        self.route.coherence.work.notify_one();
    }
}

/// The routes without a courier that have something to send: whoever comes next in their place knows of it, though the
/// runtime that would have sent it may be gone.
static LEFT: Mutex<Vec<Arc<Route>>> = Mutex::new(Vec::new());

fn take_from_left(route: &Arc<Route>) {
    let mut left = LEFT.lock();
    let (gone, kept) = std::mem::take(&mut *left)
        .into_iter()
        .partition(|other| Arc::ptr_eq(other, route));
    *left = kept;
    drop(left);
    // Not before: what it holds may do anything when it is dropped.
    drop::<Vec<_>>(gone);
}

/// A courier that may have been dropped with something to send.
#[derive(Debug)]
pub(super) struct Rest(Weak<Route>);

impl Rest {
    pub(super) fn is_there(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Goes on where that ended: what it has not sent is known to be unsent.
    pub(super) fn resume(&self) -> Option<Courier> {
        let route = self.0.upgrade()?;
        take_from_left(&route);
        (route.coherence.unsent() > 0).then(|| Courier::of(route))
    }
}

/// The task, while it is in charge.
struct InCharge {
    route: Arc<Route>,
    epoch: u64,
}

impl Drop for InCharge {
    fn drop(&mut self) {
        if self.route.epoch.load(Relaxed) == self.epoch {
            self.route.seen.store(0, Relaxed);
        }
    }
}

impl InCharge {
    /// Neither waits for what the other was to be answered.
    async fn run(self) {
        let mut upkeep = pin!(self.route.keep_marks());
        let mut carrying = pin!(self.carry());
        poll_fn(|cx| {
            // It never ends.
            let _ = upkeep.as_mut().poll(cx);
            carrying.as_mut().poll(cx)
        })
        .await;
    }

    async fn carry(&self) {
        let route = &*self.route;
        let mut slept = asleep();
        while route.epoch.load(Relaxed) == self.epoch {
            route.seen.store(system_now().max(1), Relaxed);
            if asleep().saturating_sub(slept) > NAP {
                // Its clock stood still, and the world did not.
                route.coherence.tear(system_now());
                tracing::info!(
                    "this machine has slept: the cache asks about what it may have missed meanwhile"
                );
            }
            slept = asleep();
            route.switch();
            let store = route.store();
            if let Some(lineage) = store.lineage() {
                route.coherence.speaks_to(lineage);
            }
            if let Some(lineage) = route.coherence.take_stray() {
                store.follow(lineage);
            }
            route.listen(&store);
            drop(store);
            route.backing.send_rest();
            let begun = std::mem::take(&mut *route.begun.lock());
            for carried in begun {
                // It may be of a runtime that stands still. Given up, it has failed.
                let _ = timeout(CARRIED, carried).await;
            }
            let now = system_now();
            route.coherence.take_back(before(now, CARRIED), now);
            if let Some(outgoing) = route.coherence.next_batch(system_now()) {
                route.carry(outgoing).await;
                // While Redis is down each of them fails without a wait.
                yield_now().await;
                // Where there is always more to carry, what was begun is ended all the same.
                continue;
            }
            if route.couriers.load(Relaxed) == 0 && route.coherence.unsent() == 0 {
                return take_from_left(&self.route);
            }
            // Woken early or not, there is something to see.
            let _ = timeout(route.wait(), route.coherence.work.notified()).await;
        }
    }
}

impl Route {
    fn attend(self: &Arc<Self>) {
        let (now, seen) = (system_now(), self.seen.load(Relaxed));
        if seen != 0 && now.saturating_sub(seen) < ABANDONED {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        // Of those who see it at once, one acts.
        let exchanged = self
            .seen
            .compare_exchange(seen, now.max(1), Relaxed, Relaxed);
        if exchanged.is_ok() {
            let epoch = self.epoch.fetch_add(1, Relaxed) + 1;
            *self.runtime.lock() = Some(runtime.id());
            let in_charge = InCharge {
                route: Arc::clone(self),
                epoch,
            };
            tasks::spawn(&runtime, in_charge.run());
        }
    }

    /// Whether the task in charge is of this runtime.
    fn is_here(&self, runtime: &Handle) -> bool {
        *self.runtime.lock() == Some(runtime.id())
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        self.backing.store()
    }

    fn listen(&self, store: &Arc<dyn Store>) {
        let beat = self.coherence.bounds().staleness / 4;
        let listener = self.by_store.lock().listener();
        store.listen(&self.channel, beat, &listener);
    }

    /// Has another store take the place of the one that there is, if it is ready: one that was let in later, perhaps since
    /// the other one no longer is.
    fn switch(&self) {
        let mut candidate = self.candidate.lock();
        let Some(store) = candidate.take_if(|candidate| candidate.is_ready()) else {
            return;
        };
        // What the other one hears, nobody hears from here on.
        let by_store = ByOneStore::of(&self.ear);
        let deaf = std::mem::replace(&mut *self.by_store.lock(), by_store);
        let before = self.backing.replace(Arc::clone(&store));
        // Not before: the later one stays.
        drop(candidate);
        self.coherence.lost();
        self.listen(&store);
        drop((deaf, before));
        self.coherence.work.notify_one();
    }

    async fn carry(&self, outgoing: Outgoing) {
        let store = self.store();
        if !store.is_ready() {
            outgoing.failed(system_now());
            return;
        }
        let batch = self.batch(outgoing.cells(), outgoing.emitters(), TAG_LIFE);
        let span = spans::bump(batch.bumps.len());
        let bumped = store.bump(batch, WITHIN).instrument(span.clone()).await;
        span.record("outcome", outcome_of(&bumped));
        match bumped {
            Ok(bumped) => {
                self.note_accepted();
                outgoing.acknowledged(&bumped.versions, bumped.lineage, system_now());
            }
            Err(error) => {
                self.tell(&error);
                if error.may_pass() {
                    outgoing.failed(system_now());
                } else {
                    outgoing.refused(system_now());
                }
            }
        }
    }

    /// Redis takes bumps and marks.
    pub(super) fn note_accepted(&self) {
        if self.has_warned.load(Relaxed) {
            self.has_warned.store(false, Relaxed);
        }
    }

    /// Redis did not take a bump or a mark.
    pub(super) fn tell(&self, error: &StoreError) {
        if error.may_pass() || self.has_warned.swap(true, Relaxed) {
            tracing::debug!(%error, "Redis did not take an invalidation or a mark");
        } else {
            tracing::warn!(
                %error,
                "Redis refuses invalidations: until its user may send them (`ACL SETUSER .. &{}`, and scripts on the keys of \
                 the namespace), other processes do not hear of them, this one does not ask Redis for what depends on them, \
                 and `guarded` mutations are refused",
                self.channel
            );
        }
    }

    /// Has what is to be sent on its way when this returns, where nothing else is: the task in charge, which sees to
    /// its end, need not be woken for it.
    fn begin(self: &Arc<Self>) {
        // Its timers live no longer than this runtime.
        if !Handle::try_current().is_ok_and(|runtime| self.is_here(&runtime)) {
            return;
        }
        let Some(outgoing) = self.coherence.next_batch_if_idle(system_now()) else {
            return;
        };
        let route = Arc::clone(self);
        let mut carried: BoxFuture<'static, ()> =
            Box::pin(async move { route.carry(outgoing).await });
        let polled = carried
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if polled.is_pending() {
            self.begun.lock().push(carried);
            self.coherence.work.notify_one();
        }
    }

    /// These tags, to live so long at least. They are a change by these.
    pub(super) fn batch<'a>(
        &self,
        cells: impl IntoIterator<Item = (&'a Arc<Cell>, Nonces)>,
        by: &Emitters,
        life: Duration,
    ) -> Batch {
        let bump = |(cell, nonces): (&Arc<Cell>, Nonces)| Bump {
            key: Arc::clone(cell.key()),
            name: cell.tag().name(),
            life,
            nonces,
        };
        let bumps: Vec<_> = cells.into_iter().map(bump).collect();
        let names = by.told().filter(|_| bumps.len() <= MOST_NAMED);
        Batch {
            channel: Arc::clone(&self.channel),
            tail: names.map_or_else(|| Arc::clone(&self.anonymous), |names| self.tail(&names)),
            bumps,
        }
    }

    fn tail(&self, names: &str) -> Arc<str> {
        format!("{} {names}", self.coherence.origin()).into()
    }

    /// How long there is nothing to do.
    fn wait(&self) -> Duration {
        let due = self.coherence.next_due().unwrap_or(Nanos::MAX);
        Duration::from_nanos(due.saturating_sub(system_now())).min(SIGN_EVERY)
    }
}

fn outcome_of<T>(bumped: &Result<T, StoreError>) -> &'static str {
    match bumped {
        Ok(_) => "acknowledged",
        Err(error) if error.may_pass() => "failed",
        Err(_) => "refused",
    }
}
