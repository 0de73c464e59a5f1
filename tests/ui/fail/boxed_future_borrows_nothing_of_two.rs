use cache_core::cached;
use futures::future::BoxFuture;

struct Users;

impl Users {
    #[cached(ttl = 5m, skip(self))]
    fn length(&self, name: &str) -> BoxFuture<'static, usize> {
        let name = name.to_owned();
        Box::pin(async move { name.len() })
    }
}

fn main() {}
