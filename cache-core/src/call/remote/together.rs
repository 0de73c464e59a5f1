//! How the calls of one batch read: together, and each then ends its flight, or loads.

use std::sync::Arc;

use super::Elsewhere;
use crate::{
    call::together::{HasRead, Readers},
    l2::L2,
};

pub(super) async fn answer_all(l2: Arc<L2>, readers: Readers) -> Vec<HasRead> {
    let budget = l2.budget();
    for reader in &readers {
        // As for one that reads by itself.
        reader.load().slot.pause(budget);
    }
    let ones: Vec<_> = readers.iter().filter_map(|reader| reader.one()).collect();
    debug_assert_eq!(ones.len(), readers.len(), "each has somewhere to read");
    let reads = l2.read_all(&ones, budget).await;
    drop(ones);
    let readers = readers.into_iter().zip(reads);
    let ended = readers.map(|(mut reader, mut read)| {
        let (cache, load) = (reader.cache().clone(), Arc::clone(reader.load()));
        read.found = read
            .found
            .and_then(|node| Elsewhere::sift(&cache, &load, node));
        let found = Elsewhere::end(&cache, reader.underway(), &load, read);
        (reader, found.ok().map(|found| found.node))
    });
    ended.collect()
}
