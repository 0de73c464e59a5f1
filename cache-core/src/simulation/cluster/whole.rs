//! The store of a process in a cluster: that of production, and a witness of what it says of the whole.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use super::ground::SimulatedGround;
use crate::{
    clock::Nanos,
    l2::{
        AskedTogether, Batch, Lineage, Listener, Pending, ReadRequest, Store, StoreError,
        StoreTime, Tagged, TaggedTogether, Write, redis::stage::ClusterStore,
    },
    simulation::{history::Who, world::World},
};

pub(in crate::simulation) struct WholeStore {
    inner: ClusterStore,
    world: Arc<World>,
    who: Who,
    is_dead: Arc<AtomicBool>,
    witness: OnceLock<Arc<dyn Listener>>,
}

impl WholeStore {
    pub(in crate::simulation) fn new(
        world: &Arc<World>,
        who: Who,
        is_dead: &Arc<AtomicBool>,
    ) -> Self {
        let ground = SimulatedGround::new(world, who, is_dead);
        Self {
            inner: ClusterStore::on(Arc::new(ground)),
            world: Arc::clone(world),
            who,
            is_dead: Arc::clone(is_dead),
            witness: OnceLock::new(),
        }
    }
}

impl fmt::Debug for WholeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store of process {}", self.who.process)
    }
}

/// What a process is told of the whole, which the checker is to know.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulation) enum Told {
    Hears,
    Fenced(Nanos),
}

/// Hands over what a process is told, and has it noted.
struct Witness {
    world: Weak<World>,
    who: Who,
    listener: Weak<dyn Listener>,
}

impl Witness {
    fn tell(&self, what: impl FnOnce(&dyn Listener)) {
        if let Some(listener) = self.listener.upgrade() {
            what(&*listener);
        }
    }

    fn note(&self, told: Told) {
        if let Some(world) = self.world.upgrade() {
            world.is_told(self.who, told);
        }
    }
}

impl Listener for Witness {
    fn heard(&self, message: &[u8]) {
        self.tell(|listener| listener.heard(message));
    }

    fn overheard(&self, message: &[u8]) {
        self.tell(|listener| listener.overheard(message));
    }

    fn connected(&self, lineage: Lineage) {
        self.note(Told::Hears);
        self.tell(|listener| listener.connected(lineage));
    }

    fn fenced(&self, sent: Nanos, lineage: Lineage) {
        self.tell(|listener| listener.fenced(sent, lineage));
        self.note(Told::Fenced(sent));
    }

    fn lost(&self) {
        self.tell(|listener| listener.lost());
    }

    fn misled(&self) {
        self.tell(|listener| listener.misled());
    }
}

impl Store for WholeStore {
    fn is_ready(&self) -> bool {
        let is_ready = !self.is_dead.load(Relaxed) && self.inner.is_ready();
        if !is_ready {
            // A bump that cannot be sent voids what it is of.
            self.world.has_cause(self.who.process);
        }
        is_ready
    }

    fn time(&self) -> Option<StoreTime> {
        self.inner.time()
    }

    fn get<'a>(
        &'a self,
        key: &'a str,
        expected: usize,
        within: Duration,
    ) -> Pending<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.inner.get(key, expected, within)
    }

    fn write(
        &self,
        writes: Vec<Write>,
        within: Duration,
    ) -> Pending<'_, Vec<Result<(), StoreError>>> {
        self.inner.write(writes, within)
    }

    fn get_tagged<'a>(
        &'a self,
        asked: ReadRequest<'a>,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        self.inner.get_tagged(asked, within)
    }

    fn get_together<'a>(
        &'a self,
        asked: AskedTogether<'a>,
        within: Duration,
    ) -> Pending<'a, Result<TaggedTogether, StoreError>> {
        self.inner.get_together(asked, within)
    }

    fn ensure<'a>(
        &'a self,
        tags: &'a [&'a str],
        life: Duration,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        self.inner.ensure(tags, life, within)
    }

    fn bump(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        Box::pin(async move {
            let bumped = self.inner.bump(batch, within).await;
            self.world.network().has_cause(self.who.process);
            bumped
        })
    }

    fn mark(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        Box::pin(async move {
            let marked = self.inner.mark(batch, within).await;
            self.world.network().has_cause(self.who.process);
            marked
        })
    }

    fn listen(&self, channel: &str, beat: Duration, listener: &Arc<dyn Listener>) {
        let witness = self.witness.get_or_init(|| {
            Arc::new(Witness {
                world: Arc::downgrade(&self.world),
                who: self.who,
                listener: Arc::downgrade(listener),
            })
        });
        self.inner.listen(channel, beat, witness);
    }

    fn follow(&self, lineage: Lineage) {
        self.inner.follow(lineage);
    }

    fn lineage(&self) -> Option<Lineage> {
        self.inner.lineage()
    }
}
