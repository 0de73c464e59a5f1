//! A call that memory did not answer, in the engine that knows no value type.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::runtime::Handle;

use super::{
    BoxFuture,
    remote::{Found, Remote},
    run::{Around, Ended, Run, named, settled},
};
use crate::{
    cache::Cache,
    clock::{Nanos, system_now},
    coherence::Snapshot,
    context,
    event::Tag,
    explain::{Miss, Source, Stale},
    flight::{Joined, Load, Member, Overtaken, Target, Turn, Underway, Wait, wait},
    key::Key,
    l1::Node,
    l2::{Notice, RedisMiss},
    site::SiteState,
    stats::Counters,
    strategy::Decision,
    value::{Answer, LateAnswer, Loaded},
};

/// The body of a call, not yet running.
pub(crate) enum Body<'a> {
    Inline(BoxFuture<'a, Loaded>),
    Detached(BoxFuture<'static, Loaded>),
    /// Owned copies of the arguments are made when the body is needed, not for every waiter.
    Borrowing(Box<dyn Make + 'a>),
}

/// What makes the body of a call. Not `FnOnce`, with which each function has more code.
pub(crate) trait Make: Send {
    fn make(self: Box<Self>) -> BoxFuture<'static, Loaded>;
}

impl<'a> Body<'a> {
    pub(super) fn start(self) -> BoxFuture<'a, Loaded> {
        match self {
            Self::Inline(body) | Self::Detached(body) => body,
            Self::Borrowing(body) => body.make(),
        }
    }

    /// What runs in a task of its own; the body itself where it is to run in the caller's.
    pub(super) fn apart(self) -> Result<BoxFuture<'static, Loaded>, Self> {
        match self {
            Self::Inline(_) => Err(self),
            Self::Detached(body) => Ok(body),
            Self::Borrowing(body) => Ok(body.make()),
        }
    }

    /// The runtime for a task of its own; nothing where the body runs in the caller's.
    pub(super) fn runtime(&self) -> Option<Handle> {
        match self {
            Self::Inline(_) => None,
            // Outside a runtime there are no tasks.
            Self::Detached(_) | Self::Borrowing(_) => Handle::try_current().ok(),
        }
    }
}

/// Which flight answers a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The one of its key, begun by whomever.
    InAnyFlight,
    /// One that begins now, and that later callers join.
    InNewFlight,
}

/// A call in the engine, which knows no value type.
#[derive(Clone)]
pub(crate) struct Call {
    pub(super) cache: Cache,
    pub(super) site: Arc<SiteState>,
    pub(super) key: Key,
    /// What the entry depends on.
    pub(super) tags: Vec<Tag>,
    /// Whether it may come to depend on more, as its load finds out.
    pub(super) is_late: bool,
    /// What others are told, where something is done to the entry by hand.
    pub(super) notice: Option<Notice>,
    /// The entry in the shared tier, where there is one that is worth asking for.
    pub(super) remote: Option<Arc<dyn Remote>>,
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

    /// The state of what the entry depends on. Whoever asks needs somebody who hears when that changes.
    pub(super) fn capture(&self) -> Snapshot {
        let is_guarded = self.is_late || !self.tags.is_empty();
        if is_guarded && let Some(courier) = self.cache.courier() {
            courier.attend();
        }
        let (coherence, now) = (self.cache.coherence(), system_now());
        if self.is_late {
            coherence.capture_late(&self.tags, now)
        } else {
            coherence.capture(&self.tags, now)
        }
    }

    /// Answers the call; by an entry, where one is `due` to be replaced and still to be served.
    pub(super) async fn answer(&self, due: Option<Arc<Node>>, body: Body<'_>) -> Flown {
        match &self.site.aging {
            None => self.fly(Place::InAnyFlight, body).await,
            Some(aging) => (aging.fly)(self, due, Place::InAnyFlight, body).await,
        }
    }

    /// Answers through the flight of the key.
    pub(super) async fn fly(&self, place: Place, body: Body<'_>) -> Flown {
        if !self.is_on() {
            return self.run_uncached(body, Some(Miss::Off)).await;
        }
        let (flights, outer) = (self.cache.flights(), context::load());
        if outer
            .as_ref()
            .is_some_and(|outer| outer.is_for(&self.key, flights))
        {
            return self.recurse(body).await;
        }
        // Before anything is read.
        let snapshot = self.capture();
        if let Some(outer) = &outer {
            outer.reaches(&snapshot, &self.site);
        }
        let joined = match place {
            Place::InAnyFlight => {
                flights.join(&self.key, &self.site, self.cache.clock(), &snapshot)
            }
            Place::InNewFlight => Joined::Member(flights.renew(&self.key, &self.site, &snapshot)),
        };
        let member = match joined {
            Joined::Hit(node) if may_rely_on(outer.as_ref(), &node) => {
                node.entry().count_hit();
                return Flown::by(Answer::Hit(node), Source::Memory);
            }
            // Good enough for others, but not for what is being made of it.
            Joined::Hit(_) => flights.read_anew(&self.key, &self.site, &snapshot),
            Joined::Member(member) => member,
        };
        let rider = Rider {
            outer,
            wait: None,
            around: None,
        };
        self.ride(member, rider, body).await
    }

    /// Waits for the answer of a flight, or runs the body for it.
    async fn ride(&self, member: Member, rider: Rider, body: Body<'_>) -> Flown {
        self.ride_on(member, None, rider, body).await
    }

    /// The same, also with a turn that it is already.
    pub(super) async fn ride_on(
        &self,
        mut member: Member,
        mut first: Option<Underway>,
        mut rider: Rider,
        body: Body<'_>,
    ) -> Flown {
        let runtime = body.runtime();
        let is_apart = rider.around.is_some() || runtime.is_some() && self.remote.is_none();
        let outer = rider.outer.clone();
        let outer = outer.as_ref();
        let mut redis = None;
        let underway = loop {
            // Of each flight anew: what it waits for is not what the one before waited for.
            if first.is_none() && !rider.may_wait_in(&member) {
                drop(member);
                return self.recurse(body).await;
            }
            let flights = self.cache.flights();
            let turn = match first.take() {
                Some(underway) => Turn::Load(underway),
                None => member.turn(outer, is_apart).await,
            };
            let mut underway = match turn {
                Turn::Answer(node) if may_rely_on(outer, &node) => return self.share(node),
                Turn::Answer(_) => {
                    member = flights.read_anew(&self.key, &self.site, &self.capture());
                    continue;
                }
                Turn::Load(underway) => underway,
            };
            if let Some(node) = self.stand_in(&underway)
                && may_rely_on(outer, &node)
            {
                return self.served(node, Some(Stale::Failed));
            }
            if let (Some(aging), Some(runtime), None) = (&self.site.aging, &runtime, &rider.around)
                && aging.strategy.has_limit()
            {
                let turn = (member, underway);
                return match body.apart() {
                    Ok(body) => (aging.lead)(self, turn, rider.outer, body, runtime).await,
                    Err(_) => unreachable!("what has a runtime can run in a task of its own"),
                };
            }
            let Some(remote) = &self.remote else {
                break underway;
            };
            let _reading = self.reading.as_deref().map(Reading::begin);
            // In this task also where the load has one of its own: an answer is worth no task.
            match remote.answer(&self.cache, &mut underway).await {
                Ok(Found { node, is_unsent }) if !is_unsent || may_rely_on(outer, &node) => {
                    take(outer, &node);
                    return self.found(&node, body);
                }
                // It may be older than what is made of it.
                Ok(_) => member = flights.renew(&self.key, &self.site, &self.capture()),
                Err(miss) => {
                    redis = miss;
                    break underway;
                }
            }
        };
        let body = match runtime {
            Some(runtime) => body.apart().map(|body| (body, runtime)),
            None => Err(body),
        };
        let around = rider.around.clone().unwrap_or_else(Around::here);
        let ended = match body {
            Ok((body, runtime)) => {
                let run = self.run(underway, body, around);
                run.detach(&runtime).ended().await
            }
            Err(body) => self.run(underway, body.start(), around).await,
        };
        match ended {
            Ended::Loaded(loaded) => {
                if let Loaded::Node { node, .. } = &loaded {
                    take(outer, node);
                }
                Flown {
                    redis,
                    ..Flown::loaded(loaded)
                }
            }
            Ended::Overtaken(Overtaken::Answered(node)) => self.share(node),
            Ended::Overtaken(Overtaken::Abandoned) => {
                unreachable!(
                    "a load is abandoned when its last caller has gone, and this one is here"
                )
            }
        }
    }

    /// What is served since a load has failed that the call waited for.
    fn stand_in(&self, underway: &Underway) -> Option<Arc<Node>> {
        self.site.aging?;
        let is_wanted = |load: &Arc<Load>| !load.is_renewal() && !load.is_succession();
        underway.load().filter(|load| is_wanted(load))?;
        let node = self.cache.flights().l1.get(&self.key.as_ref())?;
        let (entry, clock) = (node.entry(), self.cache.clock());
        // Not what is void, though it were served for a while: this may be a part of what is newer.
        let is_good = entry.is_usable(clock) || entry.stands_in(clock);
        (is_good && entry.on_read(clock) == Decision::Serve).then_some(node)
    }

    /// Answers with what is in memory, as its terms have it.
    pub(super) fn served(&self, node: Arc<Node>, stale: Option<Stale>) -> Flown {
        node.entry().count_served(self.cache.clock());
        Flown {
            stale,
            ..Flown::by(Answer::Hit(node), Source::Memory)
        }
    }

    /// What Redis had. Where that is to be replaced soon, it is loaded in the background.
    fn found(&self, node: &Arc<Node>, body: Body<'_>) -> Flown {
        let mut flown = Flown::by(Answer::Shared(Arc::clone(node)), Source::Redis);
        if let Some(aging) = &self.site.aging
            && !node.entry().is_quiet(self.cache.clock())
        {
            (aging.refresh)(self, node, body);
            flown.stale = Stale::of(node.entry(), self.cache.clock());
        }
        flown
    }

    fn run<'a>(&self, underway: Underway, body: BoxFuture<'a, Loaded>, around: Around) -> Run<'a> {
        let beyond = (self.remote.clone(), self.notice.clone());
        Run::new(&self.cache, underway, beyond, body, around)
    }

    fn share(&self, node: Arc<Node>) -> Flown {
        Counters::add(&self.counters().shared);
        Flown {
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
        let reached = context::load().map(|outer| {
            let snapshot = self.capture();
            outer.reaches(&snapshot, &self.site);
            (outer, snapshot)
        });
        let began = system_now();
        let loaded = body.start().await;
        if let Some((outer, snapshot)) = reached {
            self.hand_up(&loaded, &outer, snapshot, began);
        }
        if loaded.has_failed() {
            Counters::add(&self.counters().failures);
        }
        Flown {
            miss,
            ..Flown::by(loaded.into_answer(), Source::Uncached)
        }
    }

    /// What is made of a value that is not kept depends on what only the value told, and is good for no longer than it
    /// would have been.
    fn hand_up(&self, loaded: &Loaded, outer: &Load, mut snapshot: Snapshot, began: Nanos) {
        let loading = (began, system_now());
        if let Loaded::Node { tags, .. } = loaded {
            let named = named(self.cache.coherence(), tags, loading);
            outer.reaches(&named, &self.site);
            snapshot.extend(&named);
        }
        let lag = self.site.settle;
        if let Some(time) = settled(&self.cache, lag, (&snapshot, None), loading) {
            outer.settles_at(time);
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

/// Whether a load that the call is part of may be made of what others have read.
pub(super) fn may_rely_on(outer: Option<&Arc<Load>>, node: &Arc<Node>) -> bool {
    outer.is_none_or(|outer| outer.may_rely_on(node.entry()))
}

/// A load that the call is part of is made of what was read for this call, after that load began.
pub(super) fn take(outer: Option<&Arc<Load>>, node: &Arc<Node>) {
    if let Some(outer) = outer {
        outer.take(node.entry());
    }
}
