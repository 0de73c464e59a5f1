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

#[tokio::main]
pub(crate) async fn main() {
    for _ in 0..2 {
        assert_eq!(users::visible(1).await, 1);
        assert_eq!(users::above(2).await, 2);
        assert_eq!(users::inner::restricted(3).await, 3);
        assert_eq!(users::Users(4).visible(5).await, 13);
    }
}
