use cache_core::CacheKey;

#[derive(CacheKey)]
union Number {
    whole: u32,
    float: f32,
}

fn main() {}
