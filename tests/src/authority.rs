//! Who signs the certificates of servers and of their clients in a test.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// An authority that nobody believes who is not told to.
#[derive(Debug)]
pub struct Authority {
    /// Its own certificate.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its private key, each in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// It is signed by the authority.
    pub certificate: String,
    /// It is nobody's.
    pub key: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    ///
    /// When there is no randomness.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        let mut parameters = parameters_of("an authority", &[]);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("there is randomness");
        let own = parameters.self_signed(&key).expect("it is a whole one");
        Self {
            pem: own.pem(),
            issuer: Issuer::new(parameters, key),
        }
    }

    /// A certificate for these hosts or addresses.
    ///
    /// # Panics
    ///
    /// When one of them is none.
    #[must_use]
    pub fn issue(&self, hosts: &[&str]) -> Identity {
        let key = KeyPair::generate().expect("there is randomness");
        let certificate = parameters_of("its subject", hosts).signed_by(&key, &self.issuer);
        Identity {
            certificate: certificate.expect("it is a whole one").pem(),
            key: key.serialize_pem(),
        }
    }
}

/// One whose own name is that of its issuer would be taken for signed by itself.
fn parameters_of(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    let mut parameters =
        CertificateParams::new(hosts).expect("they are names of hosts, or addresses");
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}
