//! A call that memory did not answer, in the engine that knows no value type.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::{
    BoxFuture,
    remote::{Found, Remote},
    run::{Around, Ended, Run},
};
use crate::{
    cache::Cache,
    clock::system_now,
    coherence::Snapshot,
    context,
    event::Tag,
    explain::{Miss, Source},
    flight::{Joined, Load, Member, Overtaken, Target, Turn, Underway, wait},
    key::Key,
    l1::Node,
    l2::{Notice, RedisMiss},
    site::SiteState,
    stats::Counters,
    value::{Answer, Loaded},
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
            Self::Inline(body) => body,
            Self::Detached(body) => body,
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
pub(super) enum Place {
    /// The one of its key, begun by whomever.
    InAnyFlight,
    /// One that begins now, and that later callers join.
    InNewFlight,
}

/// A call in the engine, which knows no value type.
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
}

/// How a call was answered.
pub(super) struct Flown {
    pub(super) answer: Answer,
    pub(super) source: Source,
    /// Set where the call could not be what its caller wanted.
    pub(super) miss: Option<Miss>,
    /// Set where Redis was asked in vain.
    pub(super) redis: Option<RedisMiss>,
}

impl Flown {
    pub(super) fn by(answer: Answer, source: Source) -> Self {
        Self {
            answer,
            source,
            miss: None,
            redis: None,
        }
    }
}

impl Call {
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

    /// Answers through the flight of the key.
    pub(super) async fn fly(&self, place: Place, body: Body<'_>) -> Flown {
        if !self.cache.is_on() {
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
        let Some(outer) = outer else {
            return self.ride(member, None, body).await;
        };
        let Some(_wait) = wait(&outer, Target::Flight(Arc::clone(member.flight()))) else {
            drop(member);
            return self.recurse(body).await;
        };
        self.ride(member, Some(&outer), body).await
    }

    /// Waits for the answer of a flight, or runs the body for it.
    async fn ride(&self, mut member: Member, outer: Option<&Arc<Load>>, body: Body<'_>) -> Flown {
        let runtime = body.runtime();
        let is_apart = runtime.is_some() && self.remote.is_none();
        let mut redis = None;
        let underway = loop {
            let flights = self.cache.flights();
            let mut underway = match member.turn(outer, is_apart).await {
                Turn::Answer(node) if may_rely_on(outer, &node) => return self.share(node),
                Turn::Answer(_) => {
                    member = flights.read_anew(&self.key, &self.site, &self.capture());
                    continue;
                }
                Turn::Load(underway) => underway,
            };
            let Some(remote) = &self.remote else {
                break underway;
            };
            // In this task also where the load has one of its own: an answer is worth no task.
            match remote.answer(&self.cache, &mut underway).await {
                Ok(Found { node, is_unsent }) if !is_unsent || may_rely_on(outer, &node) => {
                    take(outer, &node);
                    return Flown::by(Answer::Shared(node), Source::Redis);
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
        let ended = match body {
            Ok((body, runtime)) => self.run(underway, body).detach(&runtime).ended().await,
            Err(body) => self.run(underway, body.start()).await,
        };
        match ended {
            Ended::Loaded(loaded) => {
                if let Loaded::Node { node, .. } = &loaded {
                    take(outer, node);
                }
                Flown {
                    redis,
                    ..Flown::by(loaded.into_answer(), Source::Load)
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

    fn run<'a>(&self, underway: Underway, body: BoxFuture<'a, Loaded>) -> Run<'a> {
        let beyond = (self.remote.clone(), self.notice.clone());
        Run::new(&self.cache, underway, beyond, body, Around::here())
    }

    fn share(&self, node: Arc<Node>) -> Flown {
        Counters::add(&self.counters().shared);
        Flown::by(Answer::Shared(node), Source::SharedLoad)
    }

    async fn recurse(&self, body: Body<'_>) -> Flown {
        self.site.warn_of_recursion();
        self.run_uncached(body, Some(Miss::Recursion)).await
    }

    /// Runs the body past the cache, for a reason where the caller did not ask for it.
    pub(super) async fn run_uncached(&self, body: Body<'_>, miss: Option<Miss>) -> Flown {
        Counters::add(&self.counters().loads);
        if let Some(outer) = context::load() {
            outer.reaches(&self.capture(), &self.site);
        }
        let loaded = body.start().await;
        if loaded.has_failed() {
            Counters::add(&self.counters().failures);
        }
        Flown {
            miss,
            ..Flown::by(loaded.into_answer(), Source::Uncached)
        }
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
