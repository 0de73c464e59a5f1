//! One primary of a cluster, as the store of production has it: a simulated store that is tied to one server.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{runtime::Handle, task::AbortHandle};

use crate::{
    l2::{
        AskedTogether, Batch, Lineage, Listener, Pending, ReadRequest, Store, StoreError,
        StoreTime, Tagged, TaggedTogether, Write,
        redis::stage::{As, Change, Moved, Primary, Status},
    },
    lock::Mutex,
    simulation::{server::Command, store::SimulatedStore},
};

pub(super) struct Member {
    store: Arc<SimulatedStore>,
    moved: Arc<Moved>,
    is_listening: AtomicBool,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Member {
    pub(super) fn new(store: Arc<SimulatedStore>, moved: &Arc<Moved>) -> Self {
        let data = Arc::clone(&store);
        let kept_up = Handle::current().spawn(async move { data.keep_data().await });
        Self {
            store,
            moved: Arc::clone(moved),
            is_listening: AtomicBool::new(false),
            tasks: Mutex::new(vec![kept_up.abort_handle()]),
        }
    }

    /// What was answered, which may be that it is not to be asked for that.
    fn noted<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if matches!(answer, Err(StoreError::Unavailable | StoreError::Moving)) {
            self.moved.0.notify_one();
        }
        answer
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
        self.store.dismiss();
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

impl Primary for Member {
    fn change<'a>(
        &'a self,
        change: Change,
        batch: &'a Batch,
        asked_as: As,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        let batch = batch.clone();
        let command = match change {
            Change::Bump => Command::Bump(batch),
            Change::Mark => Command::Mark(batch),
        };
        let command = match asked_as {
            As::Owner => command,
            As::Importer => Command::Asking(Box::new(command)),
        };
        Box::pin(async move { self.noted(self.store.ask_tagged(command, within).await) })
    }

    fn listen_to_parts(
        &self,
        _channel: &str,
        parts: &dyn Fn() -> Vec<String>,
        beat: Duration,
        listener: &Arc<dyn Listener>,
    ) {
        if self.is_listening.swap(true, Relaxed) {
            return;
        }
        self.store.set_believer(listener, beat);
        let (parts, store) = (parts(), Arc::clone(&self.store));
        let listener = Arc::downgrade(listener);
        let listening = Handle::current()
            .spawn(async move { store.keep_listening(beat, &listener, &parts).await });
        self.tasks.lock().push(listening.abort_handle());
    }

    fn nodes(&self) -> Pending<'_, Option<String>> {
        Box::pin(self.store.nodes())
    }

    fn status(&self) -> Status {
        if self.store.is_connected() {
            Status::Connected
        } else {
            Status::Trying
        }
    }
}

impl Store for Member {
    fn is_ready(&self) -> bool {
        self.store.is_ready()
    }

    fn time(&self) -> Option<StoreTime> {
        self.store.time()
    }

    fn get<'a>(
        &'a self,
        key: &'a str,
        expected: usize,
        within: Duration,
    ) -> Pending<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move { self.noted(self.store.get(key, expected, within).await) })
    }

    fn write(
        &self,
        writes: Vec<Write>,
        within: Duration,
    ) -> Pending<'_, Vec<Result<(), StoreError>>> {
        Box::pin(async move {
            let written = self.store.write(writes, within).await.into_iter();
            written.map(|result| self.noted(result)).collect()
        })
    }

    fn get_tagged<'a>(
        &'a self,
        asked: ReadRequest<'a>,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        Box::pin(async move { self.noted(self.store.get_tagged(asked, within).await) })
    }

    fn get_together<'a>(
        &'a self,
        asked: AskedTogether<'a>,
        within: Duration,
    ) -> Pending<'a, Result<TaggedTogether, StoreError>> {
        Box::pin(async move { self.noted(self.store.get_together(asked, within).await) })
    }

    fn ensure<'a>(
        &'a self,
        tags: &'a [&'a str],
        life: Duration,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        Box::pin(async move { self.noted(self.store.ensure(tags, life, within).await) })
    }

    fn bump(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        self.store.bump(batch, within)
    }

    fn mark(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        self.store.mark(batch, within)
    }

    fn listen(&self, channel: &str, beat: Duration, listener: &Arc<dyn Listener>) {
        self.store.listen(channel, beat, listener);
    }

    fn lineage(&self) -> Option<Lineage> {
        self.store.asked_lineage()
    }
}
