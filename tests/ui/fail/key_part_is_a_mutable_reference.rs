use cache_core::cached;

#[cached(ttl = 5m)]
async fn length(connection: &mut Connection, id: u64) -> u64 {
    id
}

struct Connection;

fn main() {}
