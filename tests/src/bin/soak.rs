//! `soak --minutes 5 --on cluster` runs processes on a real Redis through all faults and prints what they were served; run
//! by `cargo xtask soak`. As `soak member ..` it is one of those processes.

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::{env, time::Duration};

    use tests::soak::{self, Faults, Plan, Topology, Way};

    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [first, rest @ ..] = arguments.as_slice()
        && first == "member"
    {
        return soak::member::run(rest);
    }
    let mut plan = Plan {
        program: env::current_exe()?,
        on: Topology::Server,
        bound: Duration::from_secs(2),
        time: Duration::from_mins(1),
        by: Way::Near,
        faults: Faults::All,
    };
    for option in arguments.chunks(2) {
        match option {
            [option, minutes] if option == "--minutes" => {
                plan.time = Duration::from_mins(minutes.parse()?);
            }
            [option, words] if option == "--only" => {
                plan.faults = Faults::Named(words.clone());
            }
            [option, topology] if option == "--on" => {
                let (by, on) = topology.split_once('-').unwrap_or(("near", topology));
                plan.by = match by {
                    "far" => Way::Far,
                    "lossy" => Way::Lossy,
                    _ => Way::Near,
                };
                plan.on = match on {
                    "server" => Topology::Server,
                    "sentinel" => Topology::Sentinel,
                    "cluster" => Topology::Cluster,
                    _ => {
                        let known = "write `--on server`, `sentinel` or `cluster`, or `far-` or `lossy-` before it";
                        return Err(known.into());
                    }
                };
            }
            _ => {
                return Err("write `--minutes 5`, `--on cluster`, `--only killed`, or nothing for one round".into());
            }
        }
    }
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

#[cfg(not(unix))]
fn main() {
    eprintln!("servers and processes are signalled, which needs a unix");
}
