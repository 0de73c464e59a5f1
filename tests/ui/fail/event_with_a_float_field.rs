use cache_core::Event;

#[derive(Event)]
struct PriceChanged {
    price: f64,
}

fn main() {}
