use cache_core::cached;

struct Rates {
    base: String,
}

impl Rates {
    #[cached(ttl = 1m)]
    async fn rate(&self, currency: &str) -> f64 {
        if currency == self.base { 1.0 } else { 1.1 }
    }
}

fn main() {}
