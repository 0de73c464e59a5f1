//! Servers start, stop and start again, and nothing of them is left.

use std::{
    env,
    io::{Read, Write},
    net::TcpListener,
    os::unix::process::CommandExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use rustix::process::{Signal, kill_current_process_group};
use tests::server::Server;

use super::{SOON, connect, is_closed, is_refused, is_silent, ping, until};

/// Runs one test in a process and a group of its own, with `name` in its environment.
fn alone(test: &str, name: &str, value: &str) -> Output {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(name, value)
        .process_group(0)
        .output()
        .unwrap()
}

#[test]
fn a_server_answers_on_both_sockets() {
    let server = Server::start();
    assert_eq!(server.command(&["PING"]), "PONG");
    assert_eq!(
        server.url(),
        format!("redis://127.0.0.1:{}/", server.port())
    );
    ping(&connect(&server.url())).unwrap();
    assert!(server.socket().exists());
}

#[test]
fn replies_are_as_redis_cli_prints_them() {
    let server = Server::start();
    assert_eq!(server.command(&["SET", "a", "two\r\nlines"]), "OK");
    assert_eq!(server.command(&["GET", "a"]), "two\r\nlines");
    assert_eq!(server.command(&["GET", "b"]), "");
    assert_eq!(server.command(&["RPUSH", "l", "x", "y"]), "2");
    assert_eq!(server.command(&["LRANGE", "l", "0", "-1"]), "x\ny");
    let error = server.command(&["NONSENSE"]);
    assert!(error.starts_with("ERR unknown command"), "{error}");
}

#[test]
fn arguments_reach_the_server() {
    let server = Server::with(&["--maxmemory", "3mb", "--requirepass", "x"]);
    let limit = server.command(&["CONFIG", "GET", "maxmemory"]);
    assert_eq!(limit, format!("maxmemory\n{}", 3 << 20));
    let mut stranger = connect(&server.url());
    stranger.write_all(b"PING\r\n").unwrap();
    let mut reply = [0; 7];
    stranger.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"-NOAUTH");
}

#[test]
fn a_server_that_refuses_its_arguments_says_why() {
    let panic = catch_unwind(|| Server::with(&["--maxmemory", "much"])).unwrap_err();
    let message = panic.downcast::<String>().unwrap();
    assert!(message.contains("maxmemory \"much\""), "{message}");
}

#[test]
fn a_server_tells_what_it_has_warned_of() {
    let server = Server::start();
    server.command(&["DEBUG", "LOG", "as the test wants it"]);
    assert!(server.log().contains("as the test wants it"));
}

#[test]
fn two_servers_do_not_meet() {
    let (one, other) = (Server::start(), Server::start());
    assert_ne!(one.port(), other.port());
    one.command(&["SET", "a", "1"]);
    assert_eq!(one.command(&["GET", "a"]), "1");
    assert_eq!(other.command(&["GET", "a"]), "");
}

#[test]
fn nobody_listens_where_a_server_is_absent_until_it_starts() {
    let mut server = Server::absent();
    assert!(is_refused(server.port()));
    server.start_again();
    assert_eq!(server.command(&["PING"]), "PONG");
}

#[test]
fn a_server_starts_again_on_its_port_with_nothing_left() {
    let mut server = Server::with(&["--maxmemory", "3mb"]);
    let (port, client) = (server.port(), connect(&server.url()));
    ping(&client).unwrap();
    server.command(&["SET", "a", "1"]);
    server.kill();
    assert!(is_closed(&client));
    assert!(is_refused(port));

    server.start_again();
    assert_eq!(server.port(), port);
    assert_eq!(server.command(&["GET", "a"]), "");
    let limit = server.command(&["CONFIG", "GET", "maxmemory"]);
    assert!(limit.ends_with("3145728"), "{limit}");
}

#[test]
fn a_server_that_loads_is_waited_for() {
    // It takes half a millisecond for each key, and answers all the while.
    let arguments = [
        "--key-load-delay",
        "500",
        "--loading-process-events-interval-bytes",
        "1024",
    ];
    let mut server = Server::with(&arguments);
    server.command(&["DEBUG", "POPULATE", "500"]);
    server.command(&["SAVE"]);
    server.start_again();
    assert_eq!(server.command(&["DBSIZE"]), "500");
}

#[test]
fn a_port_that_was_taken_meanwhile_is_said() {
    let mut server = Server::absent();
    let _thief = TcpListener::bind(("127.0.0.1", server.port())).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| server.start_again())).unwrap_err();
    let message = panic.downcast::<String>().unwrap();
    assert!(message.ends_with("was taken meanwhile"), "{message}");
}

#[test]
fn a_paused_server_is_silent_and_goes_on_with_what_was_sent() {
    let server = Server::start();
    let mut client = connect(&server.url());
    for _ in 0..20 {
        ping(&client).unwrap();
        server.pause();
        client.write_all(b"PING\r\n").unwrap();
        client
            .set_read_timeout(Some(Duration::from_millis(3)))
            .unwrap();
        assert!(client.read(&mut [0]).is_err());
        server.resume();
        client.set_read_timeout(Some(SOON)).unwrap();
        client.read_exact(&mut [0; 7]).unwrap();
    }
    server.pause();
    server.pause();
    assert!(is_silent(&connect(&server.url())));
    server.resume();
    assert_eq!(server.command(&["PING"]), "PONG");
}

#[test]
fn a_paused_server_can_be_killed_and_starts_again_unpaused() {
    let mut server = Server::start();
    server.pause();
    server.kill();
    assert!(is_refused(server.port()));
    server.start_again();
    assert_eq!(server.command(&["PING"]), "PONG");
}

#[test]
fn nothing_of_a_server_outlives_a_panic() {
    let mut left = None;
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let server = Server::start();
        server.pause();
        left = Some((server.port(), server.socket()));
        panic!("the test fails");
    }));
    assert!(panic.is_err());
    let (port, socket) = left.unwrap();
    // Another test may have been given the port.
    until("nothing listens", || is_refused(port));
    assert!(!socket.parent().unwrap().exists());
}

#[test]
fn a_server_does_not_outlive_a_test_that_is_ended_from_outside() {
    const INSIDE: &str = "HARNESS_IS_ENDED";
    if env::var_os(INSIDE).is_some() {
        let server = Server::start();
        println!("={}={}=", server.port(), server.socket().display());
        // As a terminal does that is closed.
        kill_current_process_group(Signal::HUP).unwrap();
        unreachable!("it has ended");
    }
    let test = "servers::a_server_does_not_outlive_a_test_that_is_ended_from_outside";
    let output = String::from_utf8(alone(test, INSIDE, "1").stdout).unwrap();
    let mut parts = output.split('=').skip(1);
    let port = parts.next().unwrap().parse().unwrap();
    let folder = Path::new(parts.next().unwrap()).parent().unwrap();
    until("the server is gone", || is_refused(port));
    until("its folder is gone", || !folder.exists());
}

#[test]
fn a_missing_binary_says_what_to_do() {
    let test = "servers::a_server_answers_on_both_sockets";
    let output = alone(test, "REDIS_SERVER_BIN", "/no/such/server");
    assert!(!output.status.success());
    let message = String::from_utf8(output.stderr).unwrap();
    for part in [
        "`/no/such/server`",
        "`cargo xtask test`",
        "`REDIS_SERVER_BIN`",
    ] {
        assert!(message.contains(part), "{message}");
    }
}
