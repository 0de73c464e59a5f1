//! What becomes of a loaded output: how long it is kept, whether at all, and for how many bytes.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use super::{
    Fate, Loaded, Returned, Split,
    probe::KeepsErrors,
    shape::{HasNone, Shape},
    transport::{Transport, Wire, guarded},
    weigh::Weigh,
};
use crate::{
    clock::{Clock, Nanos, after, before},
    event::{Interests, Tag},
    l1::{Entry, Stored},
    l2::{Age, RedisMiss, codec::Codec},
    stats::Counters,
};

/// How long an entry is fresh.
#[derive(Debug)]
pub enum Ttl<T> {
    /// As long for every value.
    Fixed(Duration),
    /// As long as the value says. `None` has no value to say it: without `none_ttl` it is not kept.
    Of(fn(&T) -> Duration),
}

impl<T> Clone for Ttl<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ttl<T> {}

/// The options of a function that look at what it returned.
#[expect(
    clippy::struct_field_names,
    reason = "each field is named as its option"
)]
pub struct Keep<S: Shape, X> {
    returned: Returned<S, X>,
    ttl: Ttl<S::Inner>,
    none_ttl: Option<Duration>,
    err_ttl: Option<Duration>,
    keep_if: Option<fn(&S::Inner) -> bool>,
    weight: Option<fn(&S::Inner) -> usize>,
    measure: fn(&S::Kept) -> Option<usize>,
    /// How values travel. What receives them is named only beside it, so that it is compiled only there.
    travel: Option<Travel<S, X>>,
    compress: Option<usize>,
    events_of: Option<EventsOf<S>>,
}

/// Adds the events that a value names.
type EventsOf<S> = fn(&<S as Shape>::Inner, &mut Interests);

impl<S: Shape, X> Clone for Keep<S, X> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Shape, X> Copy for Keep<S, X> {}

impl<S: Shape, X> fmt::Debug for Keep<S, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep")
            .field("none_ttl", &self.none_ttl)
            .field("err_ttl", &self.err_ttl)
            .finish_non_exhaustive()
    }
}

impl<S: Shape, X> Keep<S, X> {
    /// Keeps every value for `ttl`, and no error.
    #[inline]
    pub fn new<W: Weigh<S::Kept>>(returned: &Returned<S, X>, weigh: W, ttl: Ttl<S::Inner>) -> Self
    where
        X: 'static,
    {
        weigh.carry(Self {
            returned: *returned,
            ttl,
            none_ttl: None,
            err_ttl: None,
            keep_if: None,
            weight: None,
            measure: W::weigh,
            travel: None,
            compress: None,
            events_of: None,
        })
    }

    /// Values travel like this.
    #[inline]
    pub(super) fn carried_by(mut self, transport: Transport<S::Kept>) -> Self
    where
        X: 'static,
    {
        self.travel = Some((transport, Keeper::receiver));
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
        self.none_ttl = Some(ttl);
        self
    }

    /// The option `err_ttl`.
    #[inline]
    #[must_use]
    pub fn err_ttl(mut self, ttl: Duration) -> Self
    where
        S::Output: KeepsErrors,
    {
        self.err_ttl = Some(ttl);
        self
    }

    /// The option `keep_if`.
    #[inline]
    #[must_use]
    pub fn keep_if(mut self, keep: fn(&S::Inner) -> bool) -> Self {
        self.keep_if = Some(keep);
        self
    }

    /// The option `weight`.
    #[inline]
    #[must_use]
    pub fn weight(mut self, weight: fn(&S::Inner) -> usize) -> Self {
        self.weight = Some(weight);
        self
    }

    /// The option `invalidate_on` where it is a closure.
    #[inline]
    #[must_use]
    pub fn events_of(mut self, events: fn(&S::Inner, &mut Interests)) -> Self {
        self.events_of = Some(events);
        self
    }

    /// What a value depends on, where only it says so.
    fn tags_of(&self, kept: &S::Kept) -> Vec<Tag> {
        let mut interests = Interests::default();
        if let (Some(events_of), Some(inner)) = (self.events_of, S::inner(kept)) {
            events_of(inner, &mut interests);
        }
        interests.into_tags()
    }

    /// Whether only a value says what it depends on.
    pub(crate) fn depends_on_value(&self) -> bool {
        self.events_of.is_some()
    }

    pub(crate) fn returned(&self) -> Returned<S, X> {
        self.returned
    }

    /// What is left of the life that this process gives a value of this age. A value that says itself how
    /// long it lives says what is left.
    fn left(&self, kept: &S::Kept, age: Duration) -> Duration {
        let lifetime = self.lifetime(kept).unwrap_or_default();
        match (&self.ttl, S::inner(kept)) {
            (Ttl::Of(_), Some(_)) => lifetime,
            (Ttl::Fixed(_), _) | (_, None) => lifetime.saturating_sub(age),
        }
    }

    /// How long a value is kept; nothing where it is not.
    fn lifetime(&self, kept: &S::Kept) -> Option<Duration> {
        let lifetime = match (S::inner(kept), &self.ttl) {
            (Some(inner), _) if !self.keep_if.is_none_or(|keep| keep(inner)) => return None,
            (Some(inner), Ttl::Of(ttl)) => ttl(inner),
            (Some(_), Ttl::Fixed(ttl)) => *ttl,
            (None, Ttl::Fixed(ttl)) => self.none_ttl.unwrap_or(*ttl),
            (None, Ttl::Of(_)) => self.none_ttl?,
        };
        (lifetime > Duration::ZERO).then_some(lifetime)
    }

    fn measure(&self, kept: &S::Kept) -> Option<usize> {
        match (self.weight, S::inner(kept)) {
            (Some(weight), Some(inner)) => Some(weight(inner)),
            (Some(_), None) => Some(size_of::<S::Kept>()),
            (None, _) => (self.measure)(kept),
        }
    }
}

/// Makes of an outcome of one call what the engine takes.
pub(crate) struct Keeper<S: Shape, X> {
    pub(crate) keep: Keep<S, X>,
    pub(crate) maker: Maker,
}

/// How values travel, and what makes a receiver of them.
type Travel<S, X> = (
    Transport<<S as Shape>::Kept>,
    fn(Keeper<S, X>, Transport<<S as Shape>::Kept>) -> Receiver,
);

/// How the values of a function leave the process and come back.
pub(crate) struct Travelling {
    pub(crate) wire: Wire,
    /// From how many bytes on an encoded value is compressed.
    pub(crate) compress_from: Option<usize>,
    pub(crate) receive: Receiver,
}

/// Makes an entry of the bytes of a value that came from another process.
pub(crate) type Receiver =
    Arc<dyn Fn(&[u8], Age) -> Result<Arc<dyn Stored>, RedisMiss> + Send + Sync>;

impl<S: Shape, X> Keeper<S, X> {
    /// [`Keeper::erase`] for the output that a handle has brought.
    pub(crate) fn erase_put(&self, output: Box<dyn Any + Send>) -> Option<Loaded> {
        let output = output.downcast::<S::Output>().ok()?;
        Some(self.erase(*output))
    }

    /// Hands an output to the engine. Runs the closures of the user's options.
    pub(crate) fn erase(&self, output: S::Output) -> Loaded {
        let Self { keep, maker } = self;
        let split = S::split(output);
        if !maker.keeps {
            return keep.returned.own(split);
        }
        let (lifetime, fate) = match &split {
            Ok(kept) => match keep.lifetime(kept) {
                Some(lifetime) => (lifetime, Fate::Keep),
                None => (Duration::ZERO, Fate::Forget),
            },
            Err(_) => match keep.err_ttl {
                Some(lifetime) if lifetime > Duration::ZERO => (lifetime, Fate::KeepUnlessFresh),
                _ => (Duration::ZERO, Fate::Leave),
            },
        };
        let measured = match &split {
            Ok(kept) if fate == Fate::Keep => keep.measure(kept),
            _ => None,
        };
        let tags = match &split {
            Ok(kept) => keep.tags_of(kept),
            Err(_) => Vec::new(),
        };
        let size = measured.unwrap_or(size_of::<Split<S>>());
        let entry = maker.entry(maker.for_next(lifetime), size, measured.is_some());
        match keep.returned.build(entry, split) {
            Ok(node) => Loaded::Node { node, fate, tags },
            Err(error) => keep.returned.own(Err(error)),
        }
    }

    /// How values travel; nothing where they do not.
    pub(crate) fn travelling(&self) -> Option<Travelling> {
        let (transport, make) = self.keep.travel?;
        let (keep, maker) = (self.keep, self.maker.clone());
        Some(Travelling {
            wire: transport.wire(),
            compress_from: keep.compress,
            receive: make(Self { keep, maker }, transport),
        })
    }

    fn receiver(self, transport: Transport<S::Kept>) -> Receiver
    where
        X: 'static,
    {
        Arc::new(move |bytes, age| self.receive(&transport, bytes, age))
    }

    /// Makes an entry for as long as this process would keep the value. What a user wrote may panic over
    /// what it did not expect.
    fn receive(
        &self,
        transport: &Transport<S::Kept>,
        bytes: &[u8],
        Age { age, left }: Age,
    ) -> Result<Arc<dyn Stored>, RedisMiss> {
        let Self { keep, maker } = self;
        let received = guarded(|| {
            let kept = transport.decode(bytes)?;
            let left = left.min(keep.left(&kept, age));
            let measured = keep.measure(&kept);
            let size = measured.unwrap_or(size_of::<Split<S>>());
            let entry = maker.entry(maker.times(age, left), size, measured.is_some());
            let built = keep.returned.build(entry, Ok(kept));
            Ok((left, built.map_err(|_| "a value is not an error")?))
        });
        match received {
            Ok((left, _)) if left.is_zero() => Err(RedisMiss::Expired),
            Ok((_, node)) => Ok(node),
            Err(_) => Err(RedisMiss::Foreign),
        }
    }
}

/// Makes entries for the loads of one function in one cache.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<Counters>,
    /// Off where no tier would take the value.
    pub(crate) keeps: bool,
}

/// When an entry was made and until when it is fresh.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    created: Nanos,
    expires: Nanos,
}

impl Maker {
    /// An entry that is born now: the value was read from its source before.
    fn for_next(&self, lifetime: Duration) -> Times {
        self.times(Duration::ZERO, lifetime)
    }

    /// An entry of this age that stays fresh for `left`.
    pub(crate) fn times(&self, age: Duration, left: Duration) -> Times {
        let now = self.clock.now();
        Times {
            created: before(now, age),
            expires: after(now, left),
        }
    }

    fn entry(&self, times: Times, size: usize, is_measured: bool) -> Entry {
        let counters = Arc::clone(&self.counters);
        Entry::new(times.created, times.expires, size, is_measured, counters)
    }
}
