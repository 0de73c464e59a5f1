#[cache_core::cached(ttl = 5m)]
async fn shown(n: u64) -> String {
    if n == 0 {
        return;
    }
    n.to_string()
}

fn main() {}
