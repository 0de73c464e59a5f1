//! Mutations of every kind, some of them dropped half way, and when Redis had acknowledged them.

use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use cache_core::Cache;

use super::{
    super::{Life, Nanos, Place, RATES, WriteId, journal::Line, nanos, now},
    functions::{
        ItemChanged, change_and_fail, change_guarded, change_item, change_rates, change_shelf,
    },
    out::Out,
    truth,
    zipf::Zipf,
};
use crate::Random;

/// Less than what a mutation waits for an acknowledgement: one that took less, and of which none failed, has it.
const WAITED: Duration = Duration::from_millis(90);

#[derive(Clone)]
pub(super) struct Writers(Arc<Shared>);

struct Shared {
    cache: Cache,
    out: Out,
    random: Random,
    zipf: Zipf,
    last: AtomicU64,
    is_over: AtomicBool,
    /// What was not acknowledged while it was waited for.
    open: Mutex<Vec<WriteId>>,
}

impl Writers {
    pub(super) fn new(cache: Cache, out: Out, life: Life) -> Self {
        Self(Arc::new(Shared {
            cache,
            out,
            random: Random::of_seed(u64::from(life) * 100 + 99),
            zipf: Zipf::new(),
            last: AtomicU64::new(u64::from(life) << 32),
            is_over: AtomicBool::new(false),
            open: Mutex::default(),
        }))
    }

    /// What is under way is the last.
    pub(super) fn stop(&self) {
        self.0.is_over.store(true, Relaxed);
    }

    /// There is more to write.
    pub(super) fn go_on(&self) {
        self.0.is_over.store(false, Relaxed);
    }

    /// Writes until it is to stop.
    pub(super) async fn write(self) {
        let shared = &*self.0;
        while !shared.is_over.load(Relaxed) {
            let write = shared.last.fetch_add(1, Relaxed) + 1;
            let place = shared.zipf.draw(&shared.random);
            match shared.random.below(100) {
                0..45 => shared.emit(place, write).await,
                45..52 => shared.hold(place, write).await,
                52..60 => shared.drop_half_way(place, write).await,
                60..61 => shared.change(change_rates(write), write).await,
                61..62 => shared.change(change_shelf(place.shelf, write), write).await,
                62..66 => {
                    let _ = change_and_fail(place.shelf, place.id, write).await;
                    shared.returned(write, false);
                }
                66..78 => {
                    // All alike: whoever is killed in one is killed in one of what is written seldom.
                    let place = Place::of_number(shared.random.below(RATES));
                    shared.guard(place, write).await;
                }
                _ => {
                    let mutation = change_item(place.shelf, place.id, write);
                    shared.change(mutation, write).await;
                }
            }
            let pause = 5 + shared.random.below(30) as u64;
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Says of what nobody saw acknowledged when it was at the latest.
    pub(super) async fn see_acknowledgements(self) {
        let shared = &*self.0;
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            // Before it is asked whether anything is left: it was emitted by then.
            let open = mem::take(&mut *shared.open());
            if shared.cache.stats().events.pending > 0 {
                shared.open().extend(open);
                continue;
            }
            let at = now();
            for write in open {
                shared.out.say(|| Line::Acknowledged { write, at });
            }
        }
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Vec<WriteId>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A mutation has returned.
    fn returned(&self, write: WriteId, is_acknowledged: bool) {
        self.out.say(|| Line::Returned { write, at: now() });
        if is_acknowledged {
            self.out.say(|| Line::Acknowledged { write, at: now() });
        } else {
            self.open().push(write);
        }
    }

    async fn emit(&self, place: Place, write: WriteId) {
        truth::write(place.fact(), 1, write).await;
        let emitted = self.cache.emit(changed(place)).await;
        self.returned(write, emitted.is_ok());
    }

    async fn hold(&self, place: Place, write: WriteId) {
        let held = self.cache.hold(changed(place));
        truth::write(place.fact(), 1, write).await;
        let released = held.release().await;
        self.returned(write, released.is_ok());
    }

    async fn change(&self, mutation: impl Future<Output = Nanos>, write: WriteId) {
        let failed = || self.cache.stats().events.failed;
        let failed_before = failed();
        let written = mutation.await;
        let is_in_time = now() - written < nanos(WAITED);
        self.returned(write, is_in_time && failed() == failed_before);
    }

    /// Refused, it writes nothing.
    async fn guard(&self, place: Place, write: WriteId) {
        let changed = change_guarded(place.shelf, place.id, write).await;
        if changed.is_ok() {
            self.returned(write, false);
        }
    }

    /// What it wrote by then, if anything, is announced behind its back.
    async fn drop_half_way(&self, place: Place, write: WriteId) {
        let within = Duration::from_micros(self.random.below(2_000) as u64);
        // Not when it is dropped: that can only be read too late.
        let at = now();
        let mutation = change_item(place.shelf, place.id, write);
        if tokio::time::timeout(within, mutation).await.is_ok() {
            return self.returned(write, false);
        }
        self.out.say(|| Line::Dropped { write, at });
        self.open().push(write);
    }
}

fn changed(place: Place) -> ItemChanged {
    ItemChanged {
        shelf: place.shelf,
        id: place.id,
    }
}
