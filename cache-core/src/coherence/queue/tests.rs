//! In which order changes are sent, what becomes of those that fail, and what stands for a crowd.

use super::*;

const SECOND: Nanos = 1_000_000_000;

fn job(registry: &Arc<Registry>, tags: &[String], attempts: u32) -> Job {
    let mut job = Job::of(
        tags.iter()
            .map(|tag| registry.get_or_create(&Tag::from_name(tag))),
    );
    job.attempts = attempts;
    if attempts > 0 {
        job.expect_ack();
    }
    job
}

#[test]
fn a_crowd_of_one_event_becomes_one_bump_also_where_others_are_emitted_with_it() {
    let (registry, mut queue) = (Registry::alone("shop"), Queue::default());
    let first = registry.get_or_create(&Tag::from_name("E:0"));
    for id in 0..=MOST_TAGS {
        let tags = [format!("E:{id}"), format!("F:{}", id % 7)];
        queue.push_later(job(&registry, &tags, 1), SECOND, &registry);
    }
    assert!(!first.is_pending());
    for whole in Tag::of_whole_event("E") {
        assert!(registry.get(&whole).is_some_and(|cell| cell.is_pending()));
    }
    let mut left = std::iter::repeat_with(|| queue.next_batch(SECOND))
        .take_while(|batch| !batch.is_empty())
        .flatten()
        .flat_map(|job| job.tags().cloned().collect::<Vec<_>>())
        .collect::<Vec<_>>();
    left.sort_unstable();
    left.dedup();
    let of = |event: &str| left.iter().filter(|tag| tag.event() == event).count();
    assert!(of("E") <= 2 && of("F") <= 7, "{left:?}");
    assert!(queue.by_and_by.events.is_empty() && queue.at_once.events.is_empty());
}

#[test]
fn a_crowd_that_was_never_sent_becomes_one_bump_that_its_callers_wait_for() {
    let (registry, mut queue) = (Registry::alone("shop"), Queue::default());
    let mut waiting = Vec::new();
    for (id, tags) in (0..=MOST_READY).map(|id| (id, vec![format!("E:{id}")])) {
        let mut job = job(&registry, &tags, 0);
        job.expect_ack();
        if id == 1 {
            let both = ["E:1".to_owned(), "F:1".to_owned()];
            job = self::job(&registry, &both, 0);
        }
        if id < 2 {
            let (waiter, answer) = oneshot::channel();
            job.waiters.push(waiter);
            waiting.push(answer);
        }
        queue.push(job, &registry);
    }
    assert_eq!(queue.len(), 1);
    let mut batch = queue.next_batch(SECOND);
    let mut told = Answers::default();
    for job in &mut batch {
        job.tell(true, &mut told);
    }
    told.give();
    let answers: Vec<_> = waiting
        .iter_mut()
        .map(oneshot::Receiver::try_recv)
        .collect();
    assert_eq!(answers, [Ok(true), Ok(true)]);
    let [whole] = batch.as_slice() else {
        panic!("what was emitted together is one job: {batch:?}");
    };
    let tags: Vec<_> = whole.tags().map(Tag::as_str).collect();
    assert_eq!(tags, ["E/", "E:", "F:1"]);
    assert!(queue.at_once.events.is_empty());
}

#[test]
fn what_is_to_be_said_later_is_said_then_though_it_is_in_a_crowd() {
    let (registry, mut queue) = (Registry::alone("shop"), Queue::default());
    queue.push_later(job(&registry, &["E:x".into()], 0), 5 * SECOND, &registry);
    for id in 0..MOST_TAGS {
        let failed = job(&registry, &[format!("E:{id}")], 1);
        queue.push_later(failed, SECOND, &registry);
    }
    let whole = queue.next_batch(SECOND).pop().unwrap();
    assert_eq!(whole.until, 5 * SECOND);
}

#[test]
fn what_is_to_be_said_later_is_said_no_sooner_where_its_crowd_is_tried_at_once() {
    let (registry, mut queue) = (Registry::alone("shop"), Queue::default());
    let due = 34 * SECOND;
    queue.push_later(job(&registry, &["E:x".into()], 0), due, &registry);
    for id in 0..MOST_TAGS {
        let refused = job(&registry, &[format!("E:{id}")], 1);
        queue.push_later(refused, 30 * SECOND, &registry);
    }
    // The server is there again.
    let now = 2 * SECOND;
    queue.retry_now();
    let whole = queue.next_batch(now).pop().unwrap();
    assert!(
        whole.until >= due,
        "{} s too early",
        (due - whole.until) / SECOND
    );
}

#[test]
fn what_stands_for_many_second_words_is_said_now_and_then_until_the_last_is_due() {
    let (registry, unknown_outcome) = (Registry::alone("shop"), Duration::from_secs(8));
    let mut whole = job(&registry, &["E:".into()], 0);
    whole.until = 10 * SECOND + 1;
    let mut said = vec![5 * SECOND];
    while let Some(due) = whole.said_again_at(said[said.len() - 1], unknown_outcome) {
        said.push(due);
    }
    let (last, others) = said.split_last().unwrap();
    assert_eq!(*last, 10 * SECOND + 1);
    assert_eq!(others, [5, 6, 7, 8, 9, 10].map(|second| second * SECOND));
}

#[test]
fn what_waits_is_due_though_more_come_without_end() {
    let (registry, mut queue) = (Registry::alone("shop"), Queue::default());
    let mut due = SECOND;
    for id in 0..5 * MOST_TAGS {
        let second_word = job(&registry, &[format!("E:{id}")], 0);
        queue.push_later(second_word, due, &registry);
        due += 1_000;
    }
    assert_eq!(queue.next_due(), Some(SECOND));
    let first = queue.next_batch(SECOND);
    assert!(
        first
            .iter()
            .any(|job| job.tags().eq(&Tag::of_whole_event("E")))
    );
}

#[test]
fn nobody_waits_for_second_words_that_become_one() {
    let (registry, mut queue) = (Registry::alone("shop"), Queue::default());
    for id in 0..=MOST_TAGS {
        queue.push_later(job(&registry, &[format!("E:{id}")], 0), SECOND, &registry);
    }
    assert_eq!(queue.len(), 1);
    assert_eq!(queue.unacknowledged(), 0);
    for whole in Tag::of_whole_event("E") {
        assert!(registry.get(&whole).is_some_and(|cell| !cell.is_pending()));
    }
}

#[test]
fn cells_wait_for_a_job_that_was_absorbed_until_the_whole_is_acknowledged() {
    let (registry, mut queue) = (Registry::alone("shop"), Queue::default());
    let mut guarded = job(&registry, &["E:x".into(), "F:1".into()], 1);
    for (_, nonces) in &mut guarded.cells {
        nonces.push("n".into());
    }
    queue.push_later(guarded, SECOND, &registry);
    let both = ["E:y".to_owned(), "G:1".to_owned()];
    queue.push_later(job(&registry, &both, 0), 2 * SECOND, &registry);
    for id in 0..MOST_TAGS - 1 {
        queue.push_later(job(&registry, &[format!("E:{id}")], 1), SECOND, &registry);
    }
    let cell = |name: &str| registry.get(&Tag::from_name(name)).unwrap();
    let (marked, unmarked) = (cell("F:1"), cell("G:1"));
    assert!(marked.is_pending() && unmarked.is_pending());
    let whole = queue.next_batch(SECOND).pop().unwrap();
    let nonces = |name: &str| {
        let mut cells = whole.cells.iter();
        let found = cells.find(|(cell, _)| cell.tag().as_str() == name);
        found.map(|(_, nonces)| nonces.len())
    };
    assert_eq!((nonces("F:1"), nonces("G:1")), (Some(1), Some(0)));
    drop(whole);
    assert!(!marked.is_pending() && !unmarked.is_pending());
}
