//! What becomes of a loaded output: how long it is kept, whether at all, and for how many bytes.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use super::{
    Built, Fate, Loaded, Maker, Returned, Split,
    probe::{CanFail, KeepsErrors, TimesOut},
    shape::{HasNone, Shape},
    transport::{Transport, Wire, guarded},
    weigh::Weigh,
};
use crate::{
    error::TimedOut,
    event::{Interests, Tag},
    l1::Node,
    l2::{Age, RedisMiss, codec::Codec},
};

/// The options of a function that look at what it returned.
#[expect(
    clippy::struct_field_names,
    reason = "each field is named as its option"
)]
pub struct Keep<S: Shape, X> {
    returned: Returned<S, X>,
    times: Times,
    measure: fn(&S::Kept) -> Option<usize>,
    /// The options that are closures, and what asks them: named only where there are some, so that it is compiled
    /// only there.
    asked: Option<JudgeFn<S, X>>,
    ttl: Option<fn(&S::Inner) -> Duration>,
    keep_if: Option<fn(&S::Inner) -> bool>,
    weight: Option<fn(&S::Inner) -> usize>,
    events_of: Option<EventsOf<S>>,
    /// What asks for those: named only beside it, as above.
    tags: Option<TagsOf<S, X>>,
    /// What asks for the two below, as above.
    asked_of_error: Option<AskedOfError<S, X>>,
    err_ttl: Option<fn(&S::Error) -> Duration>,
    stale_if_error: Option<fn(&S::Error) -> bool>,
    /// How values travel. What receives them is named only beside it.
    travel: Option<Travel<S, X>>,
    /// The error of a load that takes too long. What makes an answer of it is named only beside it.
    timeout: Option<Late<S, X>>,
    compress: Option<usize>,
}

/// How long outcomes are kept.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) ttl: Duration,
    pub(super) none_ttl: Option<Duration>,
    pub(super) err_ttl: Option<Duration>,
}

impl Times {
    pub(super) fn value(self, is_none: bool) -> Duration {
        match self.none_ttl {
            Some(ttl) if is_none => ttl,
            _ => self.ttl,
        }
    }
}

/// What becomes of one outcome.
pub(crate) struct Judged {
    pub(super) age: Duration,
    /// For how long it is fresh; zero where it is not kept.
    pub(super) lifetime: Duration,
    /// For how long it has not been fresh.
    pub(super) stale_for: Duration,
    /// For how long it may be kept at most, beyond which its strategy has no say.
    pub(super) most: Duration,
    /// How long its load took.
    pub(super) load_time: Duration,
    /// It is an error that a stale value may stand in for.
    pub(super) is_replaceable: bool,
    /// It is not to be kept, however old it is.
    is_refused: bool,
    /// What it counts for; nothing where nobody knows, or needs to.
    pub(super) bytes: Option<usize>,
    /// What it counts for then.
    pub(super) size: usize,
    pub(super) fate: Fate,
    pub(super) tags: Vec<Tag>,
}

impl Judged {
    pub(super) fn kept(lifetime: Duration, size: usize) -> Box<Self> {
        let mut judged = Self::new(size, Fate::Keep);
        judged.live_for(lifetime);
        judged
    }

    pub(super) fn failed(lifetime: Duration, size: usize) -> Box<Self> {
        let fate = if lifetime.is_zero() {
            Fate::Leave
        } else {
            Fate::KeepUnlessFresh
        };
        let mut judged = Self::new(size, fate);
        judged.lifetime = lifetime;
        judged.is_replaceable = true;
        judged
    }

    /// A value is kept for so long, or not at all.
    fn live_for(&mut self, lifetime: Duration) {
        self.is_refused = lifetime.is_zero();
        self.lifetime = lifetime;
        self.fate = if lifetime.is_zero() {
            Fate::Forget
        } else {
            Fate::Keep
        };
    }

    /// It says itself for how long it lives: where nothing is left of that, it was kept before.
    fn says_it_lives_for(&mut self, lifetime: Duration) {
        self.live_for(lifetime);
        self.is_refused = false;
    }

    /// With what was built of it.
    #[expect(
        clippy::boxed_local,
        reason = "the caller is compiled for each type: it hands on what it has"
    )]
    #[inline(never)]
    fn loaded(self: Box<Self>, built: Built) -> Loaded {
        match built {
            Ok(node) => Loaded::Node {
                node,
                fate: self.fate,
                tags: self.tags,
            },
            Err(error) => Loaded::Own {
                error,
                is_replaceable: self.is_replaceable,
            },
        }
    }

    /// Of the life that this process gives it, and the one that its envelope gives it, the shorter one.
    fn limit(&mut self, age: Age, left: Duration, stale_for: Duration) {
        self.age = age.since_load;
        self.load_time = age.load_time;
        self.lifetime = left.min(age.fresh);
        self.stale_for = stale_for.max(age.stale_for);
        self.most = age.left;
        // What was not to be kept is not to be kept longer either.
        if self.is_refused {
            self.most = Duration::ZERO;
        } else {
            self.fate = Fate::Keep;
        }
    }

    fn new(size: usize, fate: Fate) -> Box<Self> {
        Box::new(Self {
            age: Duration::ZERO,
            lifetime: Duration::ZERO,
            stale_for: Duration::ZERO,
            most: Duration::MAX,
            load_time: Duration::ZERO,
            is_replaceable: false,
            is_refused: false,
            bytes: None,
            size,
            fate,
            tags: Vec::new(),
        })
    }
}

/// Asks what is given as closures.
type JudgeFn<S, X> = fn(&Keep<S, X>, &<S as Shape>::Kept, &Maker) -> Box<Judged>;

/// The same of an error.
type AskedOfError<S, X> = fn(&Keep<S, X>, &<S as Shape>::Error, &Maker) -> Box<Judged>;

/// Adds the events that a value names.
type EventsOf<S> = fn(&<S as Shape>::Inner, &mut Interests);

/// What a value says that it depends on.
type TagsOf<S, X> = fn(&Keep<S, X>, &<S as Shape>::Kept) -> Vec<Tag>;

impl<S: Shape, X> Clone for Keep<S, X> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Shape, X> Copy for Keep<S, X> {}

impl<S: Shape, X> fmt::Debug for Keep<S, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keep")
    }
}

impl<S: Shape, X> Keep<S, X> {
    /// Keeps every value for `ttl`, and no error.
    // Compiled for each type, not for each function.
    #[inline(never)]
    pub fn new<W: Weigh<S::Kept>>(returned: &Returned<S, X>, weigh: W, ttl: Duration) -> Self
    where
        X: 'static,
    {
        weigh.carry(Self {
            returned: *returned,
            times: Times {
                ttl,
                none_ttl: None,
                err_ttl: None,
            },
            measure: W::weigh,
            asked: None,
            ttl: None,
            keep_if: None,
            weight: None,
            events_of: None,
            tags: None,
            asked_of_error: None,
            err_ttl: None,
            stale_if_error: None,
            travel: None,
            timeout: None,
            compress: None,
        })
    }

    /// The option `ttl` where it is a closure. `None` has no value to say it: without `none_ttl` it is not kept.
    #[inline]
    #[must_use]
    pub fn ttl(mut self, ttl: fn(&S::Inner) -> Duration) -> Self {
        self.ttl = Some(ttl);
        self.asking()
    }

    #[inline]
    fn asking(mut self) -> Self {
        self.asked = Some(Self::ask);
        self
    }

    /// Values travel like this.
    #[inline]
    pub(super) fn carried_by(mut self, transport: Transport<S::Kept>) -> Self
    where
        X: 'static,
    {
        self.travel = Some((transport, Self::travelling));
        self
    }

    /// The option `codec`.
    #[inline]
    #[must_use]
    pub fn codec<C: Codec<S::Kept>>(self) -> Self
    where
        X: 'static,
    {
        let known = self.travel.map(|(transport, _)| transport.over::<C>());
        self.carried_by(known.unwrap_or_else(Transport::opaque::<C>))
    }

    /// The option `compress`.
    #[inline]
    #[must_use]
    pub fn compress(mut self, from: usize) -> Self {
        self.compress = Some(from);
        self
    }

    /// The option `none_ttl`.
    #[inline]
    #[must_use]
    pub fn none_ttl(mut self, ttl: Duration) -> Self
    where
        S::Output: HasNone,
    {
        self.times.none_ttl = Some(ttl);
        self
    }

    /// Whether errors are remembered.
    pub(crate) fn keeps_errors(&self) -> bool {
        self.times.err_ttl.is_some() || self.err_ttl.is_some()
    }

    /// The option `err_ttl`.
    #[inline]
    #[must_use]
    pub fn err_ttl(mut self, ttl: Duration) -> Self
    where
        S::Output: KeepsErrors,
    {
        self.times.err_ttl = Some(ttl);
        self
    }

    /// The option `err_ttl` where it is a closure.
    #[inline]
    #[must_use]
    pub fn err_ttl_of(mut self, ttl: fn(&S::Error) -> Duration) -> Self
    where
        S::Output: KeepsErrors,
    {
        self.err_ttl = Some(ttl);
        self.asked_of_error = Some(Self::ask_of_error);
        self
    }

    /// The strategy `stale_if_error`, and for which errors.
    #[inline]
    #[must_use]
    pub fn stale_if_error(mut self, stands_in: fn(&S::Error) -> bool) -> Self
    where
        S::Output: CanFail,
    {
        self.stale_if_error = Some(stands_in);
        self.asked_of_error = Some(Self::ask_of_error);
        self
    }

    /// The option `timeout`.
    #[inline]
    #[must_use]
    pub fn timeout(mut self) -> Self
    where
        S::Output: TimesOut<Error = S::Error>,
        X: 'static,
    {
        let late: Late<S, X> = |keep, maker, beyond| {
            let (keep, maker) = (*keep, maker.clone());
            beyond.late = Some(Arc::new(move |after| {
                let error = S::Output::timed_out(TimedOut { after });
                keep.load(&maker, S::failed(error))
            }));
        };
        self.timeout = Some(late);
        self
    }

    /// The option `keep_if`.
    #[inline]
    #[must_use]
    pub fn keep_if(mut self, keep: fn(&S::Inner) -> bool) -> Self {
        self.keep_if = Some(keep);
        self.asking()
    }

    /// The option `weight`.
    #[inline]
    #[must_use]
    pub fn weight(mut self, weight: fn(&S::Inner) -> usize) -> Self {
        self.weight = Some(weight);
        self.asking()
    }

    /// The option `invalidate_on` where it is a closure.
    #[inline]
    #[must_use]
    pub fn events_of(mut self, events: fn(&S::Inner, &mut Interests)) -> Self {
        self.events_of = Some(events);
        self.tags = Some(Self::tags_of);
        self.asking()
    }

    pub(crate) fn returned(&self) -> Returned<S, X> {
        self.returned
    }

    /// What is left of the life that this process gives a value of this age, and for how long it has been over. A value
    /// that says itself how long it lives says what is left.
    fn left(
        &self,
        kept: &S::Kept,
        maker: &Maker,
        (lifetime, age): (Duration, Duration),
    ) -> (Duration, Duration) {
        if self.ttl.is_some() && maker.ttl().is_none() && S::inner(kept).is_some() {
            (lifetime, Duration::ZERO)
        } else {
            (lifetime.saturating_sub(age), age.saturating_sub(lifetime))
        }
    }

    /// What becomes of a value.
    fn judge(&self, kept: &S::Kept, maker: &Maker) -> Box<Judged> {
        if let Some(ask) = self.asked {
            return ask(self, kept, maker);
        }
        let mut judged = maker.judge(self.times, S::inner(kept).is_none(), size_of::<Split<S>>());
        if !judged.is_refused {
            judged.bytes = (self.measure)(kept);
        }
        judged
    }

    /// The same where a closure has something to say.
    fn ask(&self, kept: &S::Kept, maker: &Maker) -> Box<Judged> {
        let inner = S::inner(kept);
        let mut judged = maker.judge(self.times, inner.is_none(), size_of::<Split<S>>());
        if maker.keeps {
            match (inner, self.ttl) {
                (Some(inner), _) if !self.keep_if.is_none_or(|keep| keep(inner)) => {
                    judged.live_for(Duration::ZERO);
                }
                (Some(inner), Some(ttl)) if maker.ttl().is_none() => {
                    judged.says_it_lives_for(ttl(inner));
                }
                (None, Some(_)) if self.times.none_ttl.is_none() && !maker.says_of_none() => {
                    judged.live_for(Duration::ZERO);
                }
                _ => {}
            }
        }
        if !judged.is_refused {
            judged.bytes = match self.weight {
                Some(weight) => Some(inner.map_or(size_of::<S::Kept>(), weight)),
                None => (self.measure)(kept),
            };
        }
        // Nobody may keep it, but perhaps what is made of it.
        if let Some(tags) = self.tags {
            judged.tags = tags(self, kept);
        }
        judged
    }

    /// What becomes of an error where a closure has something to say.
    fn ask_of_error(&self, error: &S::Error, maker: &Maker) -> Box<Judged> {
        let times = Times {
            err_ttl: self.err_ttl.map(|ttl| ttl(error)).or(self.times.err_ttl),
            ..self.times
        };
        let mut judged = maker.judge_error(times, size_of::<Split<S>>());
        judged.is_replaceable = self.stale_if_error.is_none_or(|stands_in| stands_in(error));
        judged
    }

    /// What a value says that it depends on.
    fn tags_of(&self, kept: &S::Kept) -> Vec<Tag> {
        let (Some(events_of), Some(inner)) = (self.events_of, S::inner(kept)) else {
            return Vec::new();
        };
        let mut interests = Interests::default();
        events_of(inner, &mut interests);
        interests.into_tags()
    }
}

/// A [`Keep`], for the engine, which knows no value type.
pub(crate) trait Judge {
    /// What is made of the output in an `Option`; nothing where it is of another type.
    fn load_any(&self, maker: &Maker, output: &mut dyn Any) -> Option<Loaded>;

    /// What the options ask for beyond a load in this process; how values travel only where there is somewhere to go.
    fn beyond(&self, maker: &Maker, is_shared: bool, beyond: &mut Beyond);
}

/// What a function asks for beyond a load in this process.
#[derive(Default)]
pub(crate) struct Beyond {
    /// What answers a call whose load takes too long, where there is a limit.
    pub(crate) late: Option<LateAnswer>,
    /// How values travel; nothing where they do not, or where whoever reads one would not know what to ask for with
    /// it.
    pub(crate) travelling: Option<Travelling>,
}

/// What answers a call whose load takes longer than this.
pub(crate) type LateAnswer = Arc<dyn Fn(Duration) -> Loaded + Send + Sync>;

/// What makes that answer.
type Late<S, X> = fn(&Keep<S, X>, &Maker, &mut Beyond);

/// How values travel, and what says so to the shared tier.
type Travel<S, X> = (
    Transport<<S as Shape>::Kept>,
    fn(&Keep<S, X>, &Maker, &mut Beyond),
);

/// How the values of a function leave the process and come back.
pub(crate) struct Travelling {
    pub(crate) wire: Wire,
    /// From how many bytes on an encoded value is compressed.
    pub(crate) compress_from: Option<usize>,
    pub(crate) receive: Receiver,
}

/// Makes an entry of the bytes of a value that came from another process.
pub(crate) type Receiver = Arc<dyn Fn(&[u8], Age) -> Result<Arc<Node>, RedisMiss> + Send + Sync>;

impl<S: Shape, X> Judge for Keep<S, X> {
    fn load_any(&self, maker: &Maker, output: &mut dyn Any) -> Option<Loaded> {
        let output: &mut Option<S::Output> = output.downcast_mut()?;
        Some(self.load(maker, output.take()?))
    }

    fn beyond(&self, maker: &Maker, is_shared: bool, beyond: &mut Beyond) {
        if let Some(late) = self.timeout {
            late(self, maker, beyond);
        }
        if let Some((_, travel)) = self.travel
            && is_shared
            && self.events_of.is_none()
        {
            travel(self, maker, beyond);
        }
    }
}

impl<S: Shape, X> Keep<S, X> {
    /// What the engine takes, made of an output. Runs the closures of the user's options.
    // Compiled for each type, not for each function.
    #[inline(never)]
    pub(crate) fn load(&self, maker: &Maker, output: S::Output) -> Loaded {
        let judged = match (S::look(&output), self.asked_of_error) {
            (Ok(kept), _) => self.judge(kept, maker),
            (Err(error), Some(ask)) => ask(self, error, maker),
            (Err(_), None) => maker.judge_error(self.times, size_of::<Split<S>>()),
        };
        let built = self.returned.build(maker.entry(&judged), output);
        judged.loaded(built)
    }

    fn travelling(&self, maker: &Maker, beyond: &mut Beyond)
    where
        X: 'static,
    {
        let (keep, maker) = (*self, maker.clone());
        let Some((transport, _)) = self.travel else {
            return;
        };
        beyond.travelling = Some(Travelling {
            wire: transport.wire(),
            compress_from: self.compress,
            receive: Arc::new(move |bytes, age| keep.receive(&maker, &transport, bytes, age)),
        });
    }

    /// Makes an entry for as long as this process would keep the value. What a user wrote may panic over
    /// what it did not expect.
    fn receive(
        &self,
        maker: &Maker,
        transport: &Transport<S::Kept>,
        bytes: &[u8],
        age: Age,
    ) -> Result<Arc<Node>, RedisMiss> {
        let received = guarded(|| {
            let kept = transport.decode(bytes)?;
            let mut judged = self.judge(&kept, maker);
            let life = (judged.lifetime, age.since_load);
            let (left, stale_for) = self.left(&kept, maker, life);
            judged.limit(age, left, stale_for);
            let entry = maker.entry(&judged);
            let is_over = entry.kept_until() <= maker.clock.now();
            let built = self.returned.build(entry, S::kept(kept));
            Ok((is_over, built.map_err(|_| "a value is not an error")?))
        });
        match received {
            Ok((true, _)) => Err(RedisMiss::Expired),
            Ok((false, node)) => Ok(node),
            Err(_) => Err(RedisMiss::Foreign),
        }
    }
}
