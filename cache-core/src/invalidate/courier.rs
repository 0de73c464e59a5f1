//! Who carries bumps to the shared tier, and hears those of others: one task for each cache, on the runtime that
//! built it, and on the next one that calls when that is gone.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{runtime::Handle, time::timeout};

use super::mark::{Mark, Marks};
use crate::{
    call::BoxFuture,
    clock::{Nanos, system_now},
    coherence::{Cell, Coherence, Lineage, Outgoing},
    event::Tag,
    l2::{Batch, Bump, Listener, Store, TAG_LIFE},
    tasks,
};

/// How long one round trip of bumps may take. Whoever waits for it waits no longer than the budget.
const WITHIN: Duration = Duration::from_secs(1);
/// How often the task shows that it is alive.
const SIGN_EVERY: Duration = Duration::from_millis(500);
/// A task without a sign of life for so long is on a runtime that nobody drives.
const ABANDONED: Nanos = 3_000_000_000;
/// What a machine sleeps without anybody noticing.
const NAP: Nanos = 500_000_000;

/// What calls and mutations ask of the courier. A table: programs without a shared tier hold nothing of it.
pub(crate) trait Carrier: fmt::Debug + Send + Sync {
    /// Marks what is about to change; nothing where the others could not be told.
    fn mark<'a>(&'a self, tags: &'a [Tag]) -> BoxFuture<'a, Option<Arc<Mark>>>;

    /// How long a caller waits for an acknowledgement.
    fn budget(&self) -> Duration;

    /// Makes sure that somebody carries: on this runtime, if the one before is gone or nobody drives it.
    fn attend(&self);
}

/// The way of bumps to the shared tier and back.
#[derive(Debug)]
pub(crate) struct Courier {
    route: Arc<Route>,
}

#[derive(Debug)]
pub(super) struct Route {
    pub(super) coherence: Arc<Coherence>,
    pub(super) store: Arc<dyn Store>,
    /// Listens for as long as this is there.
    ears: Ears,
    pub(super) marks: Marks,
    channel: Arc<str>,
    /// Behind each tag that is published.
    tail: Arc<str>,
    pub(super) budget: Duration,
    /// When the task was last seen; zero without one.
    seen: AtomicU64,
    /// Which task is in charge: the latest.
    epoch: AtomicU64,
    /// The cache is gone: what is left is sent, and then it is over.
    is_closing: AtomicBool,
}

impl Courier {
    pub(crate) fn new(
        namespace: &str,
        coherence: &Arc<Coherence>,
        store: Arc<dyn Store>,
        budget: Duration,
    ) -> Self {
        let route = Arc::new(Route {
            coherence: Arc::clone(coherence),
            channel: format!("{namespace}:b").into(),
            tail: format!("{} -", coherence.origin()).into(),
            store,
            ears: Ears(Arc::new(Ear(Arc::clone(coherence)))),
            marks: Marks::default(),
            budget,
            seen: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            is_closing: AtomicBool::new(false),
        });
        let courier = Self { route };
        courier.attend();
        courier
    }
}

impl Carrier for Courier {
    fn mark<'a>(&'a self, tags: &'a [Tag]) -> BoxFuture<'a, Option<Arc<Mark>>> {
        Box::pin(self.route.mark(tags))
    }

    fn budget(&self) -> Duration {
        self.route.budget
    }

    fn attend(&self) {
        let (now, route) = (system_now(), &self.route);
        let seen = route.seen.load(Relaxed);
        if seen != 0 && now.saturating_sub(seen) < ABANDONED {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        // Of those who see it at once, one acts.
        let exchanged = route
            .seen
            .compare_exchange(seen, now.max(1), Relaxed, Relaxed);
        if exchanged.is_ok() {
            let epoch = route.epoch.fetch_add(1, Relaxed) + 1;
            let in_charge = InCharge {
                route: Arc::clone(route),
                epoch,
            };
            tasks::spawn(&runtime, in_charge.run());
        }
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.route.is_closing.store(true, Relaxed);
        self.route.coherence.work.notify_one();
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
    async fn run(self) {
        let route = &*self.route;
        let mut slept = asleep();
        while route.epoch.load(Relaxed) == self.epoch {
            route.seen.store(system_now().max(1), Relaxed);
            if asleep().saturating_sub(slept) > NAP {
                // Its clock stood still, and the world did not.
                route.coherence.tear(system_now());
            }
            slept = asleep();
            let beat = route.coherence.bounds().staleness / 4;
            route.store.listen(&route.channel, beat, &route.ears.0);
            route.renew_marks(system_now()).await;
            while let Some(outgoing) = route.coherence.next_batch(system_now()) {
                route.carry(outgoing).await;
                route.seen.store(system_now().max(1), Relaxed);
            }
            if route.is_closing.load(Relaxed) && route.coherence.unsent() == 0 {
                return;
            }
            // Woken early or not, there is something to see.
            let _ = timeout(route.wait(), route.coherence.work.notified()).await;
        }
    }
}

impl Route {
    async fn carry(&self, outgoing: Outgoing) {
        if !self.store.is_ready() {
            outgoing.failed(system_now());
            return;
        }
        let mut batch = self.batch(outgoing.cells(), TAG_LIFE);
        batch.nonce = outgoing.nonce();
        match self.store.bump(batch, WITHIN).await {
            Ok(bumped) => outgoing.acknowledged(bumped.lineage, system_now()),
            Err(error) => {
                tracing::debug!(%error, "a bump did not arrive: it is tried again");
                outgoing.failed(system_now());
            }
        }
    }

    /// These tags, to live so long at least.
    pub(super) fn batch<'a>(
        &self,
        cells: impl IntoIterator<Item = &'a Arc<Cell>>,
        life: Duration,
    ) -> Batch {
        let bump = |cell: &Arc<Cell>| Bump {
            key: Arc::clone(cell.key()),
            name: cell.tag().name(),
            life,
        };
        Batch {
            channel: Arc::clone(&self.channel),
            tail: Arc::clone(&self.tail),
            nonce: None,
            bumps: cells.into_iter().map(bump).collect(),
        }
    }

    /// How long there is nothing to do.
    fn wait(&self) -> Duration {
        let due = self.coherence.next_due().unwrap_or(Nanos::MAX);
        Duration::from_nanos(due.saturating_sub(system_now())).min(SIGN_EVERY)
    }
}

/// Who hears what others publish.
struct Ears(Arc<dyn Listener>);

impl fmt::Debug for Ears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ears")
    }
}

struct Ear(Arc<Coherence>);

impl Listener for Ear {
    fn heard(&self, message: &[u8]) {
        self.0.heard(message, system_now());
    }

    fn connected(&self, lineage: Lineage) {
        self.0.connected(lineage, system_now());
    }

    fn fenced(&self, sent: Nanos, lineage: Lineage) {
        self.0.fenced(sent, lineage, system_now());
    }

    fn lost(&self) {}
}

/// How long this machine has slept since it was started, during which its clock stands still.
#[cfg(target_os = "linux")]
fn asleep() -> Nanos {
    #[cfg(test)]
    if crate::clock::simulated::is_on() {
        return 0;
    }
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let awake = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let nanos = |time: rustix::time::Timespec| {
        time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned()
    };
    nanos(time).saturating_sub(nanos(awake))
}

#[cfg(not(target_os = "linux"))]
fn asleep() -> Nanos {
    0
}
