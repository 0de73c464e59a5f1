//! A small pool of database connections. Queries run off the async threads, and callers queue for a
//! connection without blocking one.

use std::{
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use rusqlite::Connection;
use tokio::{
    sync::{Mutex, Semaphore},
    task::spawn_blocking,
};

/// Why a query failed. `Clone`, so that callers who share a load share its error too.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the product database failed: {0}")]
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
    queries: AtomicUsize,
}

impl Db {
    /// A database in memory, filled by `fill` and read through `connections`.
    pub(crate) fn create(
        connections: usize,
        fill: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, DbError> {
        let mut writer = open()?;
        fill(&mut writer)?;
        let readers = (0..connections).map(|_| open().map(Mutex::new));
        Ok(Self(Arc::new(Pool {
            connections: readers.collect::<Result<_, _>>()?,
            turns: Arc::new(Semaphore::new(connections)),
            queries: AtomicUsize::new(0),
        })))
    }

    /// Runs `query` on a connection that nobody else uses meanwhile.
    pub(crate) async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
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

    /// How many queries ran so far.
    pub(crate) fn queries(&self) -> usize {
        self.0.queries.load(Relaxed)
    }
}

impl Pool {
    fn run<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut free = self
            .connections
            .iter()
            .filter_map(|one| one.try_lock().ok());
        let connection = free.next().expect("as many connections as turns");
        self.queries.fetch_add(1, Relaxed);
        query(&connection)
    }
}

/// Connections to the same URI are connections to the same database, as long as one is open.
fn open() -> rusqlite::Result<Connection> {
    let connection = Connection::open("file:/shop?vfs=memdb")?;
    // The whole database fits, so that time goes into queries and not into copies of pages.
    connection.pragma_update(None, "cache_size", -64 * 1024)?;
    Ok(connection)
}
