use cache_core::event;

fn main() {
    let id = 7;
    let _: u64 = id;
    event!();
}
