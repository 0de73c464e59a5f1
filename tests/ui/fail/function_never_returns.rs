use cache_core::cached;

#[cached(ttl = 5m)]
async fn serve() -> ! {
    loop {
        tokio::task::yield_now().await;
    }
}

fn main() {}
