use std::cell::Cell;

use cache_core::cached;

struct Users(Cell<u64>);

impl Users {
    #[cached(ttl = 5m, skip(self))]
    async fn name(&self, id: u64) -> String {
        self.0.set(id);
        id.to_string()
    }
}

fn main() {}
