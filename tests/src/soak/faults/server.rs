//! One server, and a line to it for each member.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::Fault;
use crate::{
    SOON,
    proxy::Proxy,
    server::{Server, with_own_clocks},
    soak::ground::{Ground, MEMBERS, Stage, number},
};

/// A server behind lines that may fail too.
#[derive(Debug)]
pub(in crate::soak) struct Lines {
    lines: Vec<Proxy>,
    server: Server,
}

impl Stage for Lines {
    const FAULTS: &'static [Fault<Self>] = &[
        Fault::NONE,
        Fault::KILLED_AFTER_COMMIT,
        Fault::KILLED_WHILE_GUARDED,
        Fault::DEPLOYED,
        Fault::new("server killed and restarted", kill_server),
        Fault::new("server stopped for 1 s", |ground| stop_server(ground, 1)),
        Fault::silent("server stopped for 5 s", |ground| stop_server(ground, 5)),
        Fault::silent("server stopped for 30 s", |ground| stop_server(ground, 30)).long(),
        Fault::SLEEPING,
        Fault::silent("all lines 200 ms longer", delay),
        Fault::KILLED_NORMAL,
        Fault::KILLED_PUBSUB,
        Fault::new("asking connection black-holed", |ground| {
            black_hole(ground, Connections::Asking);
        }),
        Fault::new("listening connection black-holed", |ground| {
            black_hole(ground, Connections::Listening);
        }),
        Fault::silent("a process cut off", cut_off),
        Fault::STOPPED,
        Fault::new("slow subscriber thrown out", throw_out),
        Fault::THROWN_OUT,
        Fault::SLOW,
        Fault::FLUSHED,
        Fault::FLUSHED_DATABASE,
        Fault::FLUSHED_SCRIPTS,
        Fault::FULL,
        Fault::EVICTING,
        Fault::EVICTING_TAGS,
        Fault::DISK_FULL,
        Fault::AHEAD,
        Fault::BEHIND,
        Fault::new("replica without the last events promoted", promote),
        Fault::new("the same, and who emitted them killed", promote_and_kill).deadly(),
    ];

    fn start() -> Result<Self, String> {
        let server = with_own_clocks(Server::start);
        let lines = (0..MEMBERS).map(|_| Proxy::to(&server));
        Ok(Self {
            lines: lines.collect(),
            server,
        })
    }

    fn primaries(&self) -> Vec<&Server> {
        vec![&self.server]
    }

    fn url(&self, member: usize) -> String {
        self.lines[member].url()
    }
}

/// Which of a member's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connections {
    /// Those that listen.
    Listening,
    /// Those that read and write.
    Asking,
}

impl Lines {
    /// The ports that the server sees a member's connections come from.
    fn ports(&self, number: usize, which: Connections) -> Vec<u16> {
        self.lines[number].are_from(&which.ports(&self.server))
    }
}

impl Connections {
    /// The ports that a server sees those of all members come from.
    pub(super) fn ports(self, server: &Server) -> Vec<u16> {
        let clients = server.command(&["CLIENT", "LIST"]);
        let is_one = |client: &&str| {
            let words = client.split(' ').filter_map(|word| word.split_once('='));
            let mut counts = words.filter(|(name, _)| ["sub", "ssub"].contains(name));
            let is_listening = counts.any(|(_, count)| count != "0");
            let is_of_member = client.contains(" name=cache-core");
            is_of_member && is_listening == (self == Self::Listening)
        };
        clients.lines().filter(is_one).filter_map(port).collect()
    }
}

/// The port in a line of `CLIENT LIST`.
fn port(client: &str) -> Option<u16> {
    let address = client.split(' ').find_map(|it| it.strip_prefix("addr="))?;
    address.rsplit_once(':')?.1.parse().ok()
}

fn kill_server(ground: &mut Ground<Lines>) {
    ground.stage.server.kill();
    sleep(ground.bound / 2);
    ground.stage.server.start_again();
    sleep(ground.bound);
    ground.stage.server.kill();
    ground.stage.server.start_again();
}

fn stop_server(ground: &mut Ground<Lines>, seconds: u64) {
    ground.stage.server.pause();
    sleep(Duration::from_secs(seconds));
    ground.stage.server.resume();
}

fn black_hole(ground: &mut Ground<Lines>, which: Connections) {
    let ports = ground.stage.ports(0, which);
    let lost = ground.stage.lines[0].black_hole_from(&ports);
    assert!(lost > 0, "a member has connections");
    sleep(2 * ground.bound);
}

fn cut_off(ground: &mut Ground<Lines>) {
    ground.stage.lines[1].black_hole();
    sleep(3 * ground.bound);
    ground.stage.lines[1].pass();
}

/// What is published waits in the server for one that is behind, until there is too much of it.
fn throw_out(ground: &mut Ground<Lines>) {
    const LIMIT: &str = "client-output-buffer-limit";
    let set = |limit: &str| {
        ground
            .stage
            .server
            .command(&["CONFIG", "SET", LIMIT, limit])
    };
    set("pubsub 1mb 256kb 1");
    let channels = ground.stage.server.command(&["PUBSUB", "CHANNELS"]);
    let channel = channels.lines().next().expect("members listen");
    // Not so much that it is given up before.
    ground.stage.lines[0].delay(ground.bound / 10);
    let thrown_out = || {
        ground
            .stage
            .server
            .log()
            .matches("output buffer limits")
            .count()
    };
    let (before, begin) = (thrown_out(), Instant::now());
    // Before the server is in arrears, the buffers of the kernel and of the line are full.
    let message = "x".repeat(200 << 10);
    // Several at once, and yet not so many that one who keeps up is thrown out as well.
    let publish = "for _ = 1, 4 do redis.call('PUBLISH', ARGV[1], ARGV[2]) end";
    while thrown_out() == before {
        assert!(begin.elapsed() < 3 * SOON, "nobody is thrown out");
        for _ in 0..4 {
            ground
                .stage
                .server
                .command(&["EVAL", publish, "0", channel, &message]);
        }
    }
    sleep(ground.bound);
    set("pubsub 32mb 8mb 60");
    ground.stage.lines[0].pass();
}

fn delay(ground: &mut Ground<Lines>) {
    for line in &ground.stage.lines {
        line.delay(Duration::from_millis(200));
    }
    sleep(2 * ground.bound);
    for line in &ground.stage.lines {
        line.pass();
    }
}

/// Asynchronous replication loses what was acknowledged last; one member has not heard of it either.
fn promote(ground: &mut Ground<Lines>) {
    let replica = lag_behind(ground);
    ground.stage.server.kill();
    lead_to(ground, replica);
}

/// Nobody is left who could say again what is lost.
fn promote_and_kill(ground: &mut Ground<Lines>) {
    let replica = lag_behind(ground);
    for number in 1..MEMBERS {
        ground.members[number].kill();
    }
    ground.stage.server.kill();
    lead_to(ground, replica);
    for number in 1..MEMBERS {
        ground.restart(number);
    }
}

/// A replica that has missed some events, as has the first member.
fn lag_behind(ground: &Ground<Lines>) -> Server {
    const DELAY: &str = "repl-diskless-sync-delay";
    let replica = with_own_clocks(Server::start);
    let replication = Proxy::to(&ground.stage.server);
    let port = replication.port().to_string();
    ground.stage.server.command(&["CONFIG", "SET", DELAY, "0"]);
    replica.command(&["REPLICAOF", "127.0.0.1", &port]);
    let info = |server: &Server| server.command(&["INFO", "replication"]);
    let begin = Instant::now();
    while !info(&replica).contains("master_link_status:up") {
        assert!(begin.elapsed() < SOON, "the replica does not follow");
        sleep(Duration::from_millis(10));
    }
    sleep(ground.bound);
    replication.black_hole();
    ground.stage.lines[0].black_hole();
    sleep(ground.bound / 3);
    let offset = |server| number(&info(server), "master_repl_offset");
    assert!(
        offset(&ground.stage.server) > offset(&replica),
        "something is lost"
    );
    replica
}

/// A replica takes the place of the server.
fn lead_to(ground: &mut Ground<Lines>, replica: Server) {
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    for line in &ground.stage.lines {
        line.lead_to(&replica);
        line.pass();
        line.close_all();
    }
    ground.stage.server = replica;
}
