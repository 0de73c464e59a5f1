//! Functions that a `macro_rules!` writes: every fragment that can stand in one.
#![deny(warnings)]

use cache_core::cached;

macro_rules! getter {
    ($(#[$attribute:meta])* $name:ident($argument:ident: $type:ty) -> $output:ty, $ttl:expr, $body:block) => {
        $(#[$attribute])*
        #[cached(ttl = $ttl)]
        async fn $name($argument: $type) -> $output $body
    };
}

getter!(
    /// Doubles.
    double(n: u64) -> Result<u64, String>, std::time::Duration::from_secs(3600), {
        Ok(n * 2)
    }
);

getter!(length(text: &str) -> usize, std::time::Duration::from_secs(60 * 60), { text.len() });

macro_rules! literals {
    ($name:ident, $ttl:tt, $version:literal, $key:literal, $text:literal, $loads:expr) => {
        #[cached(ttl = $ttl, version = $version, key = $key, name = $text, max_concurrent_loads = $loads)]
        async fn $name(id: u64) -> u64 {
            id
        }
    };
}

literals!(identity, 1h, 2, "id:{id}", "tests::identity", 4);

macro_rules! options {
    ($($options:tt)*) => {
        #[cached($($options)*)]
        async fn skipped(id: u64, other: u64) -> u64 {
            id + other
        }
    };
}

options!(ttl = 1h, skip(other), keep_if = |value| *value > 2);

macro_rules! methods {
    ($type:ident { $($name:ident: $key:expr),* }) => {
        impl $type {
            $(
                #[cached(ttl = 1h, key = $key)]
                async fn $name(&self, id: u64) -> u64 {
                    self.0 + id
                }
            )*
        }
    };
}

struct Users(u64);

methods!(Users { one: 1, two: (1, 2) });

#[tokio::main]
async fn main() {
    for _ in 0..2 {
        assert_eq!(double(2).await, Ok(4));
        assert_eq!(length("Ada").await, 3);
        assert_eq!(identity(7).await, 7);
        assert_eq!(Users(1).one(2).await, 3);
        assert_eq!(Users(1).two(3).await, 4);
    }
    assert_eq!(Users(5).two(5).await, 4);
    assert_eq!(skipped(1, 2).await, 3);
    assert_eq!(skipped(1, 3).await, 3);
}
