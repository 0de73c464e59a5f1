#[cache_core::cached(ttl = 5m)]
async fn first(mut names: Vec<String>) -> usize {
    let first = &names[0];
    names.clear();
    first.len()
}

fn main() {}
