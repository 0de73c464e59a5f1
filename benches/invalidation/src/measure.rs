//! Times of many calls, and what is said of them.

use std::time::{Duration, Instant};

/// Times in order.
pub(crate) struct Sorted(Vec<Duration>);

impl Sorted {
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// What so many of a hundred are not above.
    pub(crate) fn percentile(&self, of_hundred: usize) -> Duration {
        let at = self.0.len() * of_hundred / 100;
        self.0[at.min(self.0.len() - 1)]
    }

    pub(crate) fn median(&self) -> Duration {
        self.percentile(50)
    }
}

pub(crate) fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all[all.len() / 2]
}

/// How long a call takes.
pub(crate) async fn time<F: Future>(call: F) -> Duration {
    let begin = Instant::now();
    call.await;
    begin.elapsed()
}

pub(crate) fn verdict(aim: &str, holds: bool) -> String {
    let answer = if holds { "holds" } else { "DOES NOT HOLD" };
    format!("goal {aim}: {answer}")
}
