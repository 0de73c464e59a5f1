//! The shop under load, in six acts: three replicas with the cache and three without it, asked the same at the same moments,
//! while Redis is there, is killed and comes back. It prints what customers and databases saw, and fails where a claim does
//! not hold.
//!
//! `cargo xtask demo` builds and runs it; a `redis-server` has to be there.

mod chance;
mod chart;
mod client;
mod fleet;
mod ledger;
mod options;
mod play;
mod redis;
mod report;
mod samples;
mod schedule;
mod side;
mod visit;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, ExitCode},
    time::Instant,
};

use crate::{options::Options, play::Play};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What is in it goes with it.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let folder = env::temp_dir().join(format!("shop-demo-{}", process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays is a pity, and no reason to fail.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::of(env::args().skip(1)) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("{what}");
            return ExitCode::FAILURE;
        }
    };
    // Whatever ends first, all processes that were started end with the play.
    let broken = tokio::select! {
        broken = run(&options) => broken,
        () = interrupted() => Err("interrupted".into()),
    };
    match broken {
        Ok(0) => ExitCode::SUCCESS,
        Ok(broken) => {
            eprintln!("\n{broken} claims did not hold");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Gives how many claims did not hold.
async fn run(options: &Options) -> Result<usize, Failure> {
    let folder = Folder::new()?;
    play(&folder.0, options).await
}

async fn play(folder: &Path, options: &Options) -> Result<usize, Failure> {
    println!(
        "A shop of {replicas} replicas on one SQLite file and one Redis, and the same shop without its cache, side by side:\n\
         {rate} customers a second come to each of the two, the same ones at the same moments, and latency counts from when they came.\n\
         Each query takes {latency:?} longer than in SQLite, as over a network, and a replica runs {connections} at once.\n\
         An answer is stale if it misses a change that had been acknowledged when it was asked for: by the same replica, or for\n\
         longer than {bound:?} by another one. (Of what was changed without Redis, once that is back: since Redis was told.)",
        replicas = fleet::REPLICAS,
        rate = options.rate,
        latency = options.latency,
        connections = options.connections,
        bound = options.bound,
    );
    let begin = Instant::now();
    let mut play = Play::prepare(folder, options).await?;
    play.play().await?;
    let broken = play.acts().iter().map(|act| act.broken.len()).sum();
    println!("\n{} acts in {:.0?}", play.acts().len(), begin.elapsed());
    if let Some(file) = &options.svg {
        fs::write(file, chart::draw(play.acts(), play.sides()))?;
        println!("drawn in {}", file.display());
    }
    Ok(broken)
}

/// Ctrl-C, or a polite request to end.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut request) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = request.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
