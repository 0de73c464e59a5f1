//! The spans of `tracing`: of loads, of round trips to the shared tier, of bumps. Where nobody wants them a flag is looked
//! at; a hit has none. They name functions, and no keys.

use std::thread;

use tracing::{Span, debug_span, field::Empty};

/// A load below the span of whoever leads it.
fn load(leader: &Span, function: &str) -> Span {
    debug_span!(
        target: "cache_core::spans",
        parent: leader,
        "cache_load",
        function,
        keys = Empty,
        outcome = Empty
    )
}

pub(crate) fn redis_read(function: &str) -> Span {
    debug_span!(
        target: "cache_core::spans",
        "cache_redis_read",
        function,
        keys = Empty,
        hits = Empty,
        outcome = Empty
    )
}

/// In the background, for whomever.
pub(crate) fn redis_write(changes: usize) -> Span {
    debug_span!(
        target: "cache_core::spans",
        parent: None,
        "cache_redis_write",
        changes,
        failed = Empty,
        outcome = Empty
    )
}

pub(crate) fn bump(tags: usize) -> Span {
    debug_span!(
        target: "cache_core::spans",
        "cache_bump",
        tags,
        outcome = Empty
    )
}

/// A load as its span shows it, until it is dropped: with an outcome in any case.
#[derive(Debug)]
pub(crate) struct Shown {
    span: Span,
    has_ended: bool,
}

impl Shown {
    pub(crate) fn load(leader: &Span, function: &str) -> Self {
        Self {
            span: load(leader, function),
            has_ended: false,
        }
    }

    /// Of what nobody is to see.
    pub(crate) fn nothing() -> Self {
        Self {
            span: Span::none(),
            has_ended: true,
        }
    }

    pub(crate) fn span(&self) -> &Span {
        &self.span
    }

    pub(crate) fn record_keys(&self, keys: usize) {
        self.span.record("keys", keys);
    }

    pub(crate) fn ended(&mut self, has_failed: bool) {
        self.ends(if has_failed { "error" } else { "ok" });
    }

    pub(crate) fn panicked(&mut self) {
        self.ends("panic");
    }

    fn ends(&mut self, outcome: &'static str) {
        if !self.has_ended {
            self.has_ended = true;
            self.span.record("outcome", outcome);
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if !self.has_ended {
            let is_panic = thread::panicking();
            self.ends(if is_panic { "panic" } else { "dropped" });
        }
    }
}
