use cache_core::cached;

macro_rules! sum {
    ($id:ident) => {
        #[cached(ttl = 5m, key = "{id}")]
        async fn sum($id: u64, id: u64) -> u64 {
            $id + id
        }
    };
}

sum!(id);

fn main() {}
