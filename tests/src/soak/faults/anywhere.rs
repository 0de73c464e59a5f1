//! What can happen to servers wherever entries are: to all of those that take writes.

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use super::Fault;
use crate::{
    SOON,
    server::Server,
    soak::ground::{Ground, Stage, number},
};

impl<S: Stage> Fault<S> {
    pub(super) const SLEEPING: Self = Self::new("`DEBUG SLEEP 0.5`", |ground| {
        for server in ground.stage.primaries() {
            server.command(&["DEBUG", "SLEEP", "0.5"]);
        }
    });
    pub(super) const KILLED_NORMAL: Self = Self::new("`CLIENT KILL TYPE normal`", |ground| {
        kill_clients(ground, "normal");
    });
    pub(super) const KILLED_PUBSUB: Self = Self::new("`CLIENT KILL TYPE pubsub`", |ground| {
        kill_clients(ground, "pubsub");
    });
    pub(super) const FLUSHED: Self = Self::new("`FLUSHALL`", |ground| {
        repeat(ground, &["FLUSHALL"]);
    });
    pub(super) const FLUSHED_DATABASE: Self = Self::new("`FLUSHDB`", |ground| {
        repeat(ground, &["FLUSHDB"]);
    });
    pub(super) const FLUSHED_SCRIPTS: Self = Self::new("`SCRIPT FLUSH`", |ground| {
        repeat(ground, &["SCRIPT", "FLUSH"]);
    });
    pub(super) const FULL: Self = Self::new("memory full (`noeviction`)", fill_up);
    pub(super) const EVICTING: Self = Self::new("memory full (`allkeys-random`)", |ground| {
        evict(ground, "allkeys-random", &[]);
    });
    pub(super) const EVICTING_TAGS: Self =
        Self::new("memory full (`allkeys-lru`), tags evicted", |ground| {
            let tags = ground
                .stage
                .primaries()
                .into_iter()
                .map(tags_of)
                .collect::<Vec<_>>();
            evict(ground, "allkeys-lru", &tags);
        });
    pub(super) const DISK_FULL: Self = Self::silent("disk full (`MISCONF`)", refuse_writes);
    pub(super) const THROWN_OUT: Self =
        Self::new("a subscriber that stands still thrown out", |ground| {
            ground.members[1].stop();
            throw_out(&ground.stage.primaries());
            ground.members[1].go_on();
        });
    pub(super) const SLOW: Self = Self::new(
        "a subscriber that runs a tenth of the time thrown out",
        throw_slow_out,
    );
    pub(super) const AHEAD: Self = Self::new("the servers' clocks stepped by 1 h", |ground| {
        step_clocks(ground, 3_600);
    });
    pub(super) const BEHIND: Self =
        Self::new("the servers' clocks stepped back by 10 s", |ground| {
            step_clocks(ground, -10);
        });
}

/// Of those that are primaries when it begins.
fn step_clocks<S: Stage>(ground: &mut Ground<S>, seconds: i64) {
    let servers = ground.stage.primaries();
    let step = |seconds: i64| {
        let microseconds = seconds * 1_000_000;
        for server in &servers {
            server.step_clock(microseconds);
        }
    };
    step(seconds);
    sleep(2 * ground.bound);
    step(0);
    sleep(ground.bound);
    // Those that go by their clocks may have taken each other for dead.
    ground.stage.settle();
}

/// Kills the connections of one kind, several times.
fn kill_clients<S: Stage>(ground: &Ground<S>, kind: &str) {
    let mut killed = 0;
    for _ in 0..5 {
        for server in ground.stage.primaries() {
            let answer = server.command(&["CLIENT", "KILL", "TYPE", kind]);
            killed += answer.parse::<u64>().expect("it is a number");
        }
        sleep(ground.bound / 5);
    }
    assert!(killed > 0, "there were clients of type {kind}");
}

/// The same command, several times.
fn repeat<S: Stage>(ground: &Ground<S>, command: &[&str]) {
    for _ in 0..5 {
        for server in ground.stage.primaries() {
            server.command(command);
        }
        sleep(ground.bound / 5);
    }
}

fn limit_memory(server: &Server, bytes: u64) {
    let bytes = bytes.to_string();
    server.command(&["CONFIG", "SET", "maxmemory", &bytes]);
}

/// Until it is over, nothing can be written.
fn fill_up<S: Stage>(ground: &mut Ground<S>) {
    let servers = ground.stage.primaries();
    for server in &servers {
        limit_memory(server, 1);
    }
    sleep(2 * ground.bound);
    for server in &servers {
        limit_memory(server, 0);
    }
}

/// What a primary takes in that time reaches none of its replicas, which stand still: what was sent to them before is
/// there when they go on, and so nothing more may be sent.
pub(super) fn lose_events(primary: &Server, time: Duration) {
    let offset = || {
        number(
            &primary.command(&["INFO", "replication"]),
            "master_repl_offset",
        )
    };
    primary.command(&["CLIENT", "KILL", "TYPE", "replica"]);
    let before = offset();
    sleep(time);
    assert!(offset() > before, "something is lost");
}

/// The tags that a server has.
fn tags_of(server: &Server) -> Vec<String> {
    let tags = server.command(&["KEYS", "soak:t:*"]);
    tags.lines().map(str::to_owned).collect()
}

/// Until servers have evicted something, and of these tags, those of a server each, some are gone.
fn evict<S: Stage>(ground: &mut Ground<S>, policy: &str, tags: &[Vec<String>]) {
    const POLICY: &str = "maxmemory-policy";
    let servers = ground.stage.primaries();
    let is_there = |server: &Server, tag: &str| server.command(&["EXISTS", tag]) == "1";
    let are_tags_gone = || {
        let mut those = servers
            .iter()
            .zip(tags)
            .flat_map(|(server, tags)| tags.iter().map(move |tag| (server, tag)));
        tags.is_empty() || those.any(|(server, tag)| !is_there(server, tag))
    };
    let info = |server: &Server, name| number(&server.command(&["INFO", "everything"]), name);
    let evicted = || -> u64 { servers.iter().map(|it| info(it, "evicted_keys")).sum() };
    for server in &servers {
        server.command(&["CONFIG", "SET", POLICY, policy]);
    }
    let (before, begin) = (evicted(), Instant::now());
    while evicted() == before || begin.elapsed() < 2 * ground.bound || !are_tags_gone() {
        assert!(begin.elapsed() < 3 * SOON, "they evict");
        for server in &servers {
            let used = info(server, "used_memory");
            limit_memory(server, used.saturating_sub(16 << 10));
        }
        sleep(ground.bound / 10);
    }
    for server in &servers {
        limit_memory(server, 0);
        server.command(&["CONFIG", "SET", POLICY, "noeviction"]);
    }
}

/// Servers that cannot save what they have take nothing new: no event either.
fn refuse_writes<S: Stage>(ground: &mut Ground<S>) {
    let set = |server: &Server, name: &str, value: &str| {
        let answer = server.command(&["CONFIG", "SET", name, value]);
        assert_eq!(answer, "OK", "{name}");
    };
    let servers = ground.stage.primaries();
    for server in &servers {
        let folder = server.socket().with_file_name("gone");
        fs::create_dir(&folder).expect("the folder is ours");
        set(server, "dir", &folder.display().to_string());
        fs::remove_dir(&folder).expect("nothing is in it");
        set(server, "save", "3600 1");
        server.command(&["BGSAVE"]);
        let begin = Instant::now();
        while !cannot_save(server) {
            assert!(begin.elapsed() < SOON, "it cannot save");
            sleep(Duration::from_millis(10));
        }
    }
    sleep(ground.bound);
    for server in servers {
        set(server, "save", "");
        let home = server.socket();
        let home = home.parent().expect("it is in a folder");
        set(server, "dir", &home.display().to_string());
    }
}

fn cannot_save(server: &Server) -> bool {
    let info = server.command(&["INFO", "persistence"]);
    info.contains("rdb_last_bgsave_status:err")
}

/// It reads what is published all the time, and too little of it.
fn throw_slow_out<S: Stage>(ground: &mut Ground<S>) {
    let is_over = AtomicBool::new(false);
    let slow = &ground.members[1];
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                slow.stop();
                sleep(Duration::from_millis(90));
                slow.go_on();
                sleep(Duration::from_millis(10));
            }
        });
        let servers = ground.stage.primaries();
        let thrown_out = panic::catch_unwind(AssertUnwindSafe(|| throw_out(&servers)));
        is_over.store(true, Relaxed);
        thrown_out.unwrap_or_else(|panic| panic::resume_unwind(panic));
    });
}

/// What is published waits in a server for one that does not read it, until there is too much of it.
fn throw_out(servers: &[&Server]) {
    const LIMIT: &str = "client-output-buffer-limit";
    let thrown_out = || -> usize {
        let logs = servers.iter().map(|server| server.log());
        logs.map(|log| log.matches("output buffer limits").count())
            .sum()
    };
    let begin = Instant::now();
    for server in servers {
        server.command(&["CONFIG", "SET", LIMIT, "pubsub 1mb 256kb 1"]);
        let listed = |what| server.command(&["PUBSUB", what]);
        let (plain, parts) = (listed("CHANNELS"), listed("SHARDCHANNELS"));
        let is_ours = |channel: &&str| channel.starts_with("soak:");
        let (command, channel) = match plain.lines().find(is_ours) {
            Some(channel) => ("PUBLISH", channel),
            None => match parts.lines().find(is_ours) {
                Some(part) => ("SPUBLISH", part),
                None => continue,
            },
        };
        // Several at once, and yet not so many that one who keeps up is thrown out as well.
        let script = format!("for _ = 1, 4 do redis.call('{command}', KEYS[1], ARGV[1]) end");
        let (message, before) = ("x".repeat(200 << 10), thrown_out());
        while thrown_out() == before {
            assert!(begin.elapsed() < 3 * SOON, "nobody is thrown out");
            server.command(&["EVAL", &script, "1", channel, &message]);
        }
        server.command(&["CONFIG", "SET", LIMIT, "pubsub 32mb 8mb 60"]);
    }
}
