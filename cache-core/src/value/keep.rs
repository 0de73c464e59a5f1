//! What becomes of a loaded output: how long it is kept, whether at all, and for how many bytes.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    Fate, Loaded, Returned, Split,
    probe::KeepsErrors,
    shape::{HasNone, Shape},
    weigh::Weigh,
};
use crate::{
    clock::{Clock, Nanos, after},
    l1::Entry,
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
}

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
    pub fn new<W: Weigh<S::Kept>>(
        returned: &Returned<S, X>,
        _weigh: W,
        ttl: Ttl<S::Inner>,
    ) -> Self {
        Self {
            returned: *returned,
            ttl,
            none_ttl: None,
            err_ttl: None,
            keep_if: None,
            weight: None,
            measure: W::weigh,
        }
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

    pub(crate) fn returned(&self) -> &Returned<S, X> {
        &self.returned
    }

    /// Hands an output to the engine. Runs the closures of the user's options.
    pub(crate) fn erase(&self, output: S::Output, maker: &Maker) -> Loaded {
        let split = S::split(output);
        if !maker.keeps {
            return self.returned.own(split);
        }
        let (lifetime, fate) = match &split {
            Ok(kept) => match self.lifetime(kept) {
                Some(lifetime) => (lifetime, Fate::Keep),
                None => (Duration::ZERO, Fate::Forget),
            },
            Err(_) => match self.err_ttl {
                Some(lifetime) if lifetime > Duration::ZERO => (lifetime, Fate::KeepUnlessFresh),
                _ => (Duration::ZERO, Fate::Leave),
            },
        };
        let measured = match &split {
            Ok(kept) if fate == Fate::Keep => self.measure(kept),
            _ => None,
        };
        let size = measured.unwrap_or(size_of::<Split<S>>());
        match self
            .returned
            .build(maker.entry(lifetime, size, measured.is_some()), split)
        {
            Ok(node) => Loaded::Node { node, fate },
            Err(error) => self.returned.own(Err(error)),
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

/// Makes entries for the loads of one function in one cache.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<Counters>,
    /// Off where no tier would take the value.
    pub(crate) keeps: bool,
}

impl Maker {
    /// An entry that is born now: the value was read from its source before.
    fn entry(&self, lifetime: Duration, size: usize, is_measured: bool) -> Entry {
        let created: Nanos = self.clock.now();
        Entry::new(
            created,
            after(created, lifetime),
            size,
            is_measured,
            Arc::clone(&self.counters),
        )
    }
}
