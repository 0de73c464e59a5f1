use cache_core::cached;

macro_rules! lookup {
    (async fn $name:ident($argument:ident: $type:ty) for $ttl:tt -> $value:ty $body:block) => {
        #[cached(ttl = $ttl, none_ttl = 10s)]
        async fn $name($argument: $type) -> Option<$value> $body
    };
}

lookup! {
    async fn age(id: u64) for 60 -> u8 {
        (id == 7).then_some(36)
    }
}

fn main() {}
