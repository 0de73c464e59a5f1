use cache_core::cached;

#[cached(ttl = 5m)]
async fn name(id: u64) -> Name {
    if id == 7 { "Ada" } else { "Grace" }
}

type Name = &'static str;

fn main() {}
