//! What happens in each act.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    task::JoinSet,
    time::{Instant as Tick, sleep, sleep_until},
};

use super::{Play, changes::Changes};
use crate::{Failure, fleet::REPLICAS, report::milliseconds, schedule::COLD, visit::Visit};

/// Parts of the play, in sixtieths.
const COLD_START: u32 = 8;
const STAMPEDE: u32 = 4;
const STEADY_STATE: u32 = 16;
const INVALIDATION: u32 = 8;
const REDIS_KILLED: u32 = 12;
const REDIS_BACK: u32 = 12;

/// How many want one product at once.
const CROWD: usize = 300;
const CROWDS: u32 = 3;

/// How often a price is changed and looked for.
const CHANGES: u32 = 12;
const CHANGES_AFTERWARDS: u32 = 6;

/// How long is waited for what must happen soon.
const PATIENCE: Duration = Duration::from_secs(10);
const MOMENT: Duration = Duration::from_millis(50);

impl Play {
    fn part(&self, sixtieths: u32) -> Duration {
        self.options.length * sixtieths / 60
    }

    pub(super) async fn cold_start(&mut self) -> Result<(), Failure> {
        let begin = self.begin().await?;
        self.customers(self.part(COLD_START), 1).await;
        let what =
            "three replicas have just begun, Redis is empty, and all customers are here".into();
        self.end("cold start", what, begin, |act| {
            act.fewer_queries(1);
        })
        .await
    }

    /// Nobody else asks meanwhile, so that all queries are for the products that are wanted; and one side after the other,
    /// so that neither takes the processors from the other.
    pub(super) async fn stampede(&mut self) -> Result<(), Failure> {
        for side in self.sides() {
            side.connect(CROWD.div_ceil(REPLICAS)).await;
        }
        let begin = self.begin().await?;
        let next = self.part(STAMPEDE) / CROWDS;
        for crowd in 0..CROWDS {
            let over = Tick::now() + next;
            let wanted = Visit::Product {
                category: crowd,
                product: COLD,
            };
            for side in self.shared_sides() {
                let (due, mut visits) = (Instant::now(), JoinSet::new());
                for customer in 0..CROWD {
                    let side = Arc::clone(&side);
                    visits.spawn(async move { side.visit(wanted, customer % REPLICAS, due).await });
                }
                visits.join_all().await;
            }
            sleep_until(over).await;
        }
        let what = format!(
            "{CROWDS} times {CROWD} customers want the same product at once, which nobody has asked for before"
        );
        self.end("stampede", what, begin, |act| {
            let [with, without] = act.rows.map(|row| row.queries);
            act.holds(
                "each replica loaded a product once at most",
                with <= u64::from(CROWDS) * REPLICAS as u64,
            );
            act.holds(
                "each customer was a query without the cache",
                without == u64::from(CROWDS) * CROWD as u64,
            );
        })
        .await
    }

    pub(super) async fn steady_state(&mut self) -> Result<(), Failure> {
        let begin = self.begin().await?;
        let length = self.part(STEADY_STATE);
        self.customers(length, 3).await;
        let what =
            "what is asked for often is in memory; 1 in 20 customers changes something".into();
        // In a short one most of what is asked for is asked for the first time.
        let times = if length >= Duration::from_secs(5) {
            2
        } else {
            1
        };
        self.end("steady state", what, begin, |act| act.fewer_queries(times))
            .await
    }

    pub(super) async fn invalidation(&mut self) -> Result<(), Failure> {
        let begin = self.begin().await?;
        let length = self.part(INVALIDATION);
        let changes = Changes::over(self.shared_sides(), CHANGES, length);
        let ((), changes) = tokio::join!(self.customers(length, 4), changes);
        let what = format!(
            "{CHANGES} prices change, each through one replica, while all replicas are asked for them"
        );
        self.end("an invalidation", what, begin, |act| changes.are_seen(act))
            .await
    }

    /// As long as Redis is dead a replica believes what it has for three quarters of the bound, and then loads what it is
    /// asked for: the bound holds for what is changed meanwhile, too.
    pub(super) async fn redis_killed(&mut self) -> Result<(), Failure> {
        let begin = self.begin().await?;
        // Longer than what it has is believed.
        let least = self.options.bound + Duration::from_secs(1);
        let length = self.part(REDIS_KILLED).max(least);
        let customers = self.customers(length, 5);
        let (sides, redis) = (self.shared_sides(), &mut self.redis);
        let killed = async {
            sleep(length / 12).await;
            for side in &sides {
                side.ledger().redis_dies(Instant::now());
            }
            redis.kill().await
        };
        let ((), killed) = tokio::join!(customers, killed);
        killed?;
        let what =
            "`kill -9`; what cannot be proven any more is loaded again, in each replica".into();
        self.end("Redis is killed", what, begin, |act| {
            let [with, without] = act.rows.map(|row| row.queries);
            act.holds(
                "not more queries with the cache",
                with <= without + without / 10,
            );
        })
        .await
    }

    pub(super) async fn redis_back(&mut self) -> Result<(), Failure> {
        let begin = self.begin().await?;
        let least = self.options.bound + Duration::from_secs(1);
        let length = self.part(REDIS_BACK).max(least);
        let customers = self.customers(length, 6);
        let changes = Changes::over(self.shared_sides(), CHANGES_AFTERWARDS, length / 2);
        let (sides, redis) = (self.shared_sides(), &mut self.redis);
        let back = async {
            sleep(length / 12).await;
            for side in &sides {
                side.ledger().redis_returns(Instant::now());
            }
            redis.start_again().await?;
            sleep(length / 3).await;
            Ok::<_, Failure>(changes.await)
        };
        let ((), changes) = tokio::join!(customers, back);
        let (changes, told) = (changes?, self.told().await);
        let what = "it is empty, and is told what changed without it".into();
        self.end("Redis is back", what, begin, |act| {
            let told: Option<Vec<Duration>> = told.into_iter().collect();
            act.holds("Redis was told all that had changed", told.is_some());
            if let Some(last) = told.into_iter().flatten().max() {
                act.say(format!(
                    "it was told all that had changed without it {} after its return",
                    milliseconds(last)
                ));
            }
            changes.are_seen(act);
            act.fewer_queries(1);
        })
        .await
    }

    /// How long after its return Redis had been told what each replica had to tell. None of one that does not tell it soon.
    async fn told(&self) -> [Option<Duration>; REPLICAS] {
        let begin = Instant::now();
        loop {
            let told = self.with.side.ledger().told_after();
            if told.iter().all(Option::is_some) || begin.elapsed() > PATIENCE {
                return told;
            }
            sleep(MOMENT).await;
        }
    }
}
