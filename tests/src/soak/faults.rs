//! What goes wrong. Each fault strikes, lasts, and is over when it returns.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::{
    SHORT_LIFE,
    ground::{Connections, Ground, MEMBERS, number},
    source::Kind,
};
use crate::{SOON, proxy::Proxy, server::Server};

/// A fault, and what is stated of it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) name: &'static str,
    /// Something is written of which nobody is told: it is held to the lifetime of entries.
    is_silent: bool,
    pub(super) strike: fn(&mut Ground),
}

impl Fault {
    const fn new(name: &'static str, strike: fn(&mut Ground)) -> Self {
        let is_silent = false;
        Self {
            name,
            is_silent,
            strike,
        }
    }

    const fn silent(name: &'static str, strike: fn(&mut Ground)) -> Self {
        let is_silent = true;
        Self {
            name,
            is_silent,
            strike,
        }
    }

    /// To what values are held.
    pub(super) fn stated(&self, bound: Duration) -> String {
        if self.is_silent {
            format!("{bound:?}; untold `ttl`")
        } else {
            format!("{bound:?}")
        }
    }
}

/// All of them, in their order.
pub(super) const FAULTS: &[Fault] = &[
    Fault::new("none", |ground| sleep(ground.bound)),
    Fault::silent("a process killed between commit and event", |ground| {
        kill_process(ground, Kind::Plain);
    }),
    Fault::silent("a process killed in a guarded mutation", |ground| {
        kill_process(ground, Kind::Guarded);
    }),
    Fault::new("server killed and restarted", kill_server),
    Fault::new("server stopped for 1 s", |ground| stop_server(ground, 1)),
    Fault::silent("server stopped for 5 s", |ground| stop_server(ground, 5)),
    Fault::new("`CLIENT KILL TYPE normal`", |ground| {
        kill_clients(ground, "normal");
    }),
    Fault::new("`CLIENT KILL TYPE pubsub`", |ground| {
        kill_clients(ground, "pubsub");
    }),
    Fault::new("asking connection black-holed", |ground| {
        black_hole(ground, Connections::Asking);
    }),
    Fault::new("listening connection black-holed", |ground| {
        black_hole(ground, Connections::Listening);
    }),
    Fault::silent("a process cut off", cut_off),
    Fault::new("a process stopped for 3 s", stop_process),
    Fault::new("slow subscriber thrown out", throw_out),
    Fault::new("`FLUSHALL`", |ground| repeat(ground, &["FLUSHALL"])),
    Fault::new("`SCRIPT FLUSH`", |ground| {
        repeat(ground, &["SCRIPT", "FLUSH"]);
    }),
    Fault::new("server full", fill_up),
    Fault::new("server evicts", evict),
    Fault::new("replica without the last events promoted", promote),
    Fault::new("the same, and who emitted them killed", promote_and_kill),
];

/// Of the end: nobody writes any more.
pub(super) const QUIET: Fault = Fault::new("nobody writes any more", |_| ());

fn kill_server(ground: &mut Ground) {
    ground.server.kill();
    sleep(ground.bound / 2);
    ground.server.start_again();
    sleep(ground.bound);
    ground.server.kill();
    ground.server.start_again();
}

fn stop_server(ground: &mut Ground, seconds: u64) {
    ground.server.pause();
    sleep(Duration::from_secs(seconds));
    ground.server.resume();
}

fn kill_clients(ground: &mut Ground, kind: &str) {
    let mut killed = 0;
    for _ in 0..5 {
        let answer = ground.server.command(&["CLIENT", "KILL", "TYPE", kind]);
        killed += answer.parse::<u64>().expect("it is a number");
        sleep(ground.bound / 5);
    }
    assert!(killed > 0, "there were clients of type {kind}");
}

fn black_hole(ground: &mut Ground, which: Connections) {
    let ports = ground.ports(0, which);
    let lost = ground.lines[0].black_hole_from(&ports);
    assert!(lost > 0, "a member has connections");
    sleep(2 * ground.bound);
}

fn cut_off(ground: &mut Ground) {
    ground.lines[1].black_hole();
    sleep(3 * ground.bound);
    ground.lines[1].pass();
}

fn stop_process(ground: &mut Ground) {
    ground.members[1].stop();
    sleep(Duration::from_secs(3));
    ground.members[1].go_on();
}

/// What is published waits in the server for one that is behind, until there is too much of it.
fn throw_out(ground: &mut Ground) {
    const LIMIT: &str = "client-output-buffer-limit";
    let set = |limit: &str| ground.server.command(&["CONFIG", "SET", LIMIT, limit]);
    set("pubsub 1mb 256kb 1");
    let channels = ground.server.command(&["PUBSUB", "CHANNELS"]);
    let channel = channels.lines().next().expect("members listen");
    // Not so much that it is given up before.
    ground.lines[0].delay(ground.bound / 10);
    let thrown_out = || ground.server.log().matches("output buffer limits").count();
    let (before, begin) = (thrown_out(), Instant::now());
    // Before the server is in arrears, the buffers of the kernel and of the line are full.
    let message = "x".repeat(200 << 10);
    // Several at once, and yet not so many that one who keeps up is thrown out as well.
    let publish = "for _ = 1, 4 do redis.call('PUBLISH', ARGV[1], ARGV[2]) end";
    while thrown_out() == before {
        assert!(begin.elapsed() < 3 * SOON, "nobody is thrown out");
        for _ in 0..4 {
            ground
                .server
                .command(&["EVAL", publish, "0", channel, &message]);
        }
    }
    sleep(ground.bound);
    set("pubsub 32mb 8mb 60");
    ground.lines[0].pass();
}

fn repeat(ground: &mut Ground, command: &[&str]) {
    for _ in 0..5 {
        ground.server.command(command);
        sleep(ground.bound / 5);
    }
}

fn limit_memory(ground: &Ground, bytes: u64) {
    let bytes = bytes.to_string();
    ground
        .server
        .command(&["CONFIG", "SET", "maxmemory", &bytes]);
}

fn fill_up(ground: &mut Ground) {
    limit_memory(ground, 1);
    let answer = ground.server.command(&["SET", "x", "y"]);
    assert!(answer.starts_with("OOM"), "{answer}");
    sleep(2 * ground.bound);
    limit_memory(ground, 0);
}

fn evict(ground: &mut Ground) {
    const POLICY: &str = "maxmemory-policy";
    let policy = |policy: &str| ground.server.command(&["CONFIG", "SET", POLICY, policy]);
    policy("allkeys-random");
    let before = ground.info("evicted_keys");
    for _ in 0..20 {
        limit_memory(ground, ground.info("used_memory").saturating_sub(16 << 10));
        sleep(ground.bound / 10);
    }
    let evicted = ground.info("evicted_keys") - before;
    assert!(evicted > 0, "it evicts");
    limit_memory(ground, 0);
    policy("noeviction");
}

/// Asynchronous replication loses what was acknowledged last; one member has not heard of it either.
fn promote(ground: &mut Ground) {
    let replica = lag_behind(ground);
    ground.server.kill();
    lead_to(ground, replica);
}

/// Nobody is left who could say again what is lost.
fn promote_and_kill(ground: &mut Ground) {
    let replica = lag_behind(ground);
    for number in 1..MEMBERS {
        ground.members[number].kill();
    }
    ground.server.kill();
    lead_to(ground, replica);
    for number in 1..MEMBERS {
        ground.restart(number);
    }
}

/// A replica that has missed some events, as has the first member.
fn lag_behind(ground: &Ground) -> Server {
    const DELAY: &str = "repl-diskless-sync-delay";
    let replica = Server::start();
    let replication = Proxy::to(&ground.server);
    let port = replication.port().to_string();
    ground.server.command(&["CONFIG", "SET", DELAY, "0"]);
    replica.command(&["REPLICAOF", "127.0.0.1", &port]);
    let info = |server: &Server| server.command(&["INFO", "replication"]);
    let begin = Instant::now();
    while !info(&replica).contains("master_link_status:up") {
        assert!(begin.elapsed() < SOON, "the replica does not follow");
        sleep(Duration::from_millis(10));
    }
    sleep(ground.bound);
    replication.black_hole();
    ground.lines[0].black_hole();
    sleep(ground.bound / 3);
    let offset = |server| number(&info(server), "master_repl_offset");
    assert!(
        offset(&ground.server) > offset(&replica),
        "something is lost"
    );
    replica
}

/// A replica takes the place of the server.
fn lead_to(ground: &mut Ground, replica: Server) {
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    for line in &ground.lines {
        line.lead_to(&replica);
        line.pass();
        line.close_all();
    }
    ground.server = replica;
}

fn kill_process(ground: &mut Ground, kind: Kind) {
    for number in 0..MEMBERS {
        let source = ground.source.clone();
        let member = &mut ground.members[number];
        source.between_commit_and_answer(member.life, kind, || member.kill());
        ground.restart(number);
    }
    // What they wrote is seen when what was loaded before is over.
    sleep(SHORT_LIFE);
}
