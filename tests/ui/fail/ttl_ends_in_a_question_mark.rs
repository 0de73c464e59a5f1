use std::num::ParseIntError;

use cache_core::cached;

#[cached(ttl = std::time::Duration::from_secs(minutes.parse::<u64>()? * 60))]
async fn name(minutes: &str) -> Result<String, ParseIntError> {
    Ok(minutes.to_owned())
}

fn main() {}
