//! What the handle of a call wants: peek, refresh, evict, put, bypass, prefetch, explain.

use std::{sync::Arc, time::Duration};

use tokio::runtime::Handle;

use super::{
    BoxFuture,
    miss::{Body, Call, Flown, Place},
    remote::Remote,
    run::{Around, Run},
};
use crate::{
    context::Ask,
    explain::{Miss, Source, Trace},
    flight::{Arrival, Joined, Underway},
    l1::Stored,
    l2::RedisMiss,
    tasks,
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
            (Ask::Peek, Err(Miss::Absent | Miss::Expired | Miss::NotInMemory)) => {
                let node = self.remote.as_ref()?.peek(&self.cache).await.ok()?;
                Flown::by(Answer::Shared(node), Source::Redis)
            }
            (Ask::Explain, Err(_)) => self.fly(Place::InAnyFlight, body).await,
            (Ask::Refresh, _) => self.fly(Place::InNewFlight, body).await,
            (Ask::Bypass, _) => self.run_uncached(body, None).await,
            (Ask::Evict, _) => {
                match &self.remote {
                    Some(remote) => remote.evict(&self.cache, &self.key).await,
                    None => self.cache.flights().evict(&self.key, None),
                }
                return None;
            }
            (Ask::Prefetch, Err(Miss::NotInMemory)) if self.remote.is_none() => return None,
            (Ask::Prefetch, Err(Miss::Absent | Miss::Expired | Miss::NotInMemory)) => {
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
            (Some(runtime), Body::Detached(body)) => {
                let now = self.cache.clock().now();
                if let Joined::Member(mut member) = flights.join(&self.key, &self.site, now) {
                    member.want();
                    // Whose turn it is not has nothing to wait for: somebody loads.
                    if let Some(underway) = member.try_turn() {
                        self.load_apart(underway, body.make(), &runtime);
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

    /// Loads in a task of its own, unless Redis has the value.
    fn load_apart(
        &self,
        mut underway: Underway,
        body: BoxFuture<'static, Loaded>,
        runtime: &Handle,
    ) {
        let around = Around::here();
        let Some(remote) = self.remote.clone() else {
            drop(Run::new(&self.cache, underway, None, body, around).detach(runtime));
            return;
        };
        let (cache, runtime) = (self.cache.clone(), runtime.clone());
        let running = cache.tasks().enter();
        tasks::spawn(&runtime.clone(), async move {
            let _running = running;
            if remote.answer(&cache, &mut underway).await.is_err() && cache.is_on() {
                let route = Some(remote.route().clone());
                Run::new(&cache, underway, route, body, around).detach(&runtime);
            }
        });
    }

    /// Keeps a value as if it had been loaded now.
    pub(super) fn put(&self, loaded: Loaded) {
        if let Loaded::Node { node, fate } = loaded {
            let arrival = Arrival {
                node: &node,
                fate,
                now: self.cache.clock().now(),
                route: self.remote.as_ref().map(Remote::route),
                load_time: Duration::ZERO,
                replaces: true,
                is_absent: false,
            };
            let is_in_memory = self.site.is_in_memory;
            self.cache.flights().put(&self.key, is_in_memory, &arrival);
        }
    }

    /// Why Redis did not answer, where it was not even asked.
    fn redis_unasked(&self) -> Option<RedisMiss> {
        self.cache.l2().filter(|_| self.site.is_shared)?;
        Some(if self.site.cannot_travel() {
            RedisMiss::CannotTravel
        } else {
            RedisMiss::Unavailable
        })
    }

    fn trace(&self, flown: &Flown, miss: Option<Miss>, text: &str) -> Trace {
        let now = self.cache.clock().now();
        let (age, time_left) = match &flown.answer {
            Answer::Shared(node) => {
                let there = self.cache.flights().l1.get(&self.key.as_ref());
                let is_kept = flown.source == Source::Redis
                    || there.is_some_and(|there| Arc::ptr_eq(&there, node));
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
            redis: match flown.source {
                Source::Load => flown.redis.or_else(|| self.redis_unasked()),
                _ => None,
            },
            age,
            time_left,
        }
    }
}
