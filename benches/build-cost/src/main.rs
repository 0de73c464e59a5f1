//! What the attribute costs to build: 200 functions over 20 types, plain, under `#[cached]` of this
//! project and under that of `cached`, compiled in one run.
//!
//! `cargo xtask bench build` prints two tables, one for memory and one for both tiers. `--rounds <n>`
//! changes how often everything is compiled, `--functions <n>` how many functions there are. It needs
//! Linux, and some minutes: the dependencies of each variant are built first, and not counted.

mod build;
mod program;
mod variants;

use std::{fs, path::PathBuf, process::ExitCode};

use crate::{
    build::{Builds, Measure},
    variants::{Group, VARIANTS},
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let benches = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let benches = fs::canonicalize(&benches).map_err(|error| error.to_string())?;
    let mut builds = Builds::new(&benches);
    for variant in VARIANTS {
        let program = program::source(variant, arguments.functions);
        builds.write(variant, &program)?;
        eprintln!("building what {} depends on", variant.id);
        builds.warm(variant)?;
    }
    for round in 0..arguments.rounds {
        eprintln!("round {} of {}", round + 1, arguments.rounds);
        for (position, _) in VARIANTS.iter().enumerate() {
            let variant = &VARIANTS[(position + round) % VARIANTS.len()];
            builds.measure(variant)?;
        }
    }
    for variant in VARIANTS {
        builds.weigh(variant)?;
    }
    for group in [Group::Memory, Group::BothTiers] {
        print(group, &builds, arguments.functions);
    }
    Ok(())
}

/// One table: its variants, beside the program without a cache.
fn print(group: Group, builds: &Builds, functions: usize) {
    println!(
        "### {}: {functions} functions over 20 types\n",
        group.title()
    );
    let names = Measure::ALL.map(|measure| format!("{:>14}", measure.title()));
    println!("| {:<40} | {} |", "", names.join(" | "));
    println!(
        "|:{:-<41}|{}",
        "",
        "---------------:|".repeat(Measure::ALL.len())
    );
    let rows = VARIANTS.iter().filter(|variant| variant.is_in(group));
    for variant in rows {
        let values = Measure::ALL.map(|measure| {
            let value = builds.median(variant, measure);
            format!("{:>14}", format!("{value:.*}", measure.digits()))
        });
        println!("| {:<40} | {} |", variant.title, values.join(" | "));
    }
    println!();
}

struct Arguments {
    rounds: usize,
    functions: usize,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut read = Self {
            rounds: 3,
            functions: 200,
        };
        while let Some(option) = words.next() {
            let value = words.next().and_then(|value| value.parse().ok());
            let place = match option.as_str() {
                "--rounds" => &mut read.rounds,
                "--functions" => &mut read.functions,
                _ => {
                    return Err(format!(
                        "unknown option `{option}`: there are `--rounds` and `--functions`"
                    ));
                }
            };
            *place = value
                .filter(|value| *value > 0)
                .ok_or_else(|| format!("`{option}` needs a number from 1"))?;
        }
        Ok(read)
    }
}
