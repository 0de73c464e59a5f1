use cache_core::Event;

#[derive(Event)]
#[event(name = "")]
struct UserChanged {
    id: u64,
}

fn main() {}
