use cache_core::{Event, cached};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[derive(Clone)]
struct User {
    id: u64,
}

#[cached(ttl = 5m, tiers = memory, invalidate_on = |user| UserChanged { id: user.idd })]
async fn load(name: String) -> User {
    User {
        id: name.len() as u64,
    }
}

fn main() {}
