use cache_core::cached;

async fn plain(name: String) -> String {
    drop(name);
    name
}

#[cached(ttl = 5m)]
async fn same(name: String) -> String {
    drop(name);
    name
}

fn main() {}
