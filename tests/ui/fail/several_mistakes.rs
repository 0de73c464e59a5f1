//! Mistakes: 6.

use cache_core::cached;

struct Users;

impl Users {
    #[cached(ttl = 300, kye = n, tiers = memroy)]
    fn square(&mut self, n: u64) -> impl Sized {
        n * n
    }
}

fn main() {}
