//! The play: its acts one after the other, on both sides at the same moments, and what must hold in each.

mod acts;
mod changes;
mod watch;

use std::{
    future::Future,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::oneshot, task::JoinSet};

use self::watch::Watch;
use crate::{
    Failure,
    fleet::Fleet,
    options::Options,
    redis::Redis,
    report::{self, Act, Row},
    schedule::Schedule,
    side::Side,
};

/// Everything that runs. It ends with this value.
#[derive(Debug)]
pub(crate) struct Play {
    options: Options,
    redis: Redis,
    with: Fleet,
    without: Fleet,
    _watch: Watch,
    acts: Vec<Act>,
}

/// Where an act begins.
#[derive(Debug)]
struct Begin {
    at: Instant,
    queries: [u64; 2],
    samples: [usize; 2],
}

impl Play {
    pub(crate) async fn prepare(folder: &Path, options: &Options) -> Result<Self, Failure> {
        let redis = Redis::start(folder).await?;
        let with = Fleet::start("with", folder, Some(redis.url()), options).await?;
        let without = Fleet::start("without", folder, None, options).await?;
        let watch = Watch::over([&with.side, &without.side].map(Arc::clone));
        Ok(Self {
            options: options.clone(),
            redis,
            with,
            without,
            _watch: watch,
            acts: Vec::new(),
        })
    }

    /// Plays all acts, and says after each what was seen. What did not hold is in the acts.
    pub(crate) async fn play(&mut self) -> Result<(), Failure> {
        self.cold_start().await?;
        self.stampede().await?;
        self.steady_state().await?;
        self.invalidation().await?;
        self.redis_killed().await?;
        self.redis_back().await
    }

    pub(crate) fn acts(&self) -> &[Act] {
        &self.acts
    }

    pub(crate) fn sides(&self) -> [&Side; 2] {
        [&self.with.side, &self.without.side]
    }

    fn shared_sides(&self) -> [Arc<Side>; 2] {
        [&self.with.side, &self.without.side].map(Arc::clone)
    }

    async fn queries(&self) -> Result<[u64; 2], Failure> {
        let [with, without] = self.sides();
        let (with, without) = tokio::join!(with.look(), without.look());
        let gone = "a replica does not answer";
        Ok([with.ok_or(gone)?, without.ok_or(gone)?])
    }

    async fn begin(&self) -> Result<Begin, Failure> {
        Ok(Begin {
            queries: self.queries().await?,
            samples: self.sides().map(Side::samples),
            at: Instant::now(),
        })
    }

    /// Ends an act: counts, checks what must hold in every act and what `check` adds, and prints.
    async fn end(
        &mut self,
        name: &'static str,
        what: String,
        begin: Begin,
        check: impl FnOnce(&mut Act),
    ) -> Result<(), Failure> {
        let (to, after) = (Instant::now(), self.queries().await?);
        let [with, without] = self.sides();
        let row = |side: &Side, which: usize| {
            let samples = side.samples_from(begin.samples[which]);
            Row::of(side.name, &samples, after[which] - begin.queries[which])
        };
        let rows = [row(with, 0), row(without, 1)];
        let mut act = Act::new(name, what, (begin.at, to), rows);
        let count = |of: fn(&Row) -> usize| rows.iter().map(of).sum::<usize>();
        act.holds("all were answered", count(|row| row.seen.failures) == 0);
        act.holds("nothing was stale", count(|row| row.seen.stale) == 0);
        check(&mut act);
        report::print(self.acts.len() + 1, &act);
        self.acts.push(act);
        Ok(())
    }

    /// Lets customers come for so long, to both sides at the same moments, and waits until all are served.
    fn customers(&self, length: Duration, act: u64) -> impl Future<Output = ()> + use<> {
        let schedule = Schedule::new(self.options.rate, act);
        let (sides, runtime) = (self.shared_sides(), Handle::current());
        let (all_came, came) = oneshot::channel();
        // A timer of the runtime is precise to a millisecond, which is more than most answers take.
        thread::spawn(move || {
            let begin = Instant::now();
            let mut visits = JoinSet::new();
            for arrival in schedule.take_while(|arrival| arrival.after < length) {
                let due = begin + arrival.after;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                for side in &sides {
                    let side = Arc::clone(side);
                    let visit = async move {
                        side.visit(arrival.visit, arrival.replica, due).await;
                    };
                    visits.spawn_on(visit, &runtime);
                }
            }
            // Where nobody listens any more the visits end here.
            let _ = all_came.send(visits);
        });
        async {
            let visits = came.await.expect("the thread ends by itself");
            visits.join_all().await;
        }
    }
}
