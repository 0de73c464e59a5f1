#[cache_core::cached(ttl = 5m)]
async fn shown(n: u64) -> String {
    fromat!("{n}")
}

fn main() {}
