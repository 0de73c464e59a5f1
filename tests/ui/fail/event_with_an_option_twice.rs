use cache_core::Event;

#[derive(Event)]
#[event(name = "user", name = "users")]
struct UserChanged {
    id: u64,
}

fn main() {}
