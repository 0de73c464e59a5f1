struct User {
    number: u64,
}

#[cache_core::cached(ttl = 5m)]
async fn id(n: u64) -> u64 {
    let user = User { number: n };
    user.numbr
}

fn main() {}
