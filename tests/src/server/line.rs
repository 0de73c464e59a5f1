//! A line to a server that may fail, which is where others are told to find it.

use std::cell::Cell;

use super::{Port, Server};
use crate::proxy::Proxy;

thread_local! {
    /// Whether servers get one.
    static IS_WANTED: Cell<bool> = const { Cell::new(false) };
}

/// Starts servers that say of themselves that they are at the other end of a line of their own: that is where sentinels,
/// replicas and clients find them, and nodes of a cluster but for their bus.
pub fn behind_lines<T>(start: impl FnOnce() -> T) -> T {
    IS_WANTED.set(true);
    let started = start();
    IS_WANTED.set(false);
    started
}

pub(super) fn where_wanted(port: &Port) -> Option<Proxy> {
    IS_WANTED.get().then(|| Proxy::to_port(port.number()))
}

impl Server {
    /// Its line, if it was started [behind one](behind_lines).
    #[must_use]
    pub fn line(&self) -> Option<&Proxy> {
        self.line.as_ref()
    }

    /// Where others find it: mostly its port.
    #[must_use]
    pub fn announced(&self) -> u16 {
        self.line.as_ref().map_or(self.port(), Proxy::port)
    }

    /// How it is told where that is.
    pub(super) fn announcement(&self) -> Vec<String> {
        let Some(line) = self.line.as_ref().filter(|_| self.settings.is_none()) else {
            return Vec::new();
        };
        let name = match self.bus {
            Some(_) => "--cluster-announce-port",
            None => "--replica-announce-port",
        };
        vec![name.to_owned(), line.port().to_string()]
    }
}
