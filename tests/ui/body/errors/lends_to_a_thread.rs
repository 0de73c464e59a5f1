#[cache_core::cached(ttl = 5m)]
async fn started(n: u64) -> u64 {
    let thread = std::thread::spawn(|| n + 1);
    thread.join().unwrap_or(n)
}

fn main() {}
