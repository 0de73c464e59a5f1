//! What a hit costs: this project beside plain code and the caches that people use today.
//!
//! `cargo run --release` measures all scenarios and prints a table for each. `--scenario <id>`
//! measures one, `--rounds <n>` and `--calls <n>` (of a round) change how long. A slow machine is not
//! an error: the goals at the end are printed, not enforced.
//!
//! `--only <variant>` runs one variant for `--calls <n>` calls and measures nothing, for a tool that
//! does. Instructions per call are the difference of two such runs, because everything else is in
//! both:
//!
//! ```text
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null \
//!     target/release/side-by-side --only ours --calls 102400     # Collected : a
//! ...                             --only ours --calls 204800     # Collected : b
//! instructions per hit = (b - a) / 102400
//! ```
//!
//! `--tool=dhat` in place of callgrind gives the allocations per call in the same way ("Total:
//! .. blocks").

mod arguments;
mod by_hand;
mod clock;
mod harness;
mod load;
mod ours;
mod peers;
mod report;
mod scenarios;

use std::process::ExitCode;

use crate::{arguments::Arguments, harness::Scenario, report::Report};

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    };
    let mut scenarios = scenarios::all();
    if let Some(id) = &arguments.scenario {
        scenarios.retain(|scenario| scenario.id == id);
    }
    let is_done = match &arguments.only {
        Some(variant) => run_one(&scenarios, variant, arguments.calls),
        None => compare(&scenarios, &arguments),
    };
    if is_done {
        return ExitCode::SUCCESS;
    }
    eprintln!("no such scenario or variant; there are:\n");
    for scenario in scenarios::all() {
        let ids = scenario.variants.iter().map(|variant| variant.label.id);
        eprintln!("{}: {}", scenario.id, ids.collect::<Vec<_>>().join(", "));
    }
    ExitCode::FAILURE
}

/// Measures the scenarios; false where there are none.
fn compare(scenarios: &[Scenario], arguments: &Arguments) -> bool {
    let mut goals = Vec::new();
    for scenario in scenarios {
        let costs = scenario.measure(arguments.rounds, arguments.calls);
        let report = Report::new(scenario, costs);
        println!("{report}");
        goals.extend(report.goals());
    }
    if !goals.is_empty() {
        println!("Goals, by the slowest of ours:\n");
    }
    for goal in goals {
        println!("- {goal}");
    }
    !scenarios.is_empty()
}

/// Runs one variant of the first scenario that has it; false where none has.
fn run_one(scenarios: &[Scenario], id: &str, calls: usize) -> bool {
    for scenario in scenarios {
        if let Some(variant) = scenario.variants.iter().find(|v| v.label.id == id) {
            let calls = scenario.run(variant, calls);
            println!("{calls} calls of `{id}` in `{}`", scenario.id);
            return true;
        }
    }
    false
}
