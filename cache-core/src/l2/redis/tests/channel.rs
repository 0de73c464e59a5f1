//! What a listener is told, by real servers: of every message, of every connection that comes and goes, and of what
//! was certainly heard.

use std::{fmt::Write as _, sync::Weak};

use super::{
    tags::{batch, bump},
    *,
};
use crate::{
    clock::Nanos,
    l2::{
        Lineage, Version,
        notes::{
            Notes,
            Told::{Connected, Fenced, Lost, Misled},
        },
    },
};

const BEAT: Duration = Duration::from_millis(50);
const CHANNEL: &str = "ns:events";

fn listen(store: &RedisStore) -> Arc<Notes> {
    let notes = Arc::new(Notes::default());
    let listener: Arc<dyn Listener> = Arc::clone(&notes) as _;
    store.listen(CHANNEL, BEAT, &listener);
    notes
}

/// Waits for proof that all which was published before has been heard.
async fn proven(notes: &Notes) {
    let now = system_now();
    until(Duration::from_secs(10), async || notes.fence() > now).await;
}

/// Waits until its connection is gone, and stays so. A busy machine may have lost others before.
async fn lost(notes: &Notes) {
    let is_lost = async || notes.changes().pop() == Some(Lost);
    until(Duration::from_secs(5), is_lost).await;
}

async fn listening(store: &RedisStore) -> Arc<Notes> {
    let notes = listen(store);
    proven(&notes).await;
    notes
}

#[tokio::test]
async fn a_bump_is_heard_by_all_with_the_version_it_got() {
    let server = Server::start(&[]);
    bounded(async {
        let (here, there) = (open(&server.url()).await, open(&server.url()).await);
        let (own, other) = (listening(&here).await, listening(&there).await);
        let versions = bump(&here, &["a", "b"]).await;
        proven(&other).await;
        let mut expected = String::new();
        for (name, version) in ["a", "b"].iter().zip(&versions) {
            let Version::Number(version) = version else {
                panic!("no version: {version:?}");
            };
            writeln!(expected, "{name} {version} origin site").unwrap();
        }
        assert_eq!(other.messages(), [expected.trim_end()]);
        proven(&own).await;
        assert_eq!(own.messages(), other.messages());
    })
    .await;
}

#[tokio::test]
async fn bumps_are_heard_in_the_order_of_their_versions() {
    let server = Server::start(&[]);
    bounded(async {
        let store = Arc::new(open(&server.url()).await);
        let notes = listening(&store).await;
        let bumps: Vec<_> = (0..100)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { bump(&store, &["a"]).await })
            })
            .collect();
        for bump in bumps {
            bump.await.unwrap();
        }
        proven(&notes).await;
        let versions: Vec<u64> = notes
            .messages()
            .iter()
            .map(|line| line.split(' ').nth(1).unwrap().parse().unwrap())
            .collect();
        assert_eq!(versions.len(), 100);
        assert!(versions.is_sorted_by(|one, next| one < next));
    })
    .await;
}

#[tokio::test]
async fn a_listener_is_connected_before_anything_is_proven() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let before = system_now();
        let notes = listening(&store).await;
        let all = notes.all();
        let [Connected(lineage), Fenced(sent, same), ..] = all[..] else {
            panic!("{all:?}");
        };
        assert_eq!(lineage, same);
        assert_ne!(lineage, Lineage::UNKNOWN);
        assert!(sent >= before && sent <= system_now());
        let fences = all.len();
        until(SOON, async || notes.all().len() >= fences + 3).await;
        assert_eq!(notes.changes().len(), 1);
        assert_eq!(server.connections("cache-core-channel"), 1);
    })
    .await;
}

#[tokio::test]
async fn a_full_server_still_publishes_without_versions() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    bounded(async {
        let store = open(&server.url()).await;
        let notes = listening(&store).await;
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        assert_eq!(bump(&store, &["a", "b"]).await, [Version::Missing; 2]);
        proven(&notes).await;
        assert_eq!(notes.messages(), ["a 0 origin site\nb 0 origin site"]);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_written_is_not_published() {
    let server = Server::start(&["--min-replicas-to-write", "1"]);
    bounded(async {
        let store = open(&server.url()).await;
        let notes = listening(&store).await;
        for names in [&["a"][..], &["a", "b"]] {
            store.bump(batch(names), SOON).await.unwrap_err();
        }
        let mut marks = batch(&["a"]);
        marks.bumps[0].nonces.push("one".into());
        store.mark(marks, SOON).await.unwrap_err();
        proven(&notes).await;
        assert!(notes.messages().is_empty(), "{:?}", notes.messages());
    })
    .await;
}

#[tokio::test]
async fn a_mark_is_published_whenever_it_is_made_to_last_longer() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let notes = listening(&store).await;
        for nonce in ["one", "one", "two"] {
            let mut batch = batch(&["a"]);
            batch.bumps[0].nonces.push(nonce.into());
            store.mark(batch, SOON).await.unwrap();
        }
        proven(&notes).await;
        assert_eq!(notes.messages(), ["a ! origin site"; 3]);
    })
    .await;
}

#[tokio::test]
async fn whatever_is_published_is_handed_over() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let notes = listening(&store).await;
        for garbage in ["", "\n", "é", "a b c d e f", "*1\r\n"] {
            server.command(&["PUBLISH", CHANNEL, garbage]);
        }
        server.command(&["PUBLISH", "ns:other", "not for us"]);
        proven(&notes).await;
        assert_eq!(notes.messages(), ["", "\n", "é", "a b c d e f", "*1\r\n"]);
        assert_eq!(notes.changes().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_listener_that_panics_costs_its_connection_and_no_more() {
    struct Touchy(Arc<Notes>);
    impl Listener for Touchy {
        fn heard(&self, message: &[u8]) {
            assert_ne!(message, b"panic");
            self.0.heard(message);
        }
        fn connected(&self, lineage: Lineage) {
            self.0.connected(lineage);
        }
        fn fenced(&self, sent: Nanos, lineage: Lineage) {
            self.0.fenced(sent, lineage);
        }
        fn lost(&self) {
            self.0.lost();
        }
        fn misled(&self) {
            self.0.misled();
        }
    }
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let notes = Arc::new(Notes::default());
        let listener: Arc<dyn Listener> = Arc::new(Touchy(Arc::clone(&notes)));
        store.listen(CHANNEL, BEAT, &listener);
        proven(&notes).await;
        server.command(&["PUBLISH", CHANNEL, "panic"]);
        until(PATIENCE, async || notes.changes().len() >= 3).await;
        proven(&notes).await;
        server.command(&["PUBLISH", CHANNEL, "fine"]);
        proven(&notes).await;
        assert_eq!(notes.messages(), ["fine"]);
    })
    .await;
}

#[tokio::test]
async fn a_killed_connection_is_lost_and_replaced() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let notes = listening(&store).await;
        for round in 1..=3 {
            server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
            let changes = 1 + 2 * round;
            until(Duration::from_secs(5), async || {
                notes.changes().len() >= changes
            })
            .await;
            proven(&notes).await;
        }
        let changes = notes.changes();
        for pair in changes[1..].chunks(2) {
            assert_eq!(pair, [Lost, changes[0].clone()]);
        }
        bump(&store, &["a"]).await;
        proven(&notes).await;
        assert_eq!(notes.messages().len(), 1);
        assert_eq!(server.connections("cache-core-channel"), 1);
        // The others were left alone.
        assert_eq!(server.connections("cache-core"), 1);
    })
    .await;
}

#[tokio::test]
async fn who_has_something_to_tell_learns_when_a_server_can_be_told_again() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let notes = listening(&store).await;
        for _ in 0..3 {
            let before = notes.times_reached();
            server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
            until(PATIENCE, async || notes.times_reached() > before).await;
            assert!(store.is_ready());
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_starts_again_is_heard_under_another_lineage() {
    let mut server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let notes = listening(&store).await;
        server.kill();
        lost(&notes).await;
        server.run();
        proven(&notes).await;
        let changes = notes.changes();
        assert!(matches!(changes.last(), Some(Connected(_))));
        assert_ne!(changes.first(), changes.last());
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_silent_proves_nothing_and_is_lost() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let notes = listening(&store).await;
        server.stop();
        let stopped = system_now();
        lost(&notes).await;
        // Sent just before perhaps, and nothing after.
        assert!(notes.fence() <= stopped);
        server.go_on();
        proven(&notes).await;
        assert!(matches!(notes.changes().pop(), Some(Connected(_))));
    })
    .await;
}

#[tokio::test]
async fn a_new_history_on_a_live_connection_is_told_by_the_next_proof() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let notes = listening(&store).await;
        let Connected(first) = notes.changes()[0] else {
            panic!("it begins otherwise");
        };
        // The first replica that attaches makes one.
        let _replica = Server::start(&["--replicaof", "127.0.0.1", &server.port.to_string()]);
        until(
            Duration::from_secs(5),
            async || matches!(notes.all().pop(), Some(Fenced(_, last)) if last != first),
        )
        .await;
        assert_eq!(notes.changes().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_primary_that_becomes_a_replica_proves_nothing_more() {
    let server = Server::start(&[]);
    let other = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let notes = listening(&store).await;
        server.command(&["REPLICAOF", "127.0.0.1", &other.port.to_string()]);
        lost(&notes).await;
        let (told, fence) = (notes.all().len(), notes.fence());
        server.command(&["REPLICAOF", "NO", "ONE"]);
        proven(&notes).await;
        let mut since = notes.all().split_off(told);
        // Of what was answered by the replica, whichever connection sees it first.
        since.retain(|told| *told != Misled);
        assert!(matches!(since[0], Connected(_)), "{since:?}");
        assert!(notes.fence() > fence);
    })
    .await;
}

#[tokio::test]
async fn a_listener_signs_in_as_all_do() {
    let server = Server::start(&["--requirepass", "open"]);
    bounded(async {
        let store = open(&format!("redis://:open@127.0.0.1:{}/3", server.port)).await;
        let notes = listening(&store).await;
        bump(&store, &["a"]).await;
        proven(&notes).await;
        assert_eq!(notes.messages().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_dropped_store_tells_its_listener_and_listens_no_more() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let notes = listening(&store).await;
        drop(store);
        assert_eq!(notes.all().pop(), Some(Lost));
        until(PATIENCE, async || {
            server.connections("cache-core-channel") == 0
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_store_keeps_no_listener() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let notes: Weak<Notes> = Arc::downgrade(&listening(&store).await);
        until(PATIENCE, async || notes.strong_count() == 0).await;
        bump(&store, &["a"]).await;
    })
    .await;
}

#[test]
fn the_next_runtime_listens_on() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let server = Server::start(&[]);
    let first = runtime();
    let (store, notes) = first.block_on(bounded(async {
        let store = open(&server.url()).await;
        let notes = listening(&store).await;
        (store, notes)
    }));
    drop(first);
    assert_eq!(notes.all().pop(), Some(Lost));
    runtime().block_on(bounded(async {
        let listener: Arc<dyn Listener> = Arc::clone(&notes) as _;
        for _ in 0..3 {
            store.listen(CHANNEL, BEAT, &listener);
        }
        proven(&notes).await;
        assert!(matches!(notes.changes().pop(), Some(Connected(_))));
        assert_eq!(server.connections("cache-core-channel"), 1);
    }));
}
