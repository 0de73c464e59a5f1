//! A pool of connections to one `SQLite` file, which several processes share. Queries run off the async threads, callers
//! queue for a connection without blocking one, and every query takes as long as one to a server over a network would.

use std::{
    panic::resume_unwind,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use rusqlite::Connection;
use tokio::{
    sync::{Mutex, Semaphore},
    task::spawn_blocking,
};

use crate::schema;

/// How long a writer waits for those of other processes: there is one at a time.
const WRITERS: Duration = Duration::from_secs(5);

/// Why a query failed. `Clone`, so that callers who share a load share its error too.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the database failed: {0}")]
pub(crate) struct DbError(Arc<rusqlite::Error>);

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        Self(Arc::new(error))
    }
}

/// A handle to the pool, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Db(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    connections: Vec<Mutex<Connection>>,
    /// One for each connection: who holds one finds a connection that is free.
    turns: Arc<Semaphore>,
    latency: Duration,
    queries: AtomicU64,
}

impl Db {
    /// The database in this file, made and filled where there is none, through so many connections. Each query takes
    /// `latency` longer than `SQLite` does: half of it on the way there, half on the way back.
    pub(crate) fn open(
        file: &Path,
        connections: usize,
        latency: Duration,
    ) -> Result<Self, DbError> {
        let open = || {
            let connection = Connection::open(file)?;
            connection.busy_timeout(WRITERS)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            Ok(connection)
        };
        schema::create(&mut open()?)?;
        let pool = (0..connections).map(|_| open().map(Mutex::new));
        Ok(Self(Arc::new(Pool {
            connections: pool.collect::<rusqlite::Result<_>>()?,
            turns: Arc::new(Semaphore::new(connections)),
            latency,
            queries: AtomicU64::new(0),
        })))
    }

    /// Runs `query` on a connection that nobody else uses meanwhile: one statement, or one transaction.
    pub(crate) async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DbError> {
        let pool = Arc::clone(&self.0);
        let turns = Arc::clone(&pool.turns);
        let turn = turns.acquire_owned().await.expect("the pool never closes");
        let answer = spawn_blocking(move || {
            // Held until the connection is free again, even if the caller is gone.
            let _turn = turn;
            pool.run(query)
        });
        match answer.await {
            Ok(answer) => Ok(answer?),
            Err(failure) => resume_unwind(failure.into_panic()),
        }
    }

    /// How many queries ran so far, in this process.
    pub(crate) fn queries(&self) -> u64 {
        self.0.queries.load(Relaxed)
    }
}

impl Pool {
    fn run<T>(
        &self,
        query: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut free = self
            .connections
            .iter()
            .filter_map(|one| one.try_lock().ok());
        let mut connection = free.next().expect("as many connections as turns");
        self.queries.fetch_add(1, Relaxed);
        thread::sleep(self.latency / 2);
        let answer = query(&mut connection);
        thread::sleep(self.latency / 2);
        answer
    }
}
