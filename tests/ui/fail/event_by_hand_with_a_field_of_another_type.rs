use cache_core::{Event, event};

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    tenant: String,
    id: u64,
}

fn main() {
    let _ = event!(OrderChanged { tenant: String::new(), id: "seven" });
}
