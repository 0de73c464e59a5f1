//! The replicas of the shop: processes on one database, which end with this value, however that ends.

use std::{env, net::SocketAddr, path::Path, process::Stdio, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{Failure, options::Options, side::Side};

pub(crate) const REPLICAS: usize = 3;

/// Making the database included.
const START: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) side: Arc<Side>,
    _replicas: Vec<Child>,
}

impl Fleet {
    /// Starts the replicas on a database of their own in this folder: with a cache where there is a Redis for it.
    pub(crate) async fn start(
        name: &'static str,
        folder: &Path,
        redis: Option<String>,
        options: &Options,
    ) -> Result<Self, Failure> {
        let shop = env::current_exe()?.with_file_name(format!("shop{}", env::consts::EXE_SUFFIX));
        let mut command = Command::new(shop);
        command
            .env("LISTEN", "127.0.0.1:0")
            .env("DATABASE", folder.join(format!("{name}.db")))
            .env("QUERY_LATENCY_MS", options.latency.as_millis().to_string())
            .env("CONNECTIONS", options.connections.to_string())
            .env("STALENESS_BOUND_MS", options.bound.as_millis().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        match redis {
            Some(url) => command.env("CACHE", "on").env("REDIS_URL", url),
            None => command.env("CACHE", "off").env_remove("REDIS_URL"),
        };
        let (mut replicas, mut addresses) = (Vec::new(), Vec::new());
        for _ in 0..REPLICAS {
            let mut replica = command.spawn().map_err(|error| {
                format!(
                    "the shop does not start ({error}): `cargo build --release -p shop` builds it"
                )
            })?;
            addresses.push(timeout(START, address(&mut replica)).await??);
            replicas.push(replica);
        }
        let addresses = addresses.try_into().expect("one for each replica");
        Ok(Self {
            side: Arc::new(Side::new(name, addresses, options.bound)),
            _replicas: replicas,
        })
    }
}

/// The first line it prints, as soon as it listens.
async fn address(replica: &mut Child) -> Result<SocketAddr, Failure> {
    let output = replica.stdout.take().expect("it is a pipe");
    let line = BufReader::new(output).lines().next_line().await?;
    let line = line.ok_or("the shop ended before it listened")?;
    Ok(line.parse()?)
}
