//! Each scenario holds, and each rule that is broken shows.

use super::{Scenario, explore::explore, scenarios};
use crate::coherence::mutant::{self, Mutant};

macro_rules! every_state_holds_with {
    ($($name:ident: $scenario:ident,)*) => {
        mod every_state_holds_with {
            use super::*;

            $(
                #[test]
                fn $name() {
                    let states = super::states(&scenarios::$scenario);
                    assert!(states > 1_000, "{states} states: next to nothing happened");
                }
            )*
        }
    };
}

fn states(scenario: &Scenario) -> usize {
    explore(scenario).unwrap_or_else(|broken| panic!("{broken}"))
}

every_state_holds_with! {
    fills_and_joins: FILLS,
    two_writes: WRITES,
    interrupted_callers: JOINS,
    failed_bumps: FAILED_BUMPS,
    evicted_tags: EVICTIONS,
    vanished_callers: VANISHINGS,
    announced_writes: HOLDS,
    puts: PUTS,
    two_tags: TWO_TAGS,
    two_tags_of_one_event: TWO_TAGS_EVICTED,
    a_failover_seen_by_the_writer: FAILOVER_HERE,
    a_failover_seen_by_another: FAILOVER_THERE,
    a_split_seen_by_the_writer: SPLIT_HERE,
    a_split_seen_by_another: SPLIT_THERE,
    lost_connections: LEASES,
    black_holes: BLACK_HOLES,
    interrupted_hits: LOOKS,
    outages: OUTAGES,
    guarded_mutations: MARKS,
    guarded_mutations_above: MARKS_ABOVE,
}

macro_rules! it_shows_when {
    ($($name:ident: $mutant:ident in $scenario:ident,)*) => {
        mod it_shows_when {
            use super::*;

            $(
                #[test]
                fn $name() {
                    let explored = mutant::with(Some(Mutant::$mutant), || explore(&scenarios::$scenario));
                    assert!(explored.is_err(), "{:?} states, and all of them hold", explored.ok());
                }
            )*
        }
    };
}

it_shows_when! {
    b1_stamps_are_captured_at_save: B1 in FILLS,
    b2_nothing_is_invalidated_at_the_acknowledgement: B2 in FILLS,
    b3_callers_join_any_flight: B3 in FILLS,
    b4_generations_are_captured_at_insert: B4 in FILLS,
    b5_missing_tags_are_created_at_fill: B5 in EVICTIONS,
    b6_lineages_are_not_compared: B6 in FAILOVER_HERE,
    b7_versions_are_counters: B7 in EVICTIONS,
    b8_a_failed_bump_is_not_bypassed: B8 in FAILED_BUMPS,
    b9_a_reply_counts_for_another_connection: B9 in RESTART,
    b10_the_ledger_is_not_replayed: B10 in SPLIT_THERE,
    b11_a_suspect_is_revalidated_with_a_moved_generation: B11 in LEASES,
    b12_the_fence_is_looked_at_last: B12 in LOOKS,
    b14_the_shared_tier_is_believed_right_after_an_outage: B14 in OUTAGES,
    b15_a_put_is_stamped_when_it_arrives: B15 in PUTS,
    b16_a_suspect_is_revalidated_right_after_an_outage: B16 in OUTAGES,
}
