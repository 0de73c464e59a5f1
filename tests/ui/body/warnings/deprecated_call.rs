#[cache_core::cached(ttl = 5m)]
async fn square(n: u64) -> u64 {
    old(n)
}

#[deprecated(note = "call `new`")]
fn old(n: u64) -> u64 {
    n * n
}

fn main() {}
