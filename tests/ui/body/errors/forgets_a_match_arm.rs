#[cache_core::cached(ttl = 5m)]
async fn shown(light: u64) -> String {
    match light {
        0 => "off".to_owned(),
        1 => "on".to_owned(),
    }
}

fn main() {}
