//! Redis over TLS: whom to believe, as whom to sign in, and the handshake. `rustls` is named here alone.

use std::{fmt, io, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

use super::handshake::{Failure, closed};
use crate::error::Error;

/// Bytes of a line.
const LONGEST_ANSWER: usize = 1_024;

/// Trusted roots and the client certificate, for a Redis that is reached over TLS 1.2 or 1.3.
///
/// By default, as for a URL that begins with `rediss://`, the server's certificate has to be signed by an authority
/// that this system trusts, and has to name the host of the URL. There is no way to trust every certificate.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use cache_core::{Cache, Redis, Tls};
///
/// let tls = Tls::new()
///     .roots(std::fs::read("authority.pem")?)
///     .client_certificate(std::fs::read("shop.pem")?, std::fs::read("shop.key")?);
/// let redis = Redis::from("rediss://cache.internal:6380/").tls(tls);
/// let cache = Cache::builder().redis(redis).build().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Tls {
    roots: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    server_name: Option<String>,
}

/// All that a [`Tls`] says: roots, a certificate and its key, a name.
type Parts<'a> = (
    Option<&'a [u8]>,
    Option<(&'a [u8], &'a [u8])>,
    Option<&'a str>,
);

impl Tls {
    pub(super) fn parts(&self) -> Parts<'_> {
        let identity = self.identity.as_ref();
        (
            self.roots.as_deref(),
            identity.map(|(certificates, key)| (certificates.as_slice(), key.as_slice())),
            self.server_name.as_deref(),
        )
    }

    /// Trusts the authorities of this system, sends no client certificate, and checks for the names of the hosts.
    pub fn new() -> Self {
        Self::default()
    }

    /// The certificates, in PEM, of the authorities to trust, in place of those of this system.
    pub fn roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// The client certificate, followed by the authorities between it and the root, and its private key; each in PEM. A
    /// server with `tls-auth-clients yes`, which is the default, asks for one.
    pub fn client_certificate(
        mut self,
        certificates: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.identity = Some((certificates.into(), key.into()));
        self
    }

    /// The name that certificates have to carry, in place of the host's. With Redis Sentinel, which names addresses, it
    /// is the name of all servers and sentinels.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// # Errors
    ///
    /// A certificate, a key or a name is none, or nobody is to be believed.
    pub(super) fn secure(&self) -> Result<Secured, Error> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::configuration)?
            .with_root_certificates(self.authorities()?);
        let config = match &self.identity {
            None => config.with_no_client_auth(),
            Some((certificates, key)) => {
                let certificates = certificates_of(certificates, "`Tls::client_certificate`")?;
                let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
                    Error::configuration(
                        "the key of `Tls::client_certificate` is not a private key in PEM",
                    )
                })?;
                config
                    .with_client_auth_cert(certificates, key)
                    .map_err(|why| {
                        Error::configuration(format_args!("`Tls::client_certificate`: {why}"))
                    })?
            }
        };
        let name = self.server_name.as_ref().map(|name| {
            ServerName::try_from(name.clone()).map_err(|_| {
                Error::configuration(
                    "the name of `Tls::server_name` is neither a host name nor an address",
                )
            })
        });
        Ok(Secured {
            config: Arc::new(config),
            name: name.transpose()?,
        })
    }

    fn authorities(&self) -> Result<RootCertStore, Error> {
        let mut authorities = RootCertStore::empty();
        if let Some(pem) = &self.roots {
            for certificate in certificates_of(pem, "`Tls::roots`")? {
                authorities
                    .add(certificate)
                    .map_err(|why| Error::configuration(format_args!("`Tls::roots`: {why}")))?;
            }
            return Ok(authorities);
        }
        let known = rustls_native_certs::load_native_certs();
        authorities.add_parsable_certificates(known.certs);
        if authorities.is_empty() {
            return Err(Error::configuration(
                "this system trusts no authority, so it can trust no certificate of Redis: install some \
                 (`ca-certificates`), or name the one to trust with `Tls::roots`",
            ));
        }
        Ok(authorities)
    }
}

/// Not more than what is there.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("has_roots", &self.roots.is_some())
            .field("has_client_certificate", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .finish()
    }
}

/// What a URL asks for that says no more than TLS.
#[allow(
    clippy::unnecessary_wraps,
    reason = "in a build without TLS there is none"
)]
pub(super) fn default() -> Result<Tls, Error> {
    Ok(Tls::new())
}

/// Ready for handshakes.
#[derive(Clone)]
pub(super) struct Secured {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl Secured {
    pub(super) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(|_| {
                Failure::Refused(format!(
                    "no certificate can be for the host `{host}`: name the one that it is for with `Tls::server_name`"
                ))
            })?,
        };
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let connected = connector.connect(name, stream).await;
        let mut stream = connected.map_err(|error| failure(&error, host))?;
        match first_answer(&mut stream).await {
            Ok(()) => Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(closed()),
            Err(error) => Err(failure(&error, host)),
        }
    }
}

fn failure(error: &io::Error, host: &str) -> Failure {
    let why = error.get_ref().and_then(|inner| inner.downcast_ref());
    Failure::Refused(match why {
        Some(rustls::Error::InvalidCertificate(why)) => format!(
            "the certificate of `{host}` does not hold ({why}): name the authority that signed it with `Tls::roots`, or \
             the name that it is for with `Tls::server_name`"
        ),
        Some(rustls::Error::InvalidMessage(_)) => {
            format!("no TLS is spoken there ({error}): write `redis://`, or another port")
        }
        Some(rustls::Error::AlertReceived(_)) => refused(error),
        _ => return Failure::Unreachable(error.to_string()),
    })
}

/// An answer over a connection that nobody has used yet: that it wants a certificate, or another one, a server of TLS 1.3
/// says only behind the handshake.
async fn first_answer(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    stream.write_all(b"PING\r\n").await?;
    stream.flush().await?;
    // A line of a hundred bytes, whatever it says of passwords, of its data or of its primary.
    for _ in 0..LONGEST_ANSWER {
        if stream.read_u8().await? == b'\n' {
            return Ok(());
        }
    }
    Err(io::Error::other("what answers is no Redis"))
}

fn refused(error: &io::Error) -> String {
    format!(
        "the server refuses TLS ({error}): where it wants a certificate of its clients, name one that it believes with \
         `Tls::client_certificate`"
    )
}

fn certificates_of(pem: &[u8], option: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| {
            Error::configuration(format_args!(
                "{option} is given something that is not a certificate in PEM"
            ))
        })
}
