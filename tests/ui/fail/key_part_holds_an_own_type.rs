use cache_core::cached;

#[cached(ttl = 5m)]
async fn name(page: Option<Page>) -> String {
    page.map(|page| page.number.to_string()).unwrap_or_default()
}

#[derive(Clone)]
struct Page {
    number: u64,
}

fn main() {}
