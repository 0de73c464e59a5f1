//! How a process reaches the nodes of the simulated cluster.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use super::{member::Member, node::number_of};
use crate::{
    l2::{
        Pending,
        redis::stage::{Failure, Ground, Moved, Node, Primary},
    },
    simulation::{
        history::Who,
        network::Network,
        server::{Answer, Command},
        store::SimulatedStore,
        world::World,
    },
};

pub(super) struct SimulatedGround {
    world: Arc<World>,
    who: Who,
    is_dead: Arc<AtomicBool>,
    known: Vec<Node>,
}

impl SimulatedGround {
    pub(super) fn new(world: &Arc<World>, who: Who, is_dead: &Arc<AtomicBool>) -> Self {
        Self {
            world: Arc::clone(world),
            who,
            is_dead: Arc::clone(is_dead),
            known: Network::seeds(),
        }
    }
}

impl fmt::Display for SimulatedGround {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the simulated cluster")
    }
}

impl fmt::Debug for SimulatedGround {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Ground for SimulatedGround {
    fn primary(&self, node: &Node, moved: &Arc<Moved>) -> Arc<dyn Primary> {
        let server = Some(number_of(node));
        let store = SimulatedStore::new(&self.world, self.who, server, &self.is_dead);
        Arc::new(Member::new(store, moved))
    }

    fn known(&self) -> &[Node] {
        &self.known
    }

    fn ask_anew<'a>(&'a self, node: &'a Node) -> Pending<'a, Result<String, Failure>> {
        Box::pin(async move {
            let unreachable = || Failure::Unreachable(format!("no answer from {node}"));
            if self.is_dead.load(Relaxed) {
                return Err(unreachable());
            }
            let (link, answer) = {
                let mut network = self.world.network();
                let link = network.open(self.who, Some(number_of(node)));
                let link = link.ok_or_else(unreachable)?;
                (link, network.ask(link, Command::Nodes))
            };
            let _closing = Closing {
                world: &self.world,
                link,
            };
            match answer.await {
                Ok(Answer::Nodes(text)) => Ok(text),
                _ => Err(unreachable()),
            }
        })
    }
}

/// Closes a connection when nobody waits for its answer any more.
struct Closing<'a> {
    world: &'a World,
    link: u64,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.world.network().close(self.link);
    }
}
