use cache_core::cached;

#[cached(ttl = 5m, key = (id, place.latitude))]
async fn name(id: u64, place: Place) -> String {
    id.to_string()
}

struct Place {
    latitude: f64,
}

fn main() {}
