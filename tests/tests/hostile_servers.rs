//! Attacks on what is promised of invalidation by servers that are not what they were, users that may not listen, and odd
//! names.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::pedantic,
    missing_docs,
    reason = "a test may fail"
)]

use std::time::{Duration, Instant};

use cache_core::{Cache, Event, Source, cached, event};
use tests::{
    proxy::Proxy,
    rows::{RowChanged, Table, explained, filled, hears, ms, on, row, row_here, within, write},
    server::Server,
    spawn_in, until,
};
use tokio::time::sleep;

const BOUND: Duration = Duration::from_secs(2);

/// Loads a row, and makes the replica a primary that has its entry, and nothing of what comes.
async fn promoted_with_an_entry(cache: &Cache, table: &Table, replica: &Server) {
    assert_eq!(within(cache, row(table, 1)).await, 0);
    filled(cache, "row").await;
    until("the replica has it", || {
        replica.command(&["KEYS", "test:e:*"]).contains("test:e:")
    })
    .await;
    replica.lead();
}

/// `coherence.md`: who is on the side of a primary that was isolated hears of the other side half a second after it was
/// made a replica. Here it is made one, and primary again, between two beats.
#[tokio::test]
async fn a_server_that_was_a_replica_between_two_beats_may_have_missed_events() {
    let bound = Duration::from_secs(4);
    let (a, b) = (Server::replicable(), Server::replicable());
    b.follow(&a);
    b.is_synced().await;
    let (there, table) = (on(a.url(), bound).await, Table::default());
    // Past the beat that sees what attaching a replica did.
    sleep(ms(1_500)).await;
    // A beat may see it as a replica, and mostly does not.
    for _ in 0..3 {
        within(&there, row(&table, 1)).await;
        sleep(ms(300)).await;
        // `a` is apart from here on, and something is written to both.
        b.lead();
        a.command(&["SET", "other", "1"]);
        let here = on(b.url(), bound).await;
        within(&here, write(&table, 1)).await;
        assert_eq!(here.stats().events.pending, 0, "it is acknowledged");
        drop(here);
        a.follow(&b);
        a.is_synced().await;
        a.lead();
        sleep(bound).await;
        let read = explained(&there, row(&table, 1)).await;
        assert_eq!(read.value, table.value(), "{read}");
        b.follow(&a);
        b.is_synced().await;
        sleep(ms(1_500)).await;
    }
}

/// `coherence.md`: what the own process changed is not served from the moment in which the change returned.
#[tokio::test]
async fn what_a_process_changed_does_not_come_back_to_it_with_the_data_of_a_new_primary() {
    let (a, b) = (Server::replicable(), Server::replicable());
    b.follow(&a);
    b.is_synced().await;
    let (here, table) = (on(a.url(), BOUND).await, Table::default());
    sleep(ms(1_200)).await;
    promoted_with_an_entry(&here, &table, &b).await;
    within(&here, write(&table, 1)).await;
    assert_eq!(here.stats().events.pending, 0);
    let begin = Instant::now();
    a.follow(&b);
    a.is_synced().await;
    let took = begin.elapsed();
    let read = explained(&here, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{took:?} {read}");
}

fn clients(server: &Server) -> Vec<String> {
    let list = server.command(&["CLIENT", "LIST"]);
    let named = list.lines().filter(|line| line.contains("name=cache-core"));
    let id = |line: &str| {
        let id = line.split(' ').find_map(|it| it.strip_prefix("id="));
        id.unwrap().to_owned()
    };
    named.map(id).collect()
}

/// `coherence.md`: connections that lead to different servers are not believed, and made anew. Here the user may not
/// listen, and there is nothing to compare with.
#[tokio::test]
async fn caches_of_a_process_that_may_not_listen_do_not_stay_with_different_servers() {
    let (old, new) = (Server::start(), Server::start());
    for server in [&old, &new] {
        server.command(&[
            "ACL",
            "SETUSER",
            "u",
            "on",
            ">p",
            "~*",
            "+@all",
            "resetchannels",
        ]);
    }
    let proxy = Proxy::to(&old);
    let url = format!("redis://u:p@127.0.0.1:{}/", proxy.port());
    let first = on(&url, ms(500)).await;
    let of_first = clients(&old);
    let second = on(&url, ms(500)).await;
    let here = on(new.url(), ms(500)).await;
    let table = Table::default();
    within(&second, row(&table, 1)).await;
    filled(&second, "row").await;
    proxy.lead_to(&new);
    for id in of_first {
        old.command(&["CLIENT", "KILL", "ID", &id]);
    }
    until("the first has moved", || {
        new.command(&["CLIENT", "LIST"])
            .matches("name=cache-core ")
            .count()
            >= 2
    })
    .await;
    within(&here, write(&table, 1)).await;
    assert_eq!(here.stats().events.pending, 0);
    // The first knows where the name leads to.
    within(&first, row(&table, 2)).await;
    sleep(ms(5_000)).await;
    within(&first, row(&table, 3)).await;
    let read = explained(&second, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{read}");
}

#[tokio::test]
async fn odd_namespaces_are_as_good_as_others() {
    let server = Server::start();
    for namespace in ["a", "*", "{x}", "ü?[x]", "'\"\\"] {
        let build = || async {
            let builder = Cache::builder()
                .namespace(namespace)
                .redis(format!("{}3", server.url()));
            builder.build().await
        };
        let proxied = Proxy::to(&server);
        let builder = Cache::builder()
            .namespace(namespace)
            .redis(format!("{}3", proxied.url()));
        let (here, there) = (build().await.unwrap(), builder.build().await.unwrap());
        let table = Table::default();
        assert_eq!(within(&there, row(&table, 1)).await, 0);
        filled(&there, "row").await;
        assert_eq!(explained(&here, row(&table, 1)).await.source, Source::Redis);
        hears(&there, within(&here, write(&table, 1))).await;
        assert_eq!(within(&there, row(&table, 1)).await, 1, "{namespace:?}");
    }
}

#[derive(Event)]
#[event(used_elsewhere)]
struct NameChanged {
    name: String,
    part: Option<String>,
}

#[cached(ttl = 1h, skip(table), invalidate_on = NameChanged { name: name.clone(), part: part.clone() })]
async fn named(table: &Table, name: String, part: Option<String>) -> u64 {
    table.value()
}

#[tokio::test]
async fn odd_fields_are_as_good_as_others() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let (here, there) = (on(proxy.url(), BOUND).await, on(server.url(), BOUND).await);
    let table = Table::default();
    let long = "x y".repeat(20_000);
    let odd = [
        "", " ", "a b", "a\nb", "!", ":", "/", "a/b", "%", "\0", "ü", "{}", "0", "..", &long,
    ];
    for name in odd {
        for part in [
            None,
            Some(""),
            Some(" "),
            Some("a\n!"),
            Some("/"),
            Some("None"),
        ] {
            let part = part.map(ToOwned::to_owned);
            let call = || named(&table, name.to_owned(), part.clone());
            within(&there, call()).await;
            let event = NameChanged {
                name: name.to_owned(),
                part: part.clone(),
            };
            let value = table.change();
            hears(&there, here.emit(event)).await.unwrap();
            let shown: String = name.chars().take(10).collect();
            assert_eq!(within(&there, call()).await, value, "{shown:?} {part:?}");
            let value = table.change();
            let name = name.to_owned();
            let below = event!(NameChanged { name, .. });
            hears(&there, here.emit(below)).await.unwrap();
            assert_eq!(within(&there, call()).await, value, "{shown:?} below");
        }
    }
    assert_eq!(there.stats().events.gaps, 1);
}

/// A user that may not hear, and asks instead, is not behind for longer than the bound.
#[tokio::test]
async fn who_may_not_listen_asks_in_time_and_serves_from_memory() {
    let server = Server::start();
    server.command(&[
        "ACL",
        "SETUSER",
        "d",
        "on",
        ">p",
        "~test:*",
        "+@all",
        "resetchannels",
    ]);
    let url = format!("redis://d:p@127.0.0.1:{}/", server.port());
    let bound = ms(400);
    let (there, here) = (on(url, bound).await, on(server.url(), bound).await);
    let table = Table::default();
    for _ in 0..10 {
        within(&there, row(&table, 1)).await;
        within(&there, row_here(&table, 1)).await;
        within(&here, write(&table, 1)).await;
        sleep(bound + ms(10)).await;
        assert_eq!(within(&there, row(&table, 1)).await, table.value());
        assert_eq!(within(&there, row_here(&table, 1)).await, table.value());
        assert_eq!(
            explained(&there, row(&table, 1)).await.source,
            Source::Memory
        );
    }
    // What it changes itself it sees, and does not ask for.
    within(&there, write(&table, 1)).await;
    assert_eq!(within(&there, row(&table, 1)).await, table.value());
    server.command(&["ACL", "SETUSER", "d", "&*"]);
    until("it is told", || there.stats().events.pending == 0).await;
    until("it listens", || there.stats().events.gaps > 0).await;
    within(&here, row(&table, 1)).await;
    hears(&here, within(&there, write(&table, 1))).await;
    assert_eq!(within(&here, row(&table, 1)).await, table.value());
}

fn ids(server: &Server) -> Vec<(String, String)> {
    let list = server.command(&["CLIENT", "LIST"]);
    let field = |line: &str, name: &str| {
        let value = line.split(' ').find_map(|it| it.strip_prefix(name));
        value.unwrap_or_default().to_owned()
    };
    let lines = list.lines().filter(|line| line.contains("name=cache-core"));
    lines
        .map(|line| (field(line, "id="), field(line, "name=")))
        .collect()
}

/// `coherence.md`: connections to different servers that stay apart for two seconds are made anew. These never are.
#[tokio::test]
async fn connections_are_not_made_anew_where_a_server_only_changes_its_replication_id() {
    let server = Server::start();
    let (here, table) = (on(server.url(), ms(4_000)).await, Table::default());
    within(&here, row(&table, 1)).await;
    let reading = {
        let table = table.clone();
        spawn_in(&here, async move {
            for id in 0.. {
                row(&table, id).await;
                sleep(ms(2)).await;
            }
        })
    };
    sleep(ms(1_000)).await;
    let before = ids(&server);
    for round in 0..6 {
        server.command(&["DEBUG", "CHANGE-REPL-ID"]);
        sleep(ms(3_130)).await;
        assert_eq!(ids(&server), before, "round {round}");
    }
    reading.abort();
}

/// `coherence.md`, a failover that loses what was acknowledged: the bound holds. Here it is another process that emitted, and
/// this one has heard of it.
#[tokio::test]
async fn what_another_process_changed_does_not_come_back_with_the_data_of_a_new_primary() {
    let mut late = Vec::new();
    for _ in 0..2 {
        let (a, b) = (Server::replicable(), Server::replicable());
        b.follow(&a);
        b.is_synced().await;
        let (here, there) = (on(a.url(), BOUND).await, on(a.other_url(), BOUND).await);
        let table = Table::default();
        sleep(ms(1_200)).await;
        promoted_with_an_entry(&there, &table, &b).await;
        hears(&there, within(&here, write(&table, 1))).await;
        let acknowledged = Instant::now();
        drop(here);
        sleep(BOUND + ms(500)).await;
        let begin = Instant::now();
        a.follow(&b);
        a.is_synced().await;
        let took = begin.elapsed();
        let read = explained(&there, row(&table, 1)).await;
        let first = read.value;
        // How long it is served.
        let mut until_when = Duration::ZERO;
        while begin.elapsed() < ms(6_000) {
            if within(&there, row(&table, 1)).await == 0 {
                until_when = begin.elapsed();
            }
            sleep(ms(10)).await;
        }
        if first == 0 || until_when > Duration::ZERO {
            late.push((took, acknowledged.elapsed(), until_when));
        }
    }
    assert!(late.is_empty(), "{late:?}");
}

/// `coherence.md`: what the own process changed is not served from the moment in which the change returned. As in
/// `hostile_servers.rs`, but for a crowd of other changes, of which the ledger remembers one of all.
#[tokio::test]
async fn what_a_process_changed_among_many_does_not_come_back_to_it_with_the_data_of_a_new_primary()
{
    let (a, b) = (Server::replicable(), Server::replicable());
    b.follow(&a);
    b.is_synced().await;
    let (here, table) = (on(a.url(), BOUND).await, Table::default());
    sleep(ms(1_200)).await;
    promoted_with_an_entry(&here, &table, &b).await;
    within(&here, write(&table, 1)).await;
    let crowd: Vec<_> = (10..12_000).map(|id| RowChanged { id }).collect();
    _ = here.emit(crowd).await;
    until("all is told", || here.stats().events.pending == 0).await;
    let begin = Instant::now();
    a.follow(&b);
    a.is_synced().await;
    let took = begin.elapsed();
    let read = explained(&here, row(&table, 1)).await;
    assert_eq!(read.value, 1, "{took:?} {read}");
}

/// A server that loads an older dump (`DEBUG RELOAD NOSAVE`) has the same history by its own account.
#[tokio::test]
async fn an_older_dump_that_a_server_loads_is_no_proof() {
    let server = Server::start();
    let (here, there) = (
        on(server.url(), BOUND).await,
        on(server.other_url(), BOUND).await,
    );
    let table = Table::default();
    assert_eq!(within(&there, row(&table, 1)).await, 0);
    filled(&there, "row").await;
    server.command(&["SAVE"]);
    hears(&there, within(&here, write(&table, 1))).await;
    server.command(&["DEBUG", "RELOAD", "NOSAVE"]);
    sleep(BOUND).await;
    sleep(BOUND).await;
    let own = explained(&here, row(&table, 1)).await;
    let read = explained(&there, row(&table, 1)).await;
    assert_eq!((own.value, read.value), (1, 1), "{own} {read}");
}
