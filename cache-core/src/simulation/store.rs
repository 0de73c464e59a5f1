//! The store of one process: a connection for data and one that listens, each kept up by a task.

use std::{
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::oneshot::{Receiver, error::RecvError},
    time::{error::Elapsed, sleep, timeout},
};

use super::{
    history::Who,
    network::{Ear, ms},
    server::{Answer, Command},
    world::World,
};
use crate::{
    clock::{Nanos, system_now},
    coherence::{
        Lineage, Standing,
        mutant::{self, Mutant},
    },
    l2::{
        AskedTogether, Batch, Listener, Pending, ReadRequest, Store, StoreError, StoreTime, Tagged,
        TaggedTogether, Write,
    },
    lock::Mutex,
};

/// Between attempts to connect.
const FIRST_WAIT: u64 = 20;
pub(super) const LONGEST_WAIT: u64 = 200;

pub(super) struct SimulatedStore {
    world: Arc<World>,
    pub(super) who: Who,
    /// The one that it is of; whichever is the primary, where it is no cluster.
    server: Option<usize>,
    state: Mutex<State>,
    is_listening: AtomicBool,
    /// Its process is.
    is_dead: Arc<AtomicBool>,
    is_dismissed: AtomicBool,
}

/// The connection that questions go to, until it is lost.
#[derive(Clone)]
struct Data {
    link: u64,
    standing: Arc<Standing>,
}

#[derive(Default)]
struct State {
    data: Option<Data>,
    /// What the server's clock showed, to a question sent and answered then.
    time: Option<(u64, Nanos, Nanos)>,
    /// Who believes what it is answered, and how often it asks for that what it is answered by.
    believer: Option<(Weak<dyn Listener>, Duration)>,
    /// All connections that are there.
    links: Vec<u64>,
}

/// How often a connection is asked what it is that nobody listens beside.
const CHECK_EVERY: u64 = 500;
/// How long a node of a cluster may take to answer, at least.
const PATIENCE: u64 = 250;

impl fmt::Debug for SimulatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store of process {}", self.who.process)
    }
}

/// What a connection said of its server.
struct Said {
    lineage: Lineage,
    is_master: bool,
    was_replica: bool,
}

impl SimulatedStore {
    pub(super) fn new(
        world: &Arc<World>,
        who: Who,
        server: Option<usize>,
        is_dead: &Arc<AtomicBool>,
    ) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            who,
            server,
            state: Mutex::default(),
            is_listening: AtomicBool::new(false),
            is_dead: Arc::clone(is_dead),
            is_dismissed: AtomicBool::new(false),
        })
    }

    fn is_dead(&self) -> bool {
        self.is_dead.load(Relaxed) || self.is_dismissed.load(Relaxed)
    }

    fn open(&self) -> Option<u64> {
        let link = self.world.network().open(self.who, self.server)?;
        self.state.lock().links.push(link);
        Some(link)
    }

    /// The server said that it no longer has one of the parts that are listened to.
    fn is_cut_off(&self, link: u64) -> bool {
        self.server.is_some() && self.world.network().is_cut_off(link)
    }

    fn close(&self, link: u64) {
        self.world.network().close(link);
        self.state.lock().links.retain(|other| *other != link);
    }

    /// Nobody wants it any more. Gives the links that it had.
    pub(super) fn dismiss(&self) {
        self.is_dismissed.store(true, Relaxed);
        let links = {
            let mut state = self.state.lock();
            state.data = None;
            std::mem::take(&mut state.links)
        };
        for link in links {
            self.world.network().close(link);
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.is_dead() && self.data().is_some()
    }

    /// Of the server that is asked.
    pub(super) fn asked_lineage(&self) -> Option<Lineage> {
        Some(self.data()?.standing.lineage())
    }

    pub(super) async fn ask(
        &self,
        command: Command,
        within: Duration,
    ) -> Result<(Answer, Lineage, Nanos), StoreError> {
        let (Some(data), false) = (self.data(), self.is_dead()) else {
            return Err(StoreError::Unavailable);
        };
        let (asked, sent) = (data.standing.lineage(), system_now());
        let answer = self.world.network().ask(data.link, command);
        let answer = match self.within(within, answer).await {
            Err(_) => return Err(StoreError::Late),
            Ok(Err(_)) => return Err(StoreError::Unavailable),
            Ok(Ok(Answer::Refused(error))) => return Err(error),
            Ok(Ok(answer)) => answer,
        };
        self.stall().await;
        let lineage = if mutant::is(Mutant::B9) {
            self.data().map(|data| data.standing.lineage())
        } else {
            data.standing.of_reply(asked)
        };
        Ok((answer, lineage.ok_or(StoreError::Unavailable)?, sent))
    }

    /// An answer, where it comes in time. A process that stands still sees what came before it sees that it is late.
    async fn within(
        &self,
        time: Duration,
        mut answer: Receiver<Answer>,
    ) -> Result<Result<Answer, RecvError>, Elapsed> {
        let in_time = timeout(time, &mut answer).await;
        let until = self.world.network().frozen_until[self.who.process];
        let left = until.saturating_sub(system_now());
        if in_time.is_ok() || left == 0 {
            return in_time;
        }
        timeout(Duration::from_nanos(left) + ms(1), answer).await
    }

    fn data(&self) -> Option<Data> {
        self.state.lock().data.clone()
    }

    /// What has arrived is not always seen at once.
    async fn stall(&self) {
        let stalls = self.world.network().stalls();
        if let Some(stall) = stalls {
            sleep(ms(stall)).await;
        }
    }

    pub(super) async fn ask_tagged(
        &self,
        command: Command,
        within: Duration,
    ) -> Result<Tagged, StoreError> {
        match self.ask(command, within).await? {
            (Answer::Tagged { entry, versions }, lineage, sent) => Ok(Tagged {
                entry,
                versions,
                lineage,
                sent,
            }),
            _ => Err(StoreError::Unavailable),
        }
    }

    /// Asks a connection for its server, as a handshake and a heartbeat do.
    async fn beat(&self, link: u64, every: Duration) -> Option<Said> {
        let (sent, within) = (system_now(), self.patience(every));
        let answer = self.world.network().ask(link, Command::Beat);
        let Answer::Beat {
            lineage,
            is_master,
            was_replica,
            time,
        } = self.within(within, answer).await.ok()?.ok()?
        else {
            return None;
        };
        self.state.lock().time = Some((time, sent, system_now()));
        Some(Said {
            lineage: Lineage(lineage),
            is_master,
            was_replica,
        })
    }

    /// Somebody believes what is answered from here on.
    pub(super) fn set_believer(&self, listener: &Arc<dyn Listener>, beat: Duration) {
        self.state.lock().believer = Some((Arc::downgrade(listener), beat));
    }

    fn every(&self) -> Duration {
        let state = self.state.lock();
        state
            .believer
            .as_ref()
            .map_or(ms(CHECK_EVERY), |(_, beat)| *beat)
    }

    /// How long a beat may take. A cluster is heard only where all of its primaries are: they are given the time that they
    /// are given by the connections of production.
    fn patience(&self, every: Duration) -> Duration {
        if self.server.is_some() {
            every.max(ms(PATIENCE))
        } else {
            every
        }
    }

    /// What its node says of who has which slot.
    pub(super) async fn nodes(&self) -> Option<String> {
        let link = self.data().filter(|_| !self.is_dead())?.link;
        let answer = self.world.network().ask(link, Command::Nodes);
        match timeout(ms(PATIENCE), answer).await {
            Ok(Ok(Answer::Nodes(text))) => Some(text),
            _ => None,
        }
    }

    fn has_misled(&self) {
        let believer = self.state.lock().believer.clone();
        if let Some(listener) = believer.and_then(|(listener, _)| listener.upgrade()) {
            listener.misled();
            // Nobody joins what was begun when it was believed.
            self.world.has_cause(self.who.process);
        }
    }

    pub(super) async fn keep_data(&self) {
        let mut wait = FIRST_WAIT;
        while !self.is_dead() {
            let link = self.open();
            if let Some(link) = link {
                let every = self.every();
                if let Some(said) = self.beat(link, every).await.filter(|said| said.is_master) {
                    let standing = Arc::new(Standing::new(said.lineage));
                    self.state.lock().data = Some(Data {
                        link,
                        standing: Arc::clone(&standing),
                    });
                    wait = FIRST_WAIT;
                    sleep(every).await;
                    while let Some(said) = self.beat(link, self.every()).await {
                        if !said.is_master || standing.beat(said.lineage) && said.was_replica {
                            self.has_misled();
                        }
                        if !said.is_master {
                            break;
                        }
                        sleep(self.every()).await;
                    }
                    self.state.lock().data = None;
                }
                self.close(link);
            }
            sleep(ms(wait)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Listens to these parts of the channel; where there are none, to all of it.
    pub(super) async fn keep_listening(
        &self,
        every: Duration,
        listener: &Weak<dyn Listener>,
        parts: &[String],
    ) {
        let mut wait = FIRST_WAIT;
        while !self.is_dead() {
            let link = self.open();
            if let Some(link) = link {
                if self.listen_by(link, every, listener, parts).await {
                    wait = FIRST_WAIT;
                }
                if let Some(listener) = listener.upgrade() {
                    listener.lost();
                }
                self.close(link);
            }
            sleep(ms(wait)).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Listens until the connection is lost; gives whether it did.
    async fn listen_by(
        &self,
        link: u64,
        every: Duration,
        listener: &Weak<dyn Listener>,
        parts: &[String],
    ) -> bool {
        let Some(said) = self.beat(link, every).await.filter(|said| said.is_master) else {
            return false;
        };
        let standing = Standing::new(said.lineage);
        let ear = Ear {
            listener: Weak::clone(listener),
            origin: self.world.origin(self.who.process),
            lineage: said.lineage,
        };
        let subscribed = {
            let mut network = self.world.network();
            network.listen(link, ear);
            network.ask(link, Command::Subscribe(parts.to_vec()))
        };
        let subscribed = timeout(every, subscribed).await;
        if !matches!(subscribed, Ok(Ok(Answer::Subscribed))) {
            return false;
        }
        loop {
            let sent = system_now();
            let Some(said) = self.beat(link, every).await.filter(|said| said.is_master) else {
                return true;
            };
            if self.is_dead() || self.is_cut_off(link) {
                return true;
            }
            if standing.beat(said.lineage) && said.was_replica {
                return true;
            }
            let asked = self.data().map(|data| data.standing.lineage());
            if asked == Some(standing.lineage()) {
                if let Some(listener) = listener.upgrade() {
                    listener.fenced(sent, standing.lineage());
                }
                if self.server.is_none() {
                    self.world.network().fences[self.who.process] = sent;
                }
            }
            sleep(every).await;
        }
    }
}

fn owned(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|tag| (*tag).to_owned()).collect()
}

impl Store for Arc<SimulatedStore> {
    fn is_ready(&self) -> bool {
        let is_ready = self.is_connected();
        if !is_ready && self.server.is_none() {
            // A bump that cannot be sent voids what it is of.
            self.world.has_cause(self.who.process);
        }
        is_ready
    }

    fn time(&self) -> Option<StoreTime> {
        let (time, sent, received) = self.state.lock().time?;
        let now = system_now();
        Some(StoreTime {
            earliest: time + (now - received) / 1_000,
            latest: time + (now - sent) / 1_000,
        })
    }

    fn get<'a>(
        &'a self,
        key: &'a str,
        _expected: usize,
        within: Duration,
    ) -> Pending<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            match self.ask(Command::Get(key.to_owned()), within).await? {
                (Answer::Bytes(bytes), ..) => Ok(bytes),
                _ => Err(StoreError::Unavailable),
            }
        })
    }

    fn write(
        &self,
        writes: Vec<Write>,
        within: Duration,
    ) -> Pending<'_, Vec<Result<(), StoreError>>> {
        Box::pin(async move {
            let count = writes.len();
            match self.ask(Command::Write(writes), within).await {
                Ok((Answer::Written(results), ..)) => results,
                Ok(_) => vec![Err(StoreError::Unavailable); count],
                Err(error) => vec![Err(error); count],
            }
        })
    }

    fn get_tagged<'a>(
        &'a self,
        asked: ReadRequest<'a>,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        let command = Command::Read {
            entry: asked.entry.map(str::to_owned),
            tags: owned(asked.tags),
        };
        Box::pin(self.ask_tagged(command, within))
    }

    fn get_together<'a>(
        &'a self,
        asked: AskedTogether<'a>,
        within: Duration,
    ) -> Pending<'a, Result<TaggedTogether, StoreError>> {
        Box::pin(async move {
            let command = Command::ReadAll {
                entries: owned(asked.entries),
                tags: owned(asked.tags),
            };
            match self.ask(command, within).await? {
                (Answer::All { entries, versions }, lineage, sent) => Ok(TaggedTogether {
                    entries,
                    versions: versions.into_vec(),
                    lineage,
                    sent,
                }),
                _ => Err(StoreError::Unavailable),
            }
        })
    }

    fn ensure<'a>(
        &'a self,
        tags: &'a [&'a str],
        life: Duration,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        let command = Command::Ensure {
            tags: owned(tags),
            life: u64::try_from(life.as_millis()).expect("a life is short"),
        };
        Box::pin(self.ask_tagged(command, within))
    }

    fn bump(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        Box::pin(async move {
            let bumped = self.ask_tagged(Command::Bump(batch), within).await;
            self.world.network().has_cause(self.who.process);
            bumped
        })
    }

    fn mark(&self, batch: Batch, within: Duration) -> Pending<'_, Result<Tagged, StoreError>> {
        Box::pin(async move {
            let marked = self.ask_tagged(Command::Mark(batch), within).await;
            self.world.network().has_cause(self.who.process);
            marked
        })
    }

    fn listen(&self, _channel: &str, beat: Duration, listener: &Arc<dyn Listener>) {
        if self.is_listening.swap(true, Relaxed) {
            return;
        }
        let runtime = Handle::current();
        let (store, listener) = (Arc::clone(self), Arc::clone(listener));
        self.set_believer(&listener, beat);
        let data = Arc::clone(self);
        runtime.spawn(async move { data.keep_data().await });
        runtime.spawn(async move {
            let heard = Arc::downgrade(&listener);
            store.keep_listening(beat, &heard, &[]).await;
        });
    }
}
