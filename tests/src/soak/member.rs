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
use tokio::runtime::{Builder, Handle, Runtime};

use self::{out::Out, truth::Truth, writers::Writers};
use super::{Life, Release, UNKNOWN_OUTCOME, journal::Line, nanos, now, size::Size};

const READERS: u64 = 4;
const WRITERS: u64 = 2;

/// What a member is told when it is started.
pub(super) struct Orders {
    pub(super) life: Life,
    pub(super) source: String,
    pub(super) redis: String,
    pub(super) bound: Duration,
    pub(super) release: Release,
}

impl Orders {
    /// As its program takes them.
    pub(super) fn arguments(&self) -> [String; 5] {
        [
            self.life.to_string(),
            self.source.clone(),
            self.redis.clone(),
            self.bound.as_millis().to_string(),
            (self.release as u8).to_string(),
        ]
    }

    fn read(arguments: &[String]) -> Result<Self, Box<dyn Error>> {
        let [life, source, redis, bound, release] = arguments else {
            return Err("a member is started by a soak".into());
        };
        Ok(Self {
            life: life.parse()?,
            source: source.clone(),
            redis: redis.clone(),
            bound: Duration::from_millis(bound.parse()?),
            release: match release.as_str() {
                "0" => Release::Before,
                _ => Release::After,
            },
        })
    }
}

/// The whole life of a member: until its standard input ends, or it is killed. The arguments are those that
/// [`run`](super::run) starts it with.
///
/// # Errors
///
/// Arguments that are others, or a Redis that refuses what it is asked.
pub fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let orders = Orders::read(arguments)?;
    out::say_panics();
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
    let Orders {
        life,
        bound,
        release,
        ..
    } = orders;
    Truth::at(orders.source, life);
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
        tokio::spawn(readers::read(out.clone(), release, seed));
    }
    let writers = Writers::new(cache, out.clone(), life);
    begin_to_write(&writers);
    tokio::spawn(writers.clone().see_acknowledgements());
    obey(writers);
    tokio::spawn(measure_size(out.clone()));
    measure_lateness(&out).await
}

fn begin_to_write(writers: &Writers) {
    for _ in 0..WRITERS {
        tokio::spawn(writers.clone().write());
    }
}

/// Waits for orders on a thread of its own.
fn obey(writers: Writers) {
    let runtime = Handle::current();
    thread::spawn(move || {
        let _entered = runtime.enter();
        for order in io::stdin().lock().lines().map_while(Result::ok) {
            if order == "quiet" {
                writers.stop();
            } else {
                writers.go_on();
                begin_to_write(&writers);
            }
        }
        // Whoever gave orders is gone, which ends it all.
        process::exit(0);
    });
}

async fn measure_size(out: Out) {
    const STEP: Duration = Duration::from_millis(500);
    let runtime = Handle::current();
    while let Some(size) = Size::own(&runtime) {
        out.say(|| Line::Size { at: now(), size });
        tokio::time::sleep(STEP).await;
    }
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
