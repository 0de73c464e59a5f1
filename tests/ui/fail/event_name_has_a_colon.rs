use cache_core::Event;

#[derive(Event)]
#[event(name = "shop::user")]
struct UserChanged {
    id: u64,
}

fn main() {}
