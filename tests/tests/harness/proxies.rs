//! Proxies pass, delay, lose and close.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::{Duration, Instant},
};

use tests::{proxy::Proxy, server::Server};

use super::{connect, is_closed, is_refused, is_silent, ping, until};

#[test]
fn a_proxy_passes_everything_both_ways() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let mut client = connect(&proxy.url());
    ping(&client).unwrap();
    // More than all buffers on the way hold, so that both directions have to go on at once.
    let text = "x".repeat(8 << 20);
    let mut sender = client.try_clone().unwrap();
    let echoed = thread::scope(|scope| {
        scope.spawn(|| write!(sender, "*2\r\n$4\r\nECHO\r\n${}\r\n{text}\r\n", text.len()));
        let mut echoed = vec![0; format!("${}\r\n{text}\r\n", text.len()).len()];
        client.read_exact(&mut echoed).unwrap();
        echoed
    });
    assert!(echoed.starts_with(b"$8388608\r\n") && echoed.ends_with(b"x\r\n"));
    assert_eq!(proxy.connections(), 1);
    ping(&connect(&proxy.url())).unwrap();
    assert_eq!(proxy.connections(), 2);
}

#[test]
fn an_end_is_passed_on() {
    let mut server = Server::start();
    let proxy = Proxy::to(&server);
    let client = connect(&proxy.url());
    ping(&client).unwrap();
    let clients = || server.command(&["CLIENT", "LIST"]).lines().count();
    assert_eq!(clients(), 2);
    drop(client);
    until("the server sees it", || clients() == 1);

    let client = connect(&proxy.url());
    ping(&client).unwrap();
    server.kill();
    assert!(is_closed(&client));
    assert!(is_closed(&connect(&proxy.url())));
    server.start_again();
    ping(&connect(&proxy.url())).unwrap();
}

#[test]
fn a_delay_is_for_each_direction_and_does_not_add_up() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let mut client = connect(&proxy.url());
    ping(&client).unwrap();
    let delay = Duration::from_millis(300);
    proxy.delay(delay);
    let begin = Instant::now();
    let mut sender = client.try_clone().unwrap();
    let replies: Vec<Duration> = thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..8 {
                sender.write_all(b"PING\r\n").unwrap();
                thread::sleep(Duration::from_millis(20));
            }
        });
        let mut reply = || client.read_exact(&mut [0; 7]).unwrap();
        (0..8).map(|_| (reply(), begin.elapsed()).1).collect()
    });
    assert!(replies[0] >= 2 * delay, "{replies:?}");
    // One after the other, the second would wait until the first is through.
    let gaps = replies
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]));
    assert!(gaps.max().unwrap() < delay, "{replies:?}");

    proxy.pass();
    let begin = Instant::now();
    ping(&client).unwrap();
    assert!(begin.elapsed() < delay);
}

#[test]
fn a_black_hole_takes_all_bytes_and_closes_nothing() {
    let mut server = Server::start();
    let proxy = Proxy::to(&server);
    let mut old = connect(&proxy.url());
    ping(&old).unwrap();
    proxy.black_hole();
    let mut new = connect(&proxy.url());
    old.write_all(b"SET a 1\r\n").unwrap();
    new.write_all(b"SET b 1\r\n").unwrap();
    assert!(is_silent(&old) && is_silent(&new));
    assert_eq!(server.command(&["DBSIZE"]), "0");
    server.kill();
    assert!(is_silent(&old) && is_silent(&new));

    server.start_again();
    proxy.pass();
    ping(&connect(&proxy.url())).unwrap();
    old.write_all(b"PING\r\n").unwrap();
    assert!(is_silent(&old) && is_silent(&new));
}

#[test]
fn a_dead_connection_hears_neither_an_end_nor_a_reset() {
    let mut server = Server::start();
    let proxy = Proxy::to(&server);
    let (mut reset, half) = (connect(&proxy.url()), connect(&proxy.url()));
    ping(&reset).unwrap();
    ping(&half).unwrap();
    // A server that ends with something unread resets the connection.
    server.pause();
    reset.write_all(b"PING\r\n").unwrap();
    thread::sleep(Duration::from_millis(20));
    proxy.black_hole_existing();
    half.shutdown(Shutdown::Write).unwrap();
    server.kill();
    assert!(is_silent(&reset) && is_silent(&half));
    server.start_again();
    ping(&connect(&proxy.url())).unwrap();
    assert!(is_silent(&reset) && is_silent(&half));
}

#[test]
fn a_black_hole_takes_what_is_under_way() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let mut client = connect(&proxy.url());
    ping(&client).unwrap();
    proxy.delay(Duration::from_millis(30));
    client.write_all(b"SET a 1\r\n").unwrap();
    thread::sleep(Duration::from_millis(10));
    proxy.black_hole();
    assert!(is_silent(&client));
    assert_eq!(server.command(&["DBSIZE"]), "0");
}

#[test]
fn new_connections_pass_when_only_the_existing_are_dead() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let mut old = connect(&proxy.url());
    ping(&old).unwrap();
    proxy.black_hole_existing();
    ping(&connect(&proxy.url())).unwrap();
    old.write_all(b"PING\r\n").unwrap();
    assert!(is_silent(&old));
}

#[test]
fn all_connections_can_be_closed_the_dead_ones_too() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let dead = connect(&proxy.url());
    ping(&dead).unwrap();
    proxy.black_hole_existing();
    let alive = connect(&proxy.url());
    ping(&alive).unwrap();
    proxy.close_all();
    assert!(is_closed(&dead) && is_closed(&alive));
    ping(&connect(&proxy.url())).unwrap();
}

#[test]
fn a_proxy_that_refuses_closes_new_connections_and_keeps_the_old() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let old = connect(&proxy.url());
    ping(&old).unwrap();
    proxy.refuse();
    assert!(is_closed(&connect(&proxy.url())));
    assert_eq!(proxy.connections(), 2);
    ping(&old).unwrap();
    proxy.pass();
    ping(&connect(&proxy.url())).unwrap();
}

#[test]
fn a_dropped_proxy_leaves_nothing_even_when_it_is_stuck() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let url = proxy.url();
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
    let stuck = connect(&url);
    ping(&stuck).unwrap();
    // The server reads nothing, so the proxy is blocked in a write.
    server.pause();
    stuck.set_nonblocking(true).unwrap();
    until("all buffers are full", || {
        (&stuck).write(&[b'x'; 1 << 14]).is_err()
    });
    proxy.delay(Duration::from_hours(1));
    let slow = connect(&url);
    (&slow).write_all(b"PING\r\n").unwrap();
    drop(proxy);
    stuck.set_nonblocking(false).unwrap();
    assert!(is_closed(&slow));
    until("nothing listens", || is_refused(port.parse().unwrap()));
    if cfg!(target_os = "linux") {
        until("its threads are gone", || {
            !has_threads(&format!("proxy {port}"))
        });
    }
}

/// Whether threads of this process are called so.
fn has_threads(name: &str) -> bool {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok())
        .any(|comm| comm.trim() == name)
}

#[test]
fn only_connections_from_the_ports_that_the_server_names_get_into_the_black_hole() {
    let server = Server::start();
    let proxy = Proxy::to(&server);
    let (lost, kept) = (connect(&proxy.url()), connect(&proxy.url()));
    ping(&lost).unwrap();
    // Only what has a name of its own is told apart.
    (&kept)
        .write_all(b"CLIENT SETNAME kept\r\n")
        .and_then(|()| (&kept).read_exact(&mut [0; 5]))
        .unwrap();
    let clients = server.command(&["CLIENT", "LIST"]);
    let ports: Vec<u16> = clients
        .lines()
        .filter(|client| !client.contains("name=kept"))
        .map(|client| {
            let address = client.split_once(" addr=").unwrap().1;
            let (_, port) = address.split_once(':').unwrap();
            port.split_once(' ').unwrap().0.parse().unwrap()
        })
        .collect();
    assert_eq!(proxy.are_from(&ports).len(), 1);
    assert_eq!(proxy.black_hole_from(&ports), 1);
    (&lost).write_all(b"PING\r\n").unwrap();
    assert!(is_silent(&lost));
    ping(&kept).unwrap();
}

#[test]
fn a_proxy_can_lead_to_another_server() {
    let (one, other) = (Server::start(), Server::start());
    other.command(&["SET", "a", "1"]);
    let proxy = Proxy::to(&one);
    let before = connect(&proxy.url());
    ping(&before).unwrap();
    proxy.lead_to(&other);
    assert_eq!(get_a(&before), *b"$-1\r\n");
    assert_eq!(get_a(&connect(&proxy.url())), *b"$1\r\n1");
}

/// The begin of the reply.
fn get_a(mut client: &TcpStream) -> [u8; 5] {
    client.write_all(b"GET a\r\n").unwrap();
    let mut reply = [0; 5];
    client.read_exact(&mut reply).unwrap();
    reply
}
