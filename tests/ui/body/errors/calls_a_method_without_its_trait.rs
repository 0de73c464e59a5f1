#[cache_core::cached(ttl = 5m)]
async fn written(text: String) -> String {
    let mut text = text;
    text.write_str("!").ok();
    text
}

fn main() {}
