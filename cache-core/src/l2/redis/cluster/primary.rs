//! What is asked of one primary of a cluster, and how primaries are reached: of Redis, or of what stands in for it.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use redis::Value;

use crate::l2::{
    Batch, Listener, Pending, Store, StoreError, Tagged,
    redis::{
        RedisStore,
        address::{Moved, Node, Seeds},
        fault::words,
        handshake::{self, Failure, Setup},
        link::Status,
        pulse,
        tags::{self, As, Change},
    },
};

/// How long a node may take to say who has which slot.
const PATIENCE: Duration = Duration::from_millis(250);

/// One primary of a cluster: a store of what is in its slots.
pub(crate) trait Primary: Store {
    /// Changes tags that are all in one slot.
    fn change<'a>(
        &'a self,
        change: Change,
        batch: &'a Batch,
        asked_as: As,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>>;

    /// Listens to those parts of a channel that it has. As of [`Store::listen`].
    fn listen_to_parts(
        &self,
        channel: &str,
        parts: &dyn Fn() -> Vec<String>,
        beat: Duration,
        listener: &Arc<dyn Listener>,
    );

    /// What it says to `CLUSTER NODES`, where it answers soon.
    fn nodes(&self) -> Pending<'_, Option<String>>;

    /// How connecting to it goes.
    fn status(&self) -> Status;
}

/// How the primaries of one cluster are reached. Shown, it is where that is.
pub(crate) trait Ground: fmt::Display + fmt::Debug + Send + Sync {
    /// One primary, with connections of its own. Where that says that another node has what it was asked for, it is told.
    fn primary(&self, node: &Node, moved: &Arc<Moved>) -> Arc<dyn Primary>;

    /// Nodes that may know who has which slot.
    fn known(&self) -> &[Node];

    /// What a node says to `CLUSTER NODES`, over a connection that is made for that.
    fn ask_anew<'a>(&'a self, node: &'a Node) -> Pending<'a, Result<String, Failure>>;

    /// Whether nodes are reached by their names, where they have some.
    fn is_by_name(&self) -> bool {
        false
    }
}

fn question() -> redis::Cmd {
    let mut command = redis::cmd("CLUSTER");
    command.arg("NODES");
    command
}

impl Primary for RedisStore {
    fn change<'a>(
        &'a self,
        change: Change,
        batch: &'a Batch,
        asked_as: As,
        within: Duration,
    ) -> Pending<'a, Result<Tagged, StoreError>> {
        Box::pin(tags::change(&self.data, change, batch, asked_as, within))
    }

    fn listen_to_parts(
        &self,
        channel: &str,
        parts: &dyn Fn() -> Vec<String>,
        beat: Duration,
        listener: &Arc<dyn Listener>,
    ) {
        self.listen_to(channel, Some(parts), beat, listener);
    }

    fn nodes(&self) -> Pending<'_, Option<String>> {
        Box::pin(async move {
            let live = self.data.live()?;
            let answer = self.data.ask(&live, &question(), PATIENCE).await.ok()?;
            pulse::text(&answer.value).map(str::to_owned)
        })
    }

    fn status(&self) -> Status {
        self.data.status.borrow().clone()
    }
}

impl Ground for Seeds {
    fn primary(&self, node: &Node, moved: &Arc<Moved>) -> Arc<dyn Primary> {
        let store = RedisStore::new(self.address_of(node, moved));
        store.data.is_vocal.store(true, Relaxed);
        Arc::new(store)
    }

    fn known(&self) -> &[Node] {
        &self.nodes
    }

    fn ask_anew<'a>(&'a self, node: &'a Node) -> Pending<'a, Result<String, Failure>> {
        Box::pin(ask_over_a_new_connection(node, self))
    }

    fn is_by_name(&self) -> bool {
        self.tls.is_some()
    }
}

async fn ask_over_a_new_connection(node: &Node, seeds: &Seeds) -> Result<String, Failure> {
    let setup = Setup::plain(1);
    let (mut connection, _driver) = handshake::connect(node, seeds.tls.as_ref(), setup, ()).await?;
    let mut commands = redis::pipe();
    if let Some(credentials) = &seeds.credentials {
        handshake::add_auth(&mut commands, credentials);
    }
    commands.add_command(question());
    let replies = connection.send_packed_commands(&commands, 0, commands.len());
    let replies = replies.await.map_err(|_| handshake::closed())?;
    if let (Some(_), Some(signed_in)) = (&seeds.credentials, replies.first()) {
        handshake::check_credentials(signed_in)?;
    }
    match replies.last() {
        Some(Value::ServerError(error)) if error.code() == "NOPERM" => {
            Err(Failure::Refused(format!(
                "Redis refuses `CLUSTER NODES` to this user ({}): `ACL SETUSER .. +cluster|nodes +cluster|info` lets it",
                words(error)
            )))
        }
        Some(Value::ServerError(error)) => Err(handshake::explain(error).unwrap_or_else(|| {
            Failure::Refused(format!(
                "{node} is no node of a cluster ({}): write `redis://`",
                words(error)
            ))
        })),
        Some(reply) => Ok(pulse::text(reply).unwrap_or_default().to_owned()),
        None => Err(handshake::closed()),
    }
}
