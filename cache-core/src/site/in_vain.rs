//! Keys that were prefetched in vain a short while ago.

use std::collections::VecDeque;

use crate::{clock::Nanos, lock::Mutex};

/// Beyond these the first are forgotten: it is only a matter of efficiency.
const MOST: usize = 128;

/// The keys of one function of which a prefetch left nothing, each until when no other one is begun.
#[derive(Debug, Default)]
pub(crate) struct InVain(Mutex<VecDeque<(u64, Nanos)>>);

impl InVain {
    pub(crate) fn has(&self, key: u64, now: Nanos) -> bool {
        let keys = self.0.lock();
        keys.iter()
            .any(|(known, until)| *known == key && now < *until)
    }

    pub(crate) fn add(&self, key: u64, until: Nanos) {
        let mut keys = self.0.lock();
        keys.retain(|(known, _)| *known != key);
        if keys.len() >= MOST {
            keys.pop_front();
        }
        keys.push_back((key, until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_until_its_time_is_over_or_many_others_have_come() {
        let keys = InVain::default();
        keys.add(7, 10);
        assert!(keys.has(7, 9) && !keys.has(7, 10) && !keys.has(8, 9));
        keys.add(7, 20);
        assert!(keys.has(7, 10));
        for key in 100..100 + MOST as u64 {
            keys.add(key, 20);
        }
        assert!(!keys.has(7, 10) && keys.has(100, 10));
    }
}
