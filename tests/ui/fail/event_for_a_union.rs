use cache_core::Event;

#[derive(Event)]
union Changed {
    user: u64,
    order: u32,
}

fn main() {}
