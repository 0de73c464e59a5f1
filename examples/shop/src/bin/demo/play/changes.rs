//! Prices that change through one replica, and how long until each replica shows them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{Instant as Tick, sleep, sleep_until};

use crate::{
    fleet::REPLICAS,
    ledger::Fact,
    report::{Act, milliseconds},
    samples::percentile,
    schedule::product,
    side::Side,
    visit::Visit,
};

/// What is not shown by then is lost, and nothing more is changed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A moment between two questions.
const MOMENT: Duration = Duration::from_millis(1);

/// How long until changes were shown, from the moment they were acknowledged to the arrival of the answer.
#[derive(Debug, Default)]
pub(super) struct Changes {
    by_writer: Vec<Duration>,
    by_others: Vec<Duration>,
    lost: usize,
}

impl Changes {
    /// Changes so many prices in this time, on both sides. Gives what became of those with the cache.
    pub(super) async fn over(sides: [Arc<Side>; 2], count: u32, length: Duration) -> Self {
        let (mut changes, mut next) = (Self::default(), Tick::now());
        let [with, without] = sides;
        for n in 0..count {
            let writer = n as usize % REPLICAS;
            let (shown, _) = tokio::join!(
                Box::pin(shown_after(&with, n, writer)),
                Box::pin(shown_after(&without, n, writer))
            );
            changes.add(writer, shown);
            if changes.lost > 0 {
                break;
            }
            next += length / (count + 1);
            sleep_until(next).await;
        }
        changes
    }

    fn add(&mut self, writer: usize, shown: [Option<Duration>; REPLICAS]) {
        for (replica, after) in shown.into_iter().enumerate() {
            match after {
                None => self.lost += 1,
                Some(after) if replica == writer => self.by_writer.push(after),
                Some(after) => self.by_others.push(after),
            }
        }
    }

    /// That the first answer of the replica that wrote shows it, and no answer of another one misses it beyond the bound, is
    /// what no answer being stale means.
    pub(super) fn are_seen(mut self, act: &mut Act) {
        act.holds("all replicas showed every new price", self.lost == 0);
        self.by_writer.sort_unstable();
        self.by_others.sort_unstable();
        let of = |sorted, percent| milliseconds(percentile(sorted, percent));
        act.say(format!(
            "{} new prices, from acknowledged to shown, a load included: by the replica that wrote {} (half of them) to {} (all), \
             by the others {} to {}",
            self.by_writer.len(),
            of(&self.by_writer, 50),
            of(&self.by_writer, 100),
            of(&self.by_others, 50),
            of(&self.by_others, 100),
        ));
    }
}

/// How long until each replica shows a price that changes now, of a product that all of them have.
async fn shown_after(side: &Side, rank: u32, writer: usize) -> [Option<Duration>; REPLICAS] {
    let (category, product) = product(rank);
    let question = Visit::Product { category, product };
    for replica in 0..REPLICAS {
        side.probe(question, replica).await;
    }
    let change = Visit::ChangePrice {
        category,
        product,
        cents: 100 + rank,
    };
    let Some(change) = side.probe(change, writer).await else {
        return [None; REPLICAS];
    };
    let acknowledged = Instant::now();
    let shown = |replica| Box::pin(shown(side, question, replica, &change, acknowledged));
    let [first, second, third] = [0, 1, 2].map(shown);
    tokio::join!(first, second, third).into()
}

async fn shown(
    side: &Side,
    question: Visit,
    replica: usize,
    change: &[(Fact, u64)],
    acknowledged: Instant,
) -> Option<Duration> {
    while acknowledged.elapsed() < PATIENCE {
        let shown = side.probe(question, replica).await;
        let is_in = |(fact, version): &(Fact, u64)| {
            let mut shown = shown.iter().flatten();
            shown.any(|(of, shown)| of == fact && shown >= version)
        };
        if change.iter().all(is_in) {
            return Some(acknowledged.elapsed());
        }
        sleep(MOMENT).await;
    }
    None
}
