use cache_core::cached;

fn main() {
    #[cached(ttl = 5m)]
    let square = async |n: u64| n * n;
}
