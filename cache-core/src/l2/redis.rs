//! Redis as a store: one server, one connection that is kept up, a second one for large values once there are
//! some, and one that listens where somebody wants to hear.
//!
//! No type of the `redis` crate leaves this folder.

mod address;
mod cluster;
mod description;
mod fault;
mod handshake;
mod link;
mod pulse;
mod reads;
mod sentinel;
#[cfg(all(test, shuttled))]
mod shuttled;
#[cfg(test)]
pub(crate) mod stage;
mod subscriber;
mod supervisor;
mod tags;
#[cfg(test)]
mod tests;
mod time;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "redis/tls/absent.rs"]
mod tls;
mod together;
mod version;
mod writes;

use std::{
    fmt,
    sync::{Arc, OnceLock, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use ::redis::Value;
use tokio::{runtime::Handle, time::timeout};

pub(crate) use address::{Address, Target};
use cluster::ClusterStore;
pub use description::Redis;
use handshake::{Failure, Wiring};
use link::{Link, Status};
use reads::{Keys, Question, Reads};
use subscriber::Ear;
use tags::{As, Change};
#[cfg(feature = "tls")]
pub use tls::Tls;

use super::{
    LARGE, Lineage, Pending, Store, StoreError, StoreTime, Write,
    store::{
        AskedTogether, Batch, Condition, HeldBack, Listener, ReadRequest, Tagged, TaggedTogether,
    },
};
use crate::{
    clock::system_now,
    error::{Error, ErrorKind},
};

/// For values of 1 KiB, more in flight gains nothing; for those of 100 KiB it loses.
const DATA: Wiring = Wiring {
    name: "cache-core",
    in_flight: 128,
};
const BULK: Wiring = Wiring {
    name: "cache-core-bulk",
    in_flight: 8,
};
/// In a cluster it subscribes to as many parts at once.
const CHANNEL: Wiring = Wiring {
    name: "cache-core-channel",
    in_flight: 64,
};

/// The entries of one Redis server.
///
/// It works on whatever runtime it is used: where the one that drives its connections is gone, the next
/// operation connects anew on its own. When it is dropped its connections close.
pub(crate) struct RedisStore {
    data: Arc<Link>,
    bulk: Arc<Link>,
    reads: Arc<Reads>,
    ensures: Arc<Reads>,
    channel: OnceLock<Arc<Link>>,
}

impl RedisStore {
    /// Connects; without a connection after `patience`, gives the store all the same, with the reason,
    /// and connects on in the background.
    ///
    /// # Errors
    ///
    /// The server was reached and refuses, or this is not a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropped half way, it leaves no connection.
    pub(crate) async fn connect(
        address: Address,
        patience: Duration,
    ) -> Result<(Self, Option<String>), Error> {
        let runtime = Handle::try_current().map_err(|_| no_runtime())?;
        let store = Self::new(address);
        let mut status = store.data.status.subscribe();
        store.data.attend(&runtime, system_now());
        let is_settled = |status: &Status| {
            matches!(
                status,
                Status::Connected | Status::Failing(Failure::Refused(_))
            )
        };
        // Late or not, the status is what counts.
        let _ = timeout(patience, status.wait_for(is_settled)).await;
        let server = &store.data.address;
        let reason = match &*status.borrow() {
            Status::Connected => None,
            Status::Trying if server.tls.is_some() => Some(format!(
                "no answer from Redis at {server}: does it speak TLS there?"
            )),
            Status::Trying => Some(format!("no answer from Redis at {server}")),
            Status::Failing(Failure::Unreachable(why)) => {
                Some(format!("no connection to Redis at {server}: {why}"))
            }
            Status::Failing(Failure::Refused(why)) => {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format_args!("{why}, at {server}"),
                ));
            }
        };
        store.data.is_vocal.store(true, Relaxed);
        Ok((store, reason))
    }

    fn new(address: Address) -> Self {
        let address = Arc::new(address);
        let data = Link::new(Arc::clone(&address), DATA, None);
        let bulk = Link::new(address, BULK, None);
        // What there is to say of the server, the first connection says.
        bulk.is_doubted.store(true, Relaxed);
        let reads = Reads::new(&data, &bulk, Question::Read);
        let ensures = Reads::new(&data, &bulk, Question::Ensure);
        Self {
            data,
            bulk,
            reads,
            ensures,
            channel: OnceLock::new(),
        }
    }

    async fn get_one(
        &self,
        key: &str,
        expected: usize,
        within: Duration,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let keys = Keys::of(std::iter::once(key));
        let mut found = self.reads.read(keys, expected, within).await?;
        match found.values.pop() {
            Some(Value::BulkString(bytes)) => Ok(Some(bytes)),
            // Where its slot is being moved, it may be elsewhere.
            Some(Value::Nil | Value::ServerError(_)) => Ok(None),
            _ => Err(fault::odd_reply()),
        }
    }

    /// Listens to a channel, or to the parts of it that are here.
    fn listen_to(
        &self,
        channel: &str,
        parts: Option<&dyn Fn() -> Vec<String>>,
        beat: Duration,
        listener: &Arc<dyn Listener>,
    ) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let link = self.channel.get_or_init(|| {
            let mut ear = Ear::new(channel, beat, listener, &self.data);
            if let Some(parts) = parts {
                ear = ear.in_parts(parts());
            }
            for asked in [&self.data, &self.bulk] {
                asked.set_believer(listener, ear.beat());
            }
            let link = Link::new(Arc::clone(&self.data.address), CHANNEL, Some(ear));
            link.is_doubted.store(true, Relaxed);
            link
        });
        let now = system_now();
        link.attend(&runtime, now);
        // It proves nothing without one to ask.
        self.data.attend(&runtime, now);
    }
}

impl Target {
    /// Connects; without a connection after `patience`, gives the store all the same, with the reason, and connects on in
    /// the background.
    ///
    /// # Errors
    ///
    /// A server was reached and refuses, or this is not a tokio runtime.
    pub(crate) async fn connect(
        self,
        patience: Duration,
    ) -> Result<(Arc<dyn Store>, Option<String>), Error> {
        match self {
            Self::Server(address) => {
                let (store, missing) = RedisStore::connect(address, patience).await?;
                Ok((Arc::new(store), missing))
            }
            Self::Cluster(seeds) => {
                let (store, missing) = ClusterStore::connect(seeds, patience).await?;
                Ok((Arc::new(store), missing))
            }
        }
    }
}

fn no_runtime() -> Error {
    let message = "no connection to Redis without a tokio runtime: build the cache on one";
    Error::new(ErrorKind::Unreachable, message)
}

impl Store for RedisStore {
    fn is_ready(&self) -> bool {
        let Ok(runtime) = Handle::try_current() else {
            return false;
        };
        self.data.attend(&runtime, system_now());
        self.data.is_up()
    }

    fn database(&self) -> u32 {
        self.data.address.database
    }

    fn time(&self) -> Option<StoreTime> {
        self.data.clock.at(Instant::now())
    }

    fn get<'a>(
        &'a self,
        key: &'a str,
        expected: usize,
        within: Duration,
    ) -> Pending<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(self.get_one(key, expected, within))
    }

    fn write(
        &self,
        writes: Vec<Write>,
        within: Duration,
    ) -> Pending<'_, Vec<Result<(), StoreError>>> {
        Box::pin(writes::write(&self.data, &self.bulk, writes, within))
    }

    fn get_tagged<'a>(
        &'a self,
        asked: ReadRequest<'a>,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        Box::pin(tags::get(&self.reads, asked, within))
    }

    fn get_together<'a>(
        &'a self,
        asked: AskedTogether<'a>,
        within: Duration,
    ) -> Pending<'a, Result<TaggedTogether, StoreError>> {
        Box::pin(tags::get_together(&self.reads, asked, within))
    }

    fn ensure<'a>(
        &'a self,
        tags: &'a [&'a str],
        life: Duration,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        Box::pin(tags::ensure(&self.ensures, &self.data, tags, life, within))
    }

    fn hold_back(&self) -> Option<HeldBack> {
        Some(Box::new((
            self.reads.hold_back()?,
            self.ensures.hold_back()?,
        )))
    }

    fn bump(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        Box::pin(
            async move { tags::change(&self.data, Change::Bump, &batch, As::Owner, within).await },
        )
    }

    fn mark(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        Box::pin(
            async move { tags::change(&self.data, Change::Mark, &batch, As::Owner, within).await },
        )
    }

    fn listen(&self, channel: &str, beat: Duration, listener: &Arc<dyn Listener>) {
        self.listen_to(channel, None, beat, listener);
    }

    fn follow(&self, lineage: Lineage) {
        self.data.follow(lineage, system_now());
    }

    fn condition(&self) -> Condition {
        Condition::of_one(self.data.is_up())
    }

    fn connection(&self) -> u64 {
        self.data.live().map_or(0, |live| live.generation())
    }

    fn lineage(&self) -> Option<Lineage> {
        Some(self.data.live()?.lineage())
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.data.dismiss();
        self.bulk.dismiss();
        if let Some(channel) = self.channel.get() {
            channel.dismiss();
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("address", &self.data.address)
            .field("is_connected", &self.data.is_up())
            .finish_non_exhaustive()
    }
}
