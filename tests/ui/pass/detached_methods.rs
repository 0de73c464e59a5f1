//! A detached load owns a copy of `self`: in closures, macros and nested items too.
#![deny(warnings, clippy::pedantic)]
#![allow(
    unused_qualifications,
    reason = "`self::` is one of the uses of `self`"
)]

use std::sync::Arc;

use cache_core::cached;

mod helpers {
    pub(crate) fn zero() -> u64 {
        0
    }

    #[derive(Clone, Debug, PartialEq)]
    pub(crate) struct Shop {
        pub(crate) tenant: u64,
        pub(crate) names: Vec<String>,
    }

    impl Shop {
        pub(crate) const LIMIT: u64 = 10;

        #[cache_core::cached(ttl = 1h, detached, key = (self.tenant, id))]
        pub(crate) async fn everywhere(&self, id: u64) -> String {
            struct Nested(u64);
            impl Nested {
                fn get(&self) -> u64 {
                    self.0
                }
            }
            fn nested(nested: &Nested) -> u64 {
                nested.get() + self::zero()
            }
            let add = |n: u64| self.tenant + n;
            let owned = move || self.names.len() as u64;
            let text = format!("{}{:?}", self.tenant, self.names);
            assert!(self.tenant < Self::LIMIT, "{} is too large", self.tenant);
            let this = self;
            let Self { names, .. } = self;
            let sum = async { add(id) + owned() + nested(&Nested(1)) + this.private() }.await;
            if self == this {
                format!("{text} {sum} {}", names.len())
            } else {
                String::new()
            }
        }

        fn private(&self) -> u64 {
            self.tenant
        }
    }
}

use helpers::Shop;

trait Describe {
    async fn describe(&self, prefix: &str) -> String;
}

impl Describe for Shop {
    #[cached(ttl = 1h, detached, skip(self))]
    async fn describe(&self, prefix: &str) -> String {
        tokio::task::yield_now().await;
        format!("{prefix}{}", self.tenant)
    }
}

#[derive(Clone)]
struct Generic<T>(T);

impl<T: Clone + ToString + Send + Sync + 'static> Generic<T> {
    #[cached(ttl = 1h, detached, skip(self))]
    async fn shown(&self, id: u64) -> String {
        self.0.to_string() + &id.to_string()
    }

    #[cached(ttl = 1h, detached, skip(self))]
    async fn taken(self, id: u64) -> String {
        self.0.to_string() + &id.to_string()
    }

    #[cached(ttl = 1h, detached, skip(self))]
    async fn shared(self: Arc<Self>, id: u64) -> String {
        let text = "{self}";
        format!("{}{id}{{self}}{text}", self.0.to_string())
    }
}

#[tokio::main]
pub(crate) async fn main() {
    let shop = Shop {
        tenant: 1,
        names: vec!["Ada".to_owned()],
    };
    for _ in 0..2 {
        assert_eq!(shop.everywhere(7).await, r#"1["Ada"] 11 1"#);
        assert_eq!(shop.describe("shop ").await, "shop 1");
        assert_eq!(Generic(1).shown(2).await, "12");
        assert_eq!(Generic("a").shown(2).await, "a2");
        assert_eq!(Generic("a").taken(2).await, "a2");
        assert_eq!(Arc::new(Generic("a")).shared(2).await, "a2{self}{self}");
    }
}
