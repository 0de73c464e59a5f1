#[cache_core::cached(ttl = 5m)]
async fn same(name: String) -> String {
    drop(name);
    name
}

fn main() {}
