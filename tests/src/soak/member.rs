//! One of the processes: it reads and writes all the time, and writes down what it is served.

mod functions;
mod out;
mod readers;
mod truth;
mod writers;
mod zipf;

use std::{
    error::Error,
    io::{self, BufRead},
    process, thread,
    time::Duration,
};

use cache_core::Cache;
use tokio::runtime::{Builder, Runtime};

use self::{out::Out, truth::Truth, writers::Writers};
use super::{Life, UNKNOWN_OUTCOME, journal::Line, nanos, now};

const READERS: u64 = 4;
const WRITERS: u64 = 2;

/// What a member is told when it is started.
struct Orders {
    life: Life,
    source: String,
    redis: String,
    bound: Duration,
}

/// The whole life of a member: until its standard input ends, or it is killed. The arguments are those that
/// [`run`](super::run) starts it with.
///
/// # Errors
///
/// Arguments that are others, or a Redis that refuses what it is asked.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [life, source, redis, bound] = arguments else {
        return Err("a member is started by a soak".into());
    };
    let orders = Orders {
        life: life.parse()?,
        source: source.clone(),
        redis: redis.clone(),
        bound: Duration::from_millis(bound.parse()?),
    };
    runtime(orders.life)?.block_on(live(orders))
}

/// Half of them have one thread, as many programs do.
fn runtime(life: Life) -> io::Result<Runtime> {
    let mut builder = if life.is_multiple_of(2) {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    builder.worker_threads(2).enable_all().build()
}

async fn live(orders: Orders) -> Result<(), Box<dyn Error>> {
    let Orders { life, bound, .. } = orders;
    Truth::at(orders.source);
    let cache = Cache::builder()
        .redis(orders.redis)
        .namespace("soak")
        .staleness_bound(bound)
        .unknown_outcome(UNKNOWN_OUTCOME)
        .build()
        .await?;
    cache.clone().install()?;
    let out = Out::begin();
    for number in 0..READERS {
        let seed = u64::from(life) * 100 + number;
        tokio::spawn(readers::read(out.clone(), seed));
    }
    let writers = Writers::new(cache, out.clone(), life);
    for _ in 0..WRITERS {
        tokio::spawn(writers.clone().write());
    }
    tokio::spawn(writers.clone().see_acknowledgements());
    obey(writers);
    measure_lateness(&out).await
}

/// Waits for orders on a thread of its own.
fn obey(writers: Writers) {
    thread::spawn(move || {
        for order in io::stdin().lock().lines().map_while(Result::ok) {
            if order == "quiet" {
                writers.stop();
            }
        }
        // Whoever gave orders is gone, which ends it all.
        process::exit(0);
    });
}

/// What a busy machine does to everything here, it does to this.
async fn measure_lateness(out: &Out) -> ! {
    const STEP: Duration = Duration::from_millis(10);
    /// What timers take for themselves.
    const SLACK: Duration = Duration::from_millis(5);
    loop {
        let due = now() + nanos(STEP);
        tokio::time::sleep(STEP).await;
        let at = now();
        if at > due + nanos(SLACK) {
            out.say(|| Line::Late { from: due, to: at });
        }
    }
}
