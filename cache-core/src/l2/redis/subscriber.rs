//! What is special about the connection that listens to a channel: it subscribes, hands over what it hears, and
//! proves at every beat that it missed nothing.
//!
//! Its link and supervisor are those of every connection. A listener is told of a connection under its link's lock,
//! so that what it is told comes in order.

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use redis::{PushInfo, PushKind, RedisResult, Value, aio::MultiplexedConnection};

use super::{handshake::Failure, link::Link, together};
use crate::{
    clock::Nanos,
    l2::{Lineage, Listener},
};

/// A beat is never faster, and a silent server is given as much time at least.
const SHORTEST_BEAT: Duration = Duration::from_millis(10);
const SHORTEST_PATIENCE: Duration = Duration::from_millis(250);
/// Nor slower: a supervisor that shows no sign of life for longer is replaced.
const LONGEST_BEAT: Duration = Duration::from_secs(1);

/// A channel, or the parts of it that one node of a cluster has, and who wants to hear it.
pub(super) struct Ear {
    channel: Box<str>,
    parts: Option<Box<[String]>>,
    /// The node said that it no longer has one of the parts.
    is_cut_off: Arc<AtomicBool>,
    beat: Duration,
    /// It may well hold the store.
    listener: Weak<dyn Listener>,
    /// The connection for questions: what it is answered by, is to be listened to.
    asked: Weak<Link>,
}

impl Ear {
    pub(super) fn new(
        channel: &str,
        beat: Duration,
        listener: &Arc<dyn Listener>,
        asked: &Arc<Link>,
    ) -> Self {
        Self {
            channel: channel.into(),
            parts: None,
            is_cut_off: Arc::default(),
            beat: beat.clamp(SHORTEST_BEAT, LONGEST_BEAT),
            listener: Arc::downgrade(listener),
            asked: Arc::downgrade(asked),
        }
    }

    /// It hears these parts of the channel, each of which belongs to a slot.
    pub(super) fn in_parts(mut self, parts: Vec<String>) -> Self {
        self.channel = format!("{}:*", self.channel).into();
        self.parts = Some(parts.into());
        self
    }

    /// What is published in a part may not have been heard.
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Relaxed)
    }

    /// The connection for questions, and the history of the server that is asked; nothing while none is.
    pub(super) fn asked(&self) -> Option<(Arc<Link>, Lineage)> {
        let asked = self.asked.upgrade()?;
        let lineage = asked.live()?.lineage();
        Some((asked, lineage))
    }

    pub(super) fn beat(&self) -> Duration {
        self.beat
    }

    pub(super) fn patience(&self) -> Duration {
        self.beat.max(SHORTEST_PATIENCE)
    }

    /// Hands over what is published, in the connection's read loop: whoever waits for an answer that comes behind
    /// it goes on after this.
    pub(super) fn hear(&self) -> impl Fn(PushInfo) -> Result<(), Infallible> + use<> {
        let listener = Weak::clone(&self.listener);
        self.is_cut_off.store(false, Relaxed);
        let is_cut_off = Arc::clone(&self.is_cut_off);
        move |push| {
            if push.kind == PushKind::SUnsubscribe {
                is_cut_off.store(true, Relaxed);
            }
            if matches!(push.kind, PushKind::Message | PushKind::SMessage)
                && let Some(Value::BulkString(message)) = push.data.get(1)
                && let Some(listener) = listener.upgrade()
            {
                listener.heard(message);
            }
            Ok(())
        }
    }

    /// Returns when the server has confirmed it.
    pub(super) async fn subscribe(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), Failure> {
        let subscribed = match &self.parts {
            None => connection.subscribe(&*self.channel).await,
            Some(parts) => subscribe_all(connection, parts).await,
        };
        subscribed.map_err(|error| match error.code() {
            Some("MOVED" | "CLUSTERDOWN") => {
                Failure::Unreachable("another node of the cluster has its slots".into())
            }
            Some(code) => Failure::Refused(format!(
                "Redis refuses the channel `{0}` (`{code}`): until its user may use it (`ACL SETUSER .. &{0}`), \
                 processes do not hear each other's invalidations, and ask instead",
                self.channel
            )),
            None => Failure::Unreachable("the connection broke".into()),
        })
    }

    pub(super) fn connected(&self, lineage: Lineage) {
        self.tell(|listener| listener.connected(lineage));
    }

    pub(super) fn fenced(&self, sent: Nanos, lineage: Lineage) {
        self.tell(|listener| listener.fenced(sent, lineage));
    }

    pub(super) fn lost(&self) {
        self.tell(|listener| listener.lost());
    }

    fn tell(&self, what: impl FnOnce(&dyn Listener)) {
        if let Some(listener) = self.listener.upgrade() {
            what(&*listener);
        }
    }
}

/// Each in a command of its own, as they are of several slots.
async fn subscribe_all(connection: &MultiplexedConnection, parts: &[String]) -> RedisResult<()> {
    // On the wire together: a line may be long.
    let subscribed = parts.iter().map(|part| {
        let mut connection = connection.clone();
        async move {
            let mut command = redis::cmd("SSUBSCRIBE");
            connection.send_packed_command(command.arg(part)).await
        }
    });
    for answer in together::all(subscribed).await {
        if let Value::ServerError(error) = answer? {
            return Err(error.into());
        }
    }
    Ok(())
}

impl fmt::Debug for Ear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ear")
            .field("channel", &self.channel)
            .field("beat", &self.beat)
            .finish_non_exhaustive()
    }
}
