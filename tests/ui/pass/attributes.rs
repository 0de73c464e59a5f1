//! What stands above a function or an argument stays: docs, `cfg`, lints, `must_use`, `deprecated`, `inline`.
#![deny(warnings, clippy::pedantic)]
#![allow(
    clippy::non_minimal_cfg,
    reason = "`all()` is there everywhere, `any()` is nowhere"
)]

use cache_core::cached;
use tests::Runs;

static RUNS: Runs = Runs::new();

/// Documented, `with` [`Runs`] in it.
#[cached(ttl = 1h)]
#[must_use = "it was loaded for you"]
#[inline]
async fn documented(id: u64) -> u64 {
    RUNS.add();
    id
}

#[inline(never)]
#[cached(ttl = 1h)]
/** Documented below. */
#[cold]
async fn documented_below(id: u64) -> u64 {
    RUNS.add();
    id
}

#[cfg(any())]
#[cached(ttl = 1h)]
async fn absent(id: Unknown) -> Unknown {
    id
}

#[cached(ttl = 1h)]
#[cfg(any())]
async fn absent_below(id: Unknown) -> Unknown {
    id
}

#[cfg(all())]
#[cached(ttl = 1h)]
async fn present(id: u64) -> u64 {
    id
}

#[cached(ttl = 1h)]
#[cfg(all())]
async fn present_below(id: u64) -> u64 {
    id
}

#[cfg_attr(all(), cached(ttl = 1h, key = id % 10))]
async fn cached_here(id: u64) -> u64 {
    RUNS.add();
    id
}

#[cfg_attr(any(), cached(ttl = 1h))]
fn cached_elsewhere(id: u64) -> u64 {
    RUNS.add();
    id
}

#[cached(ttl = 1h)]
#[cfg_attr(all(), allow(unused_variables))]
async fn allowed(id: u64) -> u64 {
    let unused = 1;
    7
}

#[cached(ttl = 1h)]
#[expect(
    unused_variables,
    unused_mut,
    reason = "they stand for a body that changes"
)]
async fn expected(id: u64) -> u64 {
    let mut unused = 1;
    id
}

#[cached(ttl = 1h)]
async fn on_arguments(
    #[allow(unused_variables)] unused: u64,
    #[expect(unused_mut)] mut unchanged: u64,
) -> u64 {
    unchanged
}

#[cached(ttl = 1h)]
async fn argument(
    id: u64,
    #[cfg(any())] absent: Unknown,
    #[cfg(any())] &(absent_pattern, ..): &Unknown,
    #[cfg(all())] present: &str,
) -> usize {
    RUNS.add();
    present.len() + usize::from(id == 0)
}

#[cached(ttl = 1h, skip(absent, mode))]
async fn skipped_argument(#[cfg(any())] absent: &Unknown, #[cfg(all())] mode: u64, id: u64) -> u64 {
    RUNS.add();
    id + mode
}

#[cached(ttl = 1h, key = (id, part))]
async fn key_argument(
    id: u64,
    #[cfg(all())] (part, _): (u64, u64),
    #[cfg(any())] part: Unknown,
) -> u64 {
    RUNS.add();
    id + part
}

#[deprecated = "it is for tests"]
#[cached(ttl = 1h)]
async fn old(id: u64) -> u64 {
    id
}

#[allow(dead_code)]
#[cached(ttl = 1h)]
async fn never_called(id: u64) -> u64 {
    id
}

async fn calls(id: u64) {
    assert_eq!(present(id).await, id);
    assert_eq!(present_below(id).await, id);
    assert_eq!(allowed(id).await, 7);
    assert_eq!(expected(id).await, id);
    assert_eq!(on_arguments(id, 2).await, 2);
    #[expect(deprecated)]
    let old = old(id).await;
    assert_eq!(old, id);
}

#[tokio::main]
pub(crate) async fn main() {
    assert_eq!(tests::loads_by_key(calls).await, [6, 0, 6]);
    for _ in 0..2 {
        assert_eq!(documented(1).await, 1);
        assert_eq!(documented_below(1).await, 1);
        assert_eq!(cached_here(1).await, 1);
        assert_eq!(cached_here(11).await, 1);
        assert_eq!(argument(1, "Ada").await, 3);
        assert_eq!(key_argument(1, (2, 3)).await, 3);
    }
    assert_eq!(skipped_argument(1, 7).await, 8);
    assert_eq!(skipped_argument(2, 7).await, 8);
    assert_eq!(key_argument(1, (2, 4)).await, 3);
    assert_eq!(RUNS.take(), 6);
    assert_eq!((cached_elsewhere(1), cached_elsewhere(1)), (1, 1));
    assert_eq!(RUNS.take(), 2);
}
