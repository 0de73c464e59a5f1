use cache_core::cached;

#[cached(ttl = 5m, key = "at:{x}")]
async fn square(x: f64) -> f64 {
    x * x
}

fn main() {}
