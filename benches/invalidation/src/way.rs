//! From an event in one process to the moment when another one no longer serves what depends on it, beside a message from
//! one connection to another.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use cache_core::{Cache, cached};
use redis::{AsyncConnectionConfig, PushInfo, PushKind, aio::MultiplexedConnection};
use tests::server::Server;
use tokio::task::yield_now;

use crate::{
    NameChanged, cache,
    measure::{Sorted, median, time, verdict},
};

static LOADS: AtomicU64 = AtomicU64::new(0);

/// A call of it is the cheapest way to see whether its value is void.
#[cached(ttl = 1h, key = id, cache = cache, tiers = memory, invalidate_on = NameChanged { id })]
async fn in_memory(cache: &Cache, id: u64) -> u64 {
    LOADS.fetch_add(1, SeqCst)
}

/// The longest way of 99 in 100 events, in that of messages.
const GOAL: f64 = 1.5;
const ROUNDS: usize = 9;
const MESSAGES: u64 = 1_000;

pub(crate) async fn measure(server: &Server) {
    // Of two URLs, as caches of one would hear of each other without Redis.
    let (here, there) = (
        cache(server.url()).await,
        cache(format!("{}0", server.url())).await,
    );
    let bare = Bare::connect(&server.url()).await;
    let (mut halves, mut most) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (mut ours, mut plain) = (Vec::new(), Vec::new());
        for id in 0..MESSAGES {
            in_memory(&there, id).await;
            let loads = LOADS.load(SeqCst);
            let event = here.clone();
            ours.push(
                time(async {
                    let emitted = tokio::spawn(async move { event.emit(NameChanged { id }).await });
                    while LOADS.load(SeqCst) == loads {
                        in_memory(&there, id).await;
                        yield_now().await;
                    }
                    emitted
                })
                .await,
            );
            plain.push(time(bare.tell()).await);
        }
        let (ours, plain) = (Sorted::of(ours), Sorted::of(plain));
        let ratio = |of_hundred| {
            let (ours, plain) = (ours.percentile(of_hundred), plain.percentile(of_hundred));
            ours.div_duration_f64(plain)
        };
        halves.push(ratio(50));
        most.push(ratio(99));
    }
    let (half, most) = (median(halves), median(most));
    println!(
        "from an event to another process: half of them within {half:.2} of a bare message, 99 in 100 within {most:.2}; {}",
        verdict(&format!("{GOAL} x"), most <= GOAL)
    );
}

/// A connection that publishes, and one that hears it.
struct Bare {
    publisher: MultiplexedConnection,
    _subscriber: MultiplexedConnection,
    heard: Arc<AtomicU64>,
}

impl Bare {
    async fn connect(url: &str) -> Self {
        let heard = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&heard);
        let hear = move |push: PushInfo| -> Result<(), Infallible> {
            if push.kind == PushKind::Message {
                count.fetch_add(1, SeqCst);
            }
            Ok(())
        };
        let client = redis::Client::open(format!("{url}?protocol=resp3")).expect("the URL is one");
        let config = AsyncConnectionConfig::new().set_push_sender(hear);
        let subscriber = client.get_multiplexed_async_connection_with_config(&config);
        let mut subscriber = subscriber.await.expect("the server is there");
        subscriber.subscribe("bare").await.expect("it may");
        let publisher = client.get_multiplexed_async_connection().await;
        Self {
            publisher: publisher.expect("the server is there"),
            _subscriber: subscriber,
            heard,
        }
    }

    /// Returns when it was heard.
    async fn tell(&self) {
        let before = self.heard.load(SeqCst);
        let mut publisher = self.publisher.clone();
        let told = tokio::spawn(async move {
            let mut message = redis::cmd("PUBLISH");
            message
                .arg("bare")
                .arg("NameChanged:1 1760000000000000 origin");
            message.exec_async(&mut publisher).await
        });
        while self.heard.load(SeqCst) == before {
            yield_now().await;
        }
        told.await.expect("it does not panic").expect("it is sent");
    }
}
