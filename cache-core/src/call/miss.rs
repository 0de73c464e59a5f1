//! A call that memory did not answer, in the engine that knows no value type.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::{runtime::Handle, time::Instant};
use tracing::{Instrument, Span};

use super::{
    body::{Body, Running},
    guarding,
    l2::{Found, L2Entry},
    run::{Run, RunOutcome},
};
use crate::{
    cache::Cache,
    clock::{Nanos, system_now},
    coherence::Snapshot,
    context::{self, Around},
    event::Tag,
    explain::{Miss, Source, Stale},
    flight::{
        Joined, Load, Member, Overtaken, Refusals, Refused, Target, Turn, Underway, Wait, wait,
    },
    key::Key,
    l1::Node,
    l2::{Notice, RedisMiss},
    site::SiteState,
    spans::Shown,
    stats::Counters,
    strategy::{Decision, Trouble},
    value::{Answer, LateAnswer, Loaded},
};

/// Which flight answers a call.
pub(crate) enum FlightChoice {
    /// The one of its key, begun by whomever.
    Any,
    /// One that begins now, and that later callers join.
    New,
    /// The one that it has been in since then, perhaps with the turn to load.
    This(Member, Option<Underway>, Instant),
}

/// A call in the engine, which knows no value type.
#[derive(Clone)]
pub(crate) struct Call {
    pub(super) cache: Cache,
    pub(super) site: Arc<SiteState>,
    pub(super) key: Key,
    /// What the entry depends on.
    pub(super) tags: Vec<Tag>,
    /// What others are told, where something is done to the entry by hand.
    pub(super) notice: Option<Notice>,
    /// The entry in the shared tier, where there is one that is worth asking for.
    pub(super) l2_entry: Option<Arc<dyn L2Entry>>,
    /// What answers where the load takes too long.
    pub(super) late: Option<LateAnswer>,
    /// How many calls of a batch are reading the shared tier.
    pub(super) reading: Option<Arc<AtomicUsize>>,
}

/// How a call was answered.
pub(crate) struct Flown {
    pub(super) answer: Answer,
    pub(super) source: Source,
    /// Set where the call could not be what its caller wanted.
    pub(super) miss: Option<Miss>,
    /// Set where Redis was asked in vain.
    pub(super) redis: Option<RedisMiss>,
    /// Why it is no fresh value.
    pub(super) stale: Option<Stale>,
    /// It is an error that a stale value may stand in for.
    pub(super) is_replaceable: bool,
}

impl Flown {
    pub(super) fn by(answer: Answer, source: Source) -> Self {
        Self {
            answer,
            source,
            miss: None,
            redis: None,
            stale: None,
            is_replaceable: false,
        }
    }

    /// What a load ended in.
    pub(super) fn loaded(loaded: Loaded) -> Self {
        Self {
            is_replaceable: loaded.is_replaceable(),
            ..Self::by(loaded.into_answer(), Source::Load)
        }
    }
}

/// What a call in a flight brings along besides its body.
pub(super) struct Rider {
    /// The load that it is part of.
    pub(super) outer: Option<Arc<Load>>,
    /// That this load waits for the flight.
    pub(super) wait: Option<Wait>,
    /// Where it was made, where that is not here: it runs in a task of its own.
    pub(super) around: Option<Around>,
}

impl Rider {
    /// Records that the load waits for this flight, until the end or the next one; false where the flight waits for the
    /// load.
    fn may_wait_in(&mut self, member: &Member) -> bool {
        let Some(outer) = &self.outer else {
            return true;
        };
        self.wait = wait(outer, Target::Flight(Arc::clone(member.flight())));
        self.wait.is_some()
    }
}

impl Call {
    /// Whether anything is kept.
    pub(super) fn is_on(&self) -> bool {
        self.cache.is_on() && !self.site.is_off()
    }

    fn counters(&self) -> &Counters {
        &self.site.counters
    }

    /// The state of what the entry depends on.
    pub(super) fn capture(&self) -> Snapshot {
        match self.site.events {
            None => Snapshot::default(),
            Some(events) => events.capture(self),
        }
    }

    /// Whether the load that the call is part of may be made of what others have read.
    pub(super) fn try_rely_on(&self, outer: Option<&Arc<Load>>, node: &Node) -> bool {
        self.site.try_rely_on(outer, node.entry())
    }

    /// The load that the call is part of is made of what was read for this call, after that load began.
    pub(super) fn take(&self, outer: Option<&Arc<Load>>, node: &Node) {
        match (self.site.events, outer) {
            (Some(events), Some(outer)) => events.take(outer, node.entry()),
            (None, Some(outer)) => outer.settles_with(node.entry()),
            (_, None) => {}
        }
    }

    /// The same of what was loaded for this call.
    pub(super) fn take_own(&self, outer: Option<&Arc<Load>>, loaded: &Loaded, began: Nanos) {
        match loaded {
            Loaded::Node { node, .. } => self.take(outer, node),
            // It is in no entry that would say how good it is.
            Loaded::Own { .. } => self.hand_up(outer, loaded, began),
        }
    }

    /// The load that the call is part of is made of what no entry guards.
    pub(super) fn hand_up(&self, outer: Option<&Arc<Load>>, loaded: &Loaded, began: Nanos) {
        if let (Some(events), Some(outer)) = (self.site.events, outer) {
            let loading = (began, system_now());
            events.hand_up(self, loaded, outer, self.capture(), loading);
        }
    }

    /// The load that the call is part of goes on without its value.
    pub(super) fn note_absence(&self, outer: Option<&Arc<Load>>) {
        if let (Some(events), Some(outer)) = (self.site.events, outer) {
            events.note_absence(self, outer);
        }
    }

    /// Answers the call; by an entry, where one is `due` to be replaced and still to be served.
    pub(super) async fn answer(
        &self,
        due: Option<Arc<Node>>,
        place: FlightChoice,
        body: Body<'_>,
    ) -> Flown {
        let flown = match &self.site.aging {
            None => self.fly(place, body).await,
            Some(aging) => (aging.fly)(self, due, place, body).await,
        };
        if flown.source == Source::Redis {
            self.count_redis_answer(flown.stale);
        }
        flown
    }

    /// Counts a call that Redis answered.
    pub(super) fn count_redis_answer(&self, stale: Option<Stale>) {
        let counters = self.counters();
        Counters::add(&counters.redis_answers);
        if let Some(stale) = stale {
            counters.stale.add(stale);
        }
    }

    /// Answers through the flight of the key.
    pub(super) async fn fly(&self, place: FlightChoice, body: Body<'_>) -> Flown {
        if !self.is_on() {
            return self.run_uncached(body, Some(Miss::Off)).await;
        }
        let (flights, outer) = (self.cache.flights(), context::load());
        let is_for = |outer: &Arc<Load>| outer.is_for(&self.key, flights);
        if outer.as_ref().is_some_and(is_for) {
            return self.recurse(body).await;
        }
        let (member, underway) = match place {
            FlightChoice::This(member, underway, _) => (member, underway),
            FlightChoice::Any | FlightChoice::New => {
                // Before anything is read.
                let snapshot = self.capture();
                if let (Some(events), Some(outer)) = (self.site.events, &outer) {
                    events.reaches(outer, &snapshot, &self.site);
                }
                let joined = if let FlightChoice::New = place {
                    Ok(flights.renew(&self.key, &self.site, &snapshot))
                } else {
                    self.join(outer.as_ref(), &snapshot, (&snapshot, false))
                };
                match joined {
                    Ok(member) => (member, None),
                    Err(node) => return Flown::by(Answer::Hit(node), Source::Memory),
                }
            }
        };
        let rider = Rider {
            outer,
            wait: None,
            around: None,
        };
        self.ride(member, underway, rider, body).await
    }

    /// A place in the flight of the key; or the entry, where it has come meanwhile and is good enough.
    fn join(
        &self,
        outer: Option<&Arc<Load>>,
        snapshot: &Snapshot,
        came: (&Snapshot, bool),
    ) -> Result<Member, Arc<Node>> {
        let (flights, clock) = (self.cache.flights(), self.cache.clock());
        match flights.join(&self.key, &self.site, clock, snapshot, came) {
            Joined::Hit(node) if self.try_rely_on(outer, &node) => {
                node.entry().count_hit();
                Err(node)
            }
            // Good enough for others, but not for what is being made of it.
            Joined::Hit(_) => Ok(self.anew(outer, snapshot, &Refused::Entry, false)),
            Joined::Member(member) => Ok(member),
        }
    }

    /// A place in another flight, as what others have read is not good enough; nor is what the shared tier has, where it
    /// `renews` that, or where the function does not list all that it is made of.
    fn anew(
        &self,
        outer: Option<&Arc<Load>>,
        snapshot: &Snapshot,
        refused: &Refused,
        renews: bool,
    ) -> Member {
        let (flights, seen) = (self.cache.flights(), (snapshot, self.cache.clock()));
        if self.site.try_join_load(outer) {
            flights.join_or_begin(&self.key, &self.site, seen, refused, renews)
        } else {
            flights.renew(&self.key, &self.site, snapshot)
        }
    }

    /// Waits for the answer of a flight, or runs the body for it: at once, where it has the turn already.
    pub(super) async fn ride(
        &self,
        mut member: Member,
        mut first: Option<Underway>,
        mut rider: Rider,
        body: Body<'_>,
    ) -> Flown {
        let (runtime, began, since) = (body.runtime(), system_now(), Instant::now());
        let is_apart = rider.around.is_some() || runtime.is_some() && self.l2_entry.is_none();
        let outer = rider.outer.clone();
        let outer = outer.as_ref();
        let (mut redis, mut refusals) = (None, Refusals::default());
        let underway = loop {
            // Of each flight anew: what it waits for is not what the one before waited for.
            if first.is_none() && !rider.may_wait_in(&member) {
                drop(member);
                return self.recurse(body).await;
            }
            let turn = match first.take() {
                Some(underway) => Turn::Load(underway),
                None => member.turn(outer, is_apart).await,
            };
            let mut underway = match turn {
                Turn::Load(underway) => underway,
                Turn::Answer(node) => {
                    let answer = (node, since);
                    match self.judge(answer, member, outer, &mut refusals) {
                        Ok(next) => member = next,
                        Err(flown) => return flown,
                    }
                    continue;
                }
            };
            if let Some(aging) = &self.site.aging
                && let Some(node) = (aging.stand_in)(self, &underway, rider.around.is_some())
                && guarding::may_serve(&self.site, outer, node.entry(), self.cache.clock())
            {
                let clock = self.cache.clock();
                let stale = Stale::in_place(node.entry(), clock, Trouble::Failed);
                return self.served(node, stale);
            }
            if let (Some(aging), None) = (&self.site.aging, &rider.around)
                && aging.strategy.has_limit()
                && let Some(runtime) = &body.background()
            {
                let turn = (member, underway);
                return match body.apart() {
                    Ok(body) => (aging.lead)(self, turn, rider.outer, body, runtime).await,
                    Err(_) => unreachable!("what has a runtime can run in a task of its own"),
                };
            }
            let Some(l2_entry) = &self.l2_entry else {
                break underway;
            };
            // In this task also where the load has one of its own: an answer is worth no task.
            match self.read(&**l2_entry, &mut underway).await {
                Ok(Found { node, is_unsent })
                    if self.site.try_join_load(outer)
                        && (!is_unsent || self.try_rely_on(outer, &node)) =>
                {
                    self.take(outer, &node);
                    return self.found(&node, body);
                }
                // It may be older than what is made of it.
                Ok(_) => {
                    let refused = refusals.add(&member);
                    member = self.anew(outer, &self.capture(), &refused, true);
                }
                Err(miss) => {
                    redis = miss;
                    break underway;
                }
            }
        };
        let around = rider.around.clone().unwrap_or_else(Around::here);
        let ended = self.load(underway, around, (body, runtime)).await;
        if let RunOutcome::Loaded(loaded) = &ended {
            self.take_own(outer, loaded, began);
        }
        self.landed(ended, redis, since)
    }

    /// What the own load gives a caller who is still here.
    fn landed(&self, ended: RunOutcome, redis: Option<RedisMiss>, since: Instant) -> Flown {
        match ended {
            RunOutcome::Loaded(loaded) => Flown {
                redis,
                ..Flown::loaded(loaded)
            },
            RunOutcome::Overtaken(Overtaken::Answered(node)) => self.share(node, since),
            RunOutcome::Overtaken(Overtaken::Abandoned) => {
                unreachable!(
                    "a load is abandoned when its last caller has gone, and this one is here"
                )
            }
        }
    }

    /// A place in another flight, where neither what this one gave is good enough nor an entry that has come meanwhile; or
    /// what is.
    fn judge(
        &self,
        (node, since): (Arc<Node>, Instant),
        mut member: Member,
        outer: Option<&Arc<Load>>,
        refusals: &mut Refusals,
    ) -> Result<Member, Flown> {
        if !member.may_take(&node) {
            let captured = self.capture();
            let came = member.came.take();
            let came = came.as_deref().unwrap_or(&captured);
            return self
                .join(outer, &captured, (came, true))
                .map_err(|node| Flown::by(Answer::Hit(node), Source::Memory));
        }
        if self.try_rely_on(outer, &node) {
            return Err(self.share(node, since));
        }
        // Who was refused as well may have loaded it by now.
        let found = self.cache.flights().l1.get(&self.key.as_ref());
        let is_good = |found: &Arc<Node>| {
            let is_usable = found.entry().is_usable(self.cache.clock());
            !Arc::ptr_eq(found, &node) && is_usable && self.try_rely_on(outer, found)
        };
        if let Some(found) = found.filter(is_good) {
            found.entry().count_hit();
            return Err(Flown::by(Answer::Hit(found), Source::Memory));
        }
        Ok(self.anew(outer, &self.capture(), &refusals.add(&member), false))
    }

    async fn read(
        &self,
        l2_entry: &dyn L2Entry,
        underway: &mut Underway,
    ) -> Result<Found, Option<RedisMiss>> {
        let _reading = self.reading.as_deref().map(Reading::begin);
        l2_entry.answer(&self.cache, underway).await
    }

    /// Runs the body for a flight; in a task of its own, where there is a runtime for that.
    async fn load(
        &self,
        underway: Underway,
        around: Around,
        (body, runtime): (Body<'_>, Option<Handle>),
    ) -> RunOutcome {
        let apart = match runtime {
            Some(runtime) => body.apart().map(|body| (body, runtime)),
            None => Err(body),
        };
        match apart {
            Ok((body, runtime)) => {
                let run = self.run(underway, body, around);
                run.detach(&runtime).ended().await
            }
            Err(body) => self.run(underway, body.start(), around).await,
        }
    }

    /// Answers with what is in memory, as its terms have it.
    pub(super) fn served(&self, node: Arc<Node>, stale: Option<Stale>) -> Flown {
        Stale::count_served(node.entry(), self.cache.clock(), stale);
        Flown {
            stale,
            ..Flown::by(Answer::Hit(node), Source::Memory)
        }
    }

    /// What Redis had. Where that is to be replaced soon, it is loaded in the background.
    pub(super) fn found(&self, node: &Arc<Node>, body: Body<'_>) -> Flown {
        let mut flown = Flown::by(Answer::Shared(Arc::clone(node)), Source::Redis);
        let clock = self.cache.clock();
        if let Some(aging) = &self.site.aging
            && !node.entry().is_quiet(clock)
        {
            flown.stale = Stale::of(node.entry(), clock);
            if node.entry().on_read(clock) == Decision::ServeAndRefresh {
                (aging.refresh)(self, node, body);
            }
        }
        flown
    }

    fn run<'a>(&self, underway: Underway, body: Running<'a>, around: Around) -> Run<'a> {
        let beyond = (self.l2_entry.clone(), self.notice.clone());
        Run::new(&self.cache, underway, beyond, body, around)
    }

    fn share(&self, node: Arc<Node>, since: Instant) -> Flown {
        let (counters, stale) = (
            self.counters(),
            Stale::by_age(node.entry(), self.cache.clock()),
        );
        Counters::add(&counters.shared);
        counters.wait_times.add(since.elapsed());
        if let Some(stale) = stale {
            counters.stale.add(stale);
        }
        Flown {
            stale,
            is_replaceable: node.entry().is_replaceable(),
            ..Flown::by(Answer::Shared(node), Source::SharedLoad)
        }
    }

    async fn recurse(&self, body: Body<'_>) -> Flown {
        self.site.warn_of_recursion();
        self.run_uncached(body, Some(Miss::Recursion)).await
    }

    /// Runs the body past the cache, for a reason where the caller did not ask for it.
    pub(super) async fn run_uncached(&self, body: Body<'_>, miss: Option<Miss>) -> Flown {
        Counters::add(&self.counters().loads);
        Counters::add(&self.counters().bypassed);
        let reached = self
            .site
            .events
            .zip(context::load())
            .map(|(events, outer)| {
                let snapshot = self.capture();
                events.reaches(&outer, &snapshot, &self.site);
                (events, outer, snapshot)
            });
        let (began, since) = (system_now(), Instant::now());
        let mut shown = if self.site.is_batched {
            Shown::nothing()
        } else {
            Shown::load(&Span::current(), &self.site.name)
        };
        let loaded = body.start().instrument(shown.span().clone()).await;
        shown.ended(loaded.has_failed());
        self.counters().load_times.add(since.elapsed());
        if let Some((events, outer, snapshot)) = reached {
            events.hand_up(self, &loaded, &outer, snapshot, (began, system_now()));
        }
        if loaded.has_failed() {
            Counters::add(&self.counters().failures);
        }
        Flown {
            miss,
            ..Flown::by(loaded.into_answer(), Source::Uncached)
        }
    }
}

/// A call of a batch while it reads the shared tier.
struct Reading<'a>(&'a AtomicUsize);

impl<'a> Reading<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
