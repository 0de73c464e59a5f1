//! What options say against each other, and what they need that was not built.

use syn::Ident;

use super::{Codec, Options, Tiers};
use crate::{features::Features, mistakes::Mistakes};

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
        match self.tiers.as_ref().map(|tiers| tiers.value) {
            Some(Tiers::Redis) => self.refuse_for_redis(mistakes),
            Some(Tiers::Memory) => self.refuse_for_memory(mistakes),
            Some(Tiers::Both) | None => {}
        }
        // What is to be removed needs no feature.
        if !self.is_local() {
            self.refuse_without_features(features, mistakes);
        }
    }

    fn refuse_for_redis(&self, mistakes: &mut Mistakes) {
        let weight = self.weight.as_ref().map(|weight| &weight.name);
        let err_ttl = self.err_ttl.as_ref().map(|err_ttl| &err_ttl.name);
        for name in [weight, err_ttl].into_iter().flatten() {
            mistakes.at(
                name,
                format_args!(
                    "`{name}` is for memory, and `tiers = redis` keeps nothing there: remove one of them"
                ),
            );
        }
    }

    fn refuse_for_memory(&self, mistakes: &mut Mistakes) {
        let codec = self.codec.as_ref().map(|codec| &codec.name);
        let compress = self.compress.as_ref().map(|compress| &compress.name);
        for name in [codec, compress].into_iter().flatten() {
            mistakes.at(
                name,
                format_args!(
                    "`{name}` is for the shared tier, and `tiers = memory` keeps nothing there: remove one of them"
                ),
            );
        }
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
