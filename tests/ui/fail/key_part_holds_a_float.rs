use cache_core::cached;

#[cached(ttl = 5m)]
async fn sum(values: Vec<f64>) -> f64 {
    values.iter().sum()
}

fn main() {}
