//! Each scenario holds, and each rule that is broken shows.

use super::{Scenario, explore::explore, scenarios::*};
use crate::coherence::mutant::{self, Mutant};

fn holds(scenario: &Scenario) {
    let began = std::time::Instant::now();
    match explore(scenario) {
        Ok(states) => {
            println!(
                "STATES {}: {states} in {:?}",
                scenario.name,
                began.elapsed()
            );
            assert!(states > 1_000, "{states} states: next to nothing happened");
        }
        Err(broken) => panic!("{broken}"),
    }
}

macro_rules! hold {
    ($($name:ident: $scenario:expr,)*) => {
        mod holds {
            use super::*;
            $(
                #[test]
                fn $name() {
                    super::holds(&$scenario);
                }
            )*
        }
    };
}
hold! {
    fills: FILLS, writes: WRITES, joins: JOINS, failed_bumps: FAILED_BUMPS, evictions: EVICTIONS, vanishings: VANISHINGS, announced: HOLDS,
    puts: PUTS, two_tags: TWO_TAGS, two_tags_evicted: TWO_TAGS_EVICTED, failover_here: FAILOVER_HERE, failover_there: FAILOVER_THERE,
    restart: RESTART, split_here: SPLIT_HERE, split_there: SPLIT_THERE, leases: LEASES, black_holes: BLACK_HOLES, looks: LOOKS, outages: OUTAGES, marks: MARKS,
}

fn breaks(mutant: Mutant, scenario: &Scenario) {
    let began = std::time::Instant::now();
    let broken = mutant::with(Some(mutant), || explore(scenario));
    match broken {
        Ok(s) => panic!("{mutant:?} survives {} {s}", scenario.name),
        Err(b) => println!(
            "CAUGHT {mutant:?} {} {:?}",
            b.to_string()
                .lines()
                .take_while(|l| !l.starts_with("World"))
                .collect::<Vec<_>>()
                .join(" "),
            began.elapsed()
        ),
    }
}
macro_rules! broken {
    ($($name:ident: $mutant:ident in $scenario:expr,)*) => {
        mod breaks {
            use super::*;
            $(
                #[test]
                fn $name() {
                    super::breaks(Mutant::$mutant, &$scenario);
                }
            )*
        }
    };
}
broken! {
    b1: B1 in FILLS, b2: B2 in FILLS, b3: B3 in FILLS, b4: B4 in FILLS, b5: B5 in EVICTIONS, b6: B6 in FAILOVER_HERE, b7: B7 in EVICTIONS, b8: B8 in FAILED_BUMPS,
    b9: B9 in SPLIT_HERE, b10: B10 in SPLIT_HERE, b11: B11 in LEASES, b12: B12 in LOOKS, b14: B14 in OUTAGES, b15: B15 in PUTS,
}
