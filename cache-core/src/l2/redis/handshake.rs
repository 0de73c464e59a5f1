//! From an address to a connection that is signed in, to the right database of a server that is recent
//! enough and can answer.

use std::{io, time::Duration};

use redis::{
    AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo, RedisError, ServerError, Value,
    aio::MultiplexedConnection, io::tcp::socket2,
};
use tokio::{net::TcpStream, runtime::Handle, task::AbortHandle};

use super::{
    address::{Address, Credentials, Location, Node},
    fault::words,
    pulse::{self, Pulse, PulseFault},
    subscriber::Ear,
    tls::Secured,
    version::{self, Verdict},
};
use crate::tasks;

/// Requests that may wait for the connection's own task.
const CHANNEL: usize = 1_024;
/// Silence after which the system asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long sent bytes may stay unacknowledged.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// In the words of Redis.
const TOO_MANY_CLIENTS: &str = "max number of clients";

/// What distinguishes the connections to one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wiring {
    /// As `CLIENT LIST` shows it.
    pub(super) name: &'static str,
    /// Commands on the wire at once.
    pub(super) in_flight: usize,
}

/// A connection that is ready for commands.
pub(super) struct SignedIn {
    pub(super) connection: MultiplexedConnection,
    pub(super) driver: Driver,
    pub(super) pulse: Pulse,
    /// What could not be found out about the server.
    pub(super) doubt: Option<String>,
}

/// The task that owns the socket. Dropping this closes it, whoever still holds the connection.
#[derive(Debug)]
pub(super) struct Driver(AbortHandle);

impl Driver {
    pub(super) fn has_ended(&self) -> bool {
        self.0.is_finished()
    }

    pub(super) fn end(&self) {
        self.0.abort();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.end();
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server answered, and will not have us.
    Refused(String),
    Unreachable(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// Connects to a server of this address, and subscribes where there is an ear. `ended` is dropped when the connection's
/// task ends.
pub(super) async fn open(
    (node, address): (&Node, &Address),
    wiring: Wiring,
    ear: Option<&Ear>,
    ended: impl Send + 'static,
) -> Result<SignedIn, Failure> {
    let setup = Setup {
        settings: settings(address, ear),
        config: config(wiring, ear),
    };
    let (mut connection, driver) = connect(node, address.tls.as_ref(), setup, ended).await?;
    let doubt = sign_in(&mut connection, address, wiring).await?;
    let is_member = address.cluster().is_some();
    let pulse = pulse::feel(&mut connection, is_member)
        .await
        .map_err(|fault| match fault {
            PulseFault::Broken => closed(),
            PulseFault::Down(why) => Failure::Unreachable(why),
            PulseFault::Refused(command, words) => {
                let rule = command.to_lowercase().replace(' ', "|");
                Failure::Refused(format!(
                    "Redis refuses the command `{command}`, which the cache needs (`ACL SETUSER .. +{rule}`): {words}"
                ))
            }
        })?;
    if !pulse.origin.is_primary {
        // It may be promoted at any moment, or the address lead elsewhere.
        let why = match &address.place {
            Location::Node(_) => "it is a replica: give the address of its primary".into(),
            Location::Elected(_) => {
                format!("{node} is a replica, whom a sentinel takes for the primary")
            }
            Location::Member(..) => format!("{node} is a replica by now"),
        };
        return Err(Failure::Unreachable(why));
    }
    if let Some(ear) = ear {
        ear.subscribe(&mut connection).await?;
    }
    Ok(SignedIn {
        connection,
        driver,
        pulse,
        doubt,
    })
}

/// How the crate is to connect.
pub(super) struct Setup {
    pub(super) settings: RedisConnectionInfo,
    pub(super) config: AsyncConnectionConfig,
}

impl Setup {
    /// For somebody who is asked now and then, and signs in by commands.
    pub(super) fn plain(in_flight: usize) -> Self {
        Self {
            settings: RedisConnectionInfo::default().set_skip_set_lib_name(),
            config: AsyncConnectionConfig::new()
                .set_response_timeout(None)
                .set_concurrency_limit(in_flight),
        }
    }
}

fn settings(address: &Address, ear: Option<&Ear>) -> RedisConnectionInfo {
    let mut settings = RedisConnectionInfo::default().set_skip_set_lib_name();
    if ear.is_none() {
        // Signing in is left to us: the crate takes any error for a wrong password.
        return settings;
    }
    settings = settings.set_protocol(ProtocolVersion::RESP3);
    if let Some(credentials) = &address.credentials {
        settings = settings.set_password(&credentials.password);
        if let Some(user) = &credentials.user {
            settings = settings.set_username(user);
        }
    }
    settings
}

fn config(wiring: Wiring, ear: Option<&Ear>) -> AsyncConnectionConfig {
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_pipeline_buffer_size(CHANNEL)
        .set_concurrency_limit(wiring.in_flight);
    match ear {
        Some(ear) => config.set_push_sender(ear.hear()),
        None => config,
    }
}

pub(super) async fn connect(
    node: &Node,
    tls: Option<&Secured>,
    setup: Setup,
    ended: impl Send + 'static,
) -> Result<(MultiplexedConnection, Driver), Failure> {
    match node {
        Node::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            let socket = socket2::SockRef::from(&stream);
            socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEPALIVE))?;
            #[cfg(target_os = "linux")]
            socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
            match tls {
                None => multiplex(stream, setup, ended).await,
                Some(tls) => multiplex(tls.connect(host, stream).await?, setup, ended).await,
            }
        }
        #[cfg(unix)]
        Node::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await?;
            multiplex(stream, setup, ended).await
        }
        #[cfg(not(unix))]
        Node::Unix(_) => Err(Failure::Refused("there are no unix sockets here".into())),
    }
}

async fn multiplex<S>(
    stream: S,
    setup: Setup,
    ended: impl Send + 'static,
) -> Result<(MultiplexedConnection, Driver), Failure>
where
    S: Unpin + tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + 'static,
{
    let Setup { settings, config } = setup;
    let (connection, driver) = MultiplexedConnection::new_with_config(&settings, stream, config)
        .await
        .map_err(|error| why_not_set_up(&error))?;
    let task = tasks::spawn(&Handle::current(), async move {
        let _ended = ended;
        driver.await;
    });
    Ok((connection, Driver(task.abort_handle())))
}

/// Of the commands that the crate sends for itself there is one, `HELLO`, where there is an ear. What the server says to it
/// is not repeated: some quote the command, and that has the password.
fn why_not_set_up(error: &RedisError) -> Failure {
    let code = match error.code() {
        Some(code) => code,
        None if error.kind() == redis::ErrorKind::RESP3NotSupported => "ERR",
        None => return Failure::Unreachable(error.to_string()),
    };
    let is_crowded = error
        .detail()
        .is_some_and(|details| details.contains(TOO_MANY_CLIENTS));
    match code {
        "DENIED" => Failure::Refused(format!("it says `{code}`")),
        "LOADING" | "MASTERDOWN" | "BUSY" | "CLUSTERDOWN" => {
            Failure::Unreachable(format!("it says `{code}`"))
        }
        _ if is_crowded => Failure::Unreachable(format!("it has the {TOO_MANY_CLIENTS}")),
        "NOAUTH" | "WRONGPASS" => wrong_credentials(code),
        _ => Failure::Refused(format!(
            "Redis refuses RESP3 (`HELLO 3`: `{code}`): until it speaks that, processes do not hear each other's \
             invalidations, and ask instead"
        )),
    }
}

pub(super) fn add_auth(commands: &mut redis::Pipeline, credentials: &Credentials) {
    commands.cmd("AUTH");
    if let Some(user) = &credentials.user {
        commands.arg(user);
    }
    commands.arg(&credentials.password);
}

/// One round trip: who we are, which database, whether it can answer, and what it is.
async fn sign_in(
    connection: &mut MultiplexedConnection,
    address: &Address,
    wiring: Wiring,
) -> Result<Option<String>, Failure> {
    let mut commands = redis::pipe();
    if let Some(credentials) = &address.credentials {
        add_auth(&mut commands, credentials);
    }
    commands.cmd("SELECT").arg(address.database);
    commands.cmd("PING");
    commands.cmd("CLIENT").arg("SETNAME").arg(wiring.name);
    commands.cmd("INFO").arg("server");
    let replies = connection
        .send_packed_commands(&commands, 0, commands.len())
        .await
        .map_err(|_| closed())?;
    let mut replies = replies.into_iter();
    if address.credentials.is_some() {
        check_credentials(&next(&mut replies))?;
    }
    check_database(&next(&mut replies), address)?;
    check_readiness(&next(&mut replies))?;
    // A name is a courtesy to whoever reads `CLIENT LIST`.
    let _named = next(&mut replies);
    check_server(&next(&mut replies), address.cluster().is_some())
}

fn next(replies: &mut impl Iterator<Item = Value>) -> Value {
    replies.next().unwrap_or(Value::Nil)
}

pub(super) fn closed() -> Failure {
    Failure::Unreachable(
        "the server closed the connection at once: is it in protected mode, \
         has it as many clients as `maxclients` allows, or does it speak TLS there (`rediss://`)?"
            .into(),
    )
}

/// Not in the server's words: some quote the command.
pub(super) fn check_credentials(reply: &Value) -> Result<(), Failure> {
    let Value::ServerError(error) = reply else {
        return Ok(());
    };
    let details = error.details().unwrap_or_default();
    // Redis 6 and later, and those before.
    if details.contains("without any password configured") || details.contains("no password is set")
    {
        return Err(Failure::Refused(
            "Redis has no password: write `redis://host` without one".into(),
        ));
    }
    Err(explain(error).unwrap_or_else(|| wrong_credentials(error.code())))
}

fn wrong_credentials(code: &str) -> Failure {
    Failure::Refused(format!(
        "Redis refuses the user or the password of the URL (`{code}`)"
    ))
}

fn check_database(reply: &Value, address: &Address) -> Result<(), Failure> {
    match reply {
        Value::ServerError(error) => Err(explain(error).unwrap_or_else(|| {
            let database = address.database;
            Failure::Refused(format!(
                "Redis refuses database {database}: {}",
                words(error)
            ))
        })),
        _ => Ok(()),
    }
}

/// `PING` is refused where `INFO` and `TIME` are not: by a server that loads its data, or a replica
/// without its primary. That a server takes no writes (`MISCONF`) makes it refuse `PING` too.
fn check_readiness(reply: &Value) -> Result<(), Failure> {
    match reply {
        Value::ServerError(error) => explain(error).map_or(Ok(()), Err),
        _ => Ok(()),
    }
}

/// What an error means whatever the command was.
pub(super) fn explain(error: &ServerError) -> Option<Failure> {
    match error.code() {
        "NOAUTH" => Some(Failure::Refused(
            "Redis asks for a password: write `redis://user:password@host`".into(),
        )),
        "DENIED" => Some(Failure::Refused(words(error))),
        "LOADING" | "MASTERDOWN" | "BUSY" | "CLUSTERDOWN" => {
            Some(Failure::Unreachable(words(error)))
        }
        _ if error
            .details()
            .is_some_and(|it| it.contains(TOO_MANY_CLIENTS)) =>
        {
            Some(Failure::Unreachable(words(error)))
        }
        _ => None,
    }
}

fn check_server(reply: &Value, is_member: bool) -> Result<Option<String>, Failure> {
    if let Value::ServerError(error) = reply {
        return match explain(error) {
            Some(failure) => Err(failure),
            None => Ok(Some(format!("`INFO` says {}", words(error)))),
        };
    }
    let Some(text) = pulse::text(reply) else {
        return Ok(Some("`INFO` gives no text".into()));
    };
    // Redis and Valkey.
    let modes = ["redis_mode", "server_mode"].map(|name| version::field(text, name));
    let is_of_cluster = modes.iter().flatten().any(|mode| mode.trim() == "cluster");
    if is_of_cluster && !is_member {
        return Err(Failure::Refused(
            "this is a node of a cluster: write `redis-cluster://`".into(),
        ));
    }
    match version::judge(text, is_member) {
        Verdict::Recent => Ok(None),
        Verdict::Unknown => Ok(Some("`INFO` names no version".into())),
        Verdict::Old(why) => Err(Failure::Refused(why)),
    }
}
