//! Asking a server from elsewhere than where it is started and ended.

use std::{
    io::{self, BufReader},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::{Server, resp};

/// Knows where a server is, whatever becomes of that.
#[derive(Clone, Debug)]
pub struct Asker(SocketAddr);

impl Server {
    /// Whoever asks it while it is killed, paused or started again.
    #[must_use]
    pub fn asker(&self) -> Asker {
        Asker((self.address(), self.port()).into())
    }
}

impl Asker {
    /// The reply to one command, as [`Server::command`] gives it.
    ///
    /// # Errors
    ///
    /// When none comes in time.
    pub fn ask(&self, parts: &[&str], within: Duration) -> io::Result<String> {
        let stream = TcpStream::connect_timeout(&self.0, within)?;
        stream.set_read_timeout(Some(within))?;
        resp::ask(&mut BufReader::new(stream), parts)
    }
}
