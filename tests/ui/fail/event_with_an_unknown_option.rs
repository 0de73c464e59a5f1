use cache_core::Event;

#[derive(Event)]
#[event(nmae = "user")]
struct UserChanged {
    id: u64,
}

fn main() {}
