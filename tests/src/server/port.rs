//! A port that is kept for one server, also while that server is down.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use tokio::net::TcpSocket;

/// A port of 127.0.0.1.
#[derive(Debug)]
pub(super) struct Port {
    address: SocketAddr,
    /// Bound and never listening, so connections are refused, and nobody else is given the port: no
    /// other server, and no outgoing connection, which could even connect to itself.
    reserved: Option<TcpSocket>,
}

impl Port {
    pub(super) fn reserve() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self {
            address: socket.local_addr()?,
            reserved: Some(socket),
        })
    }

    pub(super) fn number(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn connect(&self, within: Duration) -> io::Result<TcpStream> {
        TcpStream::connect_timeout(&self.address, within)
    }

    /// Lets the server have it. On Linux both can: a second socket may take the port if both say
    /// `SO_REUSEADDR` and the first does not listen (socket(7)). Elsewhere it is free for a moment.
    pub(super) fn give_way(&mut self) {
        if !cfg!(target_os = "linux") {
            self.reserved = None;
        }
    }
}
