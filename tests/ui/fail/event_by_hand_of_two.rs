use cache_core::{Event, event};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

fn main() {
    let id = 7;
    let _ = event!(UserChanged { id }, UserChanged { id: 8 });
}
