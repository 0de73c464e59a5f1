use cache_core::cached;

#[derive(Clone, Debug)]
struct Users;

impl Users {
    #[cached(ttl = 5m, detached, skip(self))]
    async fn name(&self, id: u64) -> String {
        format!("{self:?}{id}")
    }
}

fn main() {}
