//! The lineage of connections: a reply counts for that of the connection that carried it, and for none where that
//! changed on the way.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{
    mutant::{self, Mutant},
    version::Lineage,
};

use crate::lock::Mutex;

/// One connection, from its handshake on.
#[derive(Debug)]
pub(crate) struct Connection(AtomicU64);

impl Connection {
    /// The handshake said so, before anything was asked.
    pub(crate) fn new(lineage: Lineage) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(lineage.0)))
    }

    pub(crate) fn lineage(&self) -> Lineage {
        Lineage(self.0.load(Ordering::Acquire))
    }

    /// Its server was asked again.
    pub(crate) fn beat(&self, lineage: Lineage) {
        if !mutant::is(Mutant::B13) {
            self.0.store(lineage.0, Ordering::Release);
        }
    }
}

/// The connection that questions go to, which is replaced when it is lost.
#[derive(Debug, Default)]
pub(crate) struct Connections(Mutex<Option<Arc<Connection>>>);

impl Connections {
    pub(crate) fn replace(&self, connection: Option<Arc<Connection>>) {
        *self.0.lock() = connection;
    }

    /// Of the server that is asked.
    pub(crate) fn lineage(&self) -> Option<Lineage> {
        Some(self.0.lock().as_ref()?.lineage())
    }

    /// What a question is sent by.
    pub(crate) fn ask(&self) -> Option<Asked> {
        let connection = Arc::clone(self.0.lock().as_ref()?);
        let lineage = connection.lineage();
        Some(Asked {
            connection,
            lineage,
        })
    }

    /// The lineage of a reply; nothing where it changed since the question was sent.
    pub(crate) fn answered(&self, asked: &Asked) -> Option<Lineage> {
        if mutant::is(Mutant::B9) {
            let connection = self.0.lock().clone()?;
            return Some(connection.lineage());
        }
        let lineage = asked.connection.lineage();
        (lineage == asked.lineage).then_some(lineage)
    }
}

/// A question under way.
#[derive(Debug)]
pub(crate) struct Asked {
    connection: Arc<Connection>,
    lineage: Lineage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_of_the_connection_that_was_asked() {
        let connections = Connections::default();
        connections.replace(Some(Connection::new(Lineage(1))));
        let asked = connections.ask().unwrap();
        connections.replace(Some(Connection::new(Lineage(2))));
        assert_eq!(connections.answered(&asked), Some(Lineage(1)));
    }

    #[test]
    fn a_reply_across_a_change_of_lineage_counts_for_none() {
        let (connections, connection) = (Connections::default(), Connection::new(Lineage(1)));
        connections.replace(Some(Arc::clone(&connection)));
        let asked = connections.ask().unwrap();
        connection.beat(Lineage(2));
        assert_eq!(connections.answered(&asked), None);
    }
}
