//! A link to a server that can be slow or broken. It runs on threads of its own, so that it works
//! also while the runtime of the test is busy, and they end when its [`Proxy`] is dropped.

mod pump;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use self::pump::Connection;
use crate::server::Server;

/// A TCP proxy in front of a [`Server`], by its port: it finds one that was started again.
///
/// ```no_run
/// use tests::{proxy::Proxy, server::Server};
///
/// let server = Server::start();
/// let proxy = Proxy::to(&server);
/// // .. a client connects to `proxy.url()`, and then its connection dies without a word:
/// proxy.black_hole();
/// ```
#[derive(Debug)]
pub struct Proxy {
    link: Arc<Link>,
    accepting: Option<JoinHandle<()>>,
}

/// What the proxy shares with its threads.
#[derive(Debug)]
struct Link {
    address: SocketAddr,
    accepted: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    mode: Mode,
    is_over: bool,
    connections: Vec<Arc<Connection>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Pass { delay: Duration },
    BlackHole,
    Refuse,
}

impl Proxy {
    /// A proxy that passes everything on.
    ///
    /// # Panics
    ///
    /// When there is no port or no thread left.
    #[must_use]
    pub fn to(server: &Server) -> Self {
        Self::to_port(server.port())
    }

    pub(crate) fn to_port(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let link = Arc::new(Link {
            address: listener.local_addr().expect("a bound socket has one"),
            accepted: AtomicUsize::new(0),
            state: Mutex::new(State {
                server: (Ipv4Addr::LOCALHOST, server).into(),
                mode: Mode::Pass {
                    delay: Duration::ZERO,
                },
                is_over: false,
                connections: Vec::new(),
            }),
        });
        let accepting = link.spawn({
            let link = link.clone();
            move || link.accept(&listener)
        });
        Self {
            link,
            accepting: Some(accepting),
        }
    }

    /// Where clients find it: `redis://127.0.0.1:port/`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.link.address)
    }

    /// The port of 127.0.0.1 where clients find it.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.link.address.port()
    }

    /// New connections lead to another server; existing ones stay where they are.
    pub fn lead_to(&self, server: &Server) {
        self.link.state().server = (Ipv4Addr::LOCALHOST, server.port()).into();
    }

    /// New connections work, and existing ones without a delay, except for those that are in a black
    /// hole.
    pub fn pass(&self) {
        self.delay(Duration::ZERO);
    }

    /// As [`pass`](Self::pass), but each chunk comes later, in each direction: a round trip takes twice
    /// as long. It is the latency of a long line, whose bandwidth is as before.
    pub fn delay(&self, by: Duration) {
        self.link.state().mode = Mode::Pass { delay: by };
    }

    /// Existing and new connections are open, and all bytes vanish, those under way too. Such a
    /// connection stays so until it is closed: it has lost bytes, and TCP never goes on after that. For
    /// a link that holds bytes back and delivers them later there is [`Server::pause`].
    pub fn black_hole(&self) {
        let mut state = self.link.state();
        state.mode = Mode::BlackHole;
        state.lose_all();
    }

    /// Existing connections get into the black hole, new ones are as they were to be. One that has begun
    /// and passed nothing yet may count as either.
    pub fn black_hole_existing(&self) {
        self.link.state().lose_all();
    }

    /// As [`black_hole_existing`](Self::black_hole_existing), but only those that the server sees come from
    /// one of these ports, as `CLIENT LIST` has them. Gives how many.
    #[allow(
        clippy::must_use_candidate,
        reason = "connections are lost for what it does"
    )]
    pub fn black_hole_from(&self, ports: &[u16]) -> usize {
        let state = self.link.state();
        let from = |connection: &&Arc<Connection>| connection.is_from(ports);
        let lost = state.connections.iter().filter(from);
        lost.inspect(|connection| connection.lose()).count()
    }

    /// What goes over connections that the server sees come from one of these ports takes longer, in each direction. Gives
    /// how many those are.
    #[allow(clippy::must_use_candidate, reason = "some know")]
    pub fn slow_down_from(&self, ports: &[u16], by: Duration) -> usize {
        let state = self.link.state();
        let from = state.connections.iter().filter(|it| it.is_from(ports));
        from.inspect(|connection| connection.slow_down(by)).count()
    }

    /// Which of these ports the server sees connections come from that are open.
    #[must_use]
    pub fn are_from(&self, ports: &[u16]) -> Vec<u16> {
        let state = self.link.state();
        let open = |port: &u16| state.connections.iter().any(|it| it.is_from(&[*port]));
        ports.iter().copied().filter(open).collect()
    }

    /// Closes every connection; new ones are as they were to be.
    pub fn close_all(&self) {
        self.link.state().close_all();
    }

    /// New connections are closed at once; existing ones work as before. It is not what the kernel does
    /// where nothing listens, for which there is [`Server::absent`].
    pub fn refuse(&self) {
        self.link.state().mode = Mode::Refuse;
    }

    /// How many connections there have been so far, those that were refused too.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.link.accepted.load(SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut state = self.link.state();
        state.is_over = true;
        state.close_all();
        drop(state);
        // The thread waits for a connection, and looks whether it is over after each.
        let woken = TcpStream::connect_timeout(&self.link.address, Duration::from_secs(1));
        if let (Ok(_), Some(accepting)) = (woken, self.accepting.take()) {
            // If it has panicked, the test has seen why.
            let _ = accepting.join();
        }
    }
}

impl Link {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        thread::Builder::new()
            .name(format!("proxy {}", self.address.port()))
            .spawn(body)
            .expect("there is a thread left")
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        loop {
            let accepted = listener.accept();
            if self.state().is_over {
                return;
            }
            match accepted {
                Ok((client, _)) => {
                    self.accepted.fetch_add(1, SeqCst);
                    self.connect(client);
                }
                // No file descriptor is free, for one.
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Begins to pass on between a client and the server; drops the client where that is to be or there
    /// is no server.
    fn connect(self: &Arc<Self>, client: TcpStream) {
        let (mode, server) = {
            let state = self.state();
            (state.mode, state.server)
        };
        let connection = match mode {
            Mode::Refuse => return,
            Mode::BlackHole => Connection::lost(client),
            Mode::Pass { .. } => {
                let server = TcpStream::connect_timeout(&server, Duration::from_secs(1));
                server.and_then(|server| Connection::between(client, server))
            }
        };
        let Ok(connection) = connection.map(Arc::new) else {
            return;
        };
        let mut state = self.state();
        if state.is_over {
            return;
        }
        if state.mode == Mode::BlackHole {
            connection.lose();
        }
        // One that is lost stays open although nobody reads from it any more.
        state
            .connections
            .retain(|it| it.is_lost() || Arc::strong_count(it) > 1);
        state.connections.push(connection.clone());
        drop(state);
        for direction in connection.directions() {
            let (link, connection) = (self.clone(), connection.clone());
            self.spawn(move || connection.pump(direction, || link.delay() + connection.slower()));
        }
    }

    fn delay(&self) -> Duration {
        match self.state().mode {
            Mode::Pass { delay } => delay,
            Mode::BlackHole | Mode::Refuse => Duration::ZERO,
        }
    }
}

impl State {
    fn lose_all(&self) {
        self.connections.iter().for_each(|it| it.lose());
    }

    fn close_all(&mut self) {
        self.connections.drain(..).for_each(|it| it.close());
    }
}
