use cache_core::cached;

struct Users {
    tenant: u64,
}

impl Users {
    #[cached(ttl = 5m, key = (self., id))]
    async fn name(&self, id: u64) -> String {
        format!("{}{id}", self.tenant)
    }
}

fn main() {}
