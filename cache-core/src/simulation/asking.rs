//! What a process asks a call, of one key or of several, and what it is given.

use std::sync::Arc;

use super::{
    functions::{Failed, Seen, call, call_many, given, is_batch},
    plan::How,
    world::Process,
};
use crate::{
    explain::{Explained, Stale},
    handle::CachedCall,
};

/// One call as the plan has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking {
    pub(super) function: usize,
    pub(super) id: u8,
    pub(super) how: How,
    pub(super) polls: Option<u64>,
}

/// A value, and what was said of it.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) seen: Seen,
    pub(super) said: Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Fresh,
    Old(Stale),
}

impl Said {
    /// Whether it may be one that is old for this reason.
    pub(super) fn may_be(self, stale: Stale) -> bool {
        self == Self::Nothing || self == Self::Old(stale)
    }
}

fn only(seen: Seen) -> Vec<Given> {
    let said = Said::Nothing;
    vec![Given { seen, said }]
}

fn explained(explained: Explained<Result<Seen, Failed>>) -> Option<Vec<Given>> {
    let said = explained.stale.map_or(Said::Fresh, Said::Old);
    let seen = given(explained.value)?;
    Some(vec![Given { seen, said }])
}

impl Process {
    /// What a call gives, where it gives something.
    pub(super) async fn ask(self: Arc<Self>, asking: Asking) -> Option<Vec<Given>> {
        let Asking {
            function, id, how, ..
        } = asking;
        if is_batch(function) {
            return self.ask_many(function, &[id, (id + 1) % 4], how).await;
        }
        let this = Arc::clone(&self);
        let asked = call(function, self, id);
        let found = match how {
            How::Get => asked.await,
            How::Explain => return explained(asked.explain().await.ok()?),
            How::Peek => asked.peek().await?,
            How::Refresh => asked.refresh().await.ok()?,
            How::Evict => {
                let _ = asked.evict().await;
                return None;
            }
            How::Prefetch => {
                let _ = asked.prefetch().await;
                return None;
            }
            How::Put => {
                let _ = asked.put(Ok(this.put(function, id))).await;
                return None;
            }
            How::Clear => {
                this.cache.clear();
                return None;
            }
        };
        given(found).map(only)
    }

    async fn ask_many(
        self: Arc<Self>,
        function: usize,
        ids: &[u8],
        how: How,
    ) -> Option<Vec<Given>> {
        let this = Arc::clone(&self);
        if how == How::Explain {
            // Of one key alone.
            let id = ids[0];
            let asked = call_many(function, self, vec![id]).explain().await.ok()?;
            let said = asked.stale.map_or(Said::Fresh, Said::Old);
            let seen = asked.value.ok()?.remove(&id)?;
            return Some(vec![Given { seen, said }]);
        }
        let asked = call_many(function, self, ids.to_vec());
        let found = match how {
            How::Get | How::Explain => asked.await,
            How::Peek => asked.peek().await?,
            How::Refresh => asked.refresh().await.ok()?,
            How::Evict => {
                let _ = asked.evict().await;
                return None;
            }
            How::Prefetch => {
                let _ = asked.prefetch().await;
                return None;
            }
            How::Put => {
                let put = ids.iter().map(|id| (*id, this.put(function, *id)));
                let put = put.collect();
                let _ = asked.put(Ok(put)).await;
                return None;
            }
            How::Clear => {
                this.cache.clear();
                return None;
            }
        };
        Some(found.ok()?.into_values().flat_map(only).collect())
    }
}
