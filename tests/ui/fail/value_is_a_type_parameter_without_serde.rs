use cache_core::cached;

#[cached(ttl = 5m)]
async fn made<T: Default + Clone + Send + Sync + 'static>() -> T {
    T::default()
}

fn main() {}
