//! What the handle of a call wants: peek, refresh, evict, put, bypass, prefetch, explain.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{
    BoxFuture, Dropped, Lack, OpenCall,
    body::{Body, Leaving, Running},
    l2::L2Entry,
    miss::{Call, FlightChoice, Flown},
    overdue,
    run::Run,
};
use crate::{
    cache::Cache,
    clock::{after, system_now},
    coherence::Guard,
    context::{self, Around, Ask, By, Question},
    explain::{Cause, Miss, Source, Stale, Stamp, Trace},
    flight::{Arrival, Joined, Load, Member},
    key::Key,
    l1::{Entry, Node},
    l2::RedisMiss,
    site::SiteState,
    stats::Counters,
    strategy::THROTTLE,
    tasks::{self, Background},
    value::{Answer, Fate, Loaded},
};

/// Does what a handle asks. Gives nothing, ever, where that has no output.
pub(crate) fn act(opened: OpenCall, body: Body<'_>) -> BoxFuture<'_, Answer> {
    Box::pin(async move {
        match opened.ask(body).await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    })
}

impl OpenCall {
    async fn ask(self, body: Body<'_>) -> Option<Answer> {
        let Self {
            call,
            text,
            question,
            put,
            ..
        } = self;
        if let Some(loaded) = put {
            call.put(loaded);
        }
        let Question { ask, reply, .. } = *question?;
        let text = text.map(|text| text.text).unwrap_or_default();
        let began = Instant::now();
        // Of what has no output there is no answer to tell of.
        let is_told = !matches!(ask, Ask::Evict | Ask::Prefetch(_) | Ask::Put(_));
        let recorder = context::recorder().filter(|_| is_told);
        let recording = recorder.map(|recorder| recorder.begin(&call.site.name, &text));
        let is_peek = matches!(ask, Ask::Peek);
        let outer = context::load();
        let dropped = Dropped {
            call: &call,
            outer: outer.clone().filter(|_| call.site.is_late),
        };
        let asked = call.ask(ask, &text, body).await;
        dropped.disarm();
        if asked.is_none() && is_peek {
            call.note_absence(outer.as_ref());
            if let Some(outer) = outer.filter(|outer| !call.site.try_join_load(Some(outer))) {
                // There may be something, and what that is made of is not known.
                outer.settles_at(call.cache.clock().now());
            }
        }
        reply.with(|reply| {
            let Some((answer, mut trace)) = asked else {
                reply.is_done = true;
                return None;
            };
            trace.took = began.elapsed();
            if let Some(recording) = recording {
                recording.end(&trace);
            }
            reply.trace = Some(trace);
            Some(answer)
        })
    }
}

impl Call {
    /// Does what a handle asks; nothing where that has no output.
    pub(super) async fn ask(
        &self,
        ask: Ask,
        text: &str,
        body: Body<'_>,
    ) -> Option<(Answer, Trace)> {
        let (looked, cause) = match self.look() {
            Ok(node) => (Ok(node), None),
            Err((lack, cause)) => (Err(lack), cause),
        };
        let miss = looked.as_ref().err().map(|lack| lack.miss);
        let outer = context::load();
        if let (Ask::Peek, Some(events), Some(outer)) = (&ask, self.site.events, &outer) {
            // What is made of nothing is made of what this depends on, too.
            events.reaches(outer, &self.capture(), &self.site);
        }
        let flown = match (ask, looked) {
            (Ask::Peek, Ok(node)) if self.try_rely_on(outer.as_ref(), &node) => {
                node.entry().count_hit();
                Flown::by(Answer::Hit(node), Source::Memory)
            }
            (Ask::Explain | Ask::Warm, Ok(node))
                if node.entry().is_quiet(self.cache.clock())
                    && self.try_rely_on(outer.as_ref(), &node) =>
            {
                node.entry().count_hit();
                Flown::by(Answer::Hit(node), Source::Memory)
            }
            (Ask::Peek, _) if miss.is_none_or(Miss::may_be_elsewhere) => {
                self.peek_elsewhere(outer.as_ref()).await?
            }
            (Ask::Explain | Ask::Warm, looked) => {
                let flown = self.answer(None, FlightChoice::Any, body).await;
                if let (Err(lack), false) = (looked, flown.source == Source::Memory) {
                    self.count_miss(lack);
                    if self.l2_entry.is_some() && !self.cache.admit_read() {
                        self.count_unasked();
                    }
                }
                flown
            }
            (Ask::Refresh, _) => self.answer(None, FlightChoice::New, body).await,
            (Ask::Bypass, _) => self.run_uncached(body, None).await,
            (Ask::Evict, _) => {
                self.evict().await;
                return None;
            }
            (Ask::Prefetch(_), Err(lack))
                if lack.miss == Miss::NotInMemory && self.l2_entry.is_none() =>
            {
                return None;
            }
            (Ask::Prefetch(by), Err(lack)) if lack.miss.may_be_elsewhere() => {
                self.prefetch(by, body).await;
                return None;
            }
            (Ask::Peek | Ask::Prefetch(_) | Ask::Put(_), _) => return None,
        };
        let mut trace = self.trace(&flown, miss, text);
        let is_void =
            trace.miss == Some(Miss::Invalidated) || trace.stale == Some(Stale::Invalidated);
        trace.cause = cause.filter(|_| is_void);
        Some((flown.answer, trace))
    }

    /// The entry of this call, where it is fresh; else why not, and by which event it is void.
    fn look(&self) -> Result<Arc<Node>, (Lack, Option<Box<Cause>>)> {
        if !self.is_on() {
            return Err((Miss::Off.into(), None));
        }
        if !self.site.is_in_memory {
            return Err((Miss::NotInMemory.into(), None));
        }
        let (clock, l1) = (self.cache.clock(), &self.cache.flights().l1);
        let Some(node) = l1.get(&self.key.as_ref()) else {
            return Err((Lack::of_nothing(l1, &self.key), None));
        };
        if node.entry().is_usable(clock) {
            return Ok(node);
        }
        let lack = Lack::of(node.entry(), clock);
        let is_void = lack.miss == Miss::Invalidated;
        // Before another entry takes its place.
        let cause = is_void.then(|| self.cause_of(node.entry())).flatten();
        Err((lack, cause.map(Box::new)))
    }

    /// Counts that memory does not answer, where it could have.
    pub(super) fn count_miss(&self, lack: Lack) {
        if !self.is_on() || !self.site.is_in_memory {
            return;
        }
        let counters = &self.site.counters;
        counters.missed.add(lack.miss);
        if let Some(percent) = lack.missing_room {
            counters.ghosts.add(percent);
        }
        if let Some(changed) = lack.changed {
            counters.invalidated_by.add(changed.event());
        }
    }

    /// Counts that Redis is not asked, where it could have been.
    pub(super) fn count_unasked(&self) {
        if self.site.is_shared && self.cache.shared().is_some() {
            Counters::add(&self.site.counters.redis_unasked);
        }
    }

    /// What Redis has, where that is as good as what memory would have.
    async fn peek_elsewhere(&self, outer: Option<&Arc<Load>>) -> Option<Flown> {
        let snapshot = self.capture();
        let l2_entry = self.l2_entry.as_ref()?;
        let read = l2_entry.peek(&self.cache, &snapshot).await;
        let is_fresh = |node: &Arc<Node>| node.entry().is_usable(self.cache.clock());
        let node = read.found.ok().filter(is_fresh)?;
        if !self.site.try_join_load(outer) || read.is_unsent && !self.try_rely_on(outer, &node) {
            return None;
        }
        self.take(outer, &node);
        self.count_redis_answer(None);
        Some(Flown::by(Answer::Shared(node), Source::Redis))
    }

    fn cause_of(&self, entry: &Entry) -> Option<Cause> {
        let coherence = self.cache.coherence();
        let cause = coherence.cause_of(entry.guard()?)?;
        Some(Cause::new(cause, coherence, system_now()))
    }

    /// Loads for later callers. Where the load runs in this task, it is over when this returns.
    async fn prefetch(&self, by: By, body: Body<'_>) {
        let flights = self.cache.flights();
        let Some(runtime) = body.background() else {
            if by == By::Option {
                self.site.warn_of_inline_prefetch();
                return;
            }
            if !flights.is_loading(&self.key, &self.capture()) {
                self.fly(FlightChoice::Any, body).await;
            }
            return;
        };
        let (digest, now) = (self.key.digest(), self.cache.clock().now());
        if by == By::Option && self.site.in_vain.has(digest, now) {
            return;
        }
        let Ok(background) = self.enter_prefetch() else {
            Counters::add(&self.site.counters.skipped);
            return;
        };
        let (clock, snapshot) = (self.cache.clock(), self.capture());
        let joined = flights.join(&self.key, &self.site, clock, &snapshot, (&snapshot, true));
        if let Joined::Member(mut member) = joined
            && member.stand_in()
        {
            let leaving = body.leaving();
            let Ok(body) = body.behind() else {
                return;
            };
            self.ride_apart(member, body, (leaving, background), &runtime);
        }
    }

    /// A place among those that nobody waits for. None for each key of a batch, of which one load has many: there is only to
    /// be one left.
    ///
    /// # Errors
    ///
    /// There is none.
    fn enter_prefetch(&self) -> Result<Option<Background>, ()> {
        let (tasks, most) = (self.cache.tasks(), self.cache.background_limit());
        if self.site.is_batched {
            tasks.has_background(most).then_some(None).ok_or(())
        } else {
            tasks.enter_background(most).map(Some).ok_or(())
        }
    }

    /// Reads Redis or loads in a task of its own, in which the member waits for its turn.
    fn ride_apart(
        &self,
        mut member: Member,
        body: Running<'static>,
        (leaving, background): (Option<Arc<Leaving>>, Option<Background>),
        runtime: &Handle,
    ) {
        let prefetched = Prefetched {
            cache: self.cache.clone(),
            site: Arc::clone(&self.site),
            key: self.key.clone(),
            _background: background,
        };
        let (cache, l2_entry, around) = (self.cache.clone(), self.l2_entry.clone(), Around::here());
        let turn = member.try_turn();
        if let (Some(leaving), None) = (leaving, &turn) {
            // Nobody waits for it while it waits for others.
            leaving.arrive();
        }
        // Whoever waits for another call's load leaves nothing behind when the cache is closed.
        let running = turn.is_some().then(|| cache.tasks().enter());
        let load = async move {
            let _prefetched = prefetched;
            let turn = match turn {
                Some(underway) => Some(underway),
                None => member.turn_of_the_gone().await,
            };
            let Some(mut underway) = turn else {
                return;
            };
            if let Some(l2_entry) = &l2_entry
                && l2_entry.answer(&cache, &mut underway).await.is_ok()
            {
                return;
            }
            if cache.is_on() {
                overdue::limit(underway.load());
                let run = Run::new(&cache, underway, (l2_entry, None), body, around).apart();
                drop(running);
                run.await;
            }
        };
        let load: BoxFuture<'static, ()> = Box::pin(load);
        tasks::spawn(runtime, load);
    }

    /// Removes the entry in both tiers; waits until Redis was told, within the budget.
    async fn evict(&self) {
        let (done, is_done) = oneshot::channel();
        let route = self
            .l2_entry
            .as_deref()
            .map(|l2_entry| (l2_entry.way(), done));
        let flights = self.cache.flights();
        flights.evict(&self.key, route, self.notice.as_ref());
        // Outside a runtime nobody sends it, and late is not an error: it is sent when it can be.
        if let Some(l2_entry) = &self.l2_entry
            && Handle::try_current().is_ok()
        {
            let _ = timeout(l2_entry.budget(), is_done).await;
        }
    }

    /// Keeps a value as if it had been loaded now.
    pub(super) fn put(&self, loaded: Loaded) {
        let Loaded::Node {
            mut node,
            fate,
            tags,
        } = loaded
        else {
            return;
        };
        let (mut is_kept, load_time) = (true, self.site.load_time.get());
        if let Some(node) = Arc::get_mut(&mut node) {
            let entry = node.entry_mut();
            // Nobody knows what it was made of: what is made of it is good for no longer.
            entry.settle_at(entry.kept_until());
            // Its successor will be loaded.
            entry.took(load_time);
            let events = self.site.events;
            is_kept = events.is_none_or(|events| events.guard_put(self, entry, &tags));
        }
        let arrival = Arrival {
            node: &node,
            fate: if is_kept { fate } else { Fate::Forget },
            clock: self.cache.clock(),
            route: self.l2_entry.as_deref().map(L2Entry::way),
            notice: self.notice.as_ref(),
            load_time,
            replaces: true,
            is_absent: false,
        };
        let is_in_memory = self.site.is_in_memory;
        self.cache.flights().put(&self.key, is_in_memory, &arrival);
    }

    /// Why Redis did not answer, where it was not even asked.
    fn redis_unasked(&self) -> Option<RedisMiss> {
        // What is known only behind a load stays in memory.
        let is_shared = self.site.is_shared && !self.site.is_late;
        self.cache.shared().filter(|_| is_shared)?;
        Some(if self.site.cannot_travel() {
            RedisMiss::CannotTravel
        } else {
            RedisMiss::Unavailable
        })
    }

    fn trace(&self, flown: &Flown, miss: Option<Miss>, text: &str) -> Trace {
        let now = self.cache.clock().now();
        let (age, time_left, stamps) = match &flown.answer {
            Answer::Hit(node) | Answer::Shared(node) => {
                let there = self.cache.flights().l1.get(&self.key.as_ref());
                let is_kept = flown.source == Source::Redis
                    || there.is_some_and(|there| Arc::ptr_eq(&there, node));
                let entry = node.entry();
                let span = |from: u64, to: u64| Duration::from_nanos(to.saturating_sub(from));
                (
                    span(entry.created(), now),
                    is_kept.then(|| span(now, entry.expires())),
                    stamps_of(entry),
                )
            }
            Answer::Own(_) => (Duration::ZERO, None, Vec::new()),
        };
        Trace {
            function: self.site.name.clone(),
            key: text.to_owned(),
            source: flown.source,
            miss: flown.miss.or(if flown.source == Source::Memory {
                None
            } else {
                miss
            }),
            cause: None,
            redis: match flown.source {
                Source::Load => flown.redis.or_else(|| self.redis_unasked()),
                _ => None,
            },
            age,
            time_left,
            stale: flown.stale,
            has_failed: match &flown.answer {
                Answer::Hit(node) | Answer::Shared(node) => node.value().is_none(),
                Answer::Own(_) => true,
            },
            stamps,
            took: Duration::ZERO,
        }
    }
}

/// A load for later callers, while it runs. Where it leaves nothing in memory, calls do not begin it again at once.
struct Prefetched {
    cache: Cache,
    site: Arc<SiteState>,
    key: Key,
    _background: Option<Background>,
}

impl Drop for Prefetched {
    fn drop(&mut self) {
        let (clock, l1) = (self.cache.clock(), &self.cache.flights().l1);
        let is_kept = |node: Arc<Node>| node.entry().is_usable(clock);
        if self.site.is_in_memory && !l1.get(&self.key.as_ref()).is_some_and(is_kept) {
            let until = after(clock.now(), THROTTLE);
            self.site.in_vain.add(self.key.digest(), until);
        }
    }
}

fn stamps_of(entry: &Entry) -> Vec<Stamp> {
    let dependencies = entry.guard().into_iter().flat_map(Guard::dependencies);
    let stamp = |(tag, version): (&str, _)| Stamp {
        tag: tag.to_owned(),
        version,
    };
    dependencies.map(stamp).collect()
}
