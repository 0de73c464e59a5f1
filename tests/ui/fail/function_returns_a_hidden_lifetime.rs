use cache_core::cached;

#[cached(ttl = 5m, tiers = memory)]
async fn first(text: &str) -> Words {
    Words(text)
}

#[derive(Clone)]
struct Words<'a>(&'a str);

fn main() {}
