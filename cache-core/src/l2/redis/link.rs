//! One connection to a server as its callers see it: there and fast, or not there and said so at once.
//!
//! Callers never wait for a connection and never make one: a supervisor does, in a task of its own. What
//! they find out about the connection they report with its generation, so that one fault, met by many,
//! replaces it once.

use std::{
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis::{Cmd, Pipeline, RedisResult, Value, aio::MultiplexedConnection};
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::AbortHandle,
    time::timeout,
};

use super::{
    address::{Address, Node},
    fault::{self, Effect},
    handshake::{Driver, Failure, SignedIn, Wiring},
    pulse::Origin,
    subscriber::Ear,
    supervisor::Supervisor,
    time::ServerClock,
};
use crate::{
    atomic::{AtomicU32, AtomicU64},
    clock::{Nanos, after, system_now},
    coherence::{Standing, mutant, mutant::Mutant},
    l2::{Lineage, Listener, StoreError},
    lock::RwLock,
    tasks,
};

/// A supervisor without a sign of life for so long is on a runtime that nobody drives.
pub(super) const ABANDONED: Nanos = 3_000_000_000;
/// Time-outs in a row after which a connection is taken for dead.
const MOST_TIMEOUTS: u32 = 3;
/// How long connections may be of different histories, where it takes a beat of each to tell.
const LONGEST_STRAY: Nanos = 2_000_000_000;
/// What was not waited for longer says nothing about the connection.
const TELLING: Duration = Duration::from_millis(20);
/// A server that takes no writes is not asked more often whether another one has taken its place.
const DEMOTION_EVERY: Duration = Duration::from_secs(10);

/// A connection that is kept up.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) address: Arc<Address>,
    pub(super) wiring: Wiring,
    /// Where the connection is there to listen. Told of it under the lock of `state`.
    pub(super) ear: Option<Ear>,
    pub(super) clock: ServerClock,
    /// How connecting goes, for those who wait for the first one.
    pub(super) status: watch::Sender<Status>,
    /// Its changes are told to whoever reads the log: not those of the second connection, nor those of
    /// the first while somebody still waits for it.
    pub(super) is_vocal: AtomicBool,
    /// It was told what the server does not say of itself.
    pub(super) is_doubted: AtomicBool,
    pub(super) changed: Notify,
    /// Who believes its answers, and how often it is asked what it is for that.
    believer: OnceLock<Believer>,
    state: RwLock<State>,
    /// When the supervisor was last seen; zero without one.
    seen: AtomicU64,
    generations: AtomicU64,
}

/// Who believes what is answered, and what comes of it.
struct Believer {
    /// It may well hold the store.
    listener: Weak<dyn Listener>,
    beat: Duration,
}

impl fmt::Debug for Believer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Believer({:?})", self.beat)
    }
}

#[derive(Debug, Default)]
struct State {
    /// Which supervisor is in charge: the latest.
    epoch: u64,
    supervisor: Option<AbortHandle>,
    live: Option<Arc<Live>>,
    loss: Option<&'static str>,
}

impl State {
    fn is_current(&self, generation: u64) -> bool {
        let live = self.live.as_ref();
        live.is_some_and(|live| live.generation == generation)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Trying,
    Failing(Failure),
    Connected,
}

/// One connection, from its handshake to its first fault.
#[derive(Debug)]
pub(super) struct Live {
    generation: u64,
    node: Node,
    connection: MultiplexedConnection,
    driver: Driver,
    since: Instant,
    standing: Standing,
    /// When it was last asked whether it is the primary, and said so.
    checked: AtomicU64,
    timeouts: AtomicU32,
    /// Since when it is of another history than the other connections; zero while it is not.
    stray_since: AtomicU64,
}

/// What came over one connection to a server of one history: an answer, or those to several commands.
#[derive(Debug)]
pub(super) struct Stamped<T = Value> {
    pub(super) value: T,
    pub(super) lineage: Lineage,
    /// When the question was handed to the connection.
    pub(super) sent: Nanos,
}

impl Live {
    pub(super) fn new(generation: u64, node: Node, opened: SignedIn) -> Self {
        Self {
            generation,
            node,
            connection: opened.connection,
            driver: opened.driver,
            since: Instant::now(),
            standing: Standing::new(opened.pulse.origin.lineage),
            checked: AtomicU64::new(opened.pulse.sent),
            timeouts: AtomicU32::new(0),
            stray_since: AtomicU64::new(0),
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    pub(super) fn lineage(&self) -> Lineage {
        self.standing.lineage()
    }

    /// Since when an answer counts that is asked for now.
    fn dated(&self, beat: Option<Duration>) -> Nanos {
        let now = system_now();
        beat.map_or(now, |beat| now.min(after(self.checked.load(Relaxed), beat)))
    }

    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }
}

/// Tells a link when the task of one of its connections ends.
pub(super) struct EndNotice {
    link: Weak<Link>,
    generation: u64,
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        if let Some(link) = self.link.upgrade() {
            link.lose(self.generation, "the connection broke");
        }
    }
}

impl Link {
    /// A link that nobody looks after yet.
    pub(super) fn new(address: Arc<Address>, wiring: Wiring, ear: Option<Ear>) -> Arc<Self> {
        Arc::new(Self {
            address,
            wiring,
            ear,
            clock: ServerClock::default(),
            status: watch::Sender::new(Status::Trying),
            is_vocal: AtomicBool::new(false),
            is_doubted: AtomicBool::new(false),
            changed: Notify::new(),
            believer: OnceLock::new(),
            state: RwLock::default(),
            seen: AtomicU64::new(0),
            generations: AtomicU64::new(0),
        })
    }

    /// Somebody believes its answers from here on, who is told within a beat where they were those of a server that had been
    /// replaced.
    pub(super) fn set_believer(&self, listener: &Arc<dyn Listener>, beat: Duration) {
        let listener = Arc::downgrade(listener);
        let _ = self.believer.set(Believer { listener, beat });
        // The next question may be due by now.
        self.changed.notify_one();
    }

    /// How often it is asked what it is, at least.
    pub(super) fn beat(&self) -> Option<Duration> {
        self.believer.get().map(|believer| believer.beat)
    }

    fn tell_believer(&self, what: impl FnOnce(&dyn Listener)) {
        let believer = self.believer.get();
        if let Some(listener) = believer.and_then(|believer| believer.listener.upgrade()) {
            what(&*listener);
        }
    }

    pub(super) fn live(&self) -> Option<Arc<Live>> {
        self.state.read().live.clone()
    }

    pub(super) fn is_up(&self) -> bool {
        self.state.read().live.is_some()
    }

    #[cfg(test)]
    pub(super) fn epoch(&self) -> u64 {
        self.state.read().epoch
    }

    /// Makes sure that somebody looks after the connection: on this runtime, if the one before is gone
    /// or nobody drives it.
    pub(super) fn attend(self: &Arc<Self>, runtime: &Handle, now: Nanos) {
        let seen = self.seen.load(Relaxed);
        if seen != 0 && now.saturating_sub(seen) < ABANDONED {
            return;
        }
        // Of those who see it at once, one acts.
        let exchanged = self
            .seen
            .compare_exchange(seen, now.max(1), Relaxed, Relaxed);
        if exchanged.is_ok() || mutant::is(Mutant::S7) {
            self.put_in_charge(runtime);
        }
    }

    #[cold]
    fn put_in_charge(self: &Arc<Self>, runtime: &Handle) {
        // The connection of the runtime before is of no use: what drives it stopped with the supervisor.
        let epoch = self.dismiss();
        let supervisor = Supervisor::new(Arc::clone(self), epoch);
        let task = tasks::spawn(runtime, supervisor.run()).abort_handle();
        let mut state = self.state.write();
        if state.epoch == epoch {
            state.supervisor = Some(task);
        } else {
            drop(state);
            task.abort();
        }
    }

    /// Ends the supervisor and the connection. Gives the epoch that begins.
    pub(super) fn dismiss(&self) -> u64 {
        let mut state = self.state.write();
        state.epoch += 1;
        let epoch = state.epoch;
        let (supervisor, live) = (state.supervisor.take(), self.take_live(&mut state));
        // A task may be dropped where it is ended, and what it holds asks for this lock.
        drop(state);
        if let Some(supervisor) = supervisor {
            supervisor.abort();
        }
        if let Some(live) = live {
            live.driver.end();
        }
        epoch
    }

    fn take_live(&self, state: &mut State) -> Option<Arc<Live>> {
        let live = state.live.take();
        if let (Some(ear), Some(_)) = (&self.ear, &live) {
            ear.lost();
        }
        live
    }

    /// The supervisor of this epoch shows that it is alive. Gives whether it is still in charge.
    pub(super) fn sign_of_life(&self, epoch: u64) -> bool {
        let is_in_charge = self.state.read().epoch == epoch;
        if is_in_charge {
            self.seen.store(system_now().max(1), Relaxed);
        }
        is_in_charge
    }

    /// The supervisor of this epoch is gone. After a panic it is not replaced at once: the next one
    /// would meet the same.
    pub(super) fn leave(&self, epoch: u64) {
        let mut state = self.state.write();
        if state.epoch != epoch {
            return;
        }
        let live = self.take_live(&mut state);
        drop(state);
        drop(live);
        if !std::thread::panicking() {
            self.seen.store(0, Relaxed);
        }
    }

    /// The number of the next connection, and what tells of its end.
    pub(super) fn announce(self: &Arc<Self>) -> (u64, EndNotice) {
        let generation = self.generations.fetch_add(1, Relaxed) + 1;
        let link = Arc::downgrade(self);
        (generation, EndNotice { link, generation })
    }

    /// Gives a connection to the callers, if the supervisor of this epoch is in charge.
    pub(super) fn install(&self, epoch: u64, live: &Arc<Live>) {
        let mut state = self.state.write();
        if state.epoch == epoch {
            state.live = Some(Arc::clone(live));
            state.loss = None;
            if let Some(ear) = &self.ear {
                ear.connected(live.lineage());
            }
        }
        drop(state);
        // What could not be told meanwhile need not wait for its next attempt.
        self.tell_believer(|listener| listener.reached());
        if live.driver.has_ended() {
            self.lose(live.generation, "the connection broke");
        }
    }

    pub(super) fn is_current(&self, live: &Live) -> bool {
        self.state.read().is_current(live.generation)
    }

    /// Takes what a beat showed of the server. What was sent before `sent` has arrived.
    pub(super) fn prove(&self, live: &Live, sent: Nanos, origin: Origin) {
        if !origin.is_primary {
            self.lose(live.generation, "it is a replica now");
            return self.tell_believer(|listener| listener.misled());
        }
        live.checked.fetch_max(sent, Relaxed);
        let is_changed = live.standing.beat(origin.lineage);
        if is_changed {
            live.stray_since.store(0, Relaxed);
            if origin.was_replica {
                self.tell_believer(|listener| listener.misled());
            }
        }
        let Some(ear) = &self.ear else { return };
        if ear.is_cut_off() {
            return self.lose(live.generation, "another node has a slot of it now");
        }
        if is_changed && origin.was_replica {
            // What was published to others meanwhile was not published here.
            return self.lose(live.generation, "it was a replica meanwhile");
        }
        let state = self.state.read();
        let Some((asked, lineage)) = ear.asked().filter(|_| state.is_current(live.generation))
        else {
            return;
        };
        if lineage == origin.lineage {
            live.stray_since.store(0, Relaxed);
            if let Some(asked) = asked.live() {
                asked.stray_since.store(0, Relaxed);
            }
            return ear.fenced(sent, origin.lineage);
        }
        // What is bumped elsewhere is not published here.
        drop(state);
        asked.follow(origin.lineage, sent);
        self.follow(lineage, sent);
    }

    /// Another connection to this address is to a server of this history. Nobody knows which of both the address leads
    /// to: where they differ for longer than it takes to tell, this one is made anew.
    pub(super) fn follow(&self, lineage: Lineage, now: Nanos) {
        let Some(live) = self.live().filter(|live| live.lineage() != lineage) else {
            return;
        };
        let since = live.stray_since.load(Relaxed);
        if since == 0 {
            live.stray_since.store(now, Relaxed);
        } else if now.saturating_sub(since) > LONGEST_STRAY {
            self.lose(live.generation, "another connection is to another server");
        }
    }

    /// Why the last connection was given up.
    pub(super) fn loss(&self) -> &'static str {
        self.state.read().loss.unwrap_or("it was given up")
    }

    /// Takes a connection away from the callers and closes it. Those who wait for an answer over it
    /// learn it at once.
    pub(super) fn lose(&self, generation: u64, why: &'static str) {
        let mut state = self.state.write();
        if !state.is_current(generation) {
            return;
        }
        let Some(live) = self.take_live(&mut state) else {
            return;
        };
        state.loss = Some(why);
        drop(state);
        live.driver.end();
        self.changed.notify_one();
    }

    pub(super) fn give_up(&self, live: &Live, why: &'static str) {
        self.lose(live.generation, why);
    }

    /// The answer to a command, after `within` at the latest, and which history of writes it belongs to. Where
    /// that changes meanwhile, there is none.
    pub(super) async fn ask(
        &self,
        live: &Live,
        command: &Cmd,
        within: Duration,
    ) -> Result<Stamped, StoreError> {
        let answer = self.ask_raw(live, command, within).await?;
        self.accept(live, answer)
    }

    pub(super) fn accept(&self, live: &Live, answer: Stamped) -> Result<Stamped, StoreError> {
        match answer.value {
            Value::ServerError(error) => Err(self.blame(live, fault::answered(&error))),
            _ if live.standing.of_reply(answer.lineage).is_some() && self.is_current(live) => {
                Ok(answer)
            }
            _ => Err(StoreError::Unavailable),
        }
    }

    /// As `ask`, with errors of the server as values.
    pub(super) async fn ask_raw(
        &self,
        live: &Live,
        command: &Cmd,
        within: Duration,
    ) -> Result<Stamped, StoreError> {
        let mut connection = live.connection();
        let (lineage, sent) = (live.lineage(), live.dated(self.beat()));
        let answer = timeout(within, connection.send_packed_command(command)).await;
        Ok(Stamped {
            value: self.judge(live, within, answer.ok())?,
            lineage,
            sent,
        })
    }

    /// The answers to several commands, errors of the server among them.
    pub(super) async fn ask_all(
        &self,
        live: &Live,
        commands: &Pipeline,
        within: Duration,
    ) -> Result<Vec<Value>, StoreError> {
        let mut connection = live.connection();
        let sent = connection.send_packed_commands(commands, 0, commands.len());
        self.judge(live, within, timeout(within, sent).await.ok())
    }

    /// The same, and which history of writes all of them belong to. Where that changes meanwhile, there are none.
    pub(super) async fn ask_all_stamped(
        &self,
        live: &Live,
        commands: &Pipeline,
        within: Duration,
    ) -> Result<Stamped<Vec<Value>>, StoreError> {
        let (lineage, sent) = (live.lineage(), live.dated(self.beat()));
        let value = self.ask_all(live, commands, within).await?;
        if value.len() != commands.len() {
            return Err(fault::odd_reply());
        }
        if live.standing.of_reply(lineage).is_none() || !self.is_current(live) {
            return Err(StoreError::Unavailable);
        }
        Ok(Stamped {
            value,
            lineage,
            sent,
        })
    }

    /// The answer of a node that is about to get a slot, of a key in that.
    pub(super) async fn ask_importer(
        &self,
        live: &Live,
        command: &Cmd,
        within: Duration,
    ) -> Result<Stamped, StoreError> {
        let mut commands = Pipeline::with_capacity(2);
        commands.cmd("ASKING").add_command(command.clone());
        let mut answers = self.ask_all_stamped(live, &commands, within).await?;
        Ok(Stamped {
            value: answers.value.pop().unwrap_or(Value::Nil),
            lineage: answers.lineage,
            sent: answers.sent,
        })
    }

    fn judge<T>(
        &self,
        live: &Live,
        within: Duration,
        outcome: Option<RedisResult<T>>,
    ) -> Result<T, StoreError> {
        match outcome {
            Some(Ok(answer)) => {
                if live.timeouts.load(Relaxed) != 0 {
                    live.timeouts.store(0, Relaxed);
                }
                Ok(answer)
            }
            Some(Err(error)) => Err(self.blame(live, fault::broken(&error))),
            None => {
                let is_telling = within >= TELLING;
                if is_telling && live.timeouts.fetch_add(1, Relaxed) + 1 >= MOST_TIMEOUTS {
                    self.lose(live.generation, "it answered too late, time after time");
                }
                Err(StoreError::Late)
            }
        }
    }

    /// Does with the connection what a fault means for it, and gives what it means for the caller.
    pub(super) fn blame(&self, live: &Live, fault: fault::Fault) -> StoreError {
        match fault.effect {
            Effect::None => {}
            Effect::Replace(why) => self.lose(live.generation, why),
            Effect::Demoted if live.age() < DEMOTION_EVERY => {}
            Effect::Demoted => self.lose(live.generation, "it takes no writes"),
            Effect::Moved => {
                if let Some(moved) = self.address.cluster() {
                    moved.0.notify_one();
                }
            }
        }
        fault.error
    }
}
