use cache_core::cached;

#[cached(ttl = |token| token.seconds, tiers = memory)]
async fn token(id: u64) -> Token {
    Token { seconds: id }
}

#[derive(Clone)]
struct Token {
    seconds: u64,
}

fn main() {}
