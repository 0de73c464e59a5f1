//! The way this program caches what it looks up, written once.

use cache_core::{CachedCall, cached};

macro_rules! lookup {
    ($(async fn $name:ident($($argument:ident: $type:ty),*) for $ttl:tt -> $value:ty $body:block)*) => {
        $(
            #[cached(ttl = $ttl, none_ttl = 10s)]
            async fn $name($($argument: $type),*) -> Option<$value> $body
        )*
    };
}

lookup! {
    async fn name(id: u64) for 5m -> String {
        (id == 7).then(|| "Ada".to_owned())
    }

    async fn age(id: u64) for 1h -> u8 {
        (id == 7).then_some(36)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(name(7).await.as_deref(), Some("Ada"));
    assert_eq!(age(8).await, None);
    assert_eq!(age(8).peek().await, Some(None));
}
