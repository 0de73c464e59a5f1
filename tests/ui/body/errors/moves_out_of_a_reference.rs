#[cache_core::cached(ttl = 5m)]
async fn same(name: &String) -> String {
    *name
}

fn main() {}
