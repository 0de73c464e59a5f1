use cache_core::cached;

#[cached(ttl = 5m)]
async fn parsed<'a>(text: &'a str) -> Result<u64, Wrong<'a>> {
    text.parse().map_err(|_| Wrong(text))
}

struct Wrong<'a>(&'a str);

fn main() {}
