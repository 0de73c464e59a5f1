#[cache_core::cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    while true {
        if n > 0 {
            break;
        }
    }
    n * n
}

fn main() {}
