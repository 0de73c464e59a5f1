use cache_core::cached;

#[cached(ttl = 5m, detached)]
async fn length(text: Option<&str>) -> usize {
    text.map_or(0, str::len)
}

fn main() {}
