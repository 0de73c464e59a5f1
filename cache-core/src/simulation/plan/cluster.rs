//! What happens to a cluster: what happens to one server, to one of its shards, and slots that move.

use super::{Action, DEAF, Fault, How, Plan, ROLLED_BACK, TWINS, UNSEEN};
use crate::simulation::{
    cluster::{SHARDS, faults::InCluster},
    functions::{IN_CLUSTER, NESTED},
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
        match kind {
            DEAF => plan.add_deaf(&mut random),
            UNSEEN => plan.add_unseen(&mut random),
            TWINS => plan.add_twins(&mut random),
            ROLLED_BACK => plan.add_rolled_back(&mut random),
            _ if !plan.setup.has_faults => {}
            _ => {
                for _ in 0..random.between(0, 2) {
                    plan.struck = random.index(SHARDS);
                    plan.add_cluster_fault(&mut random);
                }
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

    /// Nothing goes wrong but what is planned here.
    fn begin_anew(&mut self) {
        self.steps.clear();
        self.setup.has_faults = true;
        self.setup.bound = 400;
        self.setup.ttl = 60_000;
        self.setup.slowest_caller = 0;
        self.setup.slowest_message = 5;
        self.setup.slowest_load = 5;
        self.setup.steps_clock = false;
    }

    /// A process hears nothing of one primary and does not find that out at once, while it hears the others.
    fn add_deaf(&mut self, random: &mut Random) {
        self.begin_anew();
        let (process, event) = (random.index(PROCESSES), random.index(2));
        let at = random.between(500, 900);
        self.in_shard(at, InCluster::Deaf { process, event });
        let changed = at + random.between(1, 30);
        self.change(changed, (process + 1) % PROCESSES, (0..4).collect());
        let bound = self.setup.bound;
        for span in [100..=at - 10, changed + bound..=changed + bound + 300] {
            self.get_some(random, &span, (24, 4), |_| Some(process));
        }
    }

    /// A slot is where a process does not see it: at a primary that had no tags, and that it does not reach, while the
    /// others have not heard of that.
    fn add_unseen(&mut self, random: &mut Random) {
        self.begin_anew();
        let (process, event) = (random.index(PROCESSES), random.index(2));
        let at = random.between(500, 900);
        self.struck = SHARDS - 1;
        self.in_shard(at, InCluster::Apart(process));
        self.in_shard(at, InCluster::Gossip(5_000));
        let to = SHARDS - 1;
        self.in_shard(at + 1, InCluster::Open { event, to });
        self.in_shard(at + 2, InCluster::Claim(event));
        let changed = at + random.between(300, 600);
        self.change(changed, (process + 1) % PROCESSES, (0..4).collect());
        let bound = self.setup.bound;
        for span in [100..=at - 10, changed + bound..=changed + bound + 600] {
            self.get_some(random, &span, (24, 4), |_| Some(process));
        }
    }

    /// A slot is on its way to a primary that may have no other tags, and that is replaced by one that does not know of what
    /// changed there; and it goes back to where it was.
    fn add_rolled_back(&mut self, random: &mut Random) {
        self.begin_anew();
        let (writer, event, to) = (random.index(PROCESSES), random.index(2), SHARDS - 1);
        let at = random.between(600, 900);
        self.struck = to;
        self.in_shard(at, InCluster::Open { event, to });
        for moment in 1..20 {
            self.in_shard(at + moment, InCluster::MoveKey(event));
        }
        let changed = at + random.between(200, 400);
        self.change(changed, writer, vec![1, 3]);
        let lag = random.between(50, 150);
        let is_isolated = false;
        self.fault(changed + lag, Fault::Failover { lag, is_isolated });
        // One that starts anew has not heard of it.
        let newcomer = (writer + 1) % PROCESSES;
        self.fault(changed + lag + 1, Fault::Crash(newcomer));
        let back = changed + lag + random.between(1, 300);
        self.in_shard(back, InCluster::GiveUp(event));
        for span in [100..=at - 50, back + 100..=back + 1_500] {
            self.get_some(random, &span, (40, 4), |_| None);
        }
    }

    /// What depends on one event is made of what depends on another one, while rows change that have both.
    fn add_twins(&mut self, random: &mut Random) {
        self.begin_anew();
        self.setup.slowest_message = 20;
        for round in 0..8 {
            let (at, row) = (500 + round * 1_000, random.pick(&[1, 3]));
            self.change(at, random.index(PROCESSES), vec![row]);
            for process in 0..PROCESSES {
                for span in [at - 200..=at - 50, at + 2..=at + 80, at + 600..=at + 700] {
                    self.get(random, &span, (process, NESTED, row));
                }
            }
        }
    }
}
