//! Bodies with items, shadowed names and attributes of their own; cached functions inside of functions,
//! blocks and modules there.
#![deny(warnings, clippy::pedantic)]

use cache_core::cached;
use tests::Runs;

static RUNS: Runs = Runs::new();

#[cached(ttl = 1h)]
async fn items(n: u64) -> u64 {
    use std::collections::BTreeMap;

    const STEP: u64 = 2;

    #[derive(Default)]
    struct Sum {
        by_step: BTreeMap<u64, u64>,
    }

    impl Sum {
        fn add(&mut self, n: u64) {
            *self.by_step.entry(n % STEP).or_default() += n;
        }
    }

    fn total(sum: &Sum) -> u64 {
        sum.by_step.values().sum()
    }

    macro_rules! twice {
        ($n:expr) => {
            $n * 2
        };
    }

    let mut sum = Sum::default();
    for n in 0..n {
        sum.add(n);
    }
    twice!(total(&sum))
}

#[cached(ttl = 1h)]
async fn items_alone(_n: u64) {
    const ONE: u64 = 1;
    const _: u64 = ONE;
}

#[cached(ttl = 1h)]
#[expect(clippy::items_after_statements)]
async fn items_at_the_end(n: u64) {
    assert!(n >= ONE);
    const ONE: u64 = 1;
}

#[cached(ttl = 1h)]
async fn starts_with_use(n: u64) -> u64 {
    use std::cmp::max;
    max(n, 2)
}

#[cached(ttl = 1h)]
async fn shadowed(n: u64) -> u64 {
    struct Result(u64);
    enum Option {
        Some(u64),
    }
    #[allow(non_snake_case)]
    fn Ok(n: u64) -> Option {
        Option::Some(n)
    }
    let Option::Some(m) = Ok(n);
    let core = Result(m + 1);
    core.0
}

#[cached(ttl = 1h)]
async fn inner_attributes(n: u64) -> u64 {
    //! Documented from within.
    #![allow(unused_variables)]
    #![expect(clippy::let_and_return)]

    let unused = 1;
    let doubled = n * 2;
    doubled
}

#[cached(ttl = 1h)]
async fn nested(n: u64) -> u64 {
    #[cached(ttl = 1h)]
    async fn nested(n: u64) -> u64 {
        #[cached(ttl = 1h)]
        async fn nested(n: u64) -> u64 {
            RUNS.add();
            n + 1
        }

        RUNS.add();
        nested(n).await * 10
    }

    RUNS.add();
    nested(n).await + 1
}

const _: () = {
    struct Anonymous;

    impl super_trait::Numbered for Anonymous {
        #[cached(ttl = 1h, skip(self))]
        async fn number(&self, n: u64) -> u64 {
            RUNS.add();
            unnamed(n).await
        }
    }

    #[cached(ttl = 1h)]
    async fn unnamed(n: u64) -> u64 {
        RUNS.add();
        n + 1
    }

    impl Kind {
        pub(crate) async fn of_block(n: u64) -> u64 {
            super_trait::Numbered::number(&Anonymous, n).await
        }
    }
};

const _: () = {
    #[cached(ttl = 1h)]
    async fn unnamed(n: u64) -> u64 {
        RUNS.add();
        n + 2
    }

    impl Kind {
        pub(crate) async fn of_other_block(n: u64) -> u64 {
            unnamed(n).await
        }
    }
};

struct Kind;

mod super_trait {
    pub(crate) trait Numbered {
        async fn number(&self, n: u64) -> u64;
    }
}

async fn in_functions(n: u64) -> u64 {
    mod inner {
        use super::cached;

        #[cached(ttl = 1h)]
        pub(super) async fn unnamed(n: u64) -> u64 {
            super::RUNS.add();
            n + 3
        }
    }

    #[cached(ttl = 1h)]
    async fn unnamed(n: u64) -> u64 {
        RUNS.add();
        n + 4
    }

    let in_block = {
        #[cached(ttl = 1h)]
        async fn unnamed(n: u64) -> u64 {
            RUNS.add();
            n + 5
        }

        unnamed(n).await
    };
    let in_closure = async |n: u64| {
        #[cached(ttl = 1h)]
        async fn unnamed(n: u64) -> u64 {
            RUNS.add();
            n + 6
        }

        unnamed(n).await
    };
    inner::unnamed(n).await * 1000 + unnamed(n).await * 100 + in_block * 10 + in_closure(n).await
}

async fn calls(n: u64) {
    assert_eq!(items(n).await, n * (n - 1));
    items_alone(n).await;
    items_at_the_end(n).await;
    assert_eq!(starts_with_use(n).await, 2);
    assert_eq!(shadowed(n).await, n + 1);
    assert_eq!(inner_attributes(n).await, n * 2);
}

#[tokio::main]
pub(crate) async fn main() {
    assert_eq!(tests::loads_by_key(calls).await, [6, 0, 6]);
    for _ in 0..2 {
        assert_eq!(nested(1).await, 21);
        assert_eq!(Kind::of_block(1).await, 2);
        assert_eq!(Kind::of_other_block(1).await, 3);
        assert_eq!(in_functions(1).await, 4567);
    }
    assert_eq!(RUNS.take(), 3 + 3 + 4);
}
