use cache_core::Event;

#[derive(Event)]
struct UserChanged {
    #[event(skip)]
    id: u64,
}

fn main() {}
