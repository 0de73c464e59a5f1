//! Asks the nodes of a cluster who has which slot, again and again, in a task of its own.
//!
//! All primaries are asked, not one: who has got a slot says so before who had it knows. What was heard of those who have
//! tags is proven only where all of them have said that nobody else has any.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{sleep, timeout},
};

use super::{
    members::{Cluster, Member},
    primary::Ground,
    topology::{self, Claim, Topology},
};
use crate::{
    clock::{Nanos, system_now},
    l2::redis::{address::Node, handshake::Failure, link::ABANDONED, together},
    lock::Mutex,
    tasks,
};

/// How long a node may take to answer to which there is no connection yet.
const PATIENCE_AT_FIRST: Duration = Duration::from_millis(500);
const CALM: Duration = Duration::from_secs(1);
/// While a primary is missing, or something has just changed.
const RESTLESS: Duration = Duration::from_millis(100);
/// Nobody is asked more often, whatever moves.
const LEAST_PAUSE: Duration = Duration::from_millis(20);

/// Whose duty it is.
#[derive(Default)]
pub(super) struct Duty {
    /// When somebody was last seen at it; zero without one.
    seen: AtomicU64,
    /// The number of whoever is at it, and the task.
    current: Mutex<(u64, Option<AbortHandle>)>,
    /// What was answered last, and what follows from that.
    last: Mutex<Option<(Vec<Vec<Claim>>, Topology)>>,
}

impl Duty {
    /// Mostly the nodes say what they said before.
    fn topology_of(&self, answers: Vec<Vec<Claim>>) -> Topology {
        let mut last = self.last.lock();
        if let Some((known, topology)) = &*last
            && *known == answers
        {
            return topology.clone();
        }
        let topology = Topology::of(&answers);
        *last = Some((answers, topology.clone()));
        topology
    }

    /// All nodes that there were.
    fn heard_of(&self) -> Vec<Node> {
        let last = self.last.lock();
        let answers = last.iter().flat_map(|(answers, _)| answers);
        answers.flatten().map(|claim| claim.node.clone()).collect()
    }
}

impl Cluster {
    /// Makes sure that somebody is at it: on this runtime, if the one before is gone or nobody drives it.
    pub(super) fn attend(self: &Arc<Self>, runtime: &Handle, now: Nanos) {
        let seen = self.duty.seen.load(Relaxed);
        if seen != 0 && now.saturating_sub(seen) < ABANDONED {
            return;
        }
        let taken = self
            .duty
            .seen
            .compare_exchange(seen, now.max(1), Relaxed, Relaxed);
        if taken.is_err() {
            return;
        }
        self.dismiss();
        let mut current = self.duty.current.lock();
        let task = tasks::spawn(runtime, Arc::clone(self).serve(current.0));
        current.1 = Some(task.abort_handle());
    }

    /// Whoever is at it is no longer.
    pub(super) fn dismiss(&self) {
        let mut current = self.duty.current.lock();
        current.0 += 1;
        let task = current.1.take();
        drop(current);
        if let Some(task) = task {
            task.abort();
        }
    }

    async fn serve(self: Arc<Self>, number: u64) {
        loop {
            if self.duty.current.lock().0 != number {
                return;
            }
            self.duty.seen.store(system_now().max(1), Relaxed);
            for member in &self.members().list {
                // Looks after it, where nobody does.
                member.store.is_ready();
            }
            let pause = if self.look().await {
                self.choir().map_or(CALM, |(_, beat)| beat.min(CALM))
            } else {
                RESTLESS
            };
            sleep(LEAST_PAUSE).await;
            // Woken early or not, it is asked again.
            let pause = pause.saturating_sub(LEAST_PAUSE);
            let _ = timeout(pause, self.moved().notified()).await;
        }
    }

    /// Asks who has what. Gives whether all is well.
    async fn look(&self) -> bool {
        let sent = system_now();
        let members = self.members();
        let by_name = self.ground.is_by_name();
        let asked = members.list.iter().map(|member| ask(member, by_name));
        let mut answers: Vec<Vec<Claim>> = Vec::new();
        let mut has_answered = Vec::new();
        for answer in together::all(asked).await {
            has_answered.push(answer.is_some());
            answers.extend(answer);
        }
        if answers.is_empty() {
            match self.ask_around().await {
                Ok(found) => answers = found,
                Err(failure) => {
                    self.fail(failure);
                    return false;
                }
            }
        }
        let topology = self.duty.topology_of(answers);
        let mut missing = topology.primaries.iter().zip(&has_answered);
        let all_answered = !missing.any(|(primary, answered)| !answered && !primary.is_failed);
        let is_known = has_answered.len() == topology.primaries.len();
        let is_same = self.apply(topology) && is_known;
        if is_same
            && all_answered
            && let Some((choir, _)) = self.choir()
        {
            choir.confirm(sent);
        }
        is_same && has_answered.iter().all(|answered| *answered)
    }

    /// Asks whoever may know, over connections of their own.
    async fn ask_around(&self) -> Result<Vec<Vec<Claim>>, Failure> {
        let mut nodes = self.ground.known().to_vec();
        // Replicas too: they may all be primaries by now.
        for node in self.duty.heard_of() {
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        let asked = nodes.iter().map(|node| ask_anew(node, &*self.ground));
        let (mut answers, mut failures) = (Vec::new(), Vec::new());
        for answer in together::all(asked).await {
            match answer {
                Ok(claims) => answers.push(claims),
                Err(failure) => failures.push(failure),
            }
        }
        // Whoever refuses is to be told first of what a person can repair.
        failures.sort_by_key(|failure| matches!(failure, Failure::Unreachable(_)));
        match failures.into_iter().next() {
            Some(failure) if answers.is_empty() => Err(failure),
            _ => Ok(answers),
        }
    }
}

async fn ask(member: &Member, by_name: bool) -> Option<Vec<Claim>> {
    let text = member.store.nodes().await?;
    Some(topology::read(&text, &member.node, by_name))
}

async fn ask_anew(node: &Node, ground: &dyn Ground) -> Result<Vec<Claim>, Failure> {
    let Ok(text) = timeout(PATIENCE_AT_FIRST, ground.ask_anew(node)).await else {
        let why = format!("the node {node} does not answer");
        return Err(Failure::Unreachable(why));
    };
    Ok(topology::read(&text?, node, ground.is_by_name()))
}
