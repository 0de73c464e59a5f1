//! Redis Sentinel: which server is the primary of a service, as most sentinels have it.
//!
//! They are asked all at once: one after the other, each that is gone or hangs would cost its time. What they name is no
//! more than a candidate, which has to say itself that it is a primary.

use std::{cmp::Reverse, collections::HashMap, fmt, time::Duration};

use redis::{Value, aio::MultiplexedConnection};
use tokio::{sync::watch, task::JoinSet, time::timeout};

use super::{
    address::{Credentials, Node, is_host, write_nodes},
    fault::words,
    handshake::{self, Driver, Failure, Setup},
    tls::Secured,
};
use crate::{
    clock::{Nanos, nanos, system_now},
    lock::Mutex,
};

/// How long a sentinel may take, until it has said who is the primary.
const PATIENCE: Duration = Duration::from_millis(250);
/// Commands on the wire at once: one for each connection to the primary.
const IN_FLIGHT: usize = 8;

/// The sentinels of one service.
pub(super) struct Electorate {
    sentinels: Vec<Node>,
    service: String,
    credentials: Option<Credentials>,
    tls: Option<Secured>,
    /// One for each sentinel, once it has been asked.
    connections: Mutex<Vec<Option<Connection>>>,
    last: Mutex<Option<(Nanos, Result<Poll, Failure>)>>,
    /// What a majority named last: whoever finds out that it is another one tells the other connections.
    elected: watch::Sender<Option<Node>>,
}

struct Connection {
    connection: MultiplexedConnection,
    _driver: Driver,
}

/// What the sentinels name, and how many of them do, most first; what a majority names alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Poll(Vec<(Node, usize)>);

impl Poll {
    /// What is worth trying, in this order.
    pub(super) fn candidates(self) -> impl Iterator<Item = Node> {
        self.0.into_iter().map(|(node, _)| node)
    }
}

/// What one sentinel says.
enum Vote {
    For(Node),
    /// It does not know the service.
    Unknown,
}

impl Electorate {
    pub(super) fn new(
        sentinels: Vec<Node>,
        service: String,
        credentials: Option<Credentials>,
        tls: Option<Secured>,
    ) -> Self {
        let connections = sentinels.iter().map(|_| None).collect();
        Self {
            sentinels,
            service,
            credentials,
            tls,
            connections: Mutex::new(connections),
            last: Mutex::default(),
            elected: watch::Sender::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// How many make a majority.
    fn quorum(&self) -> usize {
        self.sentinels.len() / 2 + 1
    }

    /// Whether a majority names another one than this.
    pub(super) async fn elects_another(&self, node: &Node, max_age: Duration) -> bool {
        let Ok(Poll(named)) = self.poll(max_age).await else {
            return false;
        };
        let elected = named.first();
        elected.is_some_and(|(elected, votes)| *votes >= self.quorum() && elected != node)
    }

    /// Returns when a majority names another one than this, and asks so often.
    pub(super) async fn until_another(&self, node: &Node, every: Duration) {
        let mut elected = self.elected.subscribe();
        loop {
            // Told by another connection or not, it is looked.
            let _ = timeout(every, elected.changed()).await;
            if self.elects_another(node, every / 2).await {
                return;
            }
        }
    }

    /// Waits so long, or until a majority names another one than before.
    pub(super) async fn until_elected(&self, wait: Duration) {
        let _ = timeout(wait, self.elected.subscribe().changed()).await;
    }

    /// Asks all sentinels, until a majority is of one mind. An answer of the last `max_age` will do.
    pub(super) async fn poll(&self, max_age: Duration) -> Result<Poll, Failure> {
        let began = system_now();
        if let Some((at, last)) = &*self.last.lock()
            && began.saturating_sub(*at) < nanos(max_age)
        {
            return last.clone();
        }
        let poll = self.poll_now().await;
        let mut last = self.last.lock();
        if last.as_ref().is_some_and(|(at, _)| *at > began) {
            // Others have asked since, and were faster.
            return poll;
        }
        *last = Some((began, poll.clone()));
        if let Ok(Poll(named)) = &poll
            && let Some((node, votes)) = named.first()
            && *votes >= self.quorum()
        {
            let node = Some(node.clone());
            self.elected.send_if_modified(|elected| {
                let is_another = *elected != node;
                *elected = node;
                is_another
            });
        }
        poll
    }

    async fn poll_now(&self) -> Result<Poll, Failure> {
        let mut asking = JoinSet::new();
        for (place, sentinel) in self.sentinels.iter().enumerate() {
            let connection = self.connections.lock()[place]
                .as_ref()
                .map(|open| open.connection.clone());
            let ask = Ask {
                sentinel: sentinel.clone(),
                service: self.service.clone(),
                credentials: self.credentials.clone(),
                tls: self.tls.clone(),
            };
            asking.spawn(async move { (place, ask.within(PATIENCE, connection).await) });
        }
        let mut votes = HashMap::<Node, usize>::new();
        let (mut unknown, mut failures) = (0, Vec::new());
        while let Some(asked) = asking.join_next().await {
            let Ok((place, (vote, connection))) = asked else {
                continue;
            };
            match vote {
                Ok(vote) => {
                    if let Some(connection) = connection {
                        self.connections.lock()[place] = Some(connection);
                    }
                    match vote {
                        Vote::For(node) => *votes.entry(node).or_default() += 1,
                        Vote::Unknown => unknown += 1,
                    }
                }
                Err(failure) => {
                    self.connections.lock()[place] = None;
                    failures.push(failure);
                }
            }
            if votes.values().any(|votes| *votes >= self.quorum()) {
                break;
            }
        }
        let mut named: Vec<_> = votes.into_iter().collect();
        named.sort_by_key(|(_, votes)| Reverse(*votes));
        if named
            .first()
            .is_some_and(|(_, votes)| *votes >= self.quorum())
        {
            // What a minority has not heard of yet is over.
            named.truncate(1);
        }
        if !named.is_empty() {
            return Ok(Poll(named));
        }
        // Whoever refuses is to be told first of what a person can repair.
        failures.sort_by_key(|failure| matches!(failure, Failure::Unreachable(_)));
        Err(match failures.into_iter().next() {
            Some(Failure::Refused(why)) => Failure::Refused(why),
            _ if unknown > 0 => Failure::Refused(format!(
                "Sentinel knows no service `{}`: the URL names what `sentinel monitor` calls it",
                self.service
            )),
            Some(failure) => failure,
            None => Failure::Unreachable("no sentinel answers".into()),
        })
    }
}

/// What one sentinel is asked.
struct Ask {
    sentinel: Node,
    service: String,
    credentials: Option<Credentials>,
    tls: Option<Secured>,
}

impl Ask {
    /// Over this connection, or a new one, which comes with the answer.
    async fn within(
        self,
        patience: Duration,
        connection: Option<MultiplexedConnection>,
    ) -> (Result<Vote, Failure>, Option<Connection>) {
        let asked = timeout(patience, self.ask(connection)).await;
        match asked {
            Ok(Ok((vote, connection))) => (Ok(vote), connection),
            Ok(Err(failure)) => (Err(failure), None),
            Err(_) => {
                let why = format!("the sentinel {} does not answer", self.sentinel);
                (Err(Failure::Unreachable(why)), None)
            }
        }
    }

    async fn ask(
        &self,
        open: Option<MultiplexedConnection>,
    ) -> Result<(Vote, Option<Connection>), Failure> {
        let unreachable = |why: &dyn fmt::Display| {
            Failure::Unreachable(format!(
                "no answer from the sentinel {}: {why}",
                self.sentinel
            ))
        };
        let mut commands = redis::pipe();
        let mut opened = None;
        let mut connection = if let Some(open) = open {
            open
        } else {
            let setup = Setup::plain(IN_FLIGHT);
            let connected = handshake::connect(&self.sentinel, self.tls.as_ref(), setup, ()).await;
            let (connection, driver) = connected.map_err(|failure| match failure {
                Failure::Unreachable(why) => unreachable(&why),
                Failure::Refused(why) => {
                    Failure::Refused(format!("the sentinel {}: {why}", self.sentinel))
                }
            })?;
            if let Some(credentials) = &self.credentials {
                handshake::add_auth(&mut commands, credentials);
            }
            opened = Some(Connection {
                connection: connection.clone(),
                _driver: driver,
            });
            connection
        };
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        commands.add_command(question);
        let replies = connection.send_packed_commands(&commands, 0, commands.len());
        let replies = replies.await.map_err(|error| unreachable(&error))?;
        // The last one: where signing in was refused, this is too.
        let vote = replies.last().map_or(Ok(None), |reply| self.read(reply))?;
        let vote = vote.ok_or_else(|| unreachable(&"it is no sentinel"))?;
        Ok((vote, opened))
    }

    fn read(&self, reply: &Value) -> Result<Option<Vote>, Failure> {
        let sentinel = &self.sentinel;
        match reply {
            Value::Nil => Ok(Some(Vote::Unknown)),
            Value::ServerError(error) if error.code() == "NOAUTH" => {
                Err(Failure::Refused(format!(
                    "the sentinel {sentinel} refuses the question (`NOAUTH`): it has a user and a password of its own, which \
                 `?sentinel_user=..&sentinel_password=..` names"
                )))
            }
            Value::ServerError(error) if error.code() == "NOPERM" => {
                Err(Failure::Refused(format!(
                    "the sentinel {sentinel} refuses the question (`NOPERM`): the user that \
                 `?sentinel_user=..&sentinel_password=..` names needs `ACL SETUSER .. +sentinel|get-master-addr-by-name`"
                )))
            }
            Value::ServerError(error) => Err(Failure::Unreachable(format!(
                "the sentinel {sentinel} says {}",
                words(error)
            ))),
            Value::Array(parts) => Ok(node_of(parts).map(Vote::For)),
            _ => Ok(None),
        }
    }
}

/// A host and a port, as a sentinel gives them.
fn node_of(parts: &[Value]) -> Option<Node> {
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    let [host, port] = parts else { return None };
    Some(Node::Tcp {
        host: text(host).filter(|host| is_host(host))?,
        port: text(port)?.parse().ok()?,
    })
}

impl fmt::Display for Electorate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of Sentinel at", self.service)?;
        write_nodes(f, &self.sentinels)
    }
}

impl fmt::Debug for Electorate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Electorate({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::{
            Arc,
            atomic::{AtomicU16, Ordering::Relaxed},
        },
    };

    use proptest::prelude::*;
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::TcpListener,
    };

    use super::*;
    use crate::{corpus::each_is_what_its_name_says, l2::redis::tests::values::any_value};

    /// What is made of a reply, in a word.
    fn kind(reply: &Value) -> &'static str {
        let ask = Ask {
            sentinel: Node::Tcp {
                host: "s".into(),
                port: 1,
            },
            service: "shop".into(),
            credentials: None,
            tls: None,
        };
        match ask.read(reply) {
            Ok(Some(Vote::For(Node::Tcp { host, .. }))) => {
                assert!(is_host(&host), "{host:?}");
                "vote"
            }
            Ok(Some(Vote::For(Node::Unix(_)))) => panic!("no sentinel names a file"),
            Ok(Some(Vote::Unknown)) => "unknown",
            Ok(None) => "none",
            Err(Failure::Refused(why) | Failure::Unreachable(why)) => {
                assert!(
                    why.len() < 2_000 && !why.contains(char::is_control),
                    "{why}"
                );
                "failure"
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_a_sentinel_says_is_no_harm(value in any_value(), host: Vec<u8>, port: Vec<u8>) {
            kind(&value);
            kind(&Value::Array(vec![Value::BulkString(host), Value::BulkString(port)]));
        }

        #[test]
        fn whatever_bytes_a_sentinel_says_are_no_harm(bytes: Vec<u8>, sign in "[-+$*:_#,(!=%~>|]") {
            let replies = [bytes.clone(), [sign.as_bytes(), &bytes, b"\r\n"].concat()];
            for reply in replies {
                if let Ok(value) = redis::parse_redis_value(&reply) {
                    kind(&value);
                }
            }
        }
    }

    /// A sentinel that names a server at this port, which may change.
    async fn naming(port: &Arc<AtomicU16>) -> Node {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let named = Arc::clone(port);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let named = Arc::clone(&named);
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    let mut line = String::new();
                    while matches!(stream.read_line(&mut line).await, Ok(1..)) {
                        if line.trim() == SERVICE {
                            let port = named.load(Relaxed).to_string();
                            let reply =
                                format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
                            stream.write_all(reply.as_bytes()).await.unwrap();
                        }
                        line.clear();
                    }
                });
            }
        });
        at(own)
    }

    const SERVICE: &str = "shop";

    fn at(port: u16) -> Node {
        let host = "127.0.0.1".into();
        Node::Tcp { host, port }
    }

    #[tokio::test]
    async fn whoever_learns_of_another_primary_tells_all_connections() {
        const FOREVER: Duration = Duration::from_hours(1);
        let named = Arc::new(AtomicU16::new(1));
        let sentinels = vec![
            naming(&named).await,
            naming(&named).await,
            naming(&named).await,
        ];
        let electorate = Arc::new(Electorate::new(sentinels, SERVICE.into(), None, None));
        let elects = || electorate.poll(Duration::ZERO);
        assert_eq!(elects().await.unwrap().candidates().next(), Some(at(1)));
        let former = at(1);
        let mut connected = pin!(electorate.until_another(&former, FOREVER));
        let mut waiting = pin!(electorate.until_elected(FOREVER));
        let still = Duration::from_millis(1);
        assert!(timeout(still, connected.as_mut()).await.is_err());
        assert!(timeout(still, waiting.as_mut()).await.is_err());
        elects().await.unwrap();
        assert!(timeout(still, connected.as_mut()).await.is_err());
        named.store(2, Relaxed);
        elects().await.unwrap();
        let all = async { (connected.await, waiting.await) };
        timeout(Duration::from_mins(1), all).await.unwrap();
    }

    #[test]
    fn each_saved_reply_is_what_its_name_says() {
        each_is_what_its_name_says("reply", |_, bytes| match redis::parse_redis_value(bytes) {
            Ok(value) => kind(&value).into(),
            Err(_) => "unreadable".into(),
        });
    }
}
