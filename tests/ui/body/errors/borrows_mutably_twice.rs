#[cache_core::cached(ttl = 5m)]
async fn joined(mut name: String) -> String {
    let first = &mut name;
    let second = &mut name;
    first.push('a');
    second.push('b');
    name
}

fn main() {}
