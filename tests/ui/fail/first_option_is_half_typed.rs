use cache_core::cached;

#[cached(t)]
async fn name(id: u64) -> String {
    id.to_string()
}

fn main() {}
