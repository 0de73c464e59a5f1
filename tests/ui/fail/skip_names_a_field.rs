use cache_core::cached;

#[cached(ttl = 5m, skip(request.trace))]
async fn name(request: String) -> String {
    request
}

fn main() {}
