use cache_core::Event;

#[derive(Event)]
#[event(name = user)]
struct UserChanged {
    id: u64,
}

fn main() {}
