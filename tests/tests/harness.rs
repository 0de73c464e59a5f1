//! The servers and proxies that other suites are built on do what they say.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "harness/proxies.rs"]
mod proxies;
#[path = "harness/servers.rs"]
mod servers;

use std::{
    io::{self, ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// How long nothing has to come until it counts as never.
const NEVER: Duration = Duration::from_millis(60);

/// How long something may take that comes.
const SOON: Duration = Duration::from_secs(5);

fn connect(url: &str) -> TcpStream {
    let address = url.strip_prefix("redis://").unwrap();
    let stream = TcpStream::connect(address.strip_suffix('/').unwrap()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

fn ping(mut stream: &TcpStream) -> io::Result<()> {
    stream.write_all(b"PING\r\n")?;
    let mut reply = [0; 7];
    stream.read_exact(&mut reply)?;
    assert_eq!(&reply, b"+PONG\r\n");
    Ok(())
}

/// Nothing comes, and neither an end nor an error.
fn is_silent(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(NEVER)).unwrap();
    let read = stream.read(&mut [0]);
    stream.set_read_timeout(Some(SOON)).unwrap();
    matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

fn is_closed(mut stream: &TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(n) => n == 0,
        // The second, on Linux, when an end came before the reset.
        Err(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        ),
    }
}

fn is_refused(port: u16) -> bool {
    let connected = TcpStream::connect(("127.0.0.1", port));
    matches!(connected, Err(error) if error.kind() == ErrorKind::ConnectionRefused)
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < SOON, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
