//! What a call does about events: it captures the tags before anything is read, and guards the entry with them. A table that
//! only functions with events hold: programs without have no code for it.

use std::{fmt, sync::Arc, time::Duration};

use super::Call;
use crate::{
    cache::Cache,
    clock::{Clock, Nanos, after, before, system_now},
    coherence::{Coherence, Quiet, Snapshot, Stamps},
    event::Tag,
    flight::{Guarded, Load},
    l1::Entry,
    site::SiteState,
    strategy::Validity,
    value::Loaded,
};

/// From when until when something was loaded.
type Loading = (Nanos, Nanos);

/// The table.
pub(crate) trait Guarding: fmt::Debug + Sync {
    /// The state of what the entry of a call depends on. Whoever asks needs somebody who hears when that changes.
    fn capture(&self, call: &Call) -> Snapshot;

    /// Whether a load may be made of an entry. It is, if so.
    fn try_rely_on(&self, load: &Load, entry: &Entry) -> bool;

    /// A load is made of an entry that was read for it, after it began.
    fn take(&self, load: &Load, entry: &Entry);

    /// A load has reached a function whose values depend on what was captured.
    fn reaches(&self, load: &Load, captured: &Snapshot, function: &SiteState);

    /// Guards what a load gave by what it depends on. Gives whether it is worth keeping: where something changed since
    /// the load began, or may be changing, it answers those who wait, and nobody after them.
    fn guard(
        &self,
        cache: &Cache,
        load: &Load,
        entry: &mut Entry,
        tags: &[Tag],
        loading: Loading,
    ) -> bool;

    /// The same for what a handle puts.
    fn guard_put(&self, call: &Call, entry: &mut Entry, tags: &[Tag]) -> bool;

    /// What is made of the absence of a value, which would have told what it depends on, is good for no longer than now.
    fn note_absence(&self, call: &Call, outer: &Load);

    /// What is made of a value that is not kept depends on what only the value told, and is good for no longer than it
    /// would have been.
    fn hand_up(
        &self,
        call: &Call,
        loaded: &Loaded,
        outer: &Load,
        captured: Snapshot,
        loading: Loading,
    );
}

/// The table of functions with events.
#[derive(Debug)]
pub(crate) struct ByEvents;

impl Guarding for ByEvents {
    fn capture(&self, call: &Call) -> Snapshot {
        let is_guarded = call.site.is_late || !call.tags.is_empty();
        if is_guarded && let Some(courier) = call.cache.courier() {
            courier.attend();
        }
        let (coherence, now) = (call.cache.coherence(), system_now());
        if call.site.is_late {
            coherence.capture_late(&call.tags, now)
        } else {
            coherence.capture(&call.tags, now)
        }
    }

    fn try_rely_on(&self, load: &Load, entry: &Entry) -> bool {
        load.try_rely_on(entry)
    }

    fn take(&self, load: &Load, entry: &Entry) {
        load.take(entry);
    }

    fn reaches(&self, load: &Load, captured: &Snapshot, function: &SiteState) {
        load.reaches(captured, function);
    }

    fn guard(
        &self,
        cache: &Cache,
        load: &Load,
        entry: &mut Entry,
        tags: &[Tag],
        loading: Loading,
    ) -> bool {
        let coherence = cache.coherence();
        let (began, _) = loading;
        let Guarded {
            mut snapshot,
            proven,
            stamps,
            settles,
        } = load.guarded(began);
        let named = named(coherence, tags, &snapshot, loading);
        snapshot.extend(&named);
        if load.site().inherits && !is_quiet(coherence, &snapshot, load.snapshot(), loading) {
            // What it took over was captured when that was reached: its own source may have been read before.
            snapshot.make_void();
        }
        if !coherence.owns(&snapshot) {
            // Nor is what is made of it.
            snapshot.make_void();
        }
        let lag = load.site().settle;
        let own = settled(cache, lag, (&snapshot, stamps.as_ref()), loading);
        let mut settles = own.unwrap_or(Nanos::MAX).min(settles);
        if load.site().names_nothing(tags) {
            // No event makes it void, nor what is made of it.
            settles = settles.min(entry.expires());
        }
        if settles < Nanos::MAX {
            entry.settle_at(settles);
        }
        if snapshot.is_empty() {
            return !snapshot.is_torn();
        }
        let is_current = coherence.is_current(&snapshot)
            && !snapshot.is_held()
            && coherence.may_keep(&snapshot, stamps.as_ref());
        entry.guard_by(coherence.guard(&snapshot, proven, stamps));
        is_current
    }

    fn guard_put(&self, call: &Call, entry: &mut Entry, tags: &[Tag]) -> bool {
        // It counts as loaded now, of which no server has told a version: others have to load.
        let (coherence, now) = (call.cache.coherence(), system_now());
        let mut snapshot = self.capture(call);
        snapshot.extend(&coherence.capture(tags, now));
        entry.guard_by(coherence.guard(&snapshot, now, None));
        if call.site.names_nothing(tags) {
            entry.settle_at(entry.expires());
        }
        // Of what inherits nobody knows what this was made of.
        !call.site.inherits && !snapshot.is_held() && coherence.may_keep(&snapshot, None)
    }

    fn note_absence(&self, call: &Call, outer: &Load) {
        if call.site.is_late {
            outer.settles_at(call.cache.clock().now());
        }
    }

    fn hand_up(
        &self,
        call: &Call,
        loaded: &Loaded,
        outer: &Load,
        mut captured: Snapshot,
        loading: Loading,
    ) {
        let tags: &[Tag] = match loaded {
            Loaded::Node { tags, .. } => tags,
            Loaded::Own { .. } => &[],
        };
        let named = named(call.cache.coherence(), tags, &captured, loading);
        outer.reaches(&named, &call.site);
        captured.extend(&named);
        // What it inherits, its load alone would have told.
        if captured.is_empty() || call.site.inherits || call.site.names_nothing(tags) {
            outer.settles_at(call.cache.clock().now());
        }
        let lag = call.site.settle;
        if let Some(time) = settled(&call.cache, lag, (&captured, None), loading) {
            outer.settles_at(time);
        }
    }
}

/// Whether a call may be answered with an entry that is perhaps void by now and served for a while all the same: of
/// that no load is made. `site` is that of the called function.
pub(super) fn may_serve(
    site: &SiteState,
    outer: Option<&Arc<Load>>,
    entry: &Entry,
    clock: &Clock,
) -> bool {
    outer.is_none() || entry.known(clock) == Validity::Valid && site.try_rely_on(outer, entry)
}

/// Whether nothing happened from one moment to the other, by the end of which it is known what `snapshot` depends on.
fn is_quiet(
    coherence: &Coherence,
    snapshot: &Snapshot,
    captured: &Snapshot,
    (began, now): Loading,
) -> bool {
    let tags: Vec<Tag> = snapshot.cells().map(|cell| cell.tag().clone()).collect();
    tags.is_empty() || coherence.is_quiet(&tags, captured, began, now)
}

/// What a value says that it depends on, which was loaded from one moment to the other. It is captured only now: what
/// may have changed before is void, and with it all that is made of the value.
fn named(
    coherence: &Coherence,
    tags: &[Tag],
    captured: &Snapshot,
    (began, now): Loading,
) -> Snapshot {
    if tags.is_empty() {
        return Snapshot::default();
    }
    let mut snapshot = coherence.capture(tags, now);
    if !coherence.is_quiet(tags, captured, began, now) {
        snapshot.make_void();
    }
    snapshot
}

/// When the source of a value has settled that was read from one moment to the other, under these versions; nothing where
/// it had by then. `lag` is how far behind an event it may be.
fn settled(
    cache: &Cache,
    lag: Duration,
    (snapshot, stamps): (&Snapshot, Option<&Stamps>),
    (began, now): Loading,
) -> Option<Nanos> {
    if lag.is_zero() || snapshot.is_empty() {
        return None;
    }
    let coherence = cache.coherence();
    let (by_versions, heard) =
        coherence.time_since_change(snapshot, stamps, cache.store_time(), now);
    let Quiet { time, is_sure } = heard;
    // The clock of the store may have been set since a version was given.
    let changed = by_versions.map_or(time, |by_versions| by_versions.min(time));
    let loading = Duration::from_nanos(now.saturating_sub(began));
    // When it was read, a replica may still have had what was before: it is looked at again when it has not.
    let had_settled = changed.saturating_sub(loading) >= lag;
    let now = cache.clock().now();
    let settles = match lag.checked_sub(changed) {
        // While it was read.
        None => before(now, changed.saturating_sub(lag)),
        // Nothing else was heard for long enough: it has changed then, or its tag was made then as there was none.
        Some(left) if time >= lag => after(now, left),
        // A version may be younger than the event, of a tag that was forgotten since.
        Some(_) if is_sure => after(now, lag.saturating_sub(time)),
        // It may have changed just before, or long ago: who calls later looks again.
        Some(_) => now,
    };
    (!had_settled).then_some(settles)
}
