//! What stands around the function stays: docs, `cfg`, lints, `must_use`, visibility.
#![deny(warnings, missing_docs, unreachable_pub)]

use cache_core::cached;

mod users {
    use super::cached;

    /// Documented.
    #[cached(ttl = 1h)]
    #[must_use]
    pub(crate) async fn visible(id: u64) -> u64 {
        id
    }

    #[cached(ttl = 1h)]
    pub(super) async fn above(id: u64) -> u64 {
        hidden(id).await
    }

    #[cached(ttl = 1h)]
    async fn hidden(id: u64) -> u64 {
        id
    }

    pub(crate) mod inner {
        #[super::cached(ttl = 1h)]
        pub(in crate::users) async fn restricted(id: u64) -> u64 {
            id
        }
    }

    pub(crate) async fn all() -> u64 {
        inner::restricted(3).await
    }
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

#[cached(ttl = 1h)]
#[cfg_attr(all(), allow(unused_variables))]
async fn allowed(id: u64) -> u64 {
    let unused = 1;
    7
}

#[cached(ttl = 1h)]
async fn conditional(id: u64, #[cfg(any())] absent: Unknown, #[cfg(all())] present: u64) -> u64 {
    id + present
}

#[cached(ttl = 1h)]
async fn lints(#[allow(unused_variables)] unused: u64, #[expect(unused_mut)] mut unchanged: u64) -> u64 {
    unchanged
}

#[deprecated]
#[cached(ttl = 1h)]
async fn old(id: u64) -> u64 {
    id
}

#[allow(dead_code)]
#[cached(ttl = 1h)]
async fn never_called(id: u64) -> u64 {
    id
}

#[tokio::main]
async fn main() {
    for _ in 0..2 {
        assert_eq!(users::visible(1).await, 1);
        assert_eq!(users::above(2).await, 2);
        assert_eq!(users::all().await, 3);
        assert_eq!(allowed(1).await, 7);
        assert_eq!(conditional(1, 2).await, 3);
        assert_eq!(lints(1, 2).await, 2);
        #[allow(deprecated)]
        let old = old(1).await;
        assert_eq!(old, 1);
    }
}
