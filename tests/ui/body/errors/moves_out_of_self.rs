struct Users {
    name: String,
}

impl Users {
    #[cache_core::cached(ttl = 5m, skip(self))]
    async fn name(&self) -> String {
        self.name
    }
}

fn main() {}
