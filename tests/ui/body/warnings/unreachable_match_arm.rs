#[cache_core::cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    match n {
        _ => n * n,
        0 => 0,
    }
}

fn main() {}
