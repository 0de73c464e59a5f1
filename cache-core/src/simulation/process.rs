//! One process: a cache, and what its program does.

use std::{
    collections::BTreeMap,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::sleep;

use super::{
    asking::{Asking, Given},
    checker::Served,
    functions::{Failed, RowChanged, Seen, TWIN, TwinChanged, group_of, is_twin, key_of, rows_of},
    history::{Loaded, Who},
    network::{MS, ms},
    plan::{Breadth, How, Style},
    world::World,
};
use crate::{
    cache::Cache,
    clock::{Nanos, system_now},
    coherence::Emitter,
    event::{Changes, Interests},
    invalidate::Mutation,
};

/// A process, until it crashes.
pub(super) struct Process {
    pub(super) world: Arc<World>,
    pub(super) who: Who,
    pub(super) cache: Cache,
    pub(super) is_dead: Arc<AtomicBool>,
}

/// Polls a future so many times at most.
async fn limited<F: Future>(future: F, polls: Option<u64>) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls.unwrap_or(u64::MAX);
    std::future::poll_fn(|context| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        // Whoever is given up is given up at once, not when it could have gone on.
        if left == 0 && polled.is_pending() {
            return std::task::Poll::Ready(None);
        }
        polled
    })
    .await
}

impl Process {
    pub(super) fn is_dead(&self) -> bool {
        self.is_dead.load(Relaxed)
    }

    pub(super) fn ttl(&self) -> Duration {
        ms(self.world.plan.setup.ttl)
    }

    fn has_cause(&self) {
        self.world.network().has_cause(self.who.process);
    }

    /// A call; what it was served is judged.
    pub(super) async fn call(self: Arc<Self>, asking: Asking) {
        let start = system_now();
        let is_plain = matches!(asking.how, How::Get | How::Explain);
        if !is_plain && asking.how != How::Peek {
            self.has_cause();
        }
        let asked = Box::pin(Cache::scope(
            self.cache.clone(),
            Arc::clone(&self).ask(asking),
        ));
        let answer = limited(asked, asking.polls).await;
        if !is_plain || answer.is_none() {
            self.has_cause();
        }
        for given in answer.flatten().unwrap_or_default() {
            self.judge(start, asking, &given);
        }
    }

    fn judge(&self, start: Nanos, asking: Asking, given: &Given) {
        let Given { seen, said } = given;
        let served = Served {
            who: self.who,
            start,
            function: asking.function,
            seen,
            said: *said,
        };
        let mut network = self.world.network();
        network.log(|| {
            format!(
                "process {} is served {seen:?} by {asking:?}, {said:?}",
                self.who.process
            )
        });
        network.note(&[start, system_now(), seen.rows[0].1, asking.id.into()]);
        let setup = &self.world.plan.setup;
        let wrong = network.judge(&served, setup);
        drop(network);
        self.world.violated(wrong);
    }

    fn read(&self, function: usize, id: u8) -> Vec<(u8, u64)> {
        let network = self.world.network();
        let rows = rows_of(function, id).into_iter();
        rows.map(|row| (row, network.history.rows[usize::from(row)]))
            .collect()
    }

    /// What is put is what the source has.
    pub(super) fn put(&self, function: usize, id: u8) -> Seen {
        let number = self.begin_load(function, id, true);
        let now = system_now();
        self.world.network().history.loads[number].ended = Some(now);
        Seen {
            load: format!("LOAD:{number:08}"),
            rows: self.read(function, id),
        }
    }

    fn begin_load(&self, function: usize, id: u8, is_put: bool) -> usize {
        let mut interests = Interests::default();
        match function {
            2 => interests.add(&RowChanged::anywhere_in(group_of(id))),
            TWIN if is_twin(id) => interests.add(&TwinChanged::of(id)),
            _ => interests.add(&RowChanged::of(id)),
        }
        let tag = format!("sim:t:{}", interests.into_tags()[0].as_str());
        let mut network = self.world.network();
        let number = network.history.loads.len();
        let loaded = Loaded {
            by: self.who,
            key: (function, key_of(function, id)),
            began: system_now(),
            ended: None,
            lineage: network.read_under.get(&(self.who.process, tag)).copied(),
            cause: network.last_cause(self.who.process),
            is_put,
        };
        network.log(|| {
            format!(
                "process {} loads {number}: {:?}",
                self.who.process, loaded.key
            )
        });
        network.note(&[loaded.began, number as u64]);
        network.history.loads.push(loaded);
        number
    }

    /// The body of a cached function.
    pub(super) async fn load(&self, function: usize, id: u8) -> Result<Seen, Failed> {
        let mut seen = self.load_many(function, &[id]).await?;
        Ok(seen.remove(&id).expect("it is what was asked for"))
    }

    /// The body of one that loads several in one go.
    pub(super) async fn load_many(
        &self,
        function: usize,
        ids: &[u8],
    ) -> Result<BTreeMap<u8, Seen>, Failed> {
        let setup = &self.world.plan.setup;
        let begin = |id: &u8| {
            let number = self.begin_load(function, *id, false);
            let wrong = self.world.network().judge_load(number, setup);
            self.world.violated(wrong);
            Ending {
                process: self,
                number,
                has_failed: true,
            }
        };
        let mut endings: Vec<_> = ids.iter().map(begin).collect();
        let (before, behind, fails) = {
            let random = &mut self.world.network().random;
            let takes = random.below(setup.slowest_load + 1);
            let before = random.pick(&[0, takes / 2, takes]);
            (before, takes - before, random.percent(setup.failing_loads))
        };
        sleep(ms(before)).await;
        let rows: Vec<_> = ids.iter().map(|id| self.read(function, *id)).collect();
        sleep(ms(behind)).await;
        if fails {
            return Err(Failed::Lost);
        }
        let mut seen = BTreeMap::new();
        for ((id, rows), ending) in ids.iter().zip(rows).zip(&mut endings) {
            ending.has_failed = false;
            let load = format!("LOAD:{:08}", ending.number);
            seen.insert(*id, Seen { load, rows });
        }
        Ok(seen)
    }

    /// Writes rows, as a transaction would.
    fn commit(&self, rows: &[u8], changes: &Changes) -> u64 {
        let rows: Vec<usize> = rows.iter().map(|row| usize::from(*row)).collect();
        let tags = changes.tags();
        let tags = tags.iter().map(|tag| tag.as_str().to_owned()).collect();
        let mut network = self.world.network();
        let number = network.history.commit(&rows, self.who, tags, system_now());
        if self.is_dead() {
            network.history.died(self.who);
        }
        network.log(|| format!("process {} commits {number}: {rows:?}", self.who.process));
        network.note(&[number, system_now()]);
        number
    }

    fn returned(&self, number: u64) {
        self.has_cause();
        let now = system_now();
        let mut network = self.world.network();
        let began = network.history.of(number).at;
        // Where it told a primary that had been replaced, nobody else knows.
        let is_sent = network.is_cluster()
            && self.cache.coherence().unsent() == 0
            && !network.is_astray(self.who.process, began);
        network.history.of(number).has_returned(is_sent, now);
        network.log(|| format!("commit {number} has returned"));
    }

    /// Changes rows and tells of it.
    pub(super) async fn change(
        self: Arc<Self>,
        rows: Vec<u8>,
        breadth: Breadth,
        style: Style,
        polls: Option<u64>,
    ) {
        let changes = changes_of(&rows, breadth);
        self.has_cause();
        match style {
            Style::Emitted => self.emits(&rows, &changes, polls).await,
            Style::Late => {
                let mutation =
                    Mutation::begin(Some(&self.cache), changes.clone(), Emitter::of(&|| ()));
                sleep(ms(2)).await;
                drop(mutation);
                sleep(ms(self.world.pick(UNKNOWN_OUTCOME / 2))).await;
                self.commit(&rows, &changes);
            }
            _ => {
                let mut number = None;
                let body = self.writes(&rows, &changes, style, &mut number);
                let ended = limited(body, polls).await;
                self.has_cause();
                // Given up half way it is on its way, and nobody was told that it has arrived.
                if let Some(number) = number
                    && ended.is_some()
                {
                    self.returned(number);
                }
            }
        }
        self.has_cause();
    }

    /// Whatever may be given up at any moment. Gives the number of what it has committed as soon as it has.
    fn writes<'a>(
        &'a self,
        rows: &'a [u8],
        changes: &'a Changes,
        style: Style,
        number: &'a mut Option<u64>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        match style {
            Style::Held | Style::HoldDropped | Style::HoldCancelled => {
                Box::pin(self.holds(rows, changes, style, number))
            }
            Style::Guarded => Box::pin(self.guards(rows, changes, number)),
            _ => Box::pin(self.mutates(rows, changes, style, number)),
        }
    }

    async fn emits(&self, rows: &[u8], changes: &Changes, polls: Option<u64>) {
        let number = self.commit(rows, changes);
        let emitted = self.cache.emit(changes.clone());
        if limited(Box::pin(emitted), polls).await.is_some() {
            self.returned(number);
        }
    }

    async fn mutates(
        &self,
        rows: &[u8],
        changes: &Changes,
        style: Style,
        number: &mut Option<u64>,
    ) {
        let mutation = Mutation::begin(Some(&self.cache), changes.clone(), Emitter::of(&|| ()));
        sleep(ms(self.world.pick(30))).await;
        *number = Some(self.commit(rows, changes));
        sleep(ms(self.world.pick(5))).await;
        match style {
            Style::Succeeded => mutation.succeeded(None).await,
            Style::Failed => mutation.failed().await,
            _ => drop(mutation),
        }
    }

    async fn guards(&self, rows: &[u8], changes: &Changes, number: &mut Option<u64>) {
        let mut guarding = Guarding::begin(self);
        let from = system_now();
        let begun =
            Mutation::begin_guarded(Some(&self.cache), changes.clone(), Emitter::of(&|| ())).await;
        let Ok(mutation) = begun else { return };
        let marked = (from, system_now());
        sleep(ms(self.world.pick(600))).await;
        let committed = self.commit(rows, changes);
        *number = Some(committed);
        self.world.network().history.of(committed).marked = Some(marked);
        sleep(ms(self.world.pick(300))).await;
        mutation.succeeded(None).await;
        guarding.is_over = true;
    }

    async fn holds(&self, rows: &[u8], changes: &Changes, style: Style, number: &mut Option<u64>) {
        let hold = self.cache.hold(changes.clone());
        sleep(ms(self.world.pick(100))).await;
        if matches!(style, Style::HoldCancelled) {
            hold.cancel();
            return;
        }
        *number = Some(self.commit(rows, changes));
        sleep(ms(self.world.pick(20))).await;
        if matches!(style, Style::HoldDropped) {
            drop(hold);
        } else {
            let _ = hold.release().await;
        }
    }
}

/// In milliseconds.
pub(super) const UNKNOWN_OUTCOME: u64 = 1_000;

fn changes_of(rows: &[u8], breadth: Breadth) -> Changes {
    let mut changes = Changes::default();
    for row in rows {
        match breadth {
            Breadth::Row => changes.add(&RowChanged::of(*row)),
            Breadth::Group => changes.add(&RowChanged::anywhere_in(group_of(*row))),
            Breadth::All => changes.add(&RowChanged::anywhere()),
        }
        if !is_twin(*row) {
            continue;
        }
        match breadth {
            Breadth::Row => changes.add(&TwinChanged::of(*row)),
            Breadth::Group => changes.add(&TwinChanged::anywhere_in(group_of(*row))),
            Breadth::All => changes.add(&TwinChanged::anywhere()),
        }
    }
    changes
}

impl crate::event::Events for Changes {
    fn add_to(&self, paths: &mut crate::event::Paths<'_>) {
        paths.add_all(self);
    }
}

/// A guarded mutation under way: nobody who is told keeps what it may change.
struct Guarding<'a> {
    process: &'a Process,
    /// All were told that.
    is_over: bool,
}

/// How long the mark of one may stand that was given up, in milliseconds.
const LIFTED: u64 = 2_000;

impl<'a> Guarding<'a> {
    fn begin(process: &'a Process) -> Self {
        process.world.network().guarded += 1;
        Self {
            process,
            is_over: false,
        }
    }
}

impl Drop for Guarding<'_> {
    fn drop(&mut self) {
        let left = if self.is_over { 0 } else { LIFTED * MS };
        let mut network = self.process.world.network();
        network.guarded -= 1;
        network.guarded_until = network.guarded_until.max(system_now() + left);
    }
}

/// A load until it is over, also when it is dropped half way.
struct Ending<'a> {
    process: &'a Process,
    number: usize,
    has_failed: bool,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if self.has_failed {
            self.process.has_cause();
        }
        let now = system_now();
        self.process.world.network().history.loads[self.number].ended = Some(now);
    }
}
