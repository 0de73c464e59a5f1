struct User {
    id: u64,
    name: String,
}

#[cache_core::cached(ttl = 5m)]
async fn name(id: u64) -> String {
    let user = User { id };
    user.name
}

fn main() {}
