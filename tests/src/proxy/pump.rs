//! One connection through the proxy: its two sockets, and what moves bytes from one to the other.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

const CHUNK: usize = 16 << 10;

/// How many chunks are under way in one direction at most; beyond that the sender waits.
const UNDER_WAY: usize = 256;

/// How long it takes at most until a closed connection is noticed.
const TICK: Duration = Duration::from_millis(5);

/// From a client to the server and back. Dropping it closes both sockets.
#[derive(Debug)]
pub(super) struct Connection {
    client: TcpStream,
    /// None where the client only believes to have reached it.
    server: Option<TcpStream>,
    is_lost: AtomicBool,
    is_closed: AtomicBool,
    /// How much longer than others its chunks take, in milliseconds.
    slower: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// Bytes under way, and when they arrive.
struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
}

impl Connection {
    pub(super) fn between(client: TcpStream, server: TcpStream) -> io::Result<Self> {
        server.set_nodelay(true)?;
        let connection = Self::lost(client)?;
        Ok(Self {
            server: Some(server),
            is_lost: AtomicBool::new(false),
            ..connection
        })
    }

    /// One that never gets anywhere.
    pub(super) fn lost(client: TcpStream) -> io::Result<Self> {
        client.set_nodelay(true)?;
        Ok(Self {
            client,
            server: None,
            is_lost: AtomicBool::new(true),
            is_closed: AtomicBool::new(false),
            slower: AtomicU64::new(0),
        })
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(SeqCst)
    }

    /// Whether the server sees it come from one of these ports.
    pub(super) fn is_from(&self, ports: &[u16]) -> bool {
        let address = self.server.as_ref().map(TcpStream::local_addr);
        matches!(address, Some(Ok(address)) if ports.contains(&address.port()))
    }

    /// From here on nothing arrives, in either direction, and nothing is closed.
    pub(super) fn lose(&self) {
        self.is_lost.store(true, SeqCst);
    }

    /// Its chunks take longer from here on.
    pub(super) fn slow_down(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.slower.store(by, SeqCst);
    }

    pub(super) fn slower(&self) -> Duration {
        Duration::from_millis(self.slower.load(SeqCst))
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, SeqCst);
        for socket in [Some(&self.client), self.server.as_ref()] {
            // It fails for one that the other side has closed.
            let _ = socket.map(|socket| socket.shutdown(Shutdown::Both));
        }
    }

    /// The directions that need somebody who pumps.
    pub(super) fn directions(&self) -> impl Iterator<Item = Direction> + use<> {
        let back = self.server.is_some().then_some(Direction::ToClient);
        [Direction::ToServer].into_iter().chain(back)
    }

    /// Moves bytes in one direction until that ends. An end is passed on as an end, an error closes both
    /// sides, except that one that is lost tells nobody.
    pub(super) fn pump(&self, direction: Direction, delay: impl Fn() -> Duration) {
        let (from, to) = match (direction, &self.server) {
            (Direction::ToServer, server) => (&self.client, server.as_ref()),
            (Direction::ToClient, Some(server)) => (server, Some(&self.client)),
            (Direction::ToClient, None) => return,
        };
        let (begin, end) = mpsc::sync_channel(UNDER_WAY);
        let ended = thread::scope(|scope| {
            let arriving = scope.spawn(|| self.arrive(end, to));
            let left = Self::leave(from, &begin, delay);
            // There is nothing more to wait for.
            drop(begin);
            left.and(arriving.join().expect("it does not panic"))
        });
        match (ended, to) {
            (Ok(()), _) if self.is_lost() => {}
            (Ok(()), Some(to)) => drop(to.shutdown(Shutdown::Write)),
            _ => self.break_off(),
        }
    }

    fn break_off(&self) {
        if !self.is_lost() {
            self.close();
        }
    }

    /// Reads until the end of what is sent.
    fn leave(
        mut from: &TcpStream,
        under_way: &SyncSender<Chunk>,
        delay: impl Fn() -> Duration,
    ) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let bytes = match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => buffer[..n].to_vec(),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let due = Instant::now() + delay();
            if under_way.send(Chunk { due, bytes }).is_err() {
                // The other end is closed, and has said so.
                return Ok(());
            }
        }
    }

    /// Writes what is due, until all of it is through.
    fn arrive(&self, under_way: Receiver<Chunk>, to: Option<&TcpStream>) -> io::Result<()> {
        for chunk in under_way {
            while let Some(rest) = chunk.due.checked_duration_since(Instant::now()) {
                if self.is_closed.load(SeqCst) {
                    return Ok(());
                }
                thread::sleep(rest.min(TICK));
            }
            if let (false, Some(mut to)) = (self.is_lost(), to) {
                // At once: the other end of this direction may wait for ever.
                let written = to.write_all(&chunk.bytes);
                written.inspect_err(|_| self.break_off())?;
            }
        }
        Ok(())
    }
}
