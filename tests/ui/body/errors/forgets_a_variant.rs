enum Light {
    Off,
    On,
}

#[cache_core::cached(ttl = 5m)]
async fn shown(n: u64) -> bool {
    let light = if n > 0 { Light::On } else { Light::Off };
    match light {
        Light::On => true,
    }
}

fn main() {}
