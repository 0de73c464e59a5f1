#[cache_core::cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    fn again(n: u64) -> u64 {
        again(n)
    }
    again(n)
}

fn main() {}
