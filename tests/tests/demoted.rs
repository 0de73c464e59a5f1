//! A primary is made a replica of one that never had its last event, behind connections that stay: until it is asked what it
//! is, a quarter of the bound later at most, its answers are believed by who never heard of that event, and no longer.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::time::{Duration, Instant};

use cache_core::Cache;
use tests::{
    proxy::Proxy,
    rows::{RowChanged, Table, far_row, mirrored, ms, on, row, within},
    server::Server,
};
use tokio::time::sleep;

/// Both are primaries, and hold the same two entries: `b` hears of nothing that `a` is told from here on.
struct Scene {
    a: Server,
    b: Server,
    table: Table,
    here: Cache,
}

impl Scene {
    async fn new(bound: Duration) -> Self {
        let (a, b, table) = (Server::replicable(), Server::replicable(), Table::default());
        b.follow(&a);
        b.is_synced().await;
        let here = on(a.url(), bound).await;
        mirrored(&here, &table, &b).await;
        b.lead();
        Self { a, b, table, here }
    }

    /// Acknowledged by the one that is the primary for all, and lost when that follows the other one.
    async fn change(&self) {
        self.table.set(1);
        self.here.emit(RowChanged { id: 1 }).await.unwrap();
    }

    async fn demote(&self) {
        self.a.follow(&self.b);
        self.a.is_synced().await;
    }

    /// For how long after `since` a call to either function, as the last that did, began and was served what was before the
    /// change.
    async fn behind(&self, there: &Cache, since: Instant, until: Duration) -> Duration {
        let mut last = Duration::ZERO;
        while since.elapsed() < until {
            let begin = since.elapsed();
            let near = within(there, row(&self.table, 1)).await;
            let far = within(there, far_row(&self.table, 1)).await;
            if near.min(far) == 0 {
                last = begin;
            }
            sleep(ms(5)).await;
        }
        last
    }
}

/// How far a process is behind that connected before the demotion, and calls `first` after the acknowledgement for the first
/// time.
async fn behind(bound: Duration, first: Duration) -> Duration {
    let scene = Scene::new(bound).await;
    scene.change().await;
    let acknowledged = Instant::now();
    let there = on(scene.a.other_url(), bound).await;
    scene.demote().await;
    sleep(first.saturating_sub(acknowledged.elapsed())).await;
    let until = bound + ms(1_500);
    scene.behind(&there, acknowledged, until).await
}

#[tokio::test]
async fn a_server_that_was_replaced_is_noticed_within_a_short_bound() {
    let behind = behind(ms(100), ms(0)).await;
    assert!(behind <= ms(100), "{behind:?}");
}

#[tokio::test]
async fn a_server_that_was_replaced_is_noticed_within_the_usual_bound() {
    let behind = behind(ms(2_000), ms(440)).await;
    assert!(behind <= ms(2_000), "{behind:?}");
}

/// A process that cannot listen (its server has no room for one more connection, here: the line refuses new ones) believes
/// what it has until its lease is over, and then asks. Asked is a server that was made a replica a moment ago, of one that
/// never had the event: what it proves of what is void counts until it is asked what it is.
#[tokio::test]
async fn what_a_replaced_server_has_proved_is_proven_no_longer() {
    let bound = ms(1_800);
    let scene = Scene::new(bound).await;
    let proxy = Proxy::to(&scene.a);
    let there = on(proxy.url(), bound).await;
    // It is asked at 500, 1000, .. whether it is alive, and listened at 450, 900, 1350, 1800.
    let begin = Instant::now();
    let at = |time: u64| sleep(ms(time).saturating_sub(begin.elapsed()));
    assert_eq!(within(&there, row(&scene.table, 1)).await, 0);
    at(2_000).await;
    proxy.refuse();
    scene.a.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    at(2_150).await;
    scene.change().await;
    let acknowledged = Instant::now();
    at(3_545).await;
    scene.demote().await;
    let last = scene.behind(&there, acknowledged, ms(4_500)).await;
    assert!(last <= bound, "{last:?} with a bound of {bound:?}");
}

/// How far a process is behind whose line is slower by `delay` in each direction while the demotion takes place, so that one
/// question of what the server is goes unanswered; or from then on.
async fn behind_a_line(bound: Duration, delay: Duration, stays_slow: bool) -> Duration {
    let scene = Scene::new(bound).await;
    scene.change().await;
    let proxy = Proxy::to(&scene.a);
    let there = on(proxy.url(), bound).await;
    proxy.delay(delay);
    let slow = Instant::now();
    scene.demote().await;
    if !stays_slow {
        // No second question is asked before that is over.
        sleep(ms(280).saturating_sub(slow.elapsed())).await;
        proxy.pass();
    }
    scene.behind(&there, slow, bound + ms(2_500)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_late_answer_does_not_have_a_replaced_server_believed_for_longer() {
    let bound = ms(400);
    let control = behind_a_line(bound, ms(0), false).await;
    assert!(control <= bound / 2, "control: {control:?}");
    let late = behind_a_line(bound, ms(150), false).await;
    assert!(late <= bound, "{late:?} with a bound of {bound:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_line_does_not_have_a_replaced_server_believed_for_longer() {
    let bound = ms(200);
    let slow = behind_a_line(bound, ms(60), true).await;
    assert!(slow <= bound, "{slow:?} with a bound of {bound:?}");
}

/// Neither where the server cannot be reached any more behind the demotion.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replaced_server_said_last_is_not_believed_for_longer_because_one_answer_was_late() {
    let bound = ms(2_000);
    let scene = Scene::new(bound).await;
    scene.change().await;
    let proxy = Proxy::to(&scene.a);
    let there = on(proxy.url(), bound).await;
    let connected = Instant::now();
    // It is asked every 500 ms what it is.
    sleep(ms(420)).await;
    proxy.delay(ms(150));
    let slow = Instant::now();
    scene.demote().await;
    sleep(ms(470).saturating_sub(slow.elapsed())).await;
    proxy.pass();
    sleep(ms(1_190).saturating_sub(connected.elapsed())).await;
    there.clear();
    within(&there, row(&scene.table, 1)).await;
    proxy.black_hole();
    let last = scene.behind(&there, slow, bound + ms(2_500)).await;
    assert!(last <= bound, "{last:?} with a bound of {bound:?}");
}
