//! A run: a plan, the network, the processes, and what was found to be wrong.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::{
    runtime::Builder,
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

pub(super) use super::process::Process;
use super::{
    asking::{Asking, Given, Said},
    cluster::whole::{Told, WholeStore},
    functions::{FUNCTIONS, serves_unproven},
    history::{PROCESSES, ROWS, Who},
    network::{MS, Network, Outage, ms},
    plan::{Action, Fault, How, Plan},
    process::UNKNOWN_OUTCOME,
    random::Random,
    store::SimulatedStore,
};
use crate::{
    cache::Cache,
    clock::{Nanos, simulated::Simulated, system_now},
    coherence::{
        mutant,
        mutant::{Mutant, Preempting},
    },
    explain::Stale,
    l1::{begin_anew, terms::draw_from},
    l2::Store,
    lock::{Mutex, MutexGuard},
    stats::{EventStats, FunctionStats},
};

/// How long whoever could not send waits before it tries again, at most, and until that arrives; in milliseconds.
const RETRY: u64 = 1_500;
/// How long connections may lead to different servers before they are made anew.
const STRAY: u64 = 2_000;

pub(super) struct World {
    pub(super) plan: Plan,
    network: Mutex<Network>,
    /// What processes were told of the whole cluster, until the network is looked at.
    told: Mutex<Vec<(Who, Told, Nanos)>>,
    /// Something was sent.
    sent: Notify,
    processes: Mutex<Vec<Arc<Process>>>,
    tasks: Mutex<Vec<(Who, JoinHandle<()>)>>,
    violation: Mutex<Option<String>>,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) violation: Option<String>,
    /// How often a process was given what another one had loaded.
    pub(super) shared: usize,
    /// What the functions of the last processes did, each process for itself.
    pub(super) rows: Vec<FunctionStats>,
    /// What events did to them.
    pub(super) events: Vec<EventStats>,
    /// Of all that happened.
    pub(super) hash: u64,
    pub(super) log: Vec<String>,
}

/// Runs a plan, with a broken rule where one is given.
pub(super) fn run(plan: &Plan, broken: Option<Mutant>, is_logged: bool) -> Ended {
    mutant::with(broken, || {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O needs nothing");
        let ended = runtime.block_on(async {
            let _simulated = Simulated::begin();
            draw_from(plan.seed);
            begin_anew();
            let world = World::new(plan.clone(), is_logged);
            let hastened = Arc::clone(&world);
            let _preempting = Preempting::by(move || hastened.preempt());
            world.run().await;
            world.end()
        });
        drop(runtime);
        ended
    })
}

impl World {
    fn new(plan: Plan, is_logged: bool) -> Arc<Self> {
        let random = Random::new(plan.seed ^ 0x00C0_FFEE);
        let setup = &plan.setup;
        let mut network = Network::new(random, setup.slowest_message, setup.bound * MS, is_logged);
        network.slowest_caller = setup.slowest_caller;
        if setup.is_cluster {
            network.form_cluster();
        }
        Arc::new(Self {
            plan,
            network: Mutex::new(network),
            told: Mutex::default(),
            sent: Notify::new(),
            processes: Mutex::default(),
            tasks: Mutex::default(),
            violation: Mutex::default(),
        })
    }

    pub(super) fn network(&self) -> MutexGuard<'_, Network> {
        // Whatever is done with it may send something.
        self.sent.notify_one();
        let mut network = self.network.lock();
        for (who, told, now) in self.told.lock().drain(..) {
            network.is_told(who.process, told, now);
        }
        network
    }

    /// A process is told of the whole cluster, also from within the network.
    pub(super) fn is_told(&self, who: Who, told: Told) {
        self.told.lock().push((who, told, system_now()));
    }

    /// A process has a reason to load anew. Asked from anywhere, also from within the network.
    pub(super) fn has_cause(&self, process: usize) {
        if let Some(mut network) = self.network.try_lock() {
            network.has_cause(process);
        }
    }

    /// Less than `limit`, or 0.
    pub(super) fn pick(&self, limit: u64) -> u64 {
        self.network.lock().random.below(limit.max(1))
    }

    pub(super) fn violated(&self, wrong: Option<String>) {
        if let Some(wrong) = wrong {
            self.network.lock().log(|| format!("VIOLATION {wrong}"));
            self.violation.lock().get_or_insert(wrong);
        }
    }

    fn process(&self, process: usize) -> Arc<Process> {
        Arc::clone(&self.processes.lock()[process])
    }

    pub(super) fn origin(&self, process: usize) -> String {
        self.process(process).cache.coherence().origin().to_owned()
    }

    /// Other threads run while one looks whether an entry is usable.
    fn preempt(&self) {
        if let Some(mut network) = self.network.try_lock()
            && !network.is_cluster()
            && network.random.percent(30)
        {
            (0..PROCESSES).for_each(|process| network.hasten(process));
        }
    }

    fn start(self: &Arc<Self>, who: Who) -> Arc<Process> {
        let is_dead = Arc::default();
        let setup = &self.plan.setup;
        let store: Arc<dyn Store> = if setup.is_cluster {
            Arc::new(WholeStore::new(self, who, &is_dead))
        } else {
            Arc::new(SimulatedStore::new(self, who, None, &is_dead))
        };
        let cache = Cache::builder()
            .namespace("sim")
            // Large enough for threads to hold entries of it.
            .memory_limit(8 << 20)
            .staleness_bound(ms(setup.bound))
            .unknown_outcome(ms(UNKNOWN_OUTCOME))
            .build_on(store);
        let mut network = self.network();
        network.fences[who.process] = 0;
        network.outages[who.process] = Outage::default();
        drop(network);
        Arc::new(Process {
            world: Arc::clone(self),
            who,
            cache,
            is_dead,
        })
    }

    async fn run(self: &Arc<Self>) {
        let pump = tokio::spawn(Arc::clone(self).pump());
        for process in 0..PROCESSES {
            let started = self.start(Who { process, life: 0 });
            self.processes.lock().push(started);
        }
        // Long enough for all to be connected.
        sleep(ms(300)).await;
        let began = Instant::now();
        for step in self.plan.steps.clone() {
            tokio::time::sleep_until(began + ms(step.at)).await;
            self.act(step.action);
            if self.violation.lock().is_some() {
                break;
            }
        }
        if self.violation.lock().is_none() {
            self.settle().await;
        }
        pump.abort();
    }

    /// Carries what is due.
    async fn pump(self: Arc<Self>) {
        loop {
            self.network.lock().run();
            let due = self.network.lock().next_due();
            let wait = due.map_or(3_600_000 * MS, |due| due.saturating_sub(system_now()));
            let wait = std::time::Duration::from_nanos(wait);
            let _ = timeout(wait, self.sent.notified()).await;
        }
    }

    fn act(self: &Arc<Self>, action: Action) {
        let (process, doing): (_, std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) = match action
        {
            Action::Fault(fault, shard) => {
                self.network().log(|| format!("{fault:?}"));
                return self.strike(fault, shard);
            }
            Action::Call {
                process,
                function,
                id,
                how,
                polls,
            } => {
                let of = self.process(process);
                let asking = Asking {
                    function,
                    id,
                    how,
                    polls,
                };
                (process, Box::pin(of.call(asking)))
            }
            Action::Change {
                process,
                rows,
                breadth,
                style,
                polls,
            } => {
                let of = self.process(process);
                (process, Box::pin(of.change(rows, breadth, style, polls)))
            }
        };
        let who = self.process(process).who;
        self.tasks.lock().push((who, tokio::spawn(doing)));
    }

    fn strike(self: &Arc<Self>, fault: Fault, shard: usize) {
        if let Fault::Crash(process) = fault {
            return self.crash(process);
        }
        let mut network = self.network();
        network.struck = shard;
        network.strike(fault);
    }

    fn crash(self: &Arc<Self>, process: usize) {
        let old = self.process(process);
        old.is_dead.store(true, Relaxed);
        let mut network = self.network();
        for link in network.links(Some(process)) {
            network.reset(link);
        }
        network.history.died(old.who);
        drop(network);
        for (_, task) in self.tasks.lock().extract_if(.., |(who, _)| *who == old.who) {
            task.abort();
        }
        let life = old.who.life + 1;
        let new = self.start(Who { process, life });
        self.processes.lock()[process] = new;
    }

    /// The faults are over: all ends well.
    async fn settle(self: &Arc<Self>) {
        self.network().mend();
        self.network().log(|| "all faults are over".to_owned());
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for (who, task) in tasks {
            let ended = timeout(ms(30_000), task).await;
            match ended {
                Err(_) => {
                    let process = who.process;
                    self.violated(Some(format!(
                        "I10: a call of process {process} never ended"
                    )));
                }
                Ok(Err(error)) if error.is_panic() => {
                    self.violated(Some(format!("a call panicked: {error}")));
                }
                Ok(_) => {}
            }
        }
        // The bound and a heartbeat; before that the last second words, and one more attempt, which counts for nothing where
        // it went to another server than the one that is listened to.
        let bound = self.plan.setup.bound;
        let seen_late = 2 * self.plan.setup.slowest_caller;
        sleep(ms(bound
            + bound / 4
            + UNKNOWN_OUTCOME
            + RETRY
            + STRAY
            + self.plan.setup.learns()
            + seen_late))
        .await;
        self.agree().await;
        self.nothing_is_left().await;
    }

    /// All processes agree with the source.
    async fn agree(self: &Arc<Self>) {
        for process in 0..PROCESSES {
            let of = self.process(process);
            let unsent = of.cache.coherence().unsent();
            if unsent > 0 {
                self.violated(Some(format!(
                    "I12: process {process} has {unsent} bumps left"
                )));
            }
            // All at once: one after another, they would take most of a run.
            let questions = (0..FUNCTIONS).flat_map(|function| {
                (0..u8::try_from(ROWS).expect("rows are few")).map(move |id| Asking {
                    function,
                    id,
                    how: How::Get,
                    polls: None,
                })
            });
            let answers = questions.map(|asking| {
                let (world, of) = (Arc::clone(self), Arc::clone(&of));
                tokio::spawn(async move {
                    // Failing loads may fail again.
                    Arc::clone(&of).call(asking).await;
                    let last = world.agreed(&of, asking).await;
                    world.violated(last);
                })
            });
            for answer in answers.collect::<Vec<_>>() {
                let panic = answer.await.err();
                self.violated(panic.map(|error| format!("a call panicked: {error}")));
            }
        }
        let network = self.network();
        let forgotten = (1..).zip(&network.history.commits);
        let mut forgotten =
            forgotten.filter(|(_, commit)| !commit.was_bumped() && !commit.is_excused);
        let forgotten = forgotten.next().map(|(number, _)| number);
        drop(network);
        self.violated(forgotten.map(|number| format!("I12: commit {number} was never bumped")));
    }

    async fn agreed(&self, of: &Arc<Process>, asking: Asking) -> Option<String> {
        // What nobody can prove stands in as long as loads fail, where its function says so.
        let how = if serves_unproven(asking.function) {
            How::Explain
        } else {
            asking.how
        };
        let called = Arc::clone(of).ask(Asking { how, ..asking });
        let mut given = Cache::scope(of.cache.clone(), called).await?;
        given.retain(|given| given.said != Said::Old(Stale::Unproven));
        let network = self.network();
        let rows = given.iter().flat_map(|Given { seen, .. }| {
            let rows = seen.rows.iter();
            rows.map(move |row| (&seen.load, row))
        });
        for (load, (row, version)) in rows {
            let mut newer = network.commits_after(*row, *version);
            if let Some((number, _)) = newer.find(|(_, commit)| !commit.is_excused) {
                let process = of.who.process;
                return Some(format!(
                    "I7: process {process} does not agree with the source: row {row} is of commit {version} and not {number}, in {load}"
                ));
            }
        }
        None
    }

    /// Cells do not outlive what depends on them.
    async fn nothing_is_left(&self) {
        let processes = self.processes.lock().clone();
        for process in &processes {
            process.cache.clear();
        }
        // What runs in the background has its questions answered first.
        sleep(ms(3_000 + 4 * self.plan.setup.slowest_caller)).await;
        for process in &processes {
            let cells = process.cache.coherence().stats().tags;
            if cells > 0 {
                let number = process.who.process;
                self.violated(Some(format!(
                    "I11: process {number} has {cells} cells left"
                )));
            }
        }
    }

    fn end(&self) -> Ended {
        let processes = std::mem::take(&mut *self.processes.lock());
        let stats = processes.iter().map(|process| process.cache.stats());
        let (rows, events): (Vec<_>, _) =
            stats.map(|stats| (stats.functions, stats.events)).unzip();
        let rows = rows.concat();
        drop(processes);
        self.tasks.lock().clear();
        let mut network = self.network.lock();
        let loads = &network.history.loads;
        let given = network.given.iter();
        let shared = given
            .filter(|given| loads[given.load].by != given.who)
            .count();
        Ended {
            shared,
            rows,
            events,
            violation: self.violation.lock().take(),
            hash: network.hash,
            log: network.log.take().unwrap_or_default(),
        }
    }
}
