use cache_core::Event;

#[derive(Event)]
struct Changed<T> {
    id: T,
}

fn main() {}
