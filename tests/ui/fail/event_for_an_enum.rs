use cache_core::Event;

#[derive(Event)]
enum Changed {
    User,
    Order(u64),
}

fn main() {}
