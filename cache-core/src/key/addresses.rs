//! Addresses of the network as parts of a key.

use std::{
    fmt::{self, Display},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

use super::{CacheKey, KeyWriter};

#[inline]
fn versioned(key: &mut KeyWriter, version: u8, address: &impl CacheKey) {
    key.tag(version, "");
    address.write(key);
}

impl CacheKey for Ipv4Addr {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.fixed(self.octets(), self);
    }
}

impl CacheKey for Ipv6Addr {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        key.fixed(self.octets(), &Segments(self));
    }
}

impl CacheKey for IpAddr {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        match self {
            Self::V4(address) => versioned(key, 4, address),
            Self::V6(address) => versioned(key, 6, address),
        }
    }
}

impl CacheKey for SocketAddrV4 {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        (self.ip(), self.port()).write(key);
    }
}

impl CacheKey for SocketAddrV6 {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        (self.ip(), self.port(), self.flowinfo(), self.scope_id()).write(key);
    }
}

impl CacheKey for SocketAddr {
    #[inline]
    fn write(&self, key: &mut KeyWriter) {
        match self {
            Self::V4(address) => versioned(key, 4, address),
            Self::V6(address) => versioned(key, 6, address),
        }
    }
}

/// `2001-db8-0-0-0-0-0-1`: colons would be escaped, and separate the parts of a user's key.
struct Segments<'a>(&'a Ipv6Addr);

impl Display for Segments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0.segments();
        write!(f, "{first:x}")?;
        rest.iter()
            .try_for_each(|segment| write!(f, "-{segment:x}"))
    }
}
