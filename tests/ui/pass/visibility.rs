//! Each visibility stays what it is, and a function that nobody outside can call is still linted as such.
#![deny(warnings, unreachable_pub, clippy::pedantic)]

use cache_core::cached;

mod users {
    use super::cached;

    #[cached(ttl = 1h)]
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
        pub(in super::super) async fn restricted(id: u64) -> u64 {
            id
        }
    }

    pub(crate) struct Users(pub(super) u64);

    impl Users {
        #[cached(ttl = 1h, key = (self.0, id))]
        pub(crate) async fn visible(&self, id: u64) -> u64 {
            self.0 + self.hidden(id).await
        }

        #[cached(ttl = 1h, key = (self.0, id))]
        async fn hidden(&self, id: u64) -> u64 {
            self.0 + id
        }
    }
}

async fn calls(n: u64) {
    assert_eq!(users::visible(n).await, n);
    assert_eq!(users::above(n).await, n);
    assert_eq!(users::inner::restricted(n).await, n);
    assert_eq!(users::Users(4).visible(n).await, n + 8);
}

#[tokio::main]
pub(crate) async fn main() {
    assert_eq!(tests::loads_by_key(calls).await, [6, 0, 6]);
}
