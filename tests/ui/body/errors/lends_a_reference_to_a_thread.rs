#[cache_core::cached(ttl = 5m)]
async fn started(name: &str) -> usize {
    let thread = std::thread::spawn(move || name.len());
    thread.join().unwrap_or(0)
}

fn main() {}
