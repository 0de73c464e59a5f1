//! What one function has in one cache.

use std::{
    any::Any,
    cell::Cell,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Aging, Instance, Policies, in_vain::InVain};
use crate::{
    call::Guarding,
    clock::{after, nanos, system_now},
    event::Tag,
    flight::Load,
    l1::Entry,
    l2::Entries,
    lock::Mutex,
    policy::Policy,
    slot::Slots,
    stats::Counters,
};

thread_local! {
    /// This thread is looking into a value's type.
    static DESCRIBES: Cell<bool> = const { Cell::new(false) };
}

/// Whether some value of a function was made of what it does not list, and may outlive that. It is so for good.
#[derive(Debug, Default)]
pub(crate) struct Outlives(AtomicBool);

impl Outlives {
    pub(crate) fn is_so(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self) {
        // It mostly is, and is read by many.
        if !self.is_so() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// How long the last load of a function took that gave a value; zero before.
#[derive(Debug, Default)]
pub(crate) struct LoadTime(AtomicU64);

impl LoadTime {
    pub(crate) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn set(&self, time: Duration) {
        self.0.store(nanos(time), Ordering::Relaxed);
    }
}

/// Keys of a type that only their function knows.
type Gathered = Weak<dyn Any + Send + Sync>;

/// The live state of one [`Instance`] in one cache.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the function"
)]
#[derive(Debug)]
pub(crate) struct SiteState {
    pub(crate) name: String,
    pub(crate) counters: Arc<Counters>,
    pub(crate) outlives: Arc<Outlives>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) load_time: LoadTime,
    /// How long the last one had that was given up; zero where one has succeeded since.
    pub(crate) given_up_after: LoadTime,
    pub(crate) in_vain: InVain,
    pub(crate) is_in_memory: bool,
    pub(crate) is_shared: bool,
    /// What events have its calls do, where there are some.
    pub(crate) events: Option<&'static dyn Guarding>,
    /// Which they are is known only after a load.
    pub(crate) is_late: bool,
    /// The value names some of them, or none.
    pub(crate) is_named_by_value: bool,
    /// Its values depend on what those depend on that they are made of.
    pub(crate) inherits: bool,
    /// How long after a change a replica may still have what was before.
    pub(crate) settle: Duration,
    /// One process of all is to load.
    pub(crate) is_fleet: bool,
    /// Many keys are loaded in one go: the load of one needs no slot.
    pub(crate) is_batched: bool,
    /// Where those wait, by what they have in common.
    gatherings: Mutex<Vec<(Box<[u8]>, Gathered)>>,
    /// What the configuration says.
    pub(crate) policy: Option<Arc<Policy>>,
    pub(crate) aging: Option<Aging>,
    /// Made when the function first meets a shared tier; nothing where its values cannot travel.
    entries: OnceLock<Option<Arc<Entries>>>,
    warned_of_recursion: AtomicBool,
    /// When it was said last; zero where it never was.
    warned_of_giving_up: AtomicU64,
    warned_of_inline_prefetch: AtomicBool,
    /// Functions that loads of this one reach, with events that it does not list.
    warned_of: Mutex<Vec<(String, String)>>,
}

/// How long something that goes on is not said again.
const AGAIN: Duration = Duration::from_mins(1);

impl SiteState {
    pub(super) fn new(instance: &Instance, policies: &Policies) -> Self {
        let name = instance.name();
        let policy = policies.as_ref().and_then(|policies| policies.of(&name));
        let loads = policy
            .as_ref()
            .and_then(|policy| policy.max_concurrent_loads);
        let loads = loads.unwrap_or(instance.site.max_concurrent_loads);
        let mut aging = instance.site.aging.copied();
        if let (Some(policies), Some(policy)) = (policies, &policy) {
            aging = policies.aging(policy, aging, instance.site);
            for said in policies.said_in_vain(policy, aging, instance.site) {
                tracing::warn!(function = name, "a policy does nothing here: {said}");
            }
        }
        let fleet = policy.as_ref().and_then(|policy| policy.fleet);
        let is_batched = instance.site.is_batched;
        Self {
            name,
            counters: Arc::default(),
            outlives: Arc::default(),
            slots: Arc::new(Slots::new(loads as usize)),
            load_time: LoadTime::default(),
            given_up_after: LoadTime::default(),
            in_vain: InVain::default(),
            is_in_memory: instance.site.is_in_memory(),
            is_shared: instance.site.is_shared(),
            events: instance.site.events(),
            is_late: instance.site.is_late,
            is_named_by_value: instance.site.is_named_by_value,
            inherits: instance.site.is_inheriting(),
            settle: instance.site.settles_in(),
            is_fleet: fleet.unwrap_or(instance.site.fleet) && !is_batched,
            is_batched,
            gatherings: Mutex::default(),
            policy,
            aging,
            entries: OnceLock::new(),
            warned_of_recursion: AtomicBool::new(false),
            warned_of_giving_up: AtomicU64::new(0),
            warned_of_inline_prefetch: AtomicBool::new(false),
            warned_of: Mutex::default(),
        }
    }

    /// The entries of the function in the shared tier, described at the first call; nothing where its
    /// values cannot travel, which is said once.
    pub(crate) fn entries(
        &self,
        describe: &dyn Fn() -> Result<Entries, String>,
    ) -> Option<&Arc<Entries>> {
        if let Some(entries) = self.entries.get() {
            return entries.as_ref();
        }
        // Not under a lock: it runs the value's `Deserialize`, which may reach this very function.
        if DESCRIBES.replace(true) {
            return None;
        }
        let described = describe().map(Arc::new);
        DESCRIBES.set(false);
        self.entries.get_or_init(|| {
            described
                .map_err(|reason| self.warn_of_staying(&reason))
                .ok()
        });
        self.entries.get().and_then(Option::as_ref)
    }

    pub(super) fn warn_of_staying(&self, reason: &str) {
        tracing::warn!(
            function = self.name,
            "values of this function are not shared with other processes: {reason}"
        );
    }

    /// Where the keys wait that have this in common.
    pub(crate) fn gathering<T: Any + Send + Sync>(
        &self,
        common: &[u8],
        new: impl FnOnce() -> T,
    ) -> Arc<T> {
        let mut gatherings = self.gatherings.lock();
        let known = gatherings.iter().find(|(known, _)| **known == *common);
        let known = known.and_then(|(_, gathering)| gathering.upgrade());
        if let Some(Ok(known)) = known.map(Arc::downcast) {
            return known;
        }
        gatherings.retain(|(_, gathering)| gathering.strong_count() > 0);
        let made = Arc::new(new());
        let gathering: Weak<T> = Arc::downgrade(&made);
        gatherings.push((common.into(), gathering));
        made
    }

    /// Whether a load that a call of the function is part of may be made of an entry that this has found. It is, if so.
    pub(crate) fn try_rely_on(&self, outer: Option<&Arc<Load>>, entry: &Entry) -> bool {
        match (self.events, outer) {
            _ if !self.try_join_load(outer) => false,
            (Some(events), Some(outer)) => events.try_rely_on(outer, entry),
            (None, Some(outer)) => {
                outer.settles_with(entry);
                true
            }
            (_, None) => true,
        }
    }

    /// Whether a load may be made of what is kept of the function. Not one that events make void, where the function does
    /// not list all that it is made of: that is asked for anew, as a part of the load. Of another load the same is true from
    /// here on.
    pub(crate) fn try_join_load(&self, outer: Option<&Arc<Load>>) -> bool {
        let Some(outer) = outer.filter(|_| self.outlives.is_so()) else {
            return true;
        };
        if !outer.is_guarded() {
            outer.outlives();
        }
        !outer.is_guarded()
    }

    /// Whether the function is not to be cached.
    pub(crate) fn is_off(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.off)
    }

    /// Whether a value that names these events was to name some, and names none.
    pub(crate) fn names_nothing(&self, tags: &[Tag]) -> bool {
        self.is_named_by_value && tags.is_empty()
    }

    /// Whether it is known that values of the function cannot travel.
    pub(crate) fn cannot_travel(&self) -> bool {
        matches!(self.entries.get(), Some(None))
    }

    /// Says once for each inner function that a value of this one outlives what it was made of.
    pub(crate) fn warn_of_unlisted(&self, inner: &Self, event: &str) {
        let pair = (inner.name.clone(), event.to_owned());
        let mut warned_of = self.warned_of.lock();
        if warned_of.contains(&pair) {
            return;
        }
        warned_of.push(pair);
        drop(warned_of);
        tracing::warn!(
            function = self.name,
            inner = inner.name,
            "its loads call a function that `{event}` invalidates, but it does not list `{event}`: its own entries outlive \
             that event. Add `{event}` to its `invalidate_on`, or write `inherits`"
        );
    }

    /// Says once per function that the option `prefetch` of another one names it in vain.
    pub(crate) fn warn_of_inline_prefetch(&self) {
        // Outside a runtime no load is detached.
        let could_be = tokio::runtime::Handle::try_current().is_ok();
        if could_be && !self.warned_of_inline_prefetch.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                function = self.name,
                "`prefetch` begins no load, because the function that it names loads inline: write `detached` there"
            );
        }
    }

    /// A load that nobody waits for takes longer than the deadline. Said once a minute, however many do.
    pub(crate) fn give_up(&self, deadline: Duration) {
        self.given_up_after.set(deadline);
        let (last, now) = (&self.warned_of_giving_up, system_now());
        let is_due = |last: u64| (last == 0 || now >= after(last, AGAIN)).then_some(now.max(1));
        if last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_due)
            .is_ok()
        {
            tracing::warn!(
                function = self.name,
                "a background load took longer than {deadline:?}, and is given up"
            );
        }
    }

    /// Says once per function that a load reached its own key.
    pub(crate) fn warn_of_recursion(&self) {
        if !self.warned_of_recursion.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                function = self.name,
                "a load reached its own key: the inner call runs uncached"
            );
        }
    }
}
