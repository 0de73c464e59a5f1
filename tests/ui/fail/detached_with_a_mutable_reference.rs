use cache_core::cached;

#[cached(ttl = 5m, detached, key = ())]
async fn length(text: &mut String) -> usize {
    text.len()
}

fn main() {}
