//! Where a Redis server is and how to sign in there, from a URL. What is shown of it is never a secret.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use redis::{ConnectionAddr, IntoConnectionInfo};

use crate::error::{Error, ErrorKind};

const FORM: &str = "write `redis://[user:password@]host[:port][/database]`, \
    or `unix:///path[?db=database&user=..&pass=..]`, with special characters as `%40`";

/// One Redis server, one of its databases, and the credentials for it.
#[derive(Clone)]
pub(crate) struct Address {
    pub(super) place: Place,
    pub(super) credentials: Option<Credentials>,
    pub(super) database: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) user: Option<String>,
    pub(super) password: String,
}

impl Address {
    /// # Errors
    ///
    /// The URL is not one of a single server without TLS. The message quotes nothing of it but its
    /// scheme: a part that was not understood may well be a password.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        check_scheme(url)?;
        let not_understood = |what: &str| wrong(format_args!("the URL of Redis {what}: {FORM}"));
        let parsed = redis::parse_redis_url(url).ok_or_else(|| not_understood("does not parse"))?;
        check_extras(parsed.scheme().contains("unix"), url)?;
        let info = parsed
            .into_connection_info()
            .map_err(|_| not_understood("is not understood"))?;
        let place = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Place::Tcp {
                host: host.clone(),
                port: *port,
            },
            ConnectionAddr::Unix(path) => Place::Unix(path.clone()),
            _ => return Err(not_understood("is not understood")),
        };
        let settings = info.redis_settings();
        let user = settings.username().map(str::to_owned);
        let credentials = match settings.password() {
            Some(password) => Some(Credentials {
                user,
                password: password.to_owned(),
            }),
            None if user.is_some() => {
                return Err(not_understood(
                    "names a user without a password (a password alone is written `redis://:password@host`)",
                ));
            }
            None => None,
        };
        let database = u32::try_from(settings.db())
            .map_err(|_| not_understood("names a database that cannot be"))?;
        Ok(Self {
            place,
            credentials,
            database,
        })
    }
}

impl Address {
    /// What tells it from others in one process, however it is spelled. Not to be shown: it has the name of the user.
    pub(crate) fn place(&self) -> String {
        let user = self.credentials.as_ref().and_then(|it| it.user.as_deref());
        format!("{}@{self}", user.unwrap_or_default())
    }
}

fn check_scheme(url: &str) -> Result<(), Error> {
    let Some((scheme, _)) = url.split_once("://") else {
        return Err(wrong(format_args!(
            "the URL of Redis has no `redis://` before it: {FORM}"
        )));
    };
    match scheme.to_ascii_lowercase().as_str() {
        "redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix" => Ok(()),
        "rediss" | "valkeys" => Err(wrong("Redis over TLS (`rediss://`) is not supported yet")),
        "redis-sentinel" => Err(wrong(
            "Redis Sentinel (`redis-sentinel://`) is not supported yet: give the URL of one server",
        )),
        "redis-cluster" => Err(wrong(
            "Redis Cluster (`redis-cluster://`) is not supported yet: give the URL of one server",
        )),
        _ => Err(wrong(format_args!(
            "the URL of Redis has an unknown scheme: {FORM}"
        ))),
    }
}

/// An option that means nothing here is a misunderstanding, not a decoration.
fn check_extras(is_unix: bool, url: &str) -> Result<(), Error> {
    let has_extras = url.contains('#') || (url.contains('?') && !is_unix);
    if has_extras {
        return Err(wrong(format_args!(
            "the URL of Redis has a `?` or a `#` that means nothing here: {FORM}"
        )));
    }
    Ok(())
}

fn wrong(message: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}")?,
            Place::Tcp { host, port } => write!(f, "{host}:{port}")?,
            Place::Unix(path) => write!(f, "{}", Path::display(path))?,
        }
        write!(f, " (database {})", self.database)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}
