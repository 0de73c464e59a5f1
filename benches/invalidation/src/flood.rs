//! Ten thousand events a second through one process, beside what the same process reads then.

use std::time::{Duration, Instant};

use cache_core::Cache;
use tests::server::Server;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::{
    NameChanged, cache,
    measure::{Sorted, time},
    plain, with_three,
};

const EVENTS_A_SECOND: u32 = 10_000;
const TICK: Duration = Duration::from_millis(2);
const MEASURED_FOR: Duration = Duration::from_secs(3);

pub(crate) async fn measure(server: &Server) {
    let cache = cache(server.url()).await;
    let quiet = read(&cache).await;
    let acknowledged = || cache.stats().events.acknowledged;
    let (begin, before) = (Instant::now(), acknowledged());
    let flood = tokio::spawn(flood(cache.clone()));
    let beside = read(&cache).await;
    let rate = (acknowledged() - before) as f64 / begin.elapsed().as_secs_f64();
    flood.abort();
    println!("beside {rate:.0} acknowledged events a second (asked for: {EVENTS_A_SECOND}):");
    for (what, quiet, beside) in [
        ("hits", &quiet.hits, &beside.hits),
        ("loads", &quiet.loads, &beside.loads),
    ] {
        println!(
            "  {what}: {} in {MEASURED_FOR:?}, half of them within {:.1?}, 99 in 100 within {:.1?}; without events {}, {:.1?}, {:.1?}",
            beside.count,
            beside.times.median(),
            beside.times.percentile(99),
            quiet.count,
            quiet.times.median(),
            quiet.times.percentile(99),
        );
    }
}

struct Reads {
    hits: Timed,
    loads: Timed,
}

struct Timed {
    count: usize,
    times: Sorted,
}

impl Timed {
    fn of(times: Vec<Duration>) -> Self {
        Self {
            count: times.len(),
            times: Sorted::of(times),
        }
    }
}

/// Hits of what nobody changes, and loads of what is asked for the first time, one after the other.
async fn read(cache: &Cache) -> Reads {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static NEXT: AtomicU64 = AtomicU64::new(1 << 40);
    let begin = Instant::now();
    let (mut hits, mut loads) = (Vec::new(), Vec::new());
    while begin.elapsed() < MEASURED_FOR {
        for id in 0..50 {
            hits.push(time(plain(cache, id)).await);
        }
        let id = NEXT.fetch_add(1, Relaxed);
        loads.push(time(with_three(cache, id)).await);
    }
    Reads {
        hits: Timed::of(hits),
        loads: Timed::of(loads),
    }
}

/// Emits so many events a second, each of which waits for its acknowledgement.
async fn flood(cache: Cache) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut emitting, mut id) = (JoinSet::new(), 0);
    loop {
        ticks.tick().await;
        for _ in 0..EVENTS_A_SECOND / 1_000 * 2 {
            id = (id + 1) % 1_024;
            let cache = cache.clone();
            emitting.spawn(async move { cache.emit(NameChanged { id }).await });
        }
        while emitting.try_join_next().is_some() {}
    }
}
