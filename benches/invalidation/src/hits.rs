//! Hits in memory: with no event, with one, with three.

use std::{future::Future, time::Instant};

use cache_core::Cache;
use tests::server::Server;

use crate::{
    cache,
    measure::{median, verdict},
    plain, with_one, with_three,
};

/// The most that three events may add to a hit, in nanoseconds.
const GOAL: f64 = 5.0;
const KEYS: u64 = 64;
const CALLS: u32 = 1 << 17;
const ROUNDS: usize = 31;

pub(crate) async fn measure(server: &Server) {
    let alone = Cache::builder().build().await;
    let alone = alone.expect("the defaults are valid");
    let shared = cache(server.url()).await;
    for (where_, cache) in [("memory alone", &alone), ("on Redis", &shared)] {
        let mut of = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            of[0].push(nanos(|id| plain(cache, id)).await);
            of[1].push(nanos(|id| with_one(cache, id)).await);
            of[2].push(nanos(|id| with_three(cache, id)).await);
        }
        let [none, one, three] = &of;
        let more = |than: &[f64]| {
            let differences = than.iter().zip(none).map(|(with, none)| with - none);
            median(differences.collect())
        };
        let (one, three) = (more(one), more(three));
        println!(
            "a hit, {where_}: {:.1} ns without events, {one:+.1} ns with one, {three:+.1} ns with three; {}",
            median(none.clone()),
            verdict(&format!("{GOAL} ns"), three <= GOAL)
        );
    }
}

/// What a hit takes, over so many that loads and proofs between them count for nothing.
async fn nanos<F: Future>(call: impl Fn(u64) -> F) -> f64 {
    for id in 0..KEYS {
        call(id).await;
    }
    let begin = Instant::now();
    for n in 0..u64::from(CALLS) {
        call(n % KEYS).await;
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
}
