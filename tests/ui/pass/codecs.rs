//! Every way to say how values travel.
#![deny(warnings, clippy::pedantic)]

use cache_core::cached;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
}

#[cached(ttl = 1h, codec = postcard)]
async fn as_postcard(id: u64) -> User {
    User { id }
}

#[cached(ttl = 1h, codec = json, compress = 4096)]
async fn as_json(id: u64) -> Option<User> {
    Some(User { id })
}

#[cached(ttl = 1h, codec = msgpack, compress = 4KiB)]
async fn as_msgpack(id: u64) -> Result<Vec<User>, String> {
    Ok(vec![User { id }])
}

#[cached(ttl = 1h, compress = 1MiB, tiers = redis)]
async fn compressed<T: cache_core::CacheKey + Clone + Send + Sync + 'static>(id: T) -> u64 {
    let _ = id;
    7
}

macro_rules! cached_as {
    ($name:ident, $codec:ident, $size:literal) => {
        #[cached(ttl = 1h, codec = $codec, compress = $size)]
        async fn $name(id: u64) -> u64 {
            id
        }
    };
}

cached_as!(by_macro, json, 4KiB);

async fn calls(id: u64) {
    assert_eq!(as_postcard(id).await.id, id);
    assert_eq!(as_json(id).await, Some(User { id }));
    assert_eq!(as_msgpack(id).await, Ok(vec![User { id }]));
    assert_eq!(compressed(id).await, 7);
    assert_eq!(by_macro(id).await, id);
}

#[tokio::main]
pub(crate) async fn main() {
    let without_redis = 1;
    assert_eq!(tests::loads_by_key(calls).await, [5, without_redis, 5]);
}
