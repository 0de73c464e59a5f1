#[cache_core::cached(ttl = 5m)]
async fn shown(number: u64) -> String {
    format!("{numbr}")
}

fn main() {}
