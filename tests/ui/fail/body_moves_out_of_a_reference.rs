use cache_core::cached;

async fn plain(name: &String) -> String {
    *name
}

#[cached(ttl = 5m)]
async fn same(name: &String) -> String {
    *name
}

fn main() {}
