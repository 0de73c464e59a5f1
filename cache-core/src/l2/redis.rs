//! Redis as a store: one server, one connection that is kept up, and a second one for large values once
//! there are some.
//!
//! No type of the `redis` crate leaves this folder.

mod address;
mod fault;
mod handshake;
mod link;
mod reads;
mod supervisor;
#[cfg(test)]
mod tests;
mod time;
mod version;
mod writes;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, time::timeout};

pub(crate) use address::Address;
use handshake::{Failure, Wiring};
use link::{Link, Status};
use reads::Reads;

use super::{
    LARGE, Pending, Store, StoreError, StoreTime, Write,
    store::{Asked, Batch, Listener, Tagged},
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

/// The entries of one Redis server.
///
/// It works on whatever runtime it is used: where the one that drives its connections is gone, the next
/// operation connects anew on its own. When it is dropped its connections close.
pub(crate) struct RedisStore {
    data: Arc<Link>,
    bulk: Arc<Link>,
    reads: Arc<Reads>,
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
        let runtime = Handle::try_current().map_err(|_| {
            let message = "no connection to Redis without a tokio runtime: build the cache on one";
            Error::new(ErrorKind::Unreachable, message)
        })?;
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
        let data = Link::new(Arc::clone(&address), DATA);
        let bulk = Link::new(address, BULK);
        // What there is to say of the server, the first connection says.
        bulk.is_doubted.store(true, Relaxed);
        let reads = Reads::new(Arc::clone(&data), Arc::clone(&bulk));
        Self { data, bulk, reads }
    }
}

impl Store for RedisStore {
    fn is_ready(&self) -> bool {
        let Ok(runtime) = Handle::try_current() else {
            return false;
        };
        self.data.attend(&runtime, system_now());
        self.data.is_up()
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
        Box::pin(self.reads.get(key, expected, within))
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
        _asked: Asked<'a>,
        _within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        Box::pin(async { Err(StoreError::Unavailable) })
    }

    fn ensure<'a>(
        &'a self,
        _tags: &'a [&'a str],
        _life: Duration,
        _within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        Box::pin(async { Err(StoreError::Unavailable) })
    }

    fn bump(&self, _batch: Batch, _within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        Box::pin(async { Err(StoreError::Unavailable) })
    }

    fn listen(&self, _channel: &str, _beat: Duration, _listener: &Arc<dyn Listener>) {}
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.data.dismiss();
        self.bulk.dismiss();
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
