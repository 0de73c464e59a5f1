//! Versions of tags, and the lineage of the server that gave them.

use super::mutant::{self, Mutant};

/// What is under a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    /// Nothing, or nothing of ours.
    Missing,
    /// In microseconds since 1970, or larger.
    Number(u64),
    /// A guarded mutation is under way.
    Marked,
}

impl Version {
    /// What a bump makes of a tag that has, or has not, this number, at a time in microseconds since 1970. What
    /// scripts of the server do as well: a version never comes back, also where a tag was lost in between.
    #[cfg_attr(not(test), expect(dead_code, reason = "servers do it by a script"))]
    pub(crate) fn after(current: Option<u64>, time: u64) -> u64 {
        let next = current.map_or(1, |current| current.saturating_add(1));
        if mutant::is(Mutant::B7) {
            return next;
        }
        next.max(time)
    }

    /// What the bytes under a tag say.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        if bytes.first() == Some(&b'!') {
            return Self::Marked;
        }
        let number = str::from_utf8(bytes)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        number
            .and_then(|text| text.parse().ok())
            .map_or(Self::Missing, Self::Number)
    }
}

/// Which history of writes a server has: another one after it restarted, or was replaced by a replica, which may
/// both have lost writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Lineage(pub(crate) u64);

impl Lineage {
    /// The server does not say. Then a failover can bring back what was invalidated just before it.
    pub(crate) const UNKNOWN: Self = Self(0);
}
