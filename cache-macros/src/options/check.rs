//! What options say against each other, and what they need that was not built.

use syn::Ident;

use super::{Codec, Given, Kind, Options, Strategy, Tiers, events::Listened};
use crate::{duration::Time, features::Features, mistakes::Mistakes};

/// Either of them compresses.
const COMPRESSORS: [&str; 2] = ["lz4", "zstd"];

impl Options {
    pub(crate) fn check(&self, features: Features, mistakes: &mut Mistakes) {
        if let (Some(skip), Some(_)) = (&self.skip, &self.key) {
            mistakes.at(
                &skip.name,
                "`skip` is about the default key, and there is a `key`: remove one of them",
            );
        }
        if let (Some(_), Some(detached)) = (&self.inline, &self.detached) {
            mistakes.at(
                &detached.name,
                "a load is either `inline` or `detached`: remove one of them",
            );
        }
        if let Some(settle) = &self.settle
            && !self.is_tried("invalidate_on")
            && !self.is_tried("inherits")
        {
            mistakes.at(
                &settle.name,
                "`settle` is about events, and no event kills an entry of this function: write `invalidate_on = ..`, or \
                 remove it",
            );
        }
        self.refuse_strategies(mistakes);
        self.refuse_beside_batch(mistakes);
        self.refuse_for_other_tier(mistakes);
        self.refuse_where_nothing_is_shared(mistakes);
        // What is to be removed needs no feature.
        if !self.is_memory_only() {
            self.refuse_without_features(features, mistakes);
        }
    }

    /// Refuses strategies that make no sense together, or as they are.
    fn refuse_strategies(&self, mistakes: &mut Mistakes) {
        let named = |name: &str| self.strategies().find(|strategy| strategy.name == name);
        for (position, strategy) in self.strategies().enumerate() {
            let name = &strategy.name;
            if self
                .strategies()
                .take(position)
                .any(|other| other.name == *name)
            {
                mistakes.at(name, format_args!("`{name}` is given twice: remove one"));
            }
        }
        if let Some(strategy) = named("read_through")
            && self.strategies().count() > 1
        {
            mistakes.at(
                &strategy.name,
                "`read_through` is what a function does that has no other strategy: remove it",
            );
        }
        if let (Some(_), Some(strategy)) = (named("refresh_ahead"), named("early_expiration")) {
            mistakes.at(
                &strategy.name,
                "`refresh_ahead` and `early_expiration` both say when a fresh value is loaded anew: remove one of them",
            );
        }
        if let Some(name) = self.needs_task() {
            self.refuse_inline_beside(name, mistakes);
        }
        self.refuse_periods(mistakes);
        let has_events = self.is_tried("invalidate_on") || self.is_tried("inherits");
        let unproven = self.strategies().find_map(|strategy| match &strategy.kind {
            Kind::StaleIfError { unproven, .. } => unproven.as_ref(),
            _ => None,
        });
        let of_events = named("stale_if_invalidated").map(|strategy| &strategy.name);
        for name in of_events
            .into_iter()
            .chain(unproven)
            .filter(|_| !has_events)
        {
            mistakes.at(
                name,
                format_args!(
                    "`{name}` is about events, and no event kills an entry of this function: write `invalidate_on = ..`, or \
                     remove it"
                ),
            );
        }
    }

    /// Refuses loads in the task of their caller beside an option that needs other ones.
    pub(crate) fn refuse_inline_beside(&self, name: &Ident, mistakes: &mut Mistakes) {
        if let Some(inline) = &self.inline {
            mistakes.at(
                &inline.name,
                format_args!(
                    "`{name}` has loads run that no caller waits for, and an `inline` load runs in its caller: remove one of \
                     them"
                ),
            );
        }
    }

    /// Refuses what is about one load for one key.
    fn refuse_beside_batch(&self, mistakes: &mut Mistakes) {
        if self.batch.is_none() {
            return;
        }
        let names = [place(self.fleet.as_ref()), place(self.prefetch.as_ref())];
        for name in names.into_iter().flatten() {
            mistakes.at(
                name,
                format_args!(
                    "`{name}` is about one load for one key, and `batch` has one for many: remove one of them"
                ),
            );
        }
    }

    /// Refuses periods of which one can never be.
    fn refuse_periods(&self, mistakes: &mut Mistakes) {
        let (mut revalidate, mut error) = (None, None);
        for strategy in self.strategies() {
            match &strategy.kind {
                Kind::StaleWhileRevalidate(time) => revalidate = Some((&strategy.name, time)),
                Kind::StaleIfError { time, .. } => error = Some((&strategy.name, time)),
                _ => {}
            }
        }
        if let (Some((_, Time::Literal(first))), Some((name, Time::Literal(then)))) =
            (revalidate, error)
            && then <= first
        {
            mistakes.at(
                name,
                "a stale value is served for longer by `stale_while_revalidate`: write a longer time here, or remove one of \
                 them",
            );
        }
        let Some(soft) = &self.soft_timeout else {
            return;
        };
        if error.is_none() && self.strategy.is_some() == self.is_tried("strategy") {
            mistakes.at(
                &soft.name,
                "`soft_timeout` serves a stale value where the load takes longer, and none is kept: write `strategy = \
                 stale_if_error(1h)` too, or `timeout`",
            );
        }
        if let (Time::Literal(soft_time), Some(Time::Literal(time))) =
            (&soft.value, self.timeout.as_ref().map(|given| &given.value))
            && soft_time >= time
        {
            mistakes.at(
                &soft.name,
                "`soft_timeout` is when a stale value is served, and `timeout` is sooner: write a shorter time here, or \
                 remove one of them",
            );
        }
    }

    /// Refuses what is about a tier that the site does without.
    fn refuse_for_other_tier(&self, mistakes: &mut Mistakes) {
        let tiers = self.tiers.as_ref().map(|tiers| tiers.value);
        let is_by_value = |listened: &&Given<Listened>| listened.value.by_value.is_some();
        if let (Some(Tiers::Redis), Some(listened)) =
            (tiers, self.invalidate_on.as_ref().filter(is_by_value))
        {
            mistakes.at(
                &listened.name,
                "a value that names its events stays in memory, and `tiers = redis` keeps nothing there: name them by the \
                 arguments, or remove `tiers`",
            );
        }
        let (names, tier, tiers): (Vec<_>, _, _) = match tiers {
            None | Some(Tiers::Both) => return,
            Some(Tiers::Redis) => {
                let is_there = |strategy: &&Strategy| !matches!(strategy.kind, Kind::ReadThrough);
                let strategy = self.strategies().find(is_there);
                let names = [
                    place(self.weight.as_ref()),
                    place(self.err_ttl.as_ref()),
                    place(self.inherits.as_ref()),
                    strategy.map(|strategy| &strategy.name),
                ];
                (names.into(), "memory", "redis")
            }
            Some(Tiers::Memory) => (self.of_shared_tier().into(), "the shared tier", "memory"),
        };
        for name in names.into_iter().flatten() {
            mistakes.at(
                name,
                format_args!(
                    "`{name}` is for {tier}, and `tiers = {tiers}` keeps nothing there: remove one of them"
                ),
            );
        }
    }

    /// Refuses what is about the shared tier where values stay in memory for what they depend on.
    fn refuse_where_nothing_is_shared(&self, mistakes: &mut Mistakes) {
        let is_by_value = |given: &Given<Listened>| given.value.by_value.is_some();
        let why = if self.is_memory_only() {
            return;
        } else if self.inherits.is_some() {
            "what `inherits` stays in memory: list the events in `invalidate_on` instead"
        } else if self.invalidate_on.as_ref().is_some_and(is_by_value) {
            "a value that names its events stays in memory: name them by the arguments"
        } else {
            return;
        };
        for name in self.of_shared_tier().into_iter().flatten() {
            mistakes.at(
                name,
                format_args!("`{name}` is for the shared tier, and {why}, or remove `{name}`"),
            );
        }
    }

    /// The options that are about the shared tier alone.
    fn of_shared_tier(&self) -> [Option<&Ident>; 4] {
        [
            place(self.codec.as_ref()),
            place(self.compress.as_ref()),
            place(self.version.as_ref()),
            place(self.fleet.as_ref()),
        ]
    }

    fn refuse_without_features(&self, features: Features, mistakes: &mut Mistakes) {
        if let Some(codec) = &self.codec
            && let Codec::Featured { word, .. } = &codec.value
            && !features.has(&word.to_string())
        {
            let what = format!("codec = {word}");
            refuse_without(&[&word.to_string()], &what, word, mistakes);
        }
        if let Some(compress) = &self.compress
            && !COMPRESSORS.iter().any(|name| features.has(name))
        {
            refuse_without(&COMPRESSORS, "compress", &compress.name, mistakes);
        }
    }
}

fn place<T>(option: Option<&Given<T>>) -> Option<&Ident> {
    option.map(|given| &given.name)
}

/// Refuses what needs one of these features.
fn refuse_without(needed: &[&str], what: &str, place: &Ident, mistakes: &mut Mistakes) {
    let features: Vec<_> = needed.iter().map(|name| format!("`{name}`")).collect();
    let features = features.join(" or ");
    let first = needed.first().copied().unwrap_or_default();
    mistakes.at(
        place,
        format_args!(
            "`{what}` needs the feature {features} of `cache-core`: write `cache-core = {{ .., features = \
             [\"{first}\"] }}`"
        ),
    );
}
