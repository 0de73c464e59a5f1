use cache_core::cached;

async fn plain(mut names: Vec<String>) -> usize {
    let first = &names[0];
    names.clear();
    first.len()
}

#[cached(ttl = 5m)]
async fn first(mut names: Vec<String>) -> usize {
    let first = &names[0];
    names.clear();
    first.len()
}

fn main() {}
