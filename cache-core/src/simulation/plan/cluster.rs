//! What happens to a cluster: what happens to one server, to one of its shards, and slots that move.

use super::{Action, CLUSTER, Fault, How, Plan};
use crate::simulation::{
    cluster::{SHARDS, faults::InCluster},
    functions::IN_CLUSTER,
    history::PROCESSES,
    random::Random,
};

impl Plan {
    pub(super) fn in_cluster(seed: u64, kind: u64) -> Self {
        let mut plan = Self::on_one_server(seed.wrapping_mul(31) ^ 0x00C1_0572, None);
        plan.seed = seed;
        plan.setup.is_cluster = true;
        let mut random = Random::new(seed ^ 0xC105);
        let struck = random.index(SHARDS);
        for step in &mut plan.steps {
            match &mut step.action {
                Action::Call { function, how, .. } if random.percent(30) => {
                    *function = random.pick(&IN_CLUSTER);
                    *how = How::Get;
                }
                Action::Fault(_, shard) => *shard = struck,
                _ => {}
            }
        }
        let _ = kind == CLUSTER;
        if plan.setup.has_faults {
            for _ in 0..random.between(0, 2) {
                plan.struck = random.index(SHARDS);
                plan.add_cluster_fault(&mut random);
            }
        }
        plan.steps.sort_by_key(|step| step.at);
        plan
    }

    fn in_shard(&mut self, at: u64, fault: InCluster) {
        self.fault(at, Fault::InCluster(fault));
    }

    fn add_cluster_fault(&mut self, random: &mut Random) {
        let at = random.below(self.setup.horizon);
        let soon = random.between(1, self.setup.bound * 3);
        match random.below(10) {
            0..6 => self.add_move(random, at),
            6 => {
                // A shard without a primary, for so long that it is taken for dead.
                self.fault(at, Fault::Stop);
                self.in_shard(at + soon / 2, InCluster::Fail);
                let lag = random.below(500);
                let is_isolated = false;
                let ends = [
                    Fault::Restart,
                    Fault::Hang(0),
                    Fault::Failover { lag, is_isolated },
                ];
                self.fault(at + soon, random.pick(&ends));
            }
            7 => {
                self.in_shard(at, InCluster::Apart(random.index(PROCESSES)));
                self.fault(at + soon, Fault::Hang(0));
            }
            8 => {
                self.in_shard(at, InCluster::Gossip(random.between(50, 1_500)));
                self.add_move(random, at + 1);
            }
            _ => {
                self.add_move(random, at);
                self.add_move(random, at + soon);
            }
        }
    }

    /// A slot moves, or half of it does; with primaries that are replaced meanwhile, or are not.
    fn add_move(&mut self, random: &mut Random, at: u64) {
        let (event, to) = (random.index(2), random.index(SHARDS));
        self.in_shard(at, InCluster::Open { event, to });
        let pause = random.pick(&[1, 10, 100, 300]);
        let mut at = at;
        for _ in 0..random.between(0, 8) {
            at += random.between(1, pause);
            self.in_shard(at, InCluster::MoveKey(event));
        }
        at += random.between(1, pause);
        if random.percent(25) {
            self.struck = random.index(SHARDS);
            let lag = random.below(500);
            let is_isolated = random.percent(40);
            self.fault(at, Fault::Failover { lag, is_isolated });
            at += random.between(1, 400);
        }
        if random.percent(75) {
            self.in_shard(at, InCluster::Claim(event));
        }
        self.in_shard(at + random.between(1, 500), InCluster::GiveUp(event));
    }
}
