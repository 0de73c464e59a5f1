use cache_core::cached;

#[cached(ttl = 5m)]
async fn serve(port: u16) -> ! {
    loop {
        tokio::task::yield_now().await;
    }
}

fn main() {}
