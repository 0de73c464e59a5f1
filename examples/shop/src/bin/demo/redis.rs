//! A `redis-server` of the demo's own, which can be killed and started again on its port.

use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::Failure;

const START: Duration = Duration::from_secs(5);

/// Ends with this value, however that ends.
#[derive(Debug)]
pub(crate) struct Redis {
    address: SocketAddr,
    folder: PathBuf,
    server: Option<Child>,
    /// Bound and never listening: nobody else is given the port while the server is down. On Linux a second socket may take
    /// it if both say `SO_REUSEADDR` and the first does not listen (socket(7)).
    _reserved: Option<TcpSocket>,
}

impl Redis {
    pub(crate) async fn start(folder: &Path) -> Result<Self, Failure> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let mut redis = Self {
            address: socket.local_addr()?,
            folder: folder.to_owned(),
            server: None,
            _reserved: cfg!(target_os = "linux").then_some(socket),
        };
        redis.start_again().await?;
        Ok(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// As `kill -9` does.
    pub(crate) async fn kill(&mut self) -> io::Result<()> {
        match self.server.take() {
            Some(mut server) => server.kill().await,
            None => Ok(()),
        }
    }

    /// With nothing in it, on the port that it had.
    pub(crate) async fn start_again(&mut self) -> Result<(), Failure> {
        let program = env::var_os("REDIS_SERVER_BIN").unwrap_or_else(|| "redis-server".into());
        let server = Command::new(&program)
            .args(["--port", &self.address.port().to_string()])
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(&self.folder)
            .args(["--loglevel", "warning"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                let program = program.display();
                format!(
                    "`{program}` does not start ({error}): run `cargo xtask demo`, which installs `redis-server`, or set \
                     `REDIS_SERVER_BIN` to the one to use"
                )
            })?;
        let server = self.server.insert(server);
        let begin = Instant::now();
        while !answers(self.address).await {
            if let Some(status) = server.try_wait()? {
                return Err(format!("`redis-server` ended with {status}").into());
            }
            if begin.elapsed() > START {
                return Err(format!("`redis-server` does not answer within {START:?}").into());
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

async fn answers(address: SocketAddr) -> bool {
    let ping = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut reply = [0; 7];
        stream.read_exact(&mut reply).await?;
        Ok::<_, io::Error>(&reply == b"+PONG\r\n")
    };
    matches!(timeout(START, ping).await, Ok(Ok(true)))
}
