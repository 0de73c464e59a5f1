//! Which part of the calls a cache of a given size answers, on traces of real systems and on mixes that are made here,
//! beside other caches and beside the optimum, which knows the future.
//!
//! `CACHE_TRACES` names the folder of the traces; without it only the mixes run.

use std::{env, path::Path};

mod engines;
mod mixes;
mod traces;

/// Of the different keys of a trace, so many have room.
const ROOMS: [(&str, usize); 3] = [("1 %", 100), ("5 %", 20), ("20 %", 5)];

/// Fewer entries of a number are less than a cache of ours may hold.
const FEWEST: usize = 400;

/// A trace, or what stands for one.
struct Accesses {
    name: String,
    keys: Vec<u64>,
}

fn main() {
    let mut all = mixes::all();
    match env::var_os("CACHE_TRACES") {
        Some(folder) => all.extend(traces::of(Path::new(&folder))),
        None => eprintln!("`CACHE_TRACES` names no folder: without traces of real systems"),
    }
    let engines = engines::all();
    print!("| trace | calls | keys | room |");
    for engine in &engines {
        print!(" {} |", engine.name);
    }
    println!(" optimum |");
    println!("|:--|--:|--:|--:|{}--:|", "--:|".repeat(engines.len()));
    let mut worst = (f64::INFINITY, String::new());
    for Accesses { name, keys } in all {
        let distinct = distinct(&keys);
        for (room, part) in ROOMS {
            let entries = distinct / part;
            if entries < FEWEST {
                continue;
            }
            print!("| {name} | {} | {distinct} | {room} |", keys.len());
            let rates: Vec<f64> = engines
                .iter()
                .map(|engine| percent((engine.hits)(&keys, entries), keys.len()))
                .collect();
            for rate in &rates {
                print!(" {rate:.1} |");
            }
            let optimum = engines::optimum(&keys, entries);
            println!(" {:.1} |", percent(optimum, keys.len()));
            // Ours is the first, and the engine it is made of the second.
            let ahead = rates[0] - rates[1];
            if ahead < worst.0 {
                worst = (ahead, format!("{name}, {room}"));
            }
        }
    }
    println!(
        "\nFurthest behind `quick_cache` as it comes: {:+.1} points ({})",
        worst.0, worst.1
    );
}

fn distinct(keys: &[u64]) -> usize {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    keys.len()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "traces are far shorter than 2^52"
)]
fn percent(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole as f64
}
