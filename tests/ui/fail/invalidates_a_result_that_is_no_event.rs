use cache_core::invalidates;

#[invalidates(result)]
async fn change(id: u64) -> u64 {
    id
}

fn main() {}
