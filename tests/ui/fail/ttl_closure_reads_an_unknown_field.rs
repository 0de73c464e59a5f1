use cache_core::cached;

#[cached(ttl = |token| token.lifetme, tiers = memory)]
async fn token() -> Token {
    Token { lifetime: std::time::Duration::from_secs(1) }
}

#[derive(Clone)]
struct Token {
    lifetime: std::time::Duration,
}

fn main() {}
