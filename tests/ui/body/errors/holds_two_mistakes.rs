#[cache_core::cached(ttl = 5m)]
async fn name(n: u64) -> String {
    let length: usize = n.to_string();
    let name = n.nmae();
    length
}

fn main() {}
