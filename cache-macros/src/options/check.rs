//! What options say against each other, and what they need that was not built.

use syn::Ident;

use super::{Codec, Given, Options, Tiers};
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
        self.refuse_for_other_tier(mistakes);
        // What is to be removed needs no feature.
        if !self.is_local() {
            self.refuse_without_features(features, mistakes);
        }
    }

    /// Refuses what is about a tier that the site does without.
    fn refuse_for_other_tier(&self, mistakes: &mut Mistakes) {
        let tiers = self.tiers.as_ref().map(|tiers| tiers.value);
        let (names, tier, tiers) = match tiers {
            None | Some(Tiers::Both) => return,
            Some(Tiers::Redis) => {
                let names = [
                    place(self.weight.as_ref()),
                    place(self.err_ttl.as_ref()),
                    None,
                ];
                (names, "memory", "redis")
            }
            Some(Tiers::Memory) => {
                let names = [
                    place(self.codec.as_ref()),
                    place(self.compress.as_ref()),
                    place(self.version.as_ref()),
                ];
                (names, "the shared tier", "memory")
            }
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
