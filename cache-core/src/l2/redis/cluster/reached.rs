//! Who has the tags of one bucket: one primary, or two while its slot is being moved.
//!
//! A slot that is being moved stays with its owner until the last key has left: whoever listens, listens there. A script of
//! tags some of which are not there any more is refused. So they are changed one by one, each where it is, and what is
//! changed at the new owner is told by the old one. And they are changed once more when all are, as nobody has seen them
//! change together.

use std::{sync::Arc, time::Duration};

use super::primary::Primary;
use crate::{
    coherence::{MARKED, mutant, mutant::Mutant},
    l2::{
        Batch, Bump, Message, StoreError, Tagged, Version, Write,
        redis::{
            tags::{As, Change},
            together,
        },
    },
};

pub(super) struct Reached {
    pub(super) owner: Arc<dyn Primary>,
    /// Who is about to get the slot.
    pub(super) importer: Option<Arc<dyn Primary>>,
}

impl Reached {
    pub(super) async fn change(
        &self,
        change: Change,
        batch: Batch,
        within: Duration,
    ) -> Result<Tagged, StoreError> {
        let all = self.owner.change(change, &batch, As::Owner, within).await;
        if all != Err(StoreError::Moving) {
            return all;
        }
        let whole = self.change_each(change, &batch, within).await?;
        if change == Change::Mark || batch.bumps.len() == 1 {
            return Ok(whole);
        }
        // Between the first and the last something may have been made of what one of them voids and another one did not yet.
        self.change_each(change, &batch, within).await
    }

    /// Changes tags one by one.
    async fn change_each(
        &self,
        change: Change,
        batch: &Batch,
        within: Duration,
    ) -> Result<Tagged, StoreError> {
        let each = batch.bumps.iter().map(|bump| {
            let one = Batch {
                bumps: vec![bump.clone()],
                channel: Arc::clone(&batch.channel),
                tail: Arc::clone(&batch.tail),
            };
            self.change_one(change, one, within)
        });
        let mut whole: Option<Tagged> = None;
        for done in together::all(each).await {
            let done = done?;
            match &mut whole {
                None => whole = Some(done),
                Some(whole) => {
                    whole.versions.extend(done.versions);
                    whole.sent = whole.sent.min(done.sent);
                }
            }
        }
        whole.ok_or(StoreError::Unavailable)
    }

    async fn change_one(
        &self,
        change: Change,
        one: Batch,
        within: Duration,
    ) -> Result<Tagged, StoreError> {
        let at_owner = self.owner.change(change, &one, As::Owner, within).await;
        if at_owner != Err(StoreError::Moving) {
            return at_owner;
        }
        // Who that is, is asked at once where it is not known.
        let importer = self.importer.as_ref().ok_or(StoreError::Moving)?;
        let done = importer.change(change, &one, As::Importer, within).await?;
        let [Bump { name, .. }] = one.bumps.as_slice() else {
            return Err(StoreError::Unavailable);
        };
        let said = match done.versions.first() {
            _ if change == Change::Mark => MARKED.to_owned(),
            Some(Version::Marked) => MARKED.to_owned(),
            Some(Version::Number(number)) => number.to_string(),
            Some(Version::Missing) | None => "0".to_owned(),
        };
        let message = Message {
            channel: one.channel,
            text: format!("{name} {said} {}", one.tail).into(),
        };
        if !mutant::is(Mutant::C5) {
            let told = self.owner.write(vec![Write::Tell(message)], within).await;
            told.into_iter()
                .next()
                .unwrap_or(Err(StoreError::Unavailable))?;
        }
        Ok(Tagged {
            // It counts for the bucket, which is still the owner's.
            lineage: self.owner.lineage().ok_or(StoreError::Unavailable)?,
            ..done
        })
    }
}
