use cache_core::invalidates;

struct User {
    id: u64,
}

#[invalidates(User { id: *result })]
async fn change(id: u64) -> u64 {
    id
}

fn main() {}
