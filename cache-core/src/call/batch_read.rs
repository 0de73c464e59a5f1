//! The calls of one batch: those whose turn it is to load read the shared tier together, and have no future of their
//! own before something is to be waited for.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    BoxFuture, Missed, OpenCall,
    body::Body,
    l2::L2Entry,
    miss::{Call, FlightChoice},
};
use crate::{
    cache::Cache,
    coherence::Doubt,
    context,
    flight::{Joined, Load, Member, Underway},
    l1::Node,
    l2::One,
    strategy::Decision,
    value::{Answer, Judge, Maker},
};

/// A call that has the turn of its flight, and reads first.
pub(crate) struct Reader {
    call: Call,
    member: Member,
    underway: Underway,
    since: Instant,
    /// What may stand in for its load, if it is proven by what is read.
    pub(super) suspect: Option<Arc<Node>>,
}

/// Those of one batch. They are large, and go from hand to hand.
pub(crate) type Readers = Vec<Box<Reader>>;

/// A call that has read, and the answer of the shared tier.
pub(crate) type HasRead = (Box<Reader>, Option<Arc<Node>>);

/// How a call of a batch begins.
pub(crate) enum Beginning {
    /// With its answer.
    Answered(Answer),
    Reads(Box<Reader>),
    /// By itself.
    Goes(Going),
}

/// A call that goes on by itself.
pub(crate) enum Going {
    Opened(Box<OpenCall>),
    /// In a flight, perhaps with the turn to load, since then.
    InFlight(Box<Call>, Member, Option<Underway>, Instant),
    /// With what the shared tier has, whose successor is to be loaded.
    Refreshing(Box<Call>, Arc<Node>),
}

impl Missed {
    /// Opens the call of one key of many.
    pub(crate) fn begin(self: Box<Self>, keep: &dyn Judge) -> (Maker, Beginning) {
        let (opened, maker) = self.open(keep);
        (maker, opened.begin())
    }
}

impl OpenCall {
    /// What is part of a load waits for more than one thing, and a handle for others; and whoever may not wait for as long
    /// as the shared tier may take.
    fn is_plain(&self) -> bool {
        let Self { call, question, .. } = self;
        let limit = call.site.aging.and_then(|aging| aging.strategy.timeout);
        let has_time = |l2_entry: &Arc<dyn L2Entry>| limit.is_none_or(|it| it > l2_entry.budget());
        question.is_none()
            && call.l2_entry.as_ref().is_some_and(has_time)
            && call.is_on()
            && context::load().is_none()
            && !self.may_be_old()
    }

    /// Whether an old value in memory answers, or does so if the new one is late.
    fn may_be_old(&self) -> bool {
        let Self { call, due, .. } = self;
        let Some(aging) = &call.site.aging else {
            return false;
        };
        let is_served = |node: Arc<Node>| {
            let (entry, clock) = (node.entry(), call.cache.clock());
            let may_stand_in = entry.stands_in(clock) || entry.doubt(clock) == Some(Doubt::Suspect);
            entry.on_read(clock) != Decision::Decline
                || may_stand_in && aging.strategy.soft_timeout.is_some()
        };
        let old = || call.cache.flights().l1.get(&call.key.as_ref());
        due.is_some() || old().is_some_and(is_served)
    }

    fn begin(self) -> Beginning {
        if !self.is_plain() {
            return Beginning::Goes(Going::Opened(Box::new(self)));
        }
        let (call, since) = (self.call, Instant::now());
        let flights = call.cache.flights();
        // Before anything is read.
        let snapshot = call.capture();
        let joined = flights.join(
            &call.key,
            &call.site,
            call.cache.clock(),
            &snapshot,
            (&snapshot, false),
        );
        let mut member = match joined {
            Joined::Hit(node) => {
                node.entry().count_hit();
                return Beginning::Answered(Answer::Hit(node));
            }
            Joined::Member(member) => member,
        };
        let Some(underway) = member.try_turn_here() else {
            return Beginning::Goes(Going::InFlight(Box::new(call), member, None, since));
        };
        let l2_entry = call.l2_entry.as_ref().zip(underway.load());
        if l2_entry.is_some_and(|(l2_entry, load)| l2_entry.only_reads(&call.cache, load)) {
            return Beginning::Reads(Box::new(Reader {
                call,
                member,
                underway,
                since,
                suspect: None,
            }));
        }
        let underway = Some(underway);
        Beginning::Goes(Going::InFlight(Box::new(call), member, underway, since))
    }
}

impl Reader {
    pub(super) fn cache(&self) -> &Cache {
        &self.call.cache
    }

    pub(super) fn load(&self) -> &Arc<Load> {
        let load = self.underway.load();
        load.expect("it has read once, and has not ended before")
    }

    pub(super) fn underway(&mut self) -> &mut Underway {
        &mut self.underway
    }

    pub(super) fn one(&self) -> Option<One<'_>> {
        let l2_entry = self.call.l2_entry.as_deref()?;
        Some(l2_entry.one(&self.call.cache, self.load()))
    }

    /// It goes on by itself: nobody has its entry, or nobody else reads.
    pub(crate) fn go(self) -> Going {
        let (call, underway) = (Box::new(self.call), Some(self.underway));
        Going::InFlight(call, self.member, underway, self.since)
    }

    /// It has this answer, and goes on where that is to be replaced.
    pub(crate) fn end(self, node: Arc<Node>) -> Result<Answer, Going> {
        if node.entry().is_quiet(self.call.cache.clock()) {
            self.call.count_redis_answer(None);
            return Ok(Answer::Shared(node));
        }
        Err(Going::Refreshing(Box::new(self.call), node))
    }
}

impl Going {
    /// Whether its load may run on in the background.
    pub(crate) fn may_leave(&self) -> bool {
        match self {
            Self::Opened(opened) => opened.call.site.aging.is_some() || opened.is_prefetch(),
            Self::InFlight(call, ..) | Self::Refreshing(call, _) => call.site.aging.is_some(),
        }
    }

    pub(super) fn answer(self, body: Body<'_>) -> BoxFuture<'_, Answer> {
        match self {
            Self::Opened(opened) => opened.answer(body),
            Self::InFlight(call, member, underway, since) => Box::pin(async move {
                let place = FlightChoice::This(member, underway, since);
                call.answer(None, place, body).await.answer
            }),
            Self::Refreshing(call, node) => Box::pin(async move {
                let flown = call.found(&node, body);
                call.count_redis_answer(flown.stale);
                flown.answer
            }),
        }
    }
}

/// Reads for calls of one batch: each has its answer then, or is to load.
pub(crate) fn read(cache: &Cache, readers: Readers) -> BoxFuture<'static, Vec<HasRead>> {
    if let Some(shared) = cache.shared() {
        return Arc::clone(shared).answer_all(readers);
    }
    let unread = readers.into_iter().map(|reader| (reader, None));
    Box::pin(std::future::ready(unread.collect()))
}
