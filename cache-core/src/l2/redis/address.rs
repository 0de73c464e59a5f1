//! Where Redis is and how to sign in there. What is shown of it is never a secret.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{sentinel::Electorate, tls::Secured};

/// One database of a Redis, and the credentials for it.
#[derive(Clone)]
pub(crate) struct Address {
    pub(super) place: Place,
    pub(super) credentials: Option<Credentials>,
    pub(super) database: u32,
    pub(super) tls: Option<Secured>,
}

/// How its primary is found.
#[derive(Clone)]
pub(super) enum Place {
    /// It is always there.
    Node(Node),
    /// Sentinels say where.
    Elected(Arc<Electorate>),
}

/// Where one server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) user: Option<String>,
    pub(super) password: String,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", Path::display(path)),
        }
    }
}

impl Address {
    /// What tells it from others in one process, however it is spelled. Not to be shown: it has the name of the user.
    pub(crate) fn identity(&self) -> String {
        let user = self.credentials.as_ref().and_then(|it| it.user.as_deref());
        format!("{}@{self}", user.unwrap_or_default())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Node(node) => write!(f, "{node}")?,
            Place::Elected(electorate) => write!(f, "{electorate}")?,
        }
        write!(f, " (database {})", self.database)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}
