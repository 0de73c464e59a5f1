use cache_core::invalidates;

#[invalidates(id)]
async fn change(id: u64) -> u64 {
    id
}

fn main() {}
