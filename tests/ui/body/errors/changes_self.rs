struct Users {
    calls: u64,
}

impl Users {
    #[cache_core::cached(ttl = 5m, skip(self))]
    async fn call(&self, id: u64) -> u64 {
        self.calls += id;
        self.calls
    }
}

fn main() {}
