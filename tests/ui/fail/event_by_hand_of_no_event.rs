use cache_core::event;

struct User {
    id: u64,
}

fn main() {
    let id = 7;
    let _ = event!(User { id });
}
