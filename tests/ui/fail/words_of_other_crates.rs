//! Mistakes: 6.

use cache_core::cached;

#[cached(time = 60, max_size = 100, result = true, sync_writes = true, serializer = json, compression = lz4)]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
