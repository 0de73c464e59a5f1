//! The simulator of the coherence protocol: many seeds, one seed, or a rule that is broken.

use crate::cargo_with;

/// Ten times as fast as a debug build, which takes as long as building it in release does.
const TEST: &[&str] = &[
    "test",
    "-p",
    "cache-core",
    "--release",
    "--all-features",
    "--lib",
];
const SEEDS: &str = "10000";

/// Without options: as many seeds as a build server has time for, and all broken rules.
pub(crate) fn run(options: &[String]) -> bool {
    let mut variables = Vec::new();
    let mut left = options.iter();
    while let Some(option) = left.next() {
        let name = match option.as_str() {
            "--seeds" => "SIM_SEEDS",
            "--seed" => "SIM_SEED",
            "--kind" => "SIM_KIND",
            "--mutant" => "SIM_MUTANT",
            _ => {
                eprintln!(
                    "`cargo xtask sim` knows no `{option}`: write `--seeds N`, `--seed S`, `--kind K` or `--mutant bN`"
                );
                return false;
            }
        };
        let Some(value) = left.next() else {
            eprintln!("`{option}` needs a value");
            return false;
        };
        variables.push((name, value.clone()));
    }
    let is_set = |name: &str| variables.iter().any(|(set, _)| *set == name);
    let filter = if is_set("SIM_SEED") {
        "simulation::suite::a_seed"
    } else if options.is_empty() {
        "simulation"
    } else {
        "simulation::suite::whatever"
    };
    if !is_set("SIM_SEED") && !is_set("SIM_SEEDS") {
        variables.push(("SIM_SEEDS", SEEDS.to_owned()));
    }
    // Each test has all cores to itself.
    let arguments = [TEST, &[filter, "--", "--nocapture", "--test-threads=1"]].concat();
    cargo_with(".", &arguments, &[], &variables)
}
