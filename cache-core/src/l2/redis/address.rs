//! Where Redis is and how to sign in there. What is shown of it is never a secret.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Notify;

use super::{sentinel::Electorate, tls::Secured};

/// Of a name of DNS, in bytes.
const LONGEST_HOST: usize = 255;

/// One database of a Redis, and the credentials for it.
#[derive(Clone)]
pub(crate) struct Address {
    pub(super) place: Location,
    pub(super) credentials: Option<Credentials>,
    pub(super) database: u32,
    pub(super) tls: Option<Secured>,
}

/// How its primary is found.
#[derive(Clone)]
pub(super) enum Location {
    /// It is always there.
    Node(Node),
    /// Sentinels say where.
    Elected(Arc<Electorate>),
    /// It is one of several primaries of a cluster.
    Member(Node, Arc<Moved>),
}

/// What a cache is to connect to.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Server(Address),
    Cluster(Seeds),
}

/// Where a cluster is asked which primaries it has, and how to sign in at each.
#[derive(Clone)]
pub(crate) struct Seeds {
    pub(super) nodes: Vec<Node>,
    pub(super) credentials: Option<Credentials>,
    pub(super) tls: Option<Secured>,
}

/// A node of a cluster said that it does not have a slot that it was asked for.
#[derive(Debug, Default)]
pub(crate) struct Moved(pub(crate) Notify);

/// Where one server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// Whether a server that names a host may mean this. It is logged, too.
pub(super) fn is_host(text: &str) -> bool {
    (1..=LONGEST_HOST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
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
    /// Whom to tell of slots that moved, where it is part of a cluster.
    pub(super) fn cluster(&self) -> Option<&Arc<Moved>> {
        match &self.place {
            Location::Node(_) | Location::Elected(_) => None,
            Location::Member(_, moved) => Some(moved),
        }
    }

    /// What tells it from others in one process, however it is spelled. Not to be shown: it has the name of the user.
    pub(crate) fn identity(&self) -> String {
        identity_of(self, self.credentials.as_ref())
    }
}

impl Target {
    /// As of an [`Address`].
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Server(address) => address.identity(),
            Self::Cluster(seeds) => seeds.identity(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(address) => write!(f, "{address}"),
            Self::Cluster(seeds) => write!(f, "{seeds}"),
        }
    }
}

impl Seeds {
    /// As of an [`Address`].
    fn identity(&self) -> String {
        identity_of(self, self.credentials.as_ref())
    }

    /// That of one primary.
    pub(super) fn address_of(&self, node: &Node, moved: &Arc<Moved>) -> Address {
        Address {
            place: Location::Member(node.clone(), Arc::clone(moved)),
            credentials: self.credentials.clone(),
            database: 0,
            tls: self.tls.clone(),
        }
    }
}

fn identity_of(place: &impl fmt::Display, credentials: Option<&Credentials>) -> String {
    let user = credentials.and_then(|it| it.user.as_deref());
    format!("{}@{place}", user.unwrap_or_default())
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cluster at")?;
        write_nodes(f, &self.nodes)
    }
}

impl fmt::Debug for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seeds({self})")
    }
}

/// One after the other.
pub(super) fn write_nodes(f: &mut fmt::Formatter<'_>, nodes: &[Node]) -> fmt::Result {
    for (place, node) in nodes.iter().enumerate() {
        write!(f, "{} {node}", if place == 0 { "" } else { "," })?;
    }
    Ok(())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Location::Node(node) => write!(f, "{node}")?,
            Location::Elected(electorate) => write!(f, "{electorate}")?,
            Location::Member(node, _) => return write!(f, "{node} of the cluster"),
        }
        write!(f, " (database {})", self.database)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}
