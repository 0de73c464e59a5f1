use cache_core::cached;

#[cached(ttl = 5m)]
async fn name(id: u64) -> &'static str {
    if id == 7 { "Ada" } else { "Grace" }
}

fn main() {}
