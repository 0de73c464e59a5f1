//! When a breaker opens, probes and closes, and what it logs.

mod lines;

use std::{
    sync::{Arc, Barrier},
    thread,
};

use tracing::Level;

use self::lines::Lines;
use super::*;

const MS: Nanos = 1_000_000;
/// A clock is seldom at its beginning.
const START: Nanos = 1_000_000 * MS;

/// A breaker, and a clock that moves by hand.
struct Scene {
    breaker: Breaker,
    now: Nanos,
}

impl Scene {
    fn new() -> Self {
        Self {
            breaker: Breaker::new("reads", Duration::ZERO),
            now: START,
        }
    }

    fn open() -> Self {
        let scene = Self::new();
        scene.fail(5);
        assert!(scene.breaker.is_open());
        scene
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += milliseconds * MS;
    }

    fn succeed(&self, times: u64) {
        for _ in 0..times {
            self.breaker.succeeded(Admission::Yes, self.now);
        }
    }

    fn fail(&self, times: u64) {
        for _ in 0..times {
            self.breaker.failed(Admission::Yes, self.now, &"timed out");
        }
    }

    fn probe(&self) -> Option<Admission> {
        let admission = self.breaker.admits(self.now);
        matches!(admission, Admission::Probe(_)).then_some(admission)
    }

    /// Waits for a probe in steps of 10 ms; gives how long that took.
    fn wait_for_probe(&mut self) -> (u64, Admission) {
        for waited in 0..1_000 {
            if let Some(probe) = self.probe() {
                return (waited * 10, probe);
            }
            assert_eq!(self.breaker.admits(self.now), Admission::No);
            self.pass(10);
        }
        panic!("no probe in 10 s");
    }

    fn probe_succeeds(&self) {
        let probe = self.probe().expect("it is time for a probe");
        self.breaker.succeeded(probe, self.now);
    }
}

#[test]
fn it_opens_when_failures_prevail() {
    // Successes are `+`, failures `-`, and `~` is the time that passes, in milliseconds.
    let cases = [
        ("-4", false, "too few say nothing"),
        ("-5", true, "enough do"),
        ("+9999 -5", true, "what went well before does not count"),
        ("-1 +5 -4", true, "as many as successes since the first"),
        ("-1 +6 -4", false, "fewer than those"),
        ("-1 +6 -5", true, "until they are as many"),
        ("-4 ~11000 -1", false, "four are eleven seconds old"),
        ("-4 ~10000 -1", false, "four are ten seconds old"),
        ("-1 ~10000 -5", true, "five are new"),
        ("-4 ~8000 -1", true, "four are eight seconds old"),
        ("-1 +999 ~11000 -5", true, "the successes are too old"),
        (
            "-1 +99 -1 +99 -1 +99 -1 +99 -1 +99 -1",
            false,
            "one of a hundred",
        ),
        ("-1 +9999 -9", false, "a row of one moment"),
        ("-1 +9999 -4 ~50 -1", true, "a row that goes on"),
        ("-1 +9999 -3 ~500 -1", false, "a row too short"),
        ("-1 +9999 -4 ~50 +1 -1", false, "a row broken at its end"),
        ("-1 +9999 -4 +1 ~50 -5", false, "a row that begins anew"),
        (
            "-1 +9999 -1 ~3000 -1 ~3000 -1 ~3000 -1",
            false,
            "a row beyond the window",
        ),
    ];
    for (steps, opens, why) in cases {
        let mut scene = Scene::new();
        for step in steps.split(' ') {
            assert!(!scene.breaker.is_open(), "{why}: open before `{step}`");
            let (kind, number) = step.split_at(1);
            let number = number.parse().unwrap();
            match kind {
                "+" => scene.succeed(number),
                "-" => scene.fail(number),
                _ => scene.pass(number),
            }
        }
        let expected = if opens { Admission::No } else { Admission::Yes };
        assert_eq!(scene.breaker.admits(scene.now), expected, "{why}");
    }
}

#[test]
fn a_store_that_dies_in_full_use_is_noticed_within_a_tenth_of_a_second() {
    let mut scene = Scene::new();
    for _ in 0..9_000 {
        scene.succeed(99);
        scene.fail(1);
        scene.pass(1);
        assert!(!scene.breaker.is_open(), "one of a hundred fails");
    }
    let died = scene.now;
    while !scene.breaker.is_open() {
        scene.fail(100);
        scene.pass(1);
    }
    assert!(scene.now - died <= 100 * MS);
}

#[test]
fn a_store_that_drops_a_fifth_of_what_is_asked_stays_in_use() {
    let mut scene = Scene::new();
    scene.fail(1);
    scene.succeed(100);
    for _ in 0..20_000 {
        scene.fail(6);
        scene.succeed(24);
        scene.pass(1);
    }
    assert!(!scene.breaker.is_open());
}

#[test]
fn the_wait_for_a_probe_doubles_up_to_two_seconds() {
    let mut scene = Scene::open();
    for expected in [200, 400, 800, 1_600, 2_000, 2_000] {
        let (waited, probe) = scene.wait_for_probe();
        assert_eq!(waited, expected);
        scene.breaker.failed(probe, scene.now, &"timed out");
    }
}

#[test]
fn three_probes_in_a_row_close_it() {
    let mut scene = Scene::open();
    scene.pass(200);
    scene.probe_succeeds();
    scene.probe_succeeds();
    // The third fails, so the count begins anew.
    let probe = scene.probe().unwrap();
    scene.breaker.failed(probe, scene.now, &"timed out");
    assert_eq!(scene.breaker.admits(scene.now), Admission::No);
    scene.pass(400);
    for _ in 0..3 {
        assert!(scene.breaker.is_open());
        scene.probe_succeeds();
    }
    assert!(!scene.breaker.is_open());
    assert_eq!(scene.breaker.admits(scene.now), Admission::Yes);
}

#[test]
fn a_closed_breaker_has_forgotten_what_it_saw() {
    let mut scene = Scene::open();
    scene.pass(200);
    for _ in 0..3 {
        scene.probe_succeeds();
    }
    scene.fail(4);
    assert!(!scene.breaker.is_open());
    scene.fail(1);
    assert!(scene.breaker.is_open());
    assert_eq!(scene.wait_for_probe().0, 200, "the wait begins anew too");
}

#[test]
fn one_probe_at_a_time_until_it_lapses() {
    let mut scene = Scene::open();
    scene.pass(200);
    let first = scene.probe().unwrap();
    assert_eq!(scene.breaker.admits(scene.now), Admission::No);
    scene.pass(999);
    assert_eq!(scene.breaker.admits(scene.now), Admission::No);
    scene.pass(1);
    assert_ne!(scene.probe().unwrap(), first);
    assert_eq!(scene.breaker.admits(scene.now), Admission::No);
}

#[test]
fn a_probe_that_was_replaced_has_no_say() {
    for before in 0..3 {
        let mut scene = Scene::open();
        scene.pass(200);
        for _ in 0..before {
            scene.probe_succeeds();
        }
        let first = scene.probe().unwrap();
        scene.pass(1_000);
        let second = scene.probe().unwrap();
        scene.breaker.succeeded(first, scene.now);
        assert_eq!(scene.breaker.admits(scene.now), Admission::No);

        scene.pass(1_000);
        let third = scene.probe().unwrap();
        scene.breaker.failed(second, scene.now, &"timed out");
        scene.breaker.succeeded(third, scene.now);
        for _ in before + 1..3 {
            assert!(scene.breaker.is_open());
            scene.probe_succeeds();
        }
        assert!(!scene.breaker.is_open());
    }
}

#[test]
fn a_probe_that_is_late_but_not_replaced_still_counts() {
    let mut scene = Scene::open();
    scene.pass(200);
    let late = scene.probe().unwrap();
    scene.pass(5_000);
    scene.breaker.failed(late, scene.now, &"timed out");
    assert_eq!(scene.wait_for_probe().0, 400);
}

#[test]
fn what_began_before_it_opened_changes_nothing() {
    let mut scene = Scene::open();
    scene.pass(100);
    scene.fail(100);
    scene.succeed(100);
    assert_eq!(scene.wait_for_probe().0, 100);
    let mut scene = Scene::open();
    scene.pass(200);
    let probe = scene.probe().unwrap();
    scene.fail(100);
    scene.breaker.succeeded(probe, scene.now);
    assert!(scene.probe().is_some());
}

#[test]
fn it_works_from_the_first_moment_of_a_clock_on() {
    let mut scene = Scene::new();
    scene.now = 0;
    scene.fail(5);
    assert!(scene.breaker.is_open());
    let (waited, probe) = scene.wait_for_probe();
    assert_eq!(waited, 200);
    // Another thread's clock may be behind.
    scene.breaker.succeeded(probe, 0);
    assert!(scene.breaker.is_open());
}

#[test]
fn of_many_threads_one_gets_the_probe() {
    const THREADS: usize = 8;
    let breaker = Arc::new(Breaker::new("reads", Duration::ZERO));
    for _ in 0..5 {
        breaker.failed(Admission::Yes, START, &"timed out");
    }
    let barrier = Arc::new(Barrier::new(THREADS));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (breaker, barrier) = (Arc::clone(&breaker), Arc::clone(&barrier));
            thread::spawn(move || {
                (1..=500_u64)
                    .map(|round| {
                        barrier.wait();
                        // Each round is past the lapse of the one before.
                        breaker.admits(START + round * 1_000 * MS)
                    })
                    .map(|admission| matches!(admission, Admission::Probe(_)))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let won: Vec<_> = threads
        .into_iter()
        .map(|thread| thread.join().expect("the thread only asks"))
        .collect();
    for round in 0..500 {
        let winners = won.iter().filter(|won| won[round]).count();
        assert_eq!(winners, 1, "in round {round}");
    }
}

#[test]
fn threads_that_report_at_once_open_it_once() {
    let lines = Lines::default();
    let breaker = Breaker::new("reads", Duration::ZERO);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                tracing::subscriber::with_default(lines.clone(), || {
                    for _ in 0..1_000 {
                        breaker.failed(Admission::Yes, START, &"timed out");
                    }
                });
            });
        }
    });
    assert_eq!(lines.take().len(), 1);
}

#[test]
fn each_change_is_one_line_and_nothing_else_is() {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), || {
        let mut scene = Scene::new();
        scene.succeed(10);
        scene.fail(4);
        assert!(lines.take().is_empty());
        scene.fail(100);
        let opened = lines.take();
        let [(Level::WARN, line)] = &opened[..] else {
            panic!("not one warning: {opened:?}");
        };
        for part in ["direction=\"reads\"", "failures=5", "reason=timed out"] {
            assert!(line.contains(part), "{part} in {line}");
        }

        for _ in 0..4 {
            let (_, probe) = scene.wait_for_probe();
            scene.breaker.failed(probe, scene.now, &"timed out");
        }
        scene.pass(2_000);
        scene.probe_succeeds();
        scene.probe_succeeds();
        assert!(lines.take().is_empty());
        scene.probe_succeeds();
        let closed = lines.take();
        let [(Level::INFO, line)] = &closed[..] else {
            panic!("not one line: {closed:?}");
        };
        for part in ["direction=\"reads\"", "open_for=5s"] {
            assert!(line.contains(part), "{part} in {line}");
        }
        scene.succeed(10);
        assert!(lines.take().is_empty());
    });
}

#[test]
fn over_another_connection_a_probe_waits_for_nothing_and_the_one_before_counts_for_nothing() {
    let mut scene = Scene::open();
    let over = |scene: &Scene, connection| scene.breaker.admits_over(|| connection, scene.now);
    assert_eq!(over(&scene, 1), Admission::No, "it has failed on this one");
    for _ in 0..4 {
        let (_, probe) = scene.wait_for_probe();
        scene.breaker.failed(probe, scene.now, &"timed out");
    }
    let (_, last) = scene.wait_for_probe();
    assert_eq!(over(&scene, 2), Admission::No, "both would be one");
    scene.pass(1);
    assert_eq!(over(&scene, 1), Admission::No);
    let probe = over(&scene, 2);
    assert!(matches!(probe, Admission::Probe(_)), "{probe:?}");
    scene.breaker.failed(last, scene.now, &"timed out");
    assert_eq!(over(&scene, 2), Admission::No, "one at a time");
    scene.breaker.succeeded(probe, scene.now);
    scene.probe_succeeds();
    scene.probe_succeeds();
    assert!(!scene.breaker.is_open());
    scene.fail(5);
    assert_eq!(over(&scene, 3), Admission::No, "it has failed on this one");
}
