//! What strategies and batches are worth: how long the callers of a hot key wait through its expiry, how many loads an
//! expiry causes in a fleet, and what many keys cost in one call. `expiry`, `fleet`, `batch` or `loader` as an argument
//! measures that alone.

mod batch;
mod expiry;
mod fleet;
mod loader;

use std::time::Duration;

use tests::server::Server;
use tokio::runtime::Builder;

fn main() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let server = Server::start();
    runtime.block_on(async {
        let only = std::env::args().nth(1);
        let is_meant = |what: &str| only.as_ref().is_none_or(|only| only == what);
        if is_meant("expiry") {
            expiry::measure().await;
        }
        if is_meant("fleet") {
            fleet::measure(&server.url()).await;
        }
        if is_meant("batch") {
            batch::measure(&server.url()).await;
        }
        if is_meant("loader") {
            loader::measure().await;
        }
    });
}

/// The value below which this part of all lies.
pub(crate) fn quantile(sorted: &[Duration], part: f64) -> Duration {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list"
    )]
    let place = ((sorted.len() - 1) as f64 * part) as usize;
    sorted[place]
}

/// The middle one of some times.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    quantile(&times, 0.5)
}
