//! Versions of tags on a real server: they grow, never come back, and are read with what depends on them.

use super::*;
use crate::{
    coherence::Nonces,
    l2::{Batch, Bump, Lineage, Version},
};

const HOUR: Duration = Duration::from_hours(1);

pub(super) fn batch(names: &[&str]) -> Batch {
    let bumps = names.iter().map(|name| Bump {
        key: format!("t:{name}").into(),
        name: (*name).into(),
        life: HOUR,
        nonces: Nonces::new(),
    });
    Batch {
        channel: "ns:events".into(),
        tail: "origin site".into(),
        bumps: bumps.collect(),
    }
}

pub(super) async fn bump(store: &RedisStore, names: &[&str]) -> Vec<Version> {
    let bumped = store.bump(batch(names), SOON).await.unwrap();
    bumped.versions.to_vec()
}

async fn ensure(store: &RedisStore, tags: &[&str]) -> Vec<Version> {
    let ensured = store.ensure(tags, HOUR, SOON).await.unwrap();
    ensured.versions.to_vec()
}

async fn read(store: &RedisStore, entry: Option<&str>, tags: &[&str]) -> Tagged {
    let asked = ReadRequest {
        entry,
        expected: 100,
        tags,
    };
    store.get_tagged(asked, SOON).await.unwrap()
}

fn number(version: Version) -> u64 {
    match version {
        Version::Number(number) => number,
        other => panic!("no number: {other:?}"),
    }
}

fn life_left(server: &Server, key: &str) -> i64 {
    let left = server.command(&["PTTL", key]);
    left.strip_prefix(':').unwrap().parse().unwrap()
}

const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn an_entry_and_its_tags_are_read_in_one_round_trip() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        put(&store, "e", b"value").await;
        let versions = bump(&store, &["a", "b"]).await;
        let by_scripts = server.calls("get");
        let before = system_now();
        let tagged = read(&store, Some("e"), &["t:b", "t:none", "t:a"]).await;
        assert_eq!(tagged.entry.as_deref(), Some(&b"value"[..]));
        let expected = [versions[1], Version::Missing, versions[0]];
        assert_eq!(tagged.versions.as_slice(), expected);
        assert_ne!(tagged.lineage, Lineage::UNKNOWN);
        assert!(tagged.sent >= before && tagged.sent <= system_now());
        assert_eq!((server.calls("mget"), server.calls("get")), (1, by_scripts));

        let absent = read(&store, Some("none"), &["t:a"]).await;
        assert_eq!(absent.entry, None);
        let alone = read(&store, None, &["t:a"]).await;
        assert_eq!(alone.versions.as_slice(), [versions[0]]);
        assert_eq!(alone.lineage, tagged.lineage);
    })
    .await;
}

#[tokio::test]
async fn versions_grow_and_name_the_servers_time() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let before = micros_since_1970();
        let mut last = 0;
        for _ in 0..50 {
            let version = number(bump(&store, &["a"]).await[0]);
            assert!(version > last);
            last = version;
        }
        assert!(before <= last && last <= micros_since_1970());
        let ahead = micros_since_1970() + 3_600_000_000;
        server.command(&["SET", "t:a", &ahead.to_string()]);
        assert_eq!(bump(&store, &["a"]).await, [Version::Number(ahead + 1)]);
    })
    .await;
}

#[tokio::test]
async fn a_version_never_comes_back_after_its_tag_was_lost() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let before = number(bump(&store, &["a"]).await[0]);
        server.command(&["DEL", "t:a"]);
        let created = number(ensure(&store, &["t:a"]).await[0]);
        assert!(created > before);
        server.command(&["DEL", "t:a"]);
        assert!(number(bump(&store, &["a"]).await[0]) > created);
    })
    .await;
}

#[tokio::test]
async fn ensured_tags_are_kept_created_and_live_longer_but_never_shorter() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let before = micros_since_1970();
        server.command(&["SET", "t:short", "5", "PX", "60000"]);
        server.command(&["SET", "t:long", "6", "PX", "7200000"]);
        server.command(&["SET", "t:ever", "7"]);
        server.command(&["SET", "t:mark", "! one@9999999999999", "PX", "30000"]);
        let tags = ["t:short", "t:long", "t:ever", "t:mark", "t:new"];
        let versions = ensure(&store, &tags).await;
        let known = [5, 6, 7].map(Version::Number);
        assert_eq!(versions[..3], known);
        assert_eq!(versions[3], Version::Marked);
        let created = number(versions[4]);
        assert!(before <= created && created <= micros_since_1970());
        assert_eq!(ensure(&store, &tags).await, versions);

        let is_about_an_hour = |left| left > HOUR_MS - 60_000 && left <= HOUR_MS;
        assert!(is_about_an_hour(life_left(&server, "t:short")));
        assert!(is_about_an_hour(life_left(&server, "t:new")));
        assert!(life_left(&server, "t:long") > HOUR_MS);
        assert_eq!(life_left(&server, "t:ever"), -1);
        assert!(life_left(&server, "t:mark") <= 30_000);
    })
    .await;
}

#[tokio::test]
async fn a_bump_shortens_no_life() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        server.command(&["SET", "t:long", "6", "PX", "7200000"]);
        server.command(&["SET", "t:short", "6", "PX", "5"]);
        bump(&store, &["long", "short"]).await;
        assert!(life_left(&server, "t:long") > HOUR_MS);
        assert!(life_left(&server, "t:short") > HOUR_MS - 60_000);
    })
    .await;
}

#[tokio::test]
async fn what_is_no_version_is_missing_and_replaced() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        for value in ["", "-1", "1e9", "7 ", "é", "99999999999999999999", "0x10"] {
            server.command(&["SET", "t:a", value]);
            let versions = read(&store, None, &["t:a"]).await.versions;
            assert_eq!(versions.as_slice(), [Version::Missing], "{value:?}");
            assert!(number(ensure(&store, &["t:a"]).await[0]) > 1_600_000_000_000_000);
        }
        server.command(&["DEL", "t:a"]);
        server.command(&["LPUSH", "t:a", "x"]);
        let tagged = read(&store, Some("t:a"), &["t:a"]).await;
        assert_eq!(tagged.entry, None);
        assert_eq!(tagged.versions.as_slice(), [Version::Missing]);
        number(bump(&store, &["a"]).await[0]);
        server.command(&["DEL", "t:a"]);
        server.command(&["LPUSH", "t:a", "x"]);
        number(ensure(&store, &["t:a"]).await[0]);
    })
    .await;
}

#[tokio::test]
async fn a_full_server_loses_the_tags_instead_and_says_so() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    bounded(async {
        let store = open(&server.url()).await;
        bump(&store, &["a", "b"]).await;
        ensure(&store, &["t:c"]).await;
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        assert_eq!(bump(&store, &["a", "b"]).await, [Version::Missing; 2]);
        let versions = read(&store, None, &["t:a", "t:b", "t:c"]).await.versions;
        assert_eq!(versions[..2], [Version::Missing; 2]);
        assert_eq!(versions[2], ensure(&store, &["t:c"]).await[0]);
        let refused = store.ensure(&["t:a"], HOUR, SOON).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::ReadOnly(words) if words.starts_with("OOM")),
            "{refused:?}"
        );
        server.command(&["CONFIG", "SET", "maxmemory", "0"]);
        number(bump(&store, &["a"]).await[0]);
    })
    .await;
}

#[tokio::test]
async fn scripts_that_the_server_has_forgotten_are_sent_again() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        for round in 1..=3 {
            server.command(&["SCRIPT", "FLUSH"]);
            number(bump(&store, &["a"]).await[0]);
            number(bump(&store, &["a"]).await[0]);
            number(ensure(&store, &["t:a"]).await[0]);
            assert_eq!(server.calls("eval"), 2 * round);
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_that_may_not_write_refuses_in_its_own_words() {
    let server = Server::start(&["--min-replicas-to-write", "1"]);
    bounded(async {
        let store = open(&server.url()).await;
        let bumped = store.bump(batch(&["a"]), SOON).await.unwrap_err();
        let ensured = store.ensure(&["t:a"], HOUR, SOON).await.unwrap_err();
        for error in [bumped, ensured] {
            assert!(
                matches!(&error, StoreError::ReadOnly(words) if words.starts_with("NOREPLICAS")),
                "{error:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn another_history_is_another_lineage() {
    let mut server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let first = read(&store, None, &["t:a"]).await.lineage;
        assert_eq!(read(&store, None, &["t:a"]).await.lineage, first);
        server.kill();
        server.run();
        until(Duration::from_secs(5), async || {
            read_lineage(&store).await.is_some_and(|it| it != first)
        })
        .await;
        let second = read(&store, None, &["t:a"]).await.lineage;
        // It changes on a live connection too, as when a first replica attaches.
        let _replica = Server::start(&["--replicaof", "127.0.0.1", &server.port.to_string()]);
        until(Duration::from_secs(5), async || {
            read_lineage(&store).await.is_some_and(|it| it != second)
        })
        .await;
        assert_eq!(server.connections("cache-core"), 1);
    })
    .await;
}

async fn read_lineage(store: &RedisStore) -> Option<Lineage> {
    let asked = ReadRequest {
        entry: None,
        expected: 0,
        tags: &["t:a"],
    };
    let tagged = store.get_tagged(asked, SOON).await;
    tagged.ok().map(|tagged| tagged.lineage)
}

#[tokio::test]
async fn many_readers_at_once_get_their_own_versions_by_few_commands() {
    let server = Server::start(&[]);
    bounded(async {
        let store = Arc::new(open(&server.url()).await);
        let names: Vec<String> = (0..300).map(|n| n.to_string()).collect();
        for name in &names {
            server.command(&["SET", &format!("t:{name}"), name]);
            server.command(&["SET", &format!("e:{name}"), name]);
        }
        let readers: Vec<_> = names
            .iter()
            .map(|name| {
                let (store, name) = (Arc::clone(&store), name.clone());
                tokio::spawn(async move {
                    let (entry, tag) = (format!("e:{name}"), format!("t:{name}"));
                    let tagged = read(&store, Some(&entry), &[&tag, "t:7", "t:none"]).await;
                    let number = name.parse().unwrap();
                    assert_eq!(tagged.entry, Some(name.into_bytes()));
                    assert_eq!(
                        tagged.versions.as_slice(),
                        [
                            Version::Number(number),
                            Version::Number(7),
                            Version::Missing
                        ]
                    );
                })
            })
            .collect();
        for reader in readers {
            reader.await.unwrap();
        }
        let commands = server.calls("mget");
        // Eight alone, and the others 16 to a batch.
        assert!((19..60).contains(&commands), "{commands} MGET");
        assert_eq!(server.calls("get"), 0);
    })
    .await;
}

#[tokio::test]
async fn a_large_value_and_its_tags_take_the_second_connection_together() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let large = vec![7; 2 * LARGE];
        put(&store, "large", &large).await;
        until(PATIENCE, async || store.bulk.is_up()).await;
        let version = bump(&store, &["a"]).await[0];
        let asked = ReadRequest {
            entry: Some("large"),
            expected: large.len(),
            tags: &["t:a"],
        };
        let tagged = store.get_tagged(asked, SOON).await.unwrap();
        assert_eq!(tagged.entry, Some(large));
        assert_eq!(tagged.versions.as_slice(), [version]);
        let list = server.command(&["CLIENT", "LIST"]);
        let bulk = list.lines().find(|line| line.contains("cache-core-bulk"));
        assert!(bulk.unwrap().contains("cmd=mget"));
    })
    .await;
}

#[tokio::test]
async fn without_a_server_nothing_of_tags_is_available() {
    let mut server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        server.kill();
        until(SOON, async || !store.is_ready()).await;
        let bumped = store.bump(batch(&["a"]), SOON).await;
        assert_eq!(bumped, Err(StoreError::Unavailable));
        let ensured = store.ensure(&["t:a"], HOUR, SOON).await;
        assert_eq!(ensured, Err(StoreError::Unavailable));
        assert_eq!(read_lineage(&store).await, None);
    })
    .await;
}

fn guarded(nonce: &str, life: Duration) -> Batch {
    let mut batch = batch(&["a"]);
    batch.bumps[0].nonces.push(nonce.into());
    batch.bumps[0].life = life;
    batch
}

#[tokio::test]
async fn a_mark_stays_until_its_last_writer_has_bumped() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let before = number(bump(&store, &["a"]).await[0]);
        let mark = async |nonce| {
            let marked = store
                .mark(guarded(nonce, Duration::from_secs(30)), SOON)
                .await;
            marked.unwrap().versions[0]
        };
        let release = async |nonce| {
            let released = store.bump(guarded(nonce, HOUR), SOON).await;
            released.unwrap().versions[0]
        };
        assert_eq!(mark("one").await, Version::Missing);
        assert!(life_left(&server, "t:a") <= 30_000);
        assert_eq!(mark("two").await, Version::Missing);
        assert_eq!(mark("one").await, Version::Marked);
        let versions = read(&store, None, &["t:a"]).await.versions;
        assert_eq!(versions.as_slice(), [Version::Marked]);
        assert_eq!(ensure(&store, &["t:a"]).await, [Version::Marked]);
        assert_eq!(bump(&store, &["a"]).await, [Version::Marked]);
        assert_eq!(release("stranger").await, Version::Marked);
        assert_eq!(release("one").await, Version::Marked);
        assert!(life_left(&server, "t:a") <= 30_000);
        assert!(number(release("two").await) > before);
        assert!(life_left(&server, "t:a") > HOUR_MS - 60_000);
        // Who lost its mark still gets a version, and can tell.
        mark("one").await;
        server.command(&["DEL", "t:a"]);
        assert_eq!(mark("one").await, Version::Missing);
        server.command(&["DEL", "t:a"]);
        number(release("one").await);
    })
    .await;
}

#[tokio::test]
async fn a_mark_ends_with_its_life_and_a_version_before_it_never_comes_back() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let ahead = micros_since_1970() + 3_600_000_000;
        server.command(&["SET", "t:a", &ahead.to_string()]);
        store.mark(guarded("one", HOUR), SOON).await.unwrap();
        let released = store.bump(guarded("one", HOUR), SOON).await.unwrap();
        assert_eq!(released.versions.as_slice(), [Version::Number(ahead + 1)]);

        let moment = Duration::from_millis(5);
        store.mark(guarded("one", moment), SOON).await.unwrap();
        until(SOON, async || {
            read(&store, None, &["t:a"]).await.versions[0] == Version::Missing
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_full_server_takes_no_marks() {
    let server = Server::start(&["--maxmemory-policy", "noeviction", "--maxmemory", "1"]);
    bounded(async {
        let store = open(&server.url()).await;
        let refused = store.mark(guarded("one", HOUR), SOON).await.unwrap_err();
        assert!(matches!(refused, StoreError::ReadOnly(_)), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn the_mark_of_a_dead_writer_ends_though_others_go_on_marking() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let before = number(bump(&store, &["a"]).await[0]);
        let short = Duration::from_millis(300);
        store.mark(guarded("dead", short), SOON).await.unwrap();
        let mut released = Version::Marked;
        let begun = Instant::now();
        while released == Version::Marked {
            assert!(begun.elapsed() < SOON, "it lasts");
            store.mark(guarded("alive", HOUR), SOON).await.unwrap();
            let bumped = store.bump(guarded("alive", HOUR), SOON).await.unwrap();
            released = bumped.versions[0];
        }
        assert!(begun.elapsed() >= short / 2 && number(released) > before);
    })
    .await;
}

#[tokio::test]
async fn what_a_dead_writer_had_marked_gets_a_new_version() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let ahead = micros_since_1970() + 3_600_000_000;
        let mark = format!("!{ahead} dead@1600000000000");
        server.command(&["SET", "t:a", &mark]);
        let versions = read(&store, None, &["t:a"]).await.versions;
        assert_eq!(versions.as_slice(), [Version::Marked]);
        let ensured = ensure(&store, &["t:a"]).await;
        assert_eq!(ensured, [Version::Number(ahead + 1)]);
    })
    .await;
}

#[tokio::test]
async fn a_full_server_keeps_the_marks_of_others() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]);
    bounded(async {
        let store = open(&server.url()).await;
        store.mark(guarded("other", HOUR), SOON).await.unwrap();
        store.mark(guarded("own", HOUR), SOON).await.unwrap();
        server.command(&["CONFIG", "SET", "maxmemory", "1"]);
        let released = store.bump(guarded("own", HOUR), SOON).await.unwrap();
        assert_eq!(released.versions.as_slice(), [Version::Marked]);
        let versions = read(&store, None, &["t:a"]).await.versions;
        assert_eq!(versions.as_slice(), [Version::Marked]);
        let released = store.bump(guarded("other", HOUR), SOON).await.unwrap();
        // The own mark could not be taken away.
        assert_eq!(released.versions.as_slice(), [Version::Marked]);
    })
    .await;
}

#[tokio::test]
async fn the_marks_of_many_writers_end_in_one_batch() {
    let server = Server::start(&[]);
    bounded(async {
        let store = open(&server.url()).await;
        let mut marks = guarded("one", HOUR);
        marks.bumps.extend(guarded("two", HOUR).bumps);
        marks.bumps.extend(guarded("three", HOUR).bumps);
        let marked = store.mark(marks.clone(), SOON).await.unwrap();
        assert_eq!(marked.versions.as_slice(), [Version::Missing; 3]);
        let marked = store.mark(marks, SOON).await.unwrap();
        assert_eq!(marked.versions.as_slice(), [Version::Marked; 3]);
        let mut ends = batch(&["a", "b"]);
        ends.bumps[0].nonces = ["one", "three"].map(Into::into).into_iter().collect();
        let ended = store.bump(ends.clone(), SOON).await.unwrap().versions;
        assert_eq!(ended[0], Version::Marked);
        number(ended[1]);
        ends.bumps[0].nonces.push("two".into());
        number(store.bump(ends, SOON).await.unwrap().versions[0]);
    })
    .await;
}

#[tokio::test]
async fn what_redis_refuses_to_publish_is_not_written() {
    let server = Server::start(&[]);
    let rules = ["ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "&none"];
    assert_eq!(server.command(&rules), "+OK");
    bounded(async {
        let store = open(&format!("redis://u:p@127.0.0.1:{}/", server.port)).await;
        let ahead = micros_since_1970() + 3_600_000_000;
        // By the other way than the quick one.
        server.command(&["SET", "t:b", &ahead.to_string()]);
        for name in ["b", "none"] {
            let refused = store.bump(batch(&[name]), SOON).await;
            assert!(
                matches!(refused, Err(StoreError::Refused(_))),
                "{refused:?}"
            );
        }
        let refused = store.mark(guarded("one", HOUR), SOON).await;
        assert!(
            matches!(refused, Err(StoreError::Refused(_))),
            "{refused:?}"
        );
        let versions = read(&store, None, &["t:b", "t:none", "t:a"]).await.versions;
        let before = [Version::Number(ahead), Version::Missing, Version::Missing];
        assert_eq!(versions.as_slice(), before);
    })
    .await;
}
