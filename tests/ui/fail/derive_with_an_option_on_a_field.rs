use cache_core::CacheKey;

#[derive(CacheKey)]
struct Page {
    number: u64,
    #[cache_key(skip)]
    trace: String,
}

fn main() {}
