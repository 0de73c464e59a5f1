#[cache_core::cached(ttl = 5m)]
async fn same(n: u64) -> u64 {
    let user = Usr { id: n };
    user.id
}

struct User {
    id: u64,
}

fn main() {}
