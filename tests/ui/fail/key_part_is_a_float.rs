use cache_core::cached;

#[cached(ttl = 5m)]
async fn square(id: u64, x: f64) -> f64 {
    x * x
}

fn main() {}
