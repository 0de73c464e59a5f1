//! Entries whose stamps are from when they are sent: rules that are broken in tests.

use std::time::Duration;

use super::{Change, L2};
use crate::{
    coherence::{Stamps, mutant, mutant::Mutant},
    l2::{ReadRequest, TAG_LIFE},
};

const WITHIN: Duration = Duration::from_secs(1);

impl L2 {
    pub(super) async fn stamp_late(
        &self,
        change: &Change,
        stamps: Option<Stamps>,
    ) -> Option<Stamps> {
        let Change::Fill(fill) = change else {
            return stamps;
        };
        let is_late = mutant::is(Mutant::B1)
            || stamps.is_none() && mutant::is(Mutant::B5)
            || stamps.is_none() && fill.replaces && mutant::is(Mutant::B15);
        let guard = fill.node.entry().guard().filter(|_| is_late);
        let Some(guard) = guard else { return stamps };
        let tags: Vec<&str> = guard.tags().collect();
        let tagged = if mutant::is(Mutant::B1) {
            let asked = ReadRequest {
                entry: None,
                expected: 0,
                tags: &tags,
            };
            self.store().get_tagged(asked, WITHIN).await
        } else {
            self.store().ensure(&tags, TAG_LIFE, WITHIN).await
        };
        let tagged = tagged.ok()?;
        Stamps::of(&guard.snapshot(), &tagged.versions, tagged.lineage)
    }
}
