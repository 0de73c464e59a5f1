//! Keys that wait, without a cache around them.

use std::hash::Hasher;

use super::*;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    id: u64,
    panics: bool,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        assert!(!self.panics, "of the key");
        self.id.hash(hasher);
    }
}

fn polled(asking: &mut Asking<Key, u64>) -> Poll<u64> {
    Pin::new(asking).poll(&mut Context::from_waker(Waker::noop()))
}

fn asking(gathering: &Arc<Gathering<Key, u64>>, id: u64, panics: bool) -> Asking<Key, u64> {
    let mut asking = gathering.load(Key { id, panics }, CallId::new(), None);
    assert_eq!(polled(&mut asking), Poll::Pending);
    asking
}

#[test]
fn who_asks_for_the_same_key_is_in_another_load() {
    let gathering = Arc::default();
    let _all = [1, 1, 2, 1, 3].map(|id| asking(&gathering, id, false));
    let taken = gathering.take_all(2, CallId::new());
    let ids = taken.iter().map(|taken| -> Vec<u64> {
        let requests = taken.requests();
        requests.iter().map(|request| request.key.id).collect()
    });
    let ids: Vec<_> = ids.collect();
    assert_eq!(ids, [vec![1, 2], vec![1], vec![1], vec![3]]);
}

#[test]
fn what_waits_for_a_slot_goes_with_the_next_that_has_one_each_key_once() {
    let gathering = Arc::default();
    let take = |ids: &[u64]| {
        let asking: Vec<_> = ids
            .iter()
            .map(|id| asking(&gathering, *id, false))
            .collect();
        let [taken] = gathering.take_all(10, CallId::new()).try_into().unwrap();
        (asking, taken)
    };
    let ((mut first, has_slot), (mut second, waits), (mut third, waits_too)) =
        (take(&[1, 2]), take(&[2, 3]), take(&[4, 5]));
    let queued = (waits.queue(), waits_too.queue());
    has_slot.fill_up(4);
    let answer = |taken: &LoadingKeys<Key, u64>| taken.answer(|key| key.id * 10);
    answer(&has_slot);
    let answers = |asking: &mut Vec<Asking<Key, u64>>| -> Vec<Poll<u64>> {
        asking.iter_mut().map(polled).collect()
    };
    assert_eq!(answers(&mut first), [Poll::Ready(10), Poll::Ready(20)]);
    // Two was there already, and is to be loaded anew.
    assert_eq!(answers(&mut second), [Poll::Pending, Poll::Ready(30)]);
    assert!(!waits.is_wanted(), "nothing is left to it");
    let [again] = gathering.take_all(10, CallId::new()).try_into().unwrap();
    answer(&again);
    assert_eq!(polled(&mut second[0]), Poll::Ready(20));
    drop(queued);
    answer(&waits_too);
    assert_eq!(polled(&mut third[1]), Poll::Ready(50));
}

#[test]
fn a_key_that_panics_where_it_is_looked_at_takes_no_other_along() {
    let gathering = Arc::default();
    let good = [1, 1, 2].map(|id| asking(&gathering, id, false));
    let bad = asking(&gathering, 3, true);
    catch_unwind(AssertUnwindSafe(|| gathering.take_all(10, CallId::new()))).unwrap_err();
    drop(bad);
    for mut asking in good {
        let call = asking.request.call;
        assert!(gathering.has_waiting(call), "it is given back to its call");
        for taken in gathering.take_all(10, call) {
            taken.answer(|_| 7);
        }
        assert_eq!(polled(&mut asking), Poll::Ready(7));
    }
    assert!(!gathering.has_waiting(CallId::new()));
}
