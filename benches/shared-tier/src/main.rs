//! What the shared tier costs beside the bare client, on a server of its own: the latency of one caller,
//! the throughput of many, and a call while there is no server. With `cluster`, the first two on a cluster of its own.

mod bare;
mod measure;
mod ours;

use std::{env, process::ExitCode, time::Duration};

use redis::aio::ConnectionLike;
use tests::{clusters::Cluster, server::Server};
use tokio::runtime::{Builder, Runtime};

use crate::{
    bare::Bare,
    measure::median,
    ours::{Ours, Tier},
};

/// The least values a second, in those of plain pipelined reads.
const THROUGHPUT_GOAL: f64 = 1.5;
/// The longest median of a hit for one caller, in those of a bare read with its decoding.
const LATENCY_GOAL: f64 = 1.25;
/// The most that a call costs while there is no server.
const OUTAGE_GOAL: Duration = Duration::from_micros(1);

const ROUNDS: usize = 15;
const CALLERS: u32 = 256;

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        None => on_a_server(),
        Some("cluster") => on_a_cluster(),
        Some(_) => {
            eprintln!("write `cluster`, or nothing");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn on_a_cluster() {
    let cluster = Cluster::start();
    let nodes = || cluster.nodes.iter().map(Server::url).collect();
    for (name, runtime) in runtimes() {
        println!("{name} runtime, on a cluster");
        let (bare, tier, ours) = runtime.block_on(async {
            let bare = Bare::connect_to_cluster(nodes()).await;
            let tier = Tier::connect(&cluster.url()).await;
            let ours = Ours::connect(&cluster.url()).await;
            ours.warm(&bare).await;
            (bare, tier, ours)
        });
        latency(&runtime, &bare, &ours);
        throughput(&runtime, &bare, &tier, &ours);
        println!();
    }
}

fn on_a_server() {
    let server = Server::start();
    for (name, runtime) in runtimes() {
        println!("{name} runtime");
        let (bare, tier, ours) = runtime.block_on(async {
            let bare = Bare::connect(&server.url()).await;
            let tier = Tier::connect(&server.url()).await;
            let ours = Ours::connect(&server.url()).await;
            ours.warm(&bare).await;
            (bare, tier, ours)
        });
        latency(&runtime, &bare, &ours);
        throughput(&runtime, &bare, &tier, &ours);
        outage(&runtime);
        println!();
    }
}

trait Client: ConnectionLike + Clone + Send + Sync + 'static {}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Client for C {}

fn runtimes() -> [(&'static str, Runtime); 2] {
    let build = |mut builder: Builder| {
        let built = builder.worker_threads(2).enable_all().build();
        built.expect("a runtime starts")
    };
    [
        ("current-thread", build(Builder::new_current_thread())),
        ("multi-thread (2)", build(Builder::new_multi_thread())),
    ]
}

fn verdict(aim: &str, holds: bool) -> String {
    format!(
        "goal {aim}: {}",
        if holds { "holds" } else { "DOES NOT HOLD" }
    )
}

/// One caller, one value after the other.
fn latency<C: Client>(runtime: &Runtime, bare: &Bare<C>, ours: &Ours) {
    let (mut of_bare, mut of_ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_bare.push(runtime.block_on(measure::median_latency(|n| bare.clone().read(n))));
        of_ours.push(runtime.block_on(measure::median_latency(|n| ours.clone().read(n))));
    }
    let (of_bare, of_ours) = (median(of_bare), median(of_ours));
    let ratio = of_ours.div_duration_f64(of_bare);
    println!(
        "  one caller, median of a hit: bare read and decode {of_bare:.1?}, ours {of_ours:.1?}: {ratio:.2} x; {}",
        verdict(&format!("{LATENCY_GOAL} x"), ratio <= LATENCY_GOAL)
    );
}

/// Many callers, each one value after the other.
fn throughput<C: Client>(runtime: &Runtime, bare: &Bare<C>, tier: &Tier, ours: &Ours) {
    let mut of = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        of[0].push(runtime.block_on(measure::time_of_many(CALLERS, bare, Bare::read_bytes)));
        of[1].push(runtime.block_on(measure::time_of_many(CALLERS, tier, Tier::read_bytes)));
        of[2].push(runtime.block_on(measure::time_of_many(CALLERS, bare, Bare::read)));
        of[3].push(runtime.block_on(measure::time_of_many(CALLERS, ours, Ours::read)));
    }
    let rate = |times: Vec<Duration>| f64::from(measure::VALUES) / median(times).as_secs_f64();
    let [plain, tier, decoded, ours] = of.map(rate);
    let ratio = tier / plain;
    println!(
        "  {CALLERS} callers, values a second: pipelined reads {plain:.0}, the tier {tier:.0}: {ratio:.2} x; {}",
        verdict(&format!("{THROUGHPUT_GOAL} x"), ratio >= THROUGHPUT_GOAL)
    );
    println!(
        "  the same with decoding: pipelined reads {decoded:.0}, cached calls {ours:.0}: {:.2} x",
        ours / decoded
    );
}

/// A call that loads: with a server that is not there, with one that refuses every read until the breaker
/// is open, and in a cache without one.
fn outage(runtime: &Runtime) {
    let (absent, refusing) = (Server::absent(), Server::start());
    let caches = runtime.block_on(async {
        let without = Ours::in_memory().await;
        let gone = Ours::connect(&absent.url()).await;
        let open = Ours::connect(&refusing.url()).await;
        let forbidden = ["ACL", "SETUSER", "default", "-get", "-mget"];
        assert_eq!(refusing.command(&forbidden), "OK");
        for n in 0..200 {
            open.clone().load(n).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        [without, gone, open]
    });
    let mut of = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        of[3].push(runtime.block_on(measure::mean_time(|n| std::future::ready(ours::body(n)))));
        for (cache, of) in caches.iter().zip(&mut of) {
            cache.forget();
            of.push(runtime.block_on(measure::mean_time(|n| cache.clone().load(n))));
        }
    }
    let [without, gone, open, body] = of.map(median);
    let over = gone.max(open).saturating_sub(body);
    println!(
        "  the load alone {body:.0?}, a miss in memory {without:.2?}, with Redis gone {gone:.2?}, \
         with the breaker open {open:.2?}; {}",
        verdict(
            &format!("{OUTAGE_GOAL:?} over the load"),
            over <= OUTAGE_GOAL
        )
    );
}
