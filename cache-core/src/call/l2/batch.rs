//! How the calls of one batch read: together, and each then ends its flight, or loads.

use std::{sync::Arc, time::Duration};

use super::EntryInL2;
use crate::{
    call::batch_read::{HasRead, Reader, Readers},
    clock::{after, system_now},
    l2::{L2, One, ReadOutcome},
};

pub(super) async fn answer_all(l2: Arc<L2>, mut readers: Readers) -> Vec<HasRead> {
    let budget = l2.budget();
    let until = after(system_now(), budget);
    for reader in &mut readers {
        // As for one that reads by itself.
        reader.load().slot.pause(budget);
        reader.suspect = EntryInL2::aged_suspect(reader.cache(), reader.load());
    }
    let reads = l2.read_all(&ones(&readers), budget).await;
    let (mut answers, mut wanting) = (Vec::with_capacity(readers.len()), Vec::new());
    let (mut loaders, mut unstamped) = (Vec::new(), Vec::new());
    for (place, (reader, ended)) in readers.into_iter().zip(reads).enumerate() {
        if ended.wants_versions() {
            wanting.push(place);
            loaders.push(reader);
            unstamped.push(ended);
        } else {
            answers.push((place, end(reader, ended)));
        }
    }
    if !wanting.is_empty() {
        // Whoever waits for one of the others need not wait for this.
        let left = Duration::from_nanos(until.saturating_sub(system_now()));
        l2.ensure_all(&ones(&loaders), &mut unstamped, left).await;
        let loaders = loaders.into_iter().zip(unstamped);
        answers.extend(
            wanting
                .into_iter()
                .zip(loaders.map(|(reader, ended)| end(reader, ended))),
        );
        answers.sort_unstable_by_key(|(place, _)| *place);
    }
    answers.into_iter().map(|(_, answer)| answer).collect()
}

fn ones(readers: &Readers) -> Vec<One<'_>> {
    let ones: Vec<_> = readers.iter().filter_map(|reader| reader.one()).collect();
    debug_assert_eq!(ones.len(), readers.len(), "each has somewhere to read");
    ones
}

/// Ends the flight of a reader with what was read for it, or has it go on.
fn end(mut reader: Box<Reader>, ReadOutcome { read, .. }: ReadOutcome) -> HasRead {
    let (cache, load) = (reader.cache().clone(), Arc::clone(reader.load()));
    let read = EntryInL2::sifted(&cache, &load, reader.suspect.take(), read);
    let found = EntryInL2::end(&cache, reader.underway(), &load, read);
    (reader, found.ok().map(|found| found.node))
}
