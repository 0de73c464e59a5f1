//! `cargo xtask test | sim | interleavings | soak | chaos | servers | bench | demo`: sets up what the suites need, and runs them.

mod again;
mod server;
mod servers;
mod sim;

use std::{
    env,
    path::Path,
    process::{Command, ExitCode},
};

const USAGE: &str = "\
cargo xtask test           every test of the workspace (installs `redis-server` if it is missing)
cargo xtask sim            the coherence protocol under seeded faults: --seeds N, --seed S, --kind K, --mutant bN
cargo xtask interleavings  the atomics of a hit in all orders, by `loom`; flights, slots, batches and events in many orders of
                           threads, by `shuttle`
cargo xtask soak           three processes on a real Redis and its faults: --minutes N, --on server | sentinel | cluster,
                           or far-cluster, lossy-server and so on, --only WORDS in the names of faults
cargo xtask chaos          the same on all of them, one after the other
cargo xtask servers        the tests with Redis 6.2 and 8.2, Valkey 8.1 and 9.1 (downloads them)
cargo xtask bench          side by side with other caches (builds them)
cargo xtask bench shared   the shared tier, on a `redis-server`
cargo xtask bench events   what invalidation costs, on a `redis-server`
cargo xtask bench strategies   what strategies, fleets and batches are worth, on a `redis-server`
cargo xtask bench stampede   what it costs when many callers ask at once for what is not there
cargo xtask bench hits     which part of the calls a cache answers, on traces in the folder `CACHE_TRACES` and on mixes
cargo xtask bench build    what the attribute costs to build, beside `cached`
cargo xtask demo           a shop of three replicas on SQLite and Redis, with the cache and without it, while Redis is killed and
                           comes back: --seconds N, --rate N, --latency N, --connections N, --svg FILE";

const TOPOLOGIES: [&str; 8] = [
    "server",
    "sentinel",
    "cluster",
    "far-sentinel",
    "far-cluster",
    "lossy-server",
    "lossy-sentinel",
    "lossy-cluster",
];

/// All tests but those that run hundreds of seeds, which `sim::run` does in a tenth of the time.
const ALL: [&str; 9] = [
    "test",
    "--no-fail-fast",
    "--workspace",
    "--all-features",
    "--",
    "--skip",
    "simulation::suite::where_broken_rules",
    "--skip",
    "simulation::suite::each_strategy",
];

/// The units as most users build them, but for minutes of what knows nothing of features.
const BY_DEFAULT: [&str; 9] = [
    "test",
    "--no-fail-fast",
    "-p",
    "cache-core",
    "--",
    "--skip",
    "simulation::",
    "--skip",
    "coherence::model::",
];

const SHOP: [&str; 6] = ["build", "--release", "-p", "shop", "--bin", "shop"];

const DEMO: [&str; 7] = ["run", "--release", "-p", "shop", "--bin", "demo", "--"];

const SOAK: [&str; 6] = ["run", "-p", "tests", "--bin", "soak", "--"];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (task, rest) = arguments
        .split_first()
        .map_or(("", [].as_slice()), |(task, rest)| (task.as_str(), rest));
    let is_done = match task {
        "test" => {
            let filters = rest.iter().map(String::as_str);
            let all: Vec<&str> = ALL.into_iter().chain(filters).collect();
            // What is built in other ways comes first: it is quick, and does not compile where others do.
            server::is_there()
                && interleavings()
                && again::tests_hold(&tests_in_debug, &all)
                && cargo(".", &BY_DEFAULT, rest)
                && sim::run(&[])
        }
        "sim" => sim::run(rest),
        "interleavings" => interleavings(),
        "soak" => server::is_there() && cargo(".", &SOAK, rest),
        "chaos" => {
            let on = |topology| cargo(".", &[&SOAK[..], &["--on", topology]].concat(), rest);
            // All of them, whatever comes of the first.
            server::is_there() && TOPOLOGIES.map(on) == [true; TOPOLOGIES.len()]
        }
        "servers" => servers::each(|program| {
            let program = program.display().to_string();
            let tests = ["test", "--no-fail-fast", "-p", "tests", "--all-features"];
            cargo_with(".", &tests, rest, &[("REDIS_SERVER_BIN", program)])
        }),
        "bench" => match rest {
            [what, rest @ ..] if what == "shared" => {
                server::is_there() && bench("shared-tier", rest)
            }
            [what, rest @ ..] if what == "events" => {
                server::is_there() && bench("invalidation", rest)
            }
            [what, rest @ ..] if what == "strategies" => {
                server::is_there() && bench("strategies", rest)
            }
            [what, rest @ ..] if what == "stampede" => bench("stampede", rest),
            [what, rest @ ..] if what == "hits" => bench("hit-ratio", rest),
            [what, rest @ ..] if what == "build" => bench("build-cost", rest),
            rest => bench("side-by-side", rest),
        },
        // The demo starts the shop, which is built beside it.
        "demo" => server::is_there() && cargo(".", &SHOP, &[]) && cargo(".", &DEMO, rest),
        _ => {
            eprintln!("{USAGE}");
            false
        }
    };
    if is_done {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Most tests wait for servers, which more of them can do at a time than there are cores. Of seeds a few are enough, for
/// what only a debug build notices.
fn tests_in_debug(arguments: &[&str]) -> Command {
    let mut command = command(".", arguments);
    command.envs([("RUST_TEST_THREADS", "4"), ("SIM_SEEDS", "50")]);
    command
}

/// In a folder of its own: everything is built in another way, for each of the two in its own.
fn interleavings() -> bool {
    let by = |(flag, tests): (&str, &str)| {
        let test = ["test", "-p", "cache-core", "--lib"];
        let folder = ["--target-dir", "target/interleaved", tests];
        let flags = [("RUSTFLAGS", format!("--cfg {flag}"))];
        cargo_with(".", &[&test[..], &folder].concat(), &[], &flags)
    };
    // Both of them, whatever comes of the first.
    [
        ("interleaved", "coherence::interleaved"),
        ("shuttled", "shuttled"),
    ]
    .map(by)
        == [true; 2]
}

/// Runs one package of the benchmarks.
fn bench(package: &str, rest: &[String]) -> bool {
    cargo("benches", &["run", "--release", "-p", package, "--"], rest)
}

/// Runs cargo in a folder of the workspace; false when it fails.
fn cargo(folder: &str, arguments: &[&str], rest: &[String]) -> bool {
    cargo_with(folder, arguments, rest, &[])
}

/// The same, with variables in its environment.
fn cargo_with(
    folder: &str,
    arguments: &[&str],
    rest: &[String],
    variables: &[(&str, String)],
) -> bool {
    let status = command(folder, arguments)
        .args(rest)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .status();
    match status {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("cargo does not start: {error}");
            false
        }
    }
}

fn command(folder: &str, arguments: &[&str]) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root.join(folder)).args(arguments);
    command
}
