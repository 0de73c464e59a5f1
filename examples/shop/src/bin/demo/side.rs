//! One of the two sides that are compared, with the cache or without it, as its customers see it: who asks, what was
//! answered, what must be answered, and how much the database had to do.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::{
    client::Client,
    fleet::REPLICAS,
    ledger::{Fact, Ledger, Verdict},
    samples::Sample,
    visit::Visit,
};

#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    clients: [Client; REPLICAS],
    ledger: Mutex<Ledger>,
    samples: Mutex<Vec<Sample>>,
    queries: Mutex<Vec<Queries>>,
}

/// How many queries all replicas had run by then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queries {
    pub(crate) at: Instant,
    pub(crate) total: u64,
}

impl Side {
    pub(crate) fn new(
        name: &'static str,
        addresses: [SocketAddr; REPLICAS],
        bound: Duration,
    ) -> Self {
        Self {
            name,
            clients: addresses.map(Client::new),
            ledger: Mutex::new(Ledger::new(bound)),
            samples: Mutex::default(),
            queries: Mutex::default(),
        }
    }

    /// A customer, who should have been asking since `due`.
    pub(crate) async fn visit(&self, visit: Visit, replica: usize, due: Instant) {
        self.asked(visit, replica, due, false).await;
    }

    /// Asks to see whether something has changed. What is answered is judged as all answers are, its latency does not count.
    pub(crate) async fn probe(&self, visit: Visit, replica: usize) -> Option<Vec<(Fact, u64)>> {
        self.asked(visit, replica, Instant::now(), true).await
    }

    async fn asked(
        &self,
        visit: Visit,
        replica: usize,
        due: Instant,
        is_probe: bool,
    ) -> Option<Vec<(Fact, u64)>> {
        let sent = Instant::now();
        let (path, body) = (visit.path(), visit.body());
        let answer = self.clients[replica].ask(visit.method(), &path, body.as_ref());
        let shown = match answer.await {
            Ok((StatusCode::OK, answer)) => visit.versions(&answer),
            // There is nothing in the cart: an answer like any other.
            Ok((StatusCode::CONFLICT, _)) => Some(Vec::new()),
            Ok(_) | Err(_) => None,
        };
        let arrived = Instant::now();
        let facts = shown.as_deref().unwrap_or_default();
        let verdict = if visit.is_write() {
            self.ledger().written(facts, replica, arrived);
            Verdict::default()
        } else {
            self.ledger().judge(facts, replica, sent)
        };
        locked(&self.samples).push(Sample {
            due,
            latency: arrived.saturating_duration_since(due),
            is_failure: shown.is_none(),
            verdict,
            is_probe,
        });
        shown
    }

    /// Sees to it that each replica has so many connections.
    pub(crate) async fn connect(&self, connections: usize) {
        for client in &self.clients {
            client.connect(connections).await;
        }
    }

    /// Asks all replicas how many queries they have run, and which of them have told Redis all that they have changed.
    pub(crate) async fn look(&self) -> Option<u64> {
        let mut total = 0;
        for (replica, client) in self.clients.iter().enumerate() {
            let (_, stats) = client.ask(Method::GET, "/stats", None).await.ok()?;
            let number = |name: &str| stats.get(name).and_then(Value::as_u64);
            total += number("queries")?;
            if number("pending") == Some(0) {
                self.ledger().is_told(replica, Instant::now());
            }
        }
        let at = Instant::now();
        locked(&self.queries).push(Queries { at, total });
        Some(total)
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.ledger)
    }

    /// The samples from this one on.
    pub(crate) fn samples_from(&self, first: usize) -> Vec<Sample> {
        locked(&self.samples)[first..].to_vec()
    }

    pub(crate) fn samples(&self) -> usize {
        locked(&self.samples).len()
    }

    pub(crate) fn queries(&self) -> Vec<Queries> {
        locked(&self.queries).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
