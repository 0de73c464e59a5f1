//! Real servers: each a process of its own on its own port and in its own folder, started and
//! signalled by its process id. Nothing of it is left when its [`Server`] is dropped.

mod abilities;
mod apart;
mod asker;
mod clock;
mod folder;
mod line;
mod port;
mod resp;
mod running;

use std::{
    cell::RefCell,
    env,
    ffi::OsString,
    fs::{self, File},
    io::{self, BufReader},
    net::Ipv4Addr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

pub use self::{
    abilities::{forms_clusters, speaks_tls},
    asker::Asker,
    clock::with_own_clocks,
    line::behind_lines,
};
use self::{apart::Apart, clock::Clock, port::Port, running::Running};
use crate::{
    authority::{Authority, Identity},
    proxy::Proxy,
};

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(5);

/// How long a server may take for a [`Server::command`].
const REPLY: Duration = Duration::from_secs(2);

/// A `redis-server` of its own, or the one `REDIS_SERVER_BIN` names. It writes nothing to disk.
///
/// ```no_run
/// use tests::server::Server;
///
/// let mut server = Server::with(&["--maxmemory", "3mb"]);
/// assert_eq!(server.command(&["SET", "a", "1"]), "OK");
/// server.kill();
/// server.start_again();
/// assert_eq!(server.command(&["GET", "a"]), "");
/// ```
#[derive(Debug)]
pub struct Server {
    port: Port,
    folder: PathBuf,
    /// Of a sentinel, which writes what it learns into it.
    settings: Option<PathBuf>,
    /// It speaks TLS on its port, and nothing else.
    is_secured: bool,
    /// Of a node of a cluster, where the others find it.
    bus: Option<Port>,
    arguments: Vec<String>,
    running: Option<Running>,
    /// The network that it is in, where that is not the one of all.
    apart: Option<Arc<Apart>>,
    clock: Option<Clock>,
    line: Option<Proxy>,
}

thread_local! {
    /// Where servers are started.
    static APART: RefCell<Option<Arc<Apart>>> = const { RefCell::new(None) };
}

/// Starts servers in a network of their own, where [packets can be lost](Server::lose_packets).
///
/// # Errors
///
/// Why there can be none: mostly as only root may make one.
pub fn apart<T>(start: impl FnOnce() -> T) -> Result<T, String> {
    let network = Apart::new()?;
    APART.set(Some(Arc::new(network)));
    let started = start();
    APART.set(None);
    Ok(started)
}

/// Why a server does not run.
enum Failure {
    PortTaken,
    Other(String),
}

impl Server {
    /// A server with the defaults, which answers.
    ///
    /// # Panics
    ///
    /// When there is no `redis-server`, or it does not answer within 5 s.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// A server with more arguments than the defaults, such as `["--requirepass", "x"]`.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn with(arguments: &[&str]) -> Self {
        for _ in 0..10 {
            let mut server = Self::of(arguments);
            match server.launch() {
                Ok(()) => return server,
                Err(Failure::PortTaken) => {}
                Err(Failure::Other(why)) => panic!("{why}"),
            }
        }
        panic!("ten ports in a row were taken before the server had them");
    }

    /// A port on which nothing listens, and nothing else will: connections are refused until
    /// [`start_again`](Self::start_again).
    ///
    /// # Panics
    ///
    /// When there is no port or no place for a folder.
    #[must_use]
    pub fn absent() -> Self {
        Self::of(&[])
    }

    /// A sentinel with these settings, a line for each, and with more arguments.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn sentinel(settings: &str, arguments: &[&str]) -> Self {
        let mut server = Self::of(&[&["--sentinel"], arguments].concat());
        server.settle(settings);
        server.start_again();
        server
    }

    /// A server that speaks TLS alone on its port, and shows this certificate. It wants one of its clients by the same
    /// authority, unless the arguments say `["--tls-auth-clients", "no"]`.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn secured(authority: &Authority, identity: &Identity, arguments: &[&str]) -> Self {
        let mut server = Self::of(arguments);
        server.secure(authority, identity);
        server.start_again();
        server
    }

    /// A sentinel with these settings that speaks TLS alone, with its clients and with what it watches.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn secured_sentinel(authority: &Authority, identity: &Identity, settings: &str) -> Self {
        let mut server = Self::of(&["--sentinel", "--tls-replication", "yes"]);
        server.settle(settings);
        server.secure(authority, identity);
        server.start_again();
        server
    }

    /// A node of a cluster that has no slots yet and knows no other node.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn node(arguments: &[&str]) -> Self {
        let mut server = Self::of(arguments);
        server.join_clusters();
        server.start_again();
        server
    }

    /// The same, and it speaks TLS alone, as [`secured`](Self::secured) ones do.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn secured_node(authority: &Authority, identity: &Identity, arguments: &[&str]) -> Self {
        let mut server = Self::of(arguments);
        server.join_clusters();
        server.secure(authority, identity);
        server.start_again();
        server
    }

    /// Loses all that is sent to its network and by it, until [`pass_packets`](Self::pass_packets): connections stay, and
    /// are silent.
    ///
    /// # Panics
    ///
    /// When it is not [`apart`].
    pub fn lose_packets(&self) {
        let lost = self.apart.as_ref().expect("it is apart").lose();
        lost.expect("the network is ours");
    }

    /// What is sent arrives again.
    ///
    /// # Panics
    ///
    /// When it is not [`apart`].
    pub fn pass_packets(&self) {
        let passed = self.apart.as_ref().expect("it is apart").pass();
        passed.expect("the network is ours");
    }

    fn join_clusters(&mut self) {
        let bus = Port::reserve().expect("a port of 127.0.0.1 is free");
        let of_cluster = ["--cluster-enabled", "yes", "--cluster-port"];
        self.arguments.extend(of_cluster.map(str::to_owned));
        self.arguments.push(bus.number().to_string());
        self.bus = Some(bus);
    }

    /// Where the other nodes of its cluster find it.
    ///
    /// # Panics
    ///
    /// When it is no [`node`](Self::node).
    #[must_use]
    pub fn bus(&self) -> u16 {
        self.bus.as_ref().expect("it is of a cluster").number()
    }

    /// Shows this certificate from its next start on.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn secure(&mut self, authority: &Authority, identity: &Identity) {
        for (name, pem) in [
            ("authority.pem", &authority.pem),
            ("server.pem", &identity.certificate),
            ("server.key", &identity.key),
        ] {
            fs::write(self.folder.join(name), pem).expect("the folder is ours");
        }
        self.is_secured = true;
    }

    fn settle(&mut self, settings: &str) {
        let file = self.folder.join("sentinel.conf");
        fs::write(&file, settings).expect("the folder is ours");
        self.settings = Some(file);
    }

    fn of(arguments: &[&str]) -> Self {
        let folder = folder::new().expect("there is place for a temporary folder");
        let port = Port::reserve().expect("a port of 127.0.0.1 is free");
        Self {
            line: line::where_wanted(&port),
            port,
            clock: Clock::where_wanted(&folder),
            folder,
            settings: None,
            is_secured: false,
            bus: None,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            running: None,
            apart: APART.with_borrow(Clone::clone),
        }
    }

    /// Where clients find it: `redis://127.0.0.1:port/` mostly, or `rediss://..`, without a password.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.is_secured { "rediss" } else { "redis" };
        format!("{scheme}://{}:{}/", self.address(), self.port())
    }

    /// Where it is: 127.0.0.1 mostly.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        let apart = self.apart.as_deref();
        apart.map_or(Ipv4Addr::LOCALHOST, Apart::address)
    }

    /// Another name of the same server, for a cache that is to be of another process: those of one URL know of each other.
    #[must_use]
    pub fn other_url(&self) -> String {
        format!("redis://localhost:{}/", self.port())
    }

    /// The port of 127.0.0.1, the same after every start.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The unix socket of the same server.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("r.sock")
    }

    /// What it has written about itself since it was started: warnings, if the arguments ask for no more.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Ends it at once (`kill -9`), paused or not. One that does not run is left so.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it on the port and with the arguments it had, and waits until it answers. One that runs is
    /// killed first.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does, and when something else has taken the port.
    pub fn start_again(&mut self) {
        self.kill();
        match self.launch() {
            Ok(()) => {}
            Err(Failure::PortTaken) => panic!("port {} was taken meanwhile", self.port()),
            Err(Failure::Other(why)) => panic!("{why}"),
        }
    }

    /// Stops it (`SIGSTOP`): from here on its connections are open and silent, new ones too.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn pause(&self) {
        let is_paused = self.running().pause();
        assert!(
            is_paused,
            "the server on port {} ended by itself",
            self.port()
        );
    }

    /// Lets it go on (`SIGCONT`), with all that was sent to it meanwhile.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn resume(&self) {
        self.running().resume();
    }

    /// The reply to one command on a connection of its own, as `redis-cli` prints it to a pipe: an item
    /// per line, nothing for nil, an error as `ERR ..`. It logs in when `--requirepass` is among the
    /// arguments.
    ///
    /// # Panics
    ///
    /// When no reply comes within 2 s.
    #[track_caller]
    #[allow(
        clippy::must_use_candidate,
        reason = "commands are sent for what they do"
    )]
    pub fn command(&self, parts: &[&str]) -> String {
        match self.ask(parts) {
            Ok(reply) => reply,
            Err(error) => {
                let port = self.port();
                panic!("no reply to {parts:?} from the server on port {port}: {error}")
            }
        }
    }

    /// One that others follow without delay.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    #[must_use]
    pub fn replicable() -> Self {
        Self::with(&["--repl-diskless-sync-delay", "0"])
    }

    /// Becomes a replica of another one, whose data it has [in a moment](Self::is_synced).
    ///
    /// # Panics
    ///
    /// As [`command`](Self::command) does.
    pub fn follow(&self, primary: &Self) {
        let (host, port) = (primary.address().to_string(), primary.port().to_string());
        self.command(&["REPLICAOF", &host, &port]);
    }

    /// Becomes a primary again, with the data that it has.
    ///
    /// # Panics
    ///
    /// As [`command`](Self::command) does.
    pub fn lead(&self) {
        self.command(&["REPLICAOF", "NO", "ONE"]);
    }

    /// Waits until a replica has its primary's data.
    ///
    /// # Panics
    ///
    /// When it has not in time.
    pub async fn is_synced(&self) {
        crate::until("the replica has its primary's data", || {
            let info = self.command(&["INFO", "replication"]);
            info.contains("master_link_status:up")
        })
        .await;
    }

    /// The ports of the connections whose names begin so.
    ///
    /// # Panics
    ///
    /// As [`command`](Self::command) does.
    #[must_use]
    pub fn clients(&self, name: &str) -> Vec<u16> {
        let list = self.command(&["CLIENT", "LIST"]);
        let named = format!("name={name}");
        let lines = list.lines().filter(|line| line.contains(&named));
        let addresses =
            lines.filter_map(|line| line.split(' ').find_map(|it| it.strip_prefix("addr=")));
        let ports = addresses.filter_map(|address| address.rsplit(':').next()?.parse().ok());
        ports.collect()
    }

    /// As [`command`](Self::command) does, of a server that may cut its connections meanwhile, as one does that sentinels
    /// make a replica.
    ///
    /// # Errors
    ///
    /// When there is no reply.
    pub fn ask(&self, parts: &[&str]) -> io::Result<String> {
        if self.is_secured || self.apart.is_some() {
            let stream = UnixStream::connect(self.socket())?;
            stream.set_read_timeout(Some(REPLY))?;
            return resp::ask(&mut BufReader::new(stream), parts);
        }
        let stream = self.port.connect(REPLY)?;
        stream.set_read_timeout(Some(REPLY))?;
        stream.set_write_timeout(Some(REPLY))?;
        let mut stream = BufReader::new(stream);
        let arguments = self.arguments.iter().map(String::as_str);
        if let Some(password) = arguments.skip_while(|it| *it != "--requirepass").nth(1) {
            resp::ask(&mut stream, &["AUTH", password])?;
        }
        resp::ask(&mut stream, parts)
    }

    fn wiring(&self) -> Vec<String> {
        let port = self.port().to_string();
        let file = |name: &str| self.folder.join(name).display().to_string();
        let wiring = if self.is_secured {
            let (authority, certificate, key) = (
                file("authority.pem"),
                file("server.pem"),
                file("server.key"),
            );
            vec![
                ("--port", "0".into()),
                ("--tls-port", port),
                ("--tls-ca-cert-file", authority),
                ("--tls-cert-file", certificate),
                ("--tls-key-file", key),
            ]
        } else {
            vec![("--port", port)]
        };
        let wiring = wiring
            .into_iter()
            .chain([("--bind", self.address().to_string())]);
        let words = wiring.flat_map(|(name, value)| [name.to_owned(), value]);
        words.collect()
    }

    /// Whether it has been started and not been killed.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    fn running(&self) -> &Running {
        let port = self.port();
        self.running
            .as_ref()
            .unwrap_or_else(|| panic!("there is no server on port {port}: `start_again` it"))
    }

    /// Starts it and waits until it answers.
    fn launch(&mut self) -> Result<(), Failure> {
        let log = self.folder.join("log");
        let output = File::create(&log).expect("the folder is ours");
        let program = program();
        self.port.give_way();
        self.bus.iter_mut().for_each(Port::give_way);
        let mut command = match &self.apart {
            None => Command::new(&program),
            Some(apart) => apart.command(&program),
        };
        if let Some(clock) = &self.clock {
            command.envs(clock.environment());
        }
        let server = command
            .args(&self.settings)
            .args(self.wiring())
            .args(self.announcement())
            .arg("--unixsocket")
            .arg(self.socket())
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(&self.folder)
            .args(["--protected-mode", "no"])
            .args(abilities::openness())
            .args(["--loglevel", "warning"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stderr(output.try_clone().expect("a file has a second handle"))
            .stdout(output)
            .spawn()
            .map_err(|error| {
                let program = program.display();
                Failure::Other(format!(
                    "`{program}` does not start ({error}): run `cargo xtask test`, which installs \
                     `redis-server`, or set `REDIS_SERVER_BIN` to the one to use"
                ))
            })?;
        let running =
            self.running
                .insert(Running::new(server, &self.folder, self.apart.as_deref()));

        let begin = Instant::now();
        let socket = self.folder.join("r.sock");
        while !answers(&socket) {
            let ended = running.ended();
            if ended.is_none() && begin.elapsed() < START {
                thread::sleep(Duration::from_millis(2));
                continue;
            }
            self.kill();
            let log = fs::read_to_string(&log).unwrap_or_default();
            if ended.is_some() && log.contains("Address already in use") {
                return Err(Failure::PortTaken);
            }
            let fate = ended.map_or_else(
                || format!("does not answer within {START:?}"),
                |status| format!("ended with {status}"),
            );
            return Err(Failure::Other(format!("the server {fate}:\n{log}")));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        // A folder that stays is a pity, and no reason to fail the test.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether the server behind this socket is up. Its port would not do: while the server fails to
/// start there, another one could answer. It listens to the port before it does to the socket.
fn answers(socket: &Path) -> bool {
    let ping = || {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(REPLY))?;
        resp::ask(&mut BufReader::new(stream), &["PING"])
    };
    // One that asks for a password is up as well.
    ping().is_ok_and(|reply| !reply.starts_with("LOADING"))
}

fn program() -> OsString {
    env::var_os("REDIS_SERVER_BIN").unwrap_or_else(|| "redis-server".into())
}
