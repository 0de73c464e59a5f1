//! Which Redis, as users describe it: by a URL, or piece by piece. Mistakes are reported when it is used.

mod url;

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use super::{
    address::{Address, Credentials, Location, Node, Seeds, Target, write_nodes},
    sentinel::Electorate,
    tls::{self, Tls},
};
use crate::error::Error;

/// Which Redis a cache shares its entries through: what [`CacheBuilder::redis`](crate::CacheBuilder::redis) takes.
///
/// A URL says most of it. Methods set parts that come from elsewhere, such as a password with characters that a URL has
/// to write as `%40`; they take precedence over the URL.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use cache_core::{Cache, Redis};
///
/// let redis = Redis::from("redis://cache.internal/").user("shop", std::env::var("REDIS_PASSWORD")?);
/// let cache = Cache::builder().namespace("shop").redis(redis).build().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Redis(Result<Description, Error>);

/// One that is understood so far.
#[derive(Clone)]
struct Description {
    place: Named,
    credentials: Option<Credentials>,
    database: u32,
    tls: Option<Tls>,
}

/// How it is told where the primary is.
#[derive(Clone)]
enum Named {
    Node(Node),
    Sentinels {
        service: String,
        nodes: Vec<Node>,
        credentials: Option<Credentials>,
    },
    Cluster(Vec<Node>),
}

impl Redis {
    /// A hash, in this process, of what lets one in besides the name of the user.
    pub(crate) fn access(&self) -> u64 {
        static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        let Ok(Description {
            place,
            credentials,
            tls,
            ..
        }) = &self.0
        else {
            return 0;
        };
        let of_sentinels = match place {
            Named::Sentinels { credentials, .. } => credentials.as_ref(),
            Named::Node(_) | Named::Cluster(_) => None,
        };
        let passwords = [credentials.as_ref(), of_sentinels]
            .map(|it| it.map(|it| (it.user.as_deref(), it.password.as_str())));
        KEYS.hash_one((passwords, tls.as_ref().map(Tls::parts)))
    }

    /// The server on this port of this host, for `redis://host:port/`.
    pub fn server(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        Self::at(Named::Node(Node::Tcp { host, port }))
    }

    /// The server behind this Unix socket, for `unix:///path`.
    pub fn socket(path: impl Into<PathBuf>) -> Self {
        Self::at(Named::Node(Node::Unix(path.into())))
    }

    /// The primary of a service, as most of its sentinels name it, for `redis-sentinel://host:port,host:port/service`.
    pub fn sentinels<H: Into<String>>(
        service: impl Into<String>,
        sentinels: impl IntoIterator<Item = (H, u16)>,
    ) -> Self {
        Self::at(Named::Sentinels {
            service: service.into(),
            nodes: nodes(sentinels),
            credentials: None,
        })
    }

    /// The cluster of these nodes, for `redis-cluster://host:port,host:port`. It is enough if one of them answers.
    pub fn cluster<H: Into<String>>(nodes_of_it: impl IntoIterator<Item = (H, u16)>) -> Self {
        Self::at(Named::Cluster(nodes(nodes_of_it)))
    }

    fn at(place: Named) -> Self {
        Self(Ok(Description {
            place,
            credentials: None,
            database: 0,
            tls: None,
        }))
    }

    /// Signs in as this user.
    pub fn user(self, name: impl Into<String>, password: impl Into<String>) -> Self {
        let credentials = Credentials {
            user: Some(name.into()),
            password: password.into(),
        };
        self.with(|it| it.credentials = Some(credentials))
    }

    /// Signs in as the user `default`, as with `requirepass`.
    pub fn password(self, password: impl Into<String>) -> Self {
        let credentials = Credentials {
            user: None,
            password: password.into(),
        };
        self.with(|it| it.credentials = Some(credentials))
    }

    /// The number of the database. Default: 0.
    pub fn database(self, number: u32) -> Self {
        self.with(|it| it.database = number)
    }

    /// Signs in at the sentinels as this user. Without it the cache does not sign in there: the servers' user is not
    /// used for sentinels.
    pub fn sentinel_user(self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.with_sentinels(Credentials {
            user: Some(name.into()),
            password: password.into(),
        })
    }

    /// Signs in at the sentinels as their user `default`.
    pub fn sentinel_password(self, password: impl Into<String>) -> Self {
        self.with_sentinels(Credentials {
            user: None,
            password: password.into(),
        })
    }

    /// Uses TLS for all connections, also to sentinels, with these settings.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: Tls) -> Self {
        self.with(|it| it.tls = Some(tls))
    }

    fn with_sentinels(mut self, own: Credentials) -> Self {
        let described = self.0.as_mut();
        match described.map(|it| &mut it.place) {
            Ok(Named::Sentinels { credentials, .. }) => *credentials = Some(own),
            Ok(Named::Node(_) | Named::Cluster(_)) => {
                self.0 = Err(Error::configuration(
                    "a user for sentinels is given, but no sentinels",
                ));
            }
            Err(_) => {}
        }
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Description)) -> Self {
        if let Ok(description) = &mut self.0 {
            change(description);
        }
        self
    }

    /// # Errors
    ///
    /// It is not understood, or cannot be.
    pub(crate) fn target(&self) -> Result<Target, Error> {
        let description = self.0.clone()?;
        let Named::Cluster(nodes) = description.place else {
            return Ok(Target::Server(self.address()?));
        };
        if nodes.is_empty() {
            return Err(Error::configuration("no nodes of the cluster are given"));
        }
        if description.database != 0 {
            return Err(Error::configuration("a cluster has no database but 0"));
        }
        Ok(Target::Cluster(Seeds {
            nodes,
            credentials: description.credentials,
            tls: description.tls.map(|tls| tls.secure()).transpose()?,
        }))
    }

    /// That of one that is no cluster.
    ///
    /// # Errors
    ///
    /// As of [`target`](Self::target).
    pub(crate) fn address(&self) -> Result<Address, Error> {
        let Description {
            place,
            credentials,
            database,
            tls,
        } = self.0.clone()?;
        let tls = tls.map(|tls| tls.secure()).transpose()?;
        let place = match place {
            Named::Node(Node::Unix(_)) if tls.is_some() => {
                return Err(Error::configuration("TLS does not work over a Unix socket"));
            }
            Named::Node(node) => Location::Node(node),
            Named::Cluster(_) => return Err(Error::configuration("a cluster has many addresses")),
            Named::Sentinels { nodes, .. } if nodes.is_empty() => {
                return Err(Error::configuration("no sentinels are given"));
            }
            Named::Sentinels {
                service,
                nodes,
                credentials,
            } => {
                let electorate = Electorate::new(nodes, service, credentials, tls.clone());
                Location::Elected(Arc::new(electorate))
            }
        };
        Ok(Address {
            place,
            credentials,
            database,
            tls,
        })
    }
}

impl From<&str> for Redis {
    /// The Redis of this URL, in the forms that [`CacheBuilder::redis`](crate::CacheBuilder::redis) lists.
    fn from(url: &str) -> Self {
        Self(Description::parse(url))
    }
}

impl From<String> for Redis {
    fn from(url: String) -> Self {
        Self::from(url.as_str())
    }
}

impl From<&String> for Redis {
    fn from(url: &String) -> Self {
        Self::from(url.as_str())
    }
}

/// Where it is, and nothing secret.
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(description) => write!(f, "Redis({description})"),
            Err(error) => write!(f, "Redis({error})"),
        }
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Named::Node(node) => write!(f, "{node}"),
            Named::Sentinels { service, nodes, .. } => {
                write!(f, "`{service}` of Sentinel at")?;
                write_nodes(f, nodes)
            }
            Named::Cluster(nodes) => {
                write!(f, "the cluster at")?;
                write_nodes(f, nodes)
            }
        }
    }
}

fn nodes<H: Into<String>>(hosts: impl IntoIterator<Item = (H, u16)>) -> Vec<Node> {
    let nodes = hosts.into_iter().map(|(host, port)| Node::Tcp {
        host: host.into(),
        port,
    });
    nodes.collect()
}
