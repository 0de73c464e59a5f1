use cache_core::cached;

#[derive(cache_core::Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[cached(ttl = 5m, tiers = redis, invalidate_on = |user| UserChanged { id: *user })]
async fn user(email: String) -> u64 {
    email.len() as u64
}

fn main() {}
