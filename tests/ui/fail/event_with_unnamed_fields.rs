use cache_core::Event;

#[derive(Event)]
struct UserChanged(u64);

fn main() {}
