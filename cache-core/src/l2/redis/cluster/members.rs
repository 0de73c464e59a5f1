//! The primaries of a cluster, each with its connections, as the last topology has them.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::{
    breakers::Breakers,
    choir::{ABSENT, Choir, Voice, lineage_of},
    primary::{Ground, Primary},
    slots::{BUCKETS, channel_of, slot_of_bucket},
    steward::Duty,
    topology::Topology,
};
use crate::{
    l2::{
        Lineage, Listener,
        redis::{
            address::{Moved, Node},
            handshake::Failure,
            link::Status,
        },
    },
    lock::{Mutex, RwLock},
};

/// A cluster, as its store and its steward share it.
pub(super) struct Cluster {
    pub(super) ground: Arc<dyn Ground>,
    moved: Arc<Moved>,
    pub(super) duty: Duty,
    members: RwLock<Arc<Members>>,
    known: Mutex<BucketLineages>,
    /// Held while the members change.
    hearing: Mutex<Option<Hearing>>,
    /// Why nobody says which primaries there are.
    failure: Mutex<Option<Failure>>,
}

/// How connecting goes.
pub(super) enum Standing {
    /// All primaries are there.
    Whole,
    Failing(Failure),
}

#[derive(Default)]
pub(super) struct Members {
    pub(super) topology: Option<Topology>,
    /// In the order of the primaries of the topology.
    pub(super) list: Vec<Member>,
}

/// One primary.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) node: Node,
    pub(super) store: Arc<dyn Primary>,
    pub(super) breakers: Arc<Breakers>,
    buckets: Arc<[u16]>,
    voice: Option<Arc<Voice>>,
}

/// Which history each bucket has; of one whose primary is not there and not taken for dead either, which it had.
struct BucketLineages {
    buckets: Vec<Option<Lineage>>,
    whole: Option<Lineage>,
}

/// Who listens to what.
#[derive(Clone)]
struct Hearing {
    channel: Arc<str>,
    beat: Duration,
    choir: Arc<Choir>,
}

impl Members {
    pub(super) fn place_of_owner(&self, slot: u16) -> Option<usize> {
        self.topology.as_ref()?.owner_of(slot)
    }

    /// Who is about to get a slot.
    pub(super) fn importer_of(&self, slot: u16) -> Option<&Member> {
        self.list.get(self.topology.as_ref()?.importer_of(slot)?)
    }

    pub(super) fn owner_of(&self, slot: u16) -> Option<&Member> {
        self.list.get(self.place_of_owner(slot)?)
    }
}

impl Member {
    fn new(node: Node, buckets: Vec<u16>, cluster: &Cluster) -> Self {
        Self {
            store: cluster.ground.primary(&node, &cluster.moved),
            breakers: Breakers::of(&node),
            node,
            buckets: buckets.into(),
            voice: None,
        }
    }

    /// One that has none gives no versions, and publishes nothing.
    pub(super) fn has_tags(&self) -> bool {
        !self.buckets.is_empty()
    }

    fn listen(&mut self, hearing: &Hearing) {
        if !self.has_tags() {
            return;
        }
        let Hearing {
            channel,
            beat,
            choir,
        } = hearing;
        let voice = self
            .voice
            .get_or_insert_with(|| choir.voice(&self.buckets))
            .clone();
        let listener: Arc<dyn Listener> = voice;
        let parts = || {
            let parts = self
                .buckets
                .iter()
                .map(|bucket| channel_of(channel, *bucket));
            parts.collect()
        };
        self.store
            .listen_to_parts(channel, &parts, *beat, &listener);
    }
}

impl Cluster {
    pub(super) fn new(ground: Arc<dyn Ground>) -> Arc<Self> {
        Arc::new(Self {
            ground,
            moved: Arc::default(),
            duty: Duty::default(),
            members: RwLock::default(),
            known: Mutex::new(BucketLineages {
                buckets: vec![None; usize::from(BUCKETS)],
                whole: None,
            }),
            hearing: Mutex::default(),
            failure: Mutex::default(),
        })
    }

    /// Woken where a slot was not where it was looked for.
    pub(super) fn moved(&self) -> &Notify {
        &self.moved.0
    }

    pub(super) fn members(&self) -> Arc<Members> {
        Arc::clone(&self.members.read())
    }

    /// Of the whole; nothing until all that have tags, and are not taken for dead, were there once.
    pub(super) fn lineage(&self) -> Option<Lineage> {
        let members = self.members();
        let topology = members.topology.as_ref()?;
        let of_members: Vec<_> = members.list.iter().map(|it| it.store.lineage()).collect();
        let mut known = self.known.lock();
        let mut is_changed = false;
        for bucket in 0..BUCKETS {
            let owner = topology.owner_of(slot_of_bucket(bucket));
            let owner = owner.filter(|place| !topology.primaries[*place].is_failed);
            let lineage = match owner {
                Some(place) => of_members[place],
                None => Some(ABSENT),
            };
            if let Some(lineage) = lineage {
                let before = known.buckets[usize::from(bucket)].replace(lineage);
                is_changed |= before != Some(lineage);
            }
        }
        if is_changed {
            let all: Option<Vec<Lineage>> = known.buckets.iter().copied().collect();
            known.whole = all.map(|all| lineage_of(&all));
        }
        known.whole
    }

    /// Whether a bucket has this history, as far as that is known.
    pub(super) fn is_of(&self, bucket: u16, lineage: Lineage) -> bool {
        self.known.lock().buckets[usize::from(bucket)] == Some(lineage)
    }

    /// Takes over what the nodes say. Gives whether it was so before.
    pub(super) fn apply(&self, topology: Topology) -> bool {
        let hearing = self.hearing.lock();
        let before = self.members();
        let is_same = before
            .topology
            .as_ref()
            .is_some_and(|it| it.is_as(&topology));
        let mut list = if is_same {
            before.list.clone()
        } else {
            self.members_of(&topology, &before.list)
        };
        if let Some(hearing) = &*hearing
            && !is_same
        {
            Self::hear(hearing, &mut list, &topology);
        }
        *self.members.write() = Arc::new(Members {
            topology: Some(topology),
            list,
        });
        *self.failure.lock() = None;
        is_same
    }

    /// Those that have the same tags as before stay, with their connections.
    fn members_of(&self, topology: &Topology, before: &[Member]) -> Vec<Member> {
        let primaries = topology.primaries.iter().enumerate();
        let members = primaries.map(|(place, primary)| {
            let is_its = |bucket: &u16| topology.owner_of(slot_of_bucket(*bucket)) == Some(place);
            let buckets: Vec<u16> = (0..BUCKETS).filter(is_its).collect();
            let is_same = |it: &&Member| it.node == primary.node && *it.buckets == *buckets;
            let stays = before.iter().find(is_same).cloned();
            stays.unwrap_or_else(|| Member::new(primary.node.clone(), buckets, self))
        });
        members.collect()
    }

    /// Of one that is taken for dead nothing is heard, nor acknowledged: nobody waits for it.
    fn hear(hearing: &Hearing, list: &mut [Member], topology: &Topology) {
        for member in &mut *list {
            member.listen(hearing);
        }
        let all = list.iter().zip(&topology.primaries);
        let live = all.filter(|(_, primary)| !primary.is_failed);
        hearing
            .choir
            .set_whole(live.filter_map(|(member, _)| member.voice.as_deref()));
    }

    pub(super) fn listen(&self, channel: &str, beat: Duration, listener: &Arc<dyn Listener>) {
        let mut hearing = self.hearing.lock();
        let before = self.members();
        if let Some(hearing) = &*hearing {
            // Where the runtime that listened is gone, this one does.
            for member in &before.list {
                member.clone().listen(hearing);
            }
            return;
        }
        let first = Hearing {
            channel: channel.into(),
            beat,
            choir: Choir::new(listener),
        };
        if let Some(topology) = &before.topology {
            let mut list = before.list.clone();
            Self::hear(&first, &mut list, topology);
            *self.members.write() = Arc::new(Members {
                topology: before.topology.clone(),
                list,
            });
        }
        *hearing = Some(first);
    }

    /// Whom to tell that nobody has another bucket, and how often.
    pub(super) fn choir(&self) -> Option<(Arc<Choir>, Duration)> {
        let hearing = self.hearing.lock();
        let hearing = hearing.as_ref()?;
        Some((Arc::clone(&hearing.choir), hearing.beat))
    }

    pub(super) fn fail(&self, failure: Failure) {
        *self.failure.lock() = Some(failure);
    }

    pub(super) fn standing(&self) -> Standing {
        if let Some(failure) = &*self.failure.lock() {
            return Standing::Failing(failure.clone());
        }
        let members = self.members();
        let failing = |why: &str| Standing::Failing(Failure::Unreachable(why.into()));
        let Some(topology) = &members.topology else {
            return failing("no node of the cluster has answered yet");
        };
        for (place, member) in members.list.iter().enumerate() {
            match member.store.status() {
                Status::Connected => {}
                // It may be a replica that is not known as one yet.
                _ if topology.primaries[place].is_failed || !topology.has_slots(place) => {}
                Status::Failing(failure) => return Standing::Failing(failure),
                Status::Trying => return failing("not every primary has answered yet"),
            }
        }
        Standing::Whole
    }
}
