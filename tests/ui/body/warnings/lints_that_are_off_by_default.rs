#![warn(unused_results, let_underscore_drop, unused_qualifications)]

#[cache_core::cached(ttl = 5m)]
async fn squares(n: u64) -> Vec<u64> {
    let mut squares = std::vec::Vec::new();
    squares.push(n);
    squares.pop();
    let _ = n.to_string();
    squares
}

fn main() {}
