//! A build without the feature `tls`, in which nobody has it.

use tokio::net::TcpStream;

use crate::{error::Error, l2::redis::handshake::Failure};

#[derive(Clone)]
pub(in crate::l2::redis) enum Tls {}

#[derive(Clone)]
pub(in crate::l2::redis) enum Secured {}

pub(in crate::l2::redis) fn default() -> Result<Tls, Error> {
    Err(Error::configuration(
        "Redis over TLS needs the feature `tls` of `cache-core`: write `features = [\"tls\"]` beside its version",
    ))
}

impl Tls {
    pub(in crate::l2::redis) fn parts(&self) {
        match *self {}
    }

    pub(in crate::l2::redis) fn secure(&self) -> Result<Secured, Error> {
        match *self {}
    }
}

impl Secured {
    #[allow(
        clippy::unused_async,
        reason = "there is something to wait for where it exists"
    )]
    pub(in crate::l2::redis) async fn connect(
        &self,
        _host: &str,
        _stream: TcpStream,
    ) -> Result<TcpStream, Failure> {
        match *self {}
    }
}
