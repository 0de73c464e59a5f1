//! Addresses as URLs. A part that was not understood may well be a password: nothing of a URL is quoted but its scheme.

use redis::{ConnectionAddr, IntoConnectionInfo};

use super::{Credentials, Description, Named, Node, tls};
use crate::error::Error;

const FORM: &str = "write `redis://[user:password@]host[:port][/database]`, \
    or `unix:///path[?db=database&user=..&pass=..]`, with special characters as `%40`";
const SENTINEL_FORM: &str = "write `redis-sentinel://[user:password@]host[:port][,host[:port]..]/service[/database]\
    [?sentinel_user=..&sentinel_password=..]`, with special characters as `%40`";

const CLUSTER_FORM: &str = "write `redis-cluster://[user:password@]host[:port][,host[:port]..]`, \
    with special characters as `%40`";

/// Where a server listens unless it is said.
const PORT: u16 = 6_379;
/// Where a sentinel does.
const SENTINEL_PORT: u16 = 26_379;

/// What a scheme means.
struct Scheme {
    kind: Kind,
    is_secure: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Server,
    Sentinels,
    Cluster,
}

impl Description {
    /// # Errors
    ///
    /// The URL is not one of a server, of sentinels or of a cluster.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let scheme = scheme_of(url)?;
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let described = match scheme.kind {
            // The crate knows that scheme only where its own TLS is built in.
            Kind::Server if scheme.is_secure => parse_server(&format!("redis://{rest}"))?,
            Kind::Server => parse_server(url)?,
            Kind::Sentinels => parse_sentinels(rest)?,
            Kind::Cluster => parse_cluster(rest)?,
        };
        Ok(Self {
            tls: scheme.is_secure.then(tls::default).transpose()?,
            ..described
        })
    }
}

fn scheme_of(url: &str) -> Result<Scheme, Error> {
    let Some((scheme, _)) = url.split_once("://") else {
        return Err(Error::configuration(format_args!(
            "the URL of Redis has no `redis://` before it: {FORM}"
        )));
    };
    let (kind, is_secure) = match scheme.to_ascii_lowercase().as_str() {
        "redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix" => (Kind::Server, false),
        "rediss" | "valkeys" => (Kind::Server, true),
        "redis-sentinel" | "valkey-sentinel" => (Kind::Sentinels, false),
        "rediss-sentinel" | "valkeys-sentinel" => (Kind::Sentinels, true),
        "redis-cluster" | "valkey-cluster" => (Kind::Cluster, false),
        "rediss-cluster" | "valkeys-cluster" => (Kind::Cluster, true),
        _ => {
            return Err(Error::configuration(format_args!(
                "the URL of Redis has an unknown scheme: {FORM}"
            )));
        }
    };
    Ok(Scheme { kind, is_secure })
}

fn parse_server(url: &str) -> Result<Description, Error> {
    let not_understood =
        |what: &str| Error::configuration(format_args!("the URL of Redis {what}: {FORM}"));
    let parsed = redis::parse_redis_url(url).ok_or_else(|| not_understood("does not parse"))?;
    let is_unix = parsed.scheme().contains("unix");
    // An option that means nothing here is a misunderstanding, not a decoration.
    if url.contains('#') || (url.contains('?') && !is_unix) {
        return Err(not_understood("has a `?` or a `#` that means nothing here"));
    }
    let info = parsed
        .into_connection_info()
        .map_err(|_| not_understood("is not understood"))?;
    let node = match info.addr() {
        ConnectionAddr::Tcp(host, port) => Node::Tcp {
            host: host.clone(),
            port: *port,
        },
        ConnectionAddr::Unix(path) => Node::Unix(path.clone()),
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
    Ok(Description {
        place: Named::Node(node),
        credentials,
        database,
        tls: None,
    })
}

/// Each part of it is one of the URL of a server, and read as such.
fn parse_sentinels(rest: &str) -> Result<Description, Error> {
    let not_understood = |what: &str| {
        Error::configuration(format_args!(
            "the URL of Redis Sentinel {what}: {SENTINEL_FORM}"
        ))
    };
    if rest.contains('#') {
        return Err(not_understood("has a `#` that means nothing here"));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (signature, hosts) = signature_of(authority);
    let (service, database) = path.split_once('/').unwrap_or((path, ""));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if service.is_empty() || !service.bytes().all(is_name) {
        return Err(not_understood(
            "names no service (what `sentinel monitor` calls it: letters, digits, `.`, `_` and `-`)",
        ));
    }
    let read = |url: &str, what: &str| parse_server(url).map_err(|_| not_understood(what));

    let nodes = nodes_of(hosts, SENTINEL_PORT)
        .ok_or_else(|| not_understood("has a host that is not understood"))?;
    let server = format!("redis://{signature}host/{database}");
    let server = read(
        &server,
        "has a user, a password or a database that is not understood",
    )?;
    let what = "has options that are not understood";
    let signature = sentinel_signature(query).ok_or_else(|| not_understood(what))?;
    let credentials = read(&format!("redis://{signature}host"), what)?.credentials;
    Ok(Description {
        place: Named::Sentinels {
            service: service.to_owned(),
            nodes,
            credentials,
        },
        ..server
    })
}

fn parse_cluster(rest: &str) -> Result<Description, Error> {
    let not_understood = |what: &str| {
        Error::configuration(format_args!(
            "the URL of Redis Cluster {what}: {CLUSTER_FORM}"
        ))
    };
    if rest.contains(['#', '?']) {
        return Err(not_understood("has a `?` or a `#` that means nothing here"));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !["", "0"].contains(&path) {
        return Err(not_understood(
            "names a database, of which a cluster has one",
        ));
    }
    let (signature, hosts) = signature_of(authority);
    let nodes =
        nodes_of(hosts, PORT).ok_or_else(|| not_understood("has a host that is not understood"))?;
    let server = parse_server(&format!("redis://{signature}host"))
        .map_err(|_| not_understood("has a user or a password that is not understood"))?;
    Ok(Description {
        place: Named::Cluster(nodes),
        ..server
    })
}

/// Who signs in, as a URL has it before its hosts, and those.
fn signature_of(authority: &str) -> (String, &str) {
    match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    }
}

/// Several hosts with commas between them.
fn nodes_of(hosts: &str, default_port: u16) -> Option<Vec<Node>> {
    let nodes = hosts.split(',').map(|host| {
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.ends_with(']'));
        let port = if has_port {
            String::new()
        } else {
            format!(":{default_port}")
        };
        match parse_server(&format!("redis://{host}{port}")).ok()? {
            Description {
                place: Named::Node(node @ Node::Tcp { .. }),
                credentials: None,
                ..
            } => Some(node),
            _ => None,
        }
    });
    nodes.collect()
}

/// How to sign in at a sentinel, as a URL has it before its host; nothing where the options are not known ones.
fn sentinel_signature(query: &str) -> Option<String> {
    let (mut user, mut password) = ("", None);
    for option in query.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=')? {
            ("sentinel_user", value) => user = value,
            ("sentinel_password", value) => password = Some(value),
            _ => return None,
        }
    }
    let is_plain = |text: &str| !text.contains(['@', '/', ':']);
    if !is_plain(user) || !password.is_none_or(is_plain) || password.is_none() && !user.is_empty() {
        return None;
    }
    let signature = password.map(|password| format!("{user}:{password}@"));
    Some(signature.unwrap_or_default())
}
