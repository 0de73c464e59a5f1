use cache_core::event;

fn main() {
    let id = 7;
    let _ = event!(id);
}
