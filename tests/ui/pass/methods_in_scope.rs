//! Traits of the user, implemented for every type, whose methods are called as those of the expansion.
#![deny(warnings, clippy::pedantic)]

use cache_core::cached;
use tests::Runs;

static RUNS: Runs = Runs::new();

macro_rules! blanket {
    ($($trait:ident $receiver:tt: $($method:ident)*;)*) => {
        $(
            #[allow(dead_code)]
            trait $trait {
                $(fn $method $receiver -> u64 where Self: Sized { 1 })*
            }

            impl<T> $trait for T {}
        )*
    };
}

blanket! {
    ByReference(&self): shape sharing mode weigh hold launch get and travels returned hit begin part of to_owned
        erase write literal named versioned keyed tiers max_concurrent_loads none_ttl err_ttl keep_if weight codec
        compress;
}

mod by_value {
    blanket! {
        ByValue(self): shape sharing mode weigh hold launch get and travels returned hit begin part of to_owned
            erase write literal named versioned keyed tiers max_concurrent_loads none_ttl err_ttl keep_if weight
            codec compress;
    }

    #[cache_core::cached(ttl = 1h, skip(db), none_ttl = 1m, err_ttl = 1m, keep_if = |n| *n > 0, compress = 4KiB)]
    pub(super) async fn every_call(db: &u64, name: &str, id: u64) -> Result<Option<u64>, String> {
        super::RUNS.add();
        Ok(Some(db + id + name.len() as u64))
    }

    #[cache_core::cached(ttl = 1h, detached)]
    pub(super) async fn detached(name: &str) -> usize {
        super::RUNS.add();
        name.len()
    }
}

#[cached(ttl = 1h, skip(db), none_ttl = 1m, err_ttl = 1m, weight = |_| 8, codec = json, version = 2, name = "n")]
async fn every_call(db: &u64, name: &str, id: u64) -> Result<Option<u64>, String> {
    RUNS.add();
    Ok(Some(db + id + name.len() as u64 + 0_u8.shape()))
}

#[cached(ttl = 1h, tiers = memory, max_concurrent_loads = 4)]
async fn plain(names: &[&str]) -> usize {
    RUNS.add();
    names.len()
}

struct Users(u64);

impl Users {
    #[cached(ttl = 1h, key = "{id}", inline)]
    async fn method(&self, id: u64) -> u64 {
        RUNS.add();
        self.0 + id
    }
}

#[tokio::main]
pub(crate) async fn main() {
    for _ in 0..2 {
        assert_eq!(every_call(&1, "Ada", 3).await, Ok(Some(8)));
        assert_eq!(by_value::every_call(&1, "Ada", 3).await, Ok(Some(7)));
        assert_eq!(by_value::detached("Ada").await, 3);
        assert_eq!(plain(&["a"]).await, 1);
        assert_eq!(Users(1).method(2).await, 3);
    }
    assert_eq!(RUNS.take(), 5);
}
