use cache_core::cached;

#[cached]
async fn square(n: u64) -> u64 {
    n * n
}

fn main() {}
