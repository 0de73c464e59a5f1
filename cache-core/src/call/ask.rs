//! What the handle of a call wants: peek, refresh, evict, put, bypass, prefetch, explain.

use std::{sync::Arc, time::Duration};

use super::{
    miss::{Body, Call, Flown, Place},
    run::Run,
};
use crate::{
    context::Ask,
    explain::{Miss, Source, Trace},
    flight::Joined,
    l1::Stored,
    value::{Answer, Loaded},
};

impl Call {
    /// Does what a handle asks; nothing where that has no output.
    pub(super) async fn ask(
        &self,
        ask: Ask,
        text: &str,
        body: Body<'_>,
    ) -> Option<(Answer, Trace)> {
        let looked = self.look();
        let miss = looked.as_ref().err().copied();
        let flown = match (ask, looked) {
            (Ask::Peek | Ask::Explain, Ok(node)) => {
                node.entry().count_hit();
                Flown::by(Answer::Shared(node), Source::Memory)
            }
            (Ask::Explain, Err(_)) => self.fly(Place::InAnyFlight, body).await,
            (Ask::Refresh, _) => self.fly(Place::InNewFlight, body).await,
            (Ask::Bypass, _) => self.run_uncached(body, None).await,
            (Ask::Evict, _) => {
                self.cache.flights().evict(&self.key);
                return None;
            }
            (Ask::Prefetch, Err(Miss::Absent | Miss::Expired)) => {
                self.prefetch(body).await;
                return None;
            }
            (Ask::Peek | Ask::Prefetch | Ask::Put(_), _) => return None,
        };
        let trace = self.trace(&flown, miss, text);
        Some((flown.answer, trace))
    }

    /// The entry of this call, where it is fresh; else why not.
    fn look(&self) -> Result<Arc<dyn Stored>, Miss> {
        if !self.cache.is_on() {
            return Err(Miss::Off);
        }
        if !self.site.is_in_memory {
            return Err(Miss::NotInMemory);
        }
        match self.cache.flights().l1.get(&self.key.as_ref()) {
            Some(node) if node.entry().is_fresh(self.cache.clock().now()) => Ok(node),
            Some(_) => Err(Miss::Expired),
            None => Err(Miss::Absent),
        }
    }

    /// Loads for later callers. Where the load runs in this task, it is over when this returns.
    async fn prefetch(&self, body: Body<'_>) {
        let flights = self.cache.flights();
        match (body.runtime(), body) {
            (Some(runtime), Body::Detached(make)) => {
                let now = self.cache.clock().now();
                if let Joined::Member(mut member) = flights.join(&self.key, &self.site, now) {
                    member.want();
                    // Whose turn it is not has nothing to wait for: somebody loads.
                    if let Some(underway) = member.try_turn() {
                        drop(Run::new(&self.cache, underway, make()).detach(&runtime));
                    }
                }
            }
            (_, body) => {
                if !flights.is_loading(&self.key) {
                    self.fly(Place::InAnyFlight, body).await;
                }
            }
        }
    }

    /// Keeps a value as if it had been loaded now.
    pub(super) fn put(&self, loaded: Loaded) {
        if let Loaded::Node { node, fate } = loaded
            && self.cache.is_on()
            && self.site.is_in_memory
        {
            self.cache
                .flights()
                .put(&self.key, &node, fate, self.cache.clock().now());
        }
    }

    fn trace(&self, flown: &Flown, miss: Option<Miss>, text: &str) -> Trace {
        let now = self.cache.clock().now();
        let (age, time_left) = match &flown.answer {
            Answer::Shared(node) => {
                let there = self.cache.flights().l1.get(&self.key.as_ref());
                let is_kept = there.is_some_and(|there| Arc::ptr_eq(&there, node));
                let entry = node.entry();
                let span = |from: u64, to: u64| Duration::from_nanos(to.saturating_sub(from));
                (
                    span(entry.created(), now),
                    is_kept.then(|| span(now, entry.expires())),
                )
            }
            Answer::Own(_) => (Duration::ZERO, None),
        };
        Trace {
            function: self.site.name.clone(),
            key: text.to_owned(),
            source: flown.source,
            miss: flown.miss.or(if flown.source == Source::Memory {
                None
            } else {
                miss
            }),
            age,
            time_left,
        }
    }
}
