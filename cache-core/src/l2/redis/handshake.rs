//! From an address to a connection that is signed in, to the right database of a server that is recent
//! enough and can answer.

use std::{
    io,
    time::{Duration, Instant},
};

use redis::{
    AsyncConnectionConfig, Cmd, RedisConnectionInfo, ServerError, Value,
    aio::MultiplexedConnection, io::tcp::socket2,
};
use tokio::{net::TcpStream, runtime::Handle, task::AbortHandle};

use super::{
    address::{Address, Place},
    fault::words,
    time::Sample,
};
use crate::tasks;

/// Requests that may wait for the connection's own task.
const CHANNEL: usize = 1_024;
/// Silence after which the system asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long sent bytes may stay unacknowledged.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);
const OLDEST_REDIS: (u32, u32) = (6, 2);
const OLDEST_VALKEY: (u32, u32) = (7, 2);

/// What distinguishes the connections to one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wiring {
    /// As `CLIENT LIST` shows it.
    pub(super) name: &'static str,
    /// Commands on the wire at once.
    pub(super) in_flight: usize,
}

/// A connection that is ready for commands.
pub(super) struct Opened {
    pub(super) connection: MultiplexedConnection,
    pub(super) driver: Driver,
    pub(super) sample: Sample,
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
pub(super) enum Failure {
    /// The server answered, and will not have us.
    Refused(String),
    Unreachable(String),
}

/// Connects. `ended` is dropped when the connection's task ends.
pub(super) async fn open(
    address: &Address,
    wiring: Wiring,
    ended: impl Send + 'static,
) -> Result<Opened, Failure> {
    let (mut connection, driver) = connect(address, wiring, ended)
        .await
        .map_err(|error| Failure::Unreachable(error.to_string()))?;
    let doubt = sign_in(&mut connection, address, wiring).await?;
    let sample = ask_time(&mut connection)
        .await
        .map_err(|fault| match fault {
            TimeFault::Broken => closed(),
            TimeFault::Refused(words) => Failure::Refused(format!(
                "Redis refuses the command `TIME`, which the cache needs: {words}"
            )),
        })?;
    Ok(Opened {
        connection,
        driver,
        sample,
        doubt,
    })
}

async fn connect(
    address: &Address,
    wiring: Wiring,
    ended: impl Send + 'static,
) -> io::Result<(MultiplexedConnection, Driver)> {
    match &address.place {
        Place::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            let socket = socket2::SockRef::from(&stream);
            socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(KEEPALIVE))?;
            #[cfg(target_os = "linux")]
            socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
            multiplex(stream, wiring, ended).await
        }
        #[cfg(unix)]
        Place::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await?;
            multiplex(stream, wiring, ended).await
        }
        #[cfg(not(unix))]
        Place::Unix(_) => Err(io::Error::other("there are no unix sockets here")),
    }
}

async fn multiplex<S>(
    stream: S,
    wiring: Wiring,
    ended: impl Send + 'static,
) -> io::Result<(MultiplexedConnection, Driver)>
where
    S: Unpin + tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + 'static,
{
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_pipeline_buffer_size(CHANNEL)
        .set_concurrency_limit(wiring.in_flight);
    // Signing in is left to us: the crate takes any error for a wrong password.
    let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
    let (connection, driver) = MultiplexedConnection::new_with_config(&settings, stream, config)
        .await
        .map_err(io::Error::other)?;
    let task = tasks::spawn(&Handle::current(), async move {
        let _ended = ended;
        driver.await;
    });
    Ok((connection, Driver(task.abort_handle())))
}

/// One round trip: who we are, which database, whether it can answer, and what it is.
async fn sign_in(
    connection: &mut MultiplexedConnection,
    address: &Address,
    wiring: Wiring,
) -> Result<Option<String>, Failure> {
    let mut commands = redis::pipe();
    if let Some(credentials) = &address.credentials {
        commands.cmd("AUTH");
        if let Some(user) = &credentials.user {
            commands.arg(user);
        }
        commands.arg(&credentials.password);
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
    check_version(&next(&mut replies))
}

fn next(replies: &mut impl Iterator<Item = Value>) -> Value {
    replies.next().unwrap_or(Value::Nil)
}

fn closed() -> Failure {
    Failure::Unreachable(
        "the server closed the connection at once: is it in protected mode, \
         or has it as many clients as `maxclients` allows?"
            .into(),
    )
}

/// Not in the server's words: some quote the command.
fn check_credentials(reply: &Value) -> Result<(), Failure> {
    let Value::ServerError(error) = reply else {
        return Ok(());
    };
    if error
        .details()
        .is_some_and(|it| it.contains("max number of clients"))
    {
        return Err(Failure::Unreachable(words(error)));
    }
    Err(Failure::Refused(format!(
        "Redis refuses the user or the password of the URL (`{}`)",
        error.code()
    )))
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
fn explain(error: &ServerError) -> Option<Failure> {
    match error.code() {
        "NOAUTH" => Some(Failure::Refused(
            "Redis asks for a password: write `redis://[user]:password@host`".into(),
        )),
        "DENIED" => Some(Failure::Refused(words(error))),
        "LOADING" | "MASTERDOWN" | "BUSY" => Some(Failure::Unreachable(words(error))),
        _ if error
            .details()
            .is_some_and(|it| it.contains("max number of clients")) =>
        {
            Some(Failure::Unreachable(words(error)))
        }
        _ => None,
    }
}

fn check_version(reply: &Value) -> Result<Option<String>, Failure> {
    let text = match reply {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes),
        Value::VerbatimString { text, .. } => text.into(),
        Value::ServerError(error) => {
            return match explain(error) {
                Some(failure) => Err(failure),
                None => Ok(Some(format!("`INFO` says {}", words(error)))),
            };
        }
        _ => return Ok(Some("`INFO` gives no text".into())),
    };
    let (name, found, oldest) = match field(&text, "valkey_version") {
        Some(found) => ("Valkey", Some(found), OLDEST_VALKEY),
        None => ("Redis", field(&text, "redis_version"), OLDEST_REDIS),
    };
    let Some(found) = found.and_then(version) else {
        return Ok(Some("`INFO` names no version".into()));
    };
    if found < oldest {
        let ((major, minor), (needed, at_least)) = (found, oldest);
        return Err(Failure::Refused(format!(
            "the server is {name} {major}.{minor}: the cache needs {needed}.{at_least} or later"
        )));
    }
    Ok(None)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

pub(super) enum TimeFault {
    Broken,
    Refused(String),
}

/// Asks for the server's clock, which also proves that it answers.
pub(super) async fn ask_time(connection: &mut MultiplexedConnection) -> Result<Sample, TimeFault> {
    let sent = Instant::now();
    let reply = connection
        .send_packed_command(&Cmd::new().arg("TIME").take())
        .await;
    let received = Instant::now();
    let reply = match reply {
        Ok(Value::ServerError(error)) => return Err(TimeFault::Refused(words(&error))),
        Ok(reply) => reply,
        Err(_) => return Err(TimeFault::Broken),
    };
    let micros = read_time(&reply).ok_or_else(|| TimeFault::Refused("no time".into()))?;
    Ok(Sample {
        micros,
        sent,
        received,
    })
}

fn read_time(reply: &Value) -> Option<u64> {
    let Value::Array(parts) = reply else {
        return None;
    };
    let [seconds, micros] = parts.as_slice() else {
        return None;
    };
    let number = |part: &Value| match part {
        Value::BulkString(bytes) => str::from_utf8(bytes).ok()?.parse::<u64>().ok(),
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    number(seconds)?
        .checked_mul(1_000_000)?
        .checked_add(number(micros)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(text: &str) -> Result<Option<String>, Failure> {
        check_version(&Value::BulkString(text.as_bytes().to_vec()))
    }

    #[test]
    fn a_recent_server_is_taken_and_an_old_one_is_not() {
        assert_eq!(info("# Server\r\nredis_version:6.2.0\r\n"), Ok(None));
        assert_eq!(info("redis_version:10.0.1\r\nos:Linux"), Ok(None));
        assert!(matches!(
            info("redis_version:6.0.16"),
            Err(Failure::Refused(_))
        ));
    }

    #[test]
    fn valkey_goes_by_its_own_version() {
        let valkey = |version| format!("redis_version:7.2.4\r\nvalkey_version:{version}\r\n");
        assert_eq!(info(&valkey("8.1.0")), Ok(None));
        assert!(matches!(info(&valkey("7.1.9")), Err(Failure::Refused(_))));
    }

    #[test]
    fn a_server_that_does_not_tell_is_taken_with_a_doubt() {
        for text in ["", "redis_version", "redis_version:7", "redis_version:x.y"] {
            assert!(matches!(info(text), Ok(Some(_))), "{text}");
        }
    }

    #[test]
    fn a_time_of_another_shape_is_none() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let time = |parts| read_time(&Value::Array(parts));
        assert_eq!(time(vec![bulk("17"), bulk("000042")]), Some(17_000_042));
        assert_eq!(time(vec![bulk("17")]), None);
        assert_eq!(time(vec![bulk("99999999999999999999"), bulk("0")]), None);
        assert_eq!(time(vec![bulk("18446744073709551615"), bulk("0")]), None);
        assert_eq!(read_time(&Value::Okay), None);
    }
}
