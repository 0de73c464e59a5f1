//! `soak --minutes 5 --on cluster` runs processes on a real Redis through all faults and prints what they were served; run
//! by `cargo xtask soak`. As `soak member ..` it is one of those processes.

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::env;

    use tests::soak;

    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [first, rest @ ..] = arguments.as_slice()
        && first == "member"
    {
        return soak::member::run(rest);
    }
    let plan = plan(&arguments)?;
    let table = match soak::run(&plan) {
        Ok(table) => table,
        Err(why) => {
            println!("skipped: {why}");
            return Ok(());
        }
    };
    println!("{table}");
    let wrong: Vec<_> = table.violations().collect();
    if wrong.is_empty() {
        return Ok(());
    }
    // One fault can show in thousands.
    for wrong in wrong.iter().take(20) {
        eprintln!("{wrong}");
    }
    Err(format!("{} things should not have been seen", wrong.len()).into())
}

#[cfg(unix)]
fn plan(options: &[String]) -> Result<tests::soak::Plan, Box<dyn std::error::Error>> {
    use std::{env, time::Duration};

    use tests::soak::{Faults, Plan, Topology, Way};

    let mut plan = Plan {
        program: env::current_exe()?,
        on: Topology::Server,
        bound: Duration::from_secs(2),
        time: Duration::from_mins(1),
        by: Way::Near,
        faults: Faults::All,
    };
    for option in options.chunks(2) {
        let [name, value] = option else {
            return Err(format!("write what `{}` is to be", option.concat()).into());
        };
        match name.as_str() {
            "--minutes" => plan.time = Duration::from_mins(value.parse()?),
            "--only" => plan.faults = Faults::Named(value.clone()),
            "--on" => {
                let (by, on) = value.split_once('-').unwrap_or(("near", value));
                plan.by = match by {
                    "near" => Way::Near,
                    "far" => Way::Far,
                    "lossy" => Way::Lossy,
                    _ => {
                        return Err(
                            "write `far-` or `lossy-` before where it is, or nothing".into()
                        );
                    }
                };
                plan.on = match on {
                    "server" => Topology::Server,
                    "sentinel" => Topology::Sentinel,
                    "cluster" => Topology::Cluster,
                    _ => return Err("write `--on server`, `sentinel` or `cluster`".into()),
                };
            }
            _ => return Err("write `--minutes 5`, `--on cluster` or `--only killed`".into()),
        }
    }
    Ok(plan)
}

#[cfg(not(unix))]
fn main() {
    eprintln!("servers and processes are signalled, which needs a unix");
}
