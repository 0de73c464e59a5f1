//! What goes wrong in the world.

use super::{
    network::{MS, Network},
    plan::Fault,
    server::Server,
};
use crate::clock::{simulated, system_now};

impl Network {
    pub(super) fn strike(&mut self, fault: Fault) {
        let (now, primary) = (system_now(), self.primaries[self.struck]);
        self.has_lost_marks |= matches!(
            fault,
            Fault::Failover { .. }
                | Fault::Flip { .. }
                | Fault::Restart
                | Fault::Flush
                | Fault::EvictTag
                | Fault::Full(true)
                | Fault::StepClock(_)
        );
        match fault {
            Fault::Crash(_) => {}
            Fault::Reset(process) => self.reset_all(process),
            Fault::Part { process, listens } => {
                for link in self.links(Some(process)) {
                    if self.listens(link) == listens {
                        self.reset(link);
                    }
                }
            }
            Fault::Silence {
                process,
                questions,
                answers,
            } => {
                for link in self.links(Some(process)) {
                    self.silence(link, questions, answers);
                }
            }
            Fault::Cut(process) => {
                self.is_cut[process] = true;
                self.cut_at[process] = now;
                for link in self.links(Some(process)) {
                    self.silence(link, true, true);
                }
            }
            Fault::Mend(process) => self.is_cut[process] = false,
            Fault::Failover { lag, is_isolated } => self.fail_over(lag, is_isolated),
            Fault::Demote => self.demote(),
            Fault::Flip { lag } => {
                let (lag, lineage) = (lag * MS, self.next_lineage());
                self.renamed.push(now);
                self.servers[primary].flip(lag, now, lineage);
                self.claim_again(primary);
                self.lost_since(now.saturating_sub(lag));
            }
            Fault::Rename => {
                self.renamed.push(now);
                let lineage = self.next_lineage();
                self.servers[primary].rename(lineage);
            }
            Fault::Stop => {
                self.servers[primary].is_up = false;
                self.cut_at = [now; 3];
                for link in self.links_to(primary) {
                    self.reset(link);
                }
            }
            Fault::Restart => self.restart(),
            Fault::Hang(0) => self.mend(),
            Fault::Hang(time) => self.servers[primary].hangs_until = now + time * MS,
            Fault::Flush => self.servers[primary].clear(now),
            Fault::EvictTag => {
                let mut random = self.random.clone();
                self.servers[primary].evict(":t:", &mut random, now);
                self.random = random;
            }
            Fault::EvictEntry => {
                let mut random = self.random.clone();
                self.servers[primary].evict(":e:", &mut random, now);
                self.random = random;
            }
            Fault::Full(is_full) => self.servers[primary].is_full = is_full,
            Fault::StepClock(step) => self.clock_step += step,
            Fault::Sleep(time) => simulated::sleep(time * MS),
            Fault::Freeze(process, time) => self.frozen_until[process] = now + time * MS,
            Fault::InCluster(fault) => self.strike_cluster(fault),
        }
    }

    fn reset_all(&mut self, process: Option<usize>) {
        for link in self.links(process) {
            self.reset(link);
        }
    }

    fn fail_over(&mut self, lag: u64, is_isolated: bool) {
        self.demote();
        let old = self.primaries[self.struck];
        let (now, lineage) = (system_now(), self.next_lineage());
        let promoted = self.servers[old].promote(lag * MS, now, lineage);
        self.servers.push(promoted);
        self.primaries[self.struck] = self.servers.len() - 1;
        self.is_promoted(old, is_isolated);
        if !is_isolated {
            self.servers[old].is_up = false;
            for link in self.links_to(old) {
                self.reset(link);
            }
        }
    }

    /// Primaries of before become replicas.
    fn demote(&mut self) {
        let primary = self.primaries[self.struck];
        for old in 0..primary {
            if self.shard_of(old) != self.struck {
                continue;
            }
            let (olds, current) = self.servers.split_at_mut(primary);
            olds[old].follow(&current[0]);
            self.is_demoted(old);
        }
    }

    fn restart(&mut self) {
        let (lineage, primary) = (self.next_lineage(), self.primaries[self.struck]);
        let node = self.servers[primary].node.take();
        self.servers[primary] = Server::new(lineage);
        self.servers[primary].node = node;
        self.is_alive(primary);
    }

    /// All is well again.
    pub(super) fn mend(&mut self) {
        self.is_cut = [false; 3];
        for shard in 0..self.primaries.len() {
            self.struck = shard;
            let primary = self.primaries[shard];
            self.servers[primary].is_up = true;
            self.servers[primary].is_full = false;
            self.demote();
        }
        self.mend_cluster();
    }
}
