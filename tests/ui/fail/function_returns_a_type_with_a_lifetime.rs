use std::borrow::Cow;

use cache_core::cached;

#[cached(ttl = 5m)]
async fn trimmed<'a>(text: &'a str) -> Cow<'a, str> {
    text.trim().into()
}

fn main() {}
