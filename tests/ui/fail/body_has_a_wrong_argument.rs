use cache_core::cached;

async fn plain(name: &str) -> usize {
    len(name)
}

#[cached(ttl = 5m)]
async fn length(name: &str) -> usize {
    len(name)
}

fn len(text: String) -> usize {
    text.len()
}

fn main() {}
