use cache_core::CacheKey;

#[derive(CacheKey)]
#[cache_key(rename = "page")]
struct Page(u64);

fn main() {}
