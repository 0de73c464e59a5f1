//! What is due at which moment: each of these was found by a small wrong edit that nothing else noticed.

use std::sync::Arc;

use super::*;

fn listening() -> (Arc<Coherence>, [Tag; 1]) {
    let coherence = Coherence::new("shop", Bounds::default(), Some("here"));
    coherence.connected(Lineage(1), 1);
    (coherence, [Tag::from_name("E:1")])
}

fn emit(coherence: &Coherence, tags: &[Tag], now: Nanos) {
    let emitted = Emitted::here(Emitter::here(), now);
    coherence.emit(tags, Outcome::Written, Ack::default(), emitted);
}

#[test]
fn what_was_emitted_is_waited_for_before_it_is_handed_out() {
    let (coherence, tags) = listening();
    emit(&coherence, &tags, 2);
    assert!(coherence.capture(&tags, 2).is_pending());
}

#[test]
fn what_is_told_again_is_waited_for_before_it_is_handed_out() {
    let (coherence, tags) = listening();
    emit(&coherence, &tags, 2);
    let outgoing = coherence.next_batch(2).unwrap();
    outgoing.acknowledged(&[Version::Number(5)], Lineage(1), 3);
    assert!(!coherence.capture(&tags, 3).is_pending());
    coherence.observe(Lineage(2), 4);
    assert!(coherence.capture(&tags, 4).is_pending());
}

#[test]
fn an_acknowledgement_by_a_server_that_is_not_listened_to_counts_for_nothing() {
    let (coherence, tags) = listening();
    emit(&coherence, &tags, 2);
    let outgoing = coherence.next_batch(2).unwrap();
    outgoing.acknowledged(&[Version::Number(5)], Lineage(2), 3);
    assert_eq!(coherence.unacknowledged(), 1);
    assert!(coherence.capture(&tags, 4).is_pending());
}

#[test]
fn a_suspect_is_revalidated_as_of_when_it_was_asked_about_and_no_later() {
    let (coherence, tags) = listening();
    let captured = coherence.capture(&tags, 2);
    let stamps = Stamps::of(&captured, &[Version::Number(5)], Lineage(1)).unwrap();
    let guard = coherence.guard(&captured, 2, Some(stamps.clone())).unwrap();
    coherence.tear(3);
    let before = coherence.capture(&tags, 4);
    coherence.tear(5);
    guard.revalidate(&before, 4, &stamps);
    assert!(!guard.is_usable(6), "something may have been missed since");
    let after = coherence.capture(&tags, 7);
    assert!(guard.revalidate(&after, 7, &stamps) && guard.is_usable(8));
    assert_eq!(guard.proven(), 7);
}

#[test]
fn all_is_heard_of_what_was_published_before_it_was_asked_and_no_later() {
    let (coherence, _) = listening();
    coherence.fenced(10, Lineage(1));
    assert_eq!(coherence.beat.fence(), 10);
}

#[test]
fn of_a_clock_that_nobody_knows_a_version_may_have_been_given_just_now() {
    let (coherence, tags) = listening();
    let captured = coherence.capture(&tags, 2);
    let stamps = Stamps::of(&captured, &[Version::Number(5)], Lineage(1)).unwrap();
    let since = |time| {
        coherence
            .time_since_change(&captured, Some(&stamps), time, 9)
            .0
    };
    assert_eq!(since(Some(8)), Some(Duration::from_micros(3)));
    assert_eq!(since(None), Some(Duration::ZERO));
}
