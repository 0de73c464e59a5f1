//! What one primary of a cluster keeps failing at, it is not asked for a while, and the others are.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::runtime::Handle;

use super::{members::Member, primary::Primary};
use crate::{
    clock::{Nanos, nanos, system_now},
    l2::{
        AskedTogether, StoreError, TaggedTogether, Write,
        breaker::{Admission, Breaker},
        redis::address::Node,
    },
    tasks,
};

/// Those of one primary.
#[derive(Debug)]
pub(super) struct Breakers {
    reads: Breaker,
    writes: Breaker,
    /// The longest that a read was given, in nanoseconds.
    patience: AtomicU64,
}

impl Breakers {
    pub(super) fn of(node: &Node) -> Arc<Self> {
        let within = Duration::from_secs(1);
        Arc::new(Self {
            reads: Breaker::new(format!("reads of {node}"), within),
            writes: Breaker::new(format!("writes to {node}"), within),
            patience: AtomicU64::new(0),
        })
    }

    pub(super) fn stop_reads(&self) -> bool {
        self.reads.is_shut(system_now())
    }

    pub(super) fn stop_writes(&self) -> bool {
        self.writes.is_shut(system_now())
    }

    fn count_read<T>(&self, got: &Result<T, StoreError>, within: Duration, now: Nanos) {
        let longest = self.patience.fetch_max(nanos(within), Relaxed);
        // The rest of a time that others have used up says nothing of it.
        let is_rest = nanos(within) < longest / 2;
        if !is_rest || !matches!(got, Err(StoreError::Late)) {
            self.reads.count_read(Admission::Yes, got, now);
        }
    }

    /// Finds out how it is, as often as it takes to see that it answers.
    fn probe(self: &Arc<Self>, store: &Arc<dyn Primary>, mut probe: Admission) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (breakers, store) = (Arc::clone(self), Arc::clone(store));
        tasks::spawn(&runtime, async move {
            while let Admission::Probe(_) = probe {
                let answer = store.nodes().await;
                let now = system_now();
                match answer {
                    Some(_) => breakers.reads.succeeded(probe, now),
                    None => breakers.reads.failed(probe, now, &StoreError::Late),
                }
                probe = breakers.reads.admits(system_now());
            }
        });
    }
}

impl Member {
    /// Whether a read may be sent to it. One that finds out how it is, is a task's and no call's.
    fn admit_read(&self) -> Result<(), StoreError> {
        if !self.store.is_ready() {
            return Err(StoreError::Unavailable);
        }
        let connection = || self.store.connection();
        match self.breakers.reads.admits_over(connection, system_now()) {
            Admission::Yes => return Ok(()),
            Admission::No => {}
            probe @ Admission::Probe(_) => self.breakers.probe(&self.store, probe),
        }
        Err(StoreError::Stopped)
    }

    pub(super) async fn get(
        &self,
        key: &str,
        expected: usize,
        within: Duration,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.admit_read()?;
        let got = self.store.get(key, expected, within).await;
        self.breakers.count_read(&got, within, system_now());
        got
    }

    pub(super) async fn get_together(
        &self,
        asked: AskedTogether<'_>,
        within: Duration,
    ) -> Result<TaggedTogether, StoreError> {
        self.admit_read()?;
        let got = self.store.get_together(asked, within).await;
        self.breakers.count_read(&got, within, system_now());
        got
    }

    /// What is to be deleted or told is sent whatever it fails at; a result for each.
    pub(super) async fn write(
        &self,
        writes: Vec<Write>,
        within: Duration,
    ) -> Vec<Result<(), StoreError>> {
        let may_wait = |write: &Write| {
            matches!(
                write,
                Write::Delete { .. } | Write::Release { .. } | Write::Tell(_)
            )
        };
        if writes.iter().all(may_wait) || !self.store.is_ready() {
            return self.store.write(writes, within).await;
        }
        let writes_of = &self.breakers.writes;
        let admission = writes_of.admits_over(|| self.store.connection(), system_now());
        if admission == Admission::No {
            let is_sent: Vec<bool> = writes.iter().map(may_wait).collect();
            let sent = writes.into_iter().filter(may_wait).collect();
            let mut sent = self.store.write(sent, within).await.into_iter();
            let result = |is_sent| {
                let stopped = || Err(StoreError::Stopped);
                if is_sent { sent.next() } else { None }.unwrap_or_else(stopped)
            };
            return is_sent.into_iter().map(result).collect();
        }
        let results = self.store.write(writes, within).await;
        let is_fault = |error: &&StoreError| {
            let says_nothing = [StoreError::Moving, StoreError::Taken, StoreError::Busy];
            !says_nothing.contains(error)
        };
        let is_answer = |result: &_| matches!(result, Ok(()) | Err(StoreError::Taken));
        let mut failures = results.iter().filter_map(|result| result.as_ref().err());
        if let Some(error) = failures.find(is_fault) {
            writes_of.failed(admission, system_now(), error);
        } else if results.iter().any(is_answer) {
            writes_of.succeeded(admission, system_now());
        }
        results
    }
}
