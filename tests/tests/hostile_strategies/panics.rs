//! Keys of batches whose own code panics: their callers hear of it, and nobody else waits for ever.

use std::{
    hash::{Hash, Hasher},
    panic::AssertUnwindSafe,
    sync::PoisonError,
};

use cache_core::CacheKey;
use futures::FutureExt;

use super::*;

/// Which of its code panics next.
static PANICS: Mutex<&str> = Mutex::new("");

#[derive(CacheKey, Debug)]
struct Bad {
    id: u64,
}

impl Bad {
    fn is_looked_at(&self, by: &str) {
        let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
        if self.id == 1 && *panics == by {
            *panics = "";
            drop(panics);
            panic!("of {by}");
        }
    }
}

impl Clone for Bad {
    fn clone(&self) -> Self {
        self.is_looked_at("Clone");
        Self { id: self.id }
    }
}

impl Hash for Bad {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.is_looked_at("Hash");
        self.id.hash(state);
    }
}

impl PartialEq for Bad {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Bad {}

#[cached(ttl = 1h, tiers = memory, batch(id in ids))]
async fn bad(ids: &[Bad]) -> HashMap<Bad, u64> {
    ids.iter().map(|id| (Bad { id: id.id }, id.id)).collect()
}

#[test]
fn a_key_that_panics_while_many_are_taken_hangs_nobody() {
    for panics in ["Clone", "Hash"] {
        one_thread(|_, cache| async move {
            let keys = [2, 1, 3].map(|id| [Bad { id }]);
            let call = |ids| Box::pin(Cache::scope(cache.clone(), bad(ids)));
            let mut calls = keys.each_ref().map(|ids| Some(call(ids)));
            for call in calls.iter_mut().flatten() {
                assert!(futures::poll!(call).is_pending(), "it gathers");
            }
            *PANICS.lock().unwrap() = panics;
            let mut panicked = 0;
            for _ in 0..10 {
                for place in &mut calls {
                    let Some(call) = place else { continue };
                    let polled = AssertUnwindSafe(async { futures::poll!(call) });
                    match polled.catch_unwind().await {
                        Err(_) => (panicked, *place) = (panicked + 1, None),
                        Ok(polled) if polled.is_ready() => *place = None,
                        Ok(_) => {}
                    }
                }
                tokio::task::yield_now().await;
            }
            assert!(panicked <= 1, "of those whose keys panic");
            for call in calls.into_iter().flatten() {
                // Whether it panics too, it ends.
                let _ = ends(AssertUnwindSafe(call).catch_unwind()).await;
            }
        });
    }
}
