//! Arguments, functions, types, modules and macros that are called as something the expansion names.
#![deny(warnings, clippy::pedantic)]

use cache_core::cached;

#[cached(ttl = 1h, key = "{type}:{match}")]
async fn r#fn(r#type: &str, r#match: u64) -> String {
    format!("{type}{match}")
}

#[cached(ttl = 1h, skip(type, r#match))]
async fn skipped(r#type: &str, r#match: u64, id: u64) -> u64 {
    id + r#match + r#type.len() as u64
}

#[cached(ttl = 1h)]
async fn r#gen(r#gen: u64, r#dyn: &str, r#async: (u64, u64)) -> u64 {
    r#gen + r#async.0 + r#dyn.len() as u64
}

#[cached(ttl = 1h)]
async fn locals(
    __cached_key: u64,
    __cached_begun: u64,
    __cached_keep: &str,
    __cached_missed: Option<&str>,
) -> u64 {
    __cached_key
        + __cached_begun
        + __cached_keep.len() as u64
        + __cached_missed.map_or(0, str::len) as u64
}

#[cached(ttl = 1h)]
async fn more_locals(
    __cached_output: u64,
    (__cached_arg0, __cached): (u64, u64),
    __cached_site: u64,
) -> u64 {
    __cached_output + __cached_arg0 + __cached + __cached_site
}

#[cached(ttl = 1h, detached)]
async fn held(
    __cached_mode: &u64,
    __cached_held_n: &u64,
    n: &u64,
    __cached_self: u64,
    __cached_travel: u64,
) -> u64 {
    __cached_mode + __cached_held_n + n + __cached_self + __cached_travel
}

#[cached(ttl = 1h, inline)]
async fn short(
    key: u64,
    site: u64,
    cache: u64,
    result: u64,
    f: u64,
    mode: &str,
    value: u64,
) -> u64 {
    key + site + cache + result + f + mode.len() as u64 + value
}

#[cached(ttl = 1h)]
async fn returned(missed: u64) -> u64 {
    missed + 1
}

#[cached(ttl = 1h)]
async fn travels(returned: u64) -> u64 {
    returned + 1
}

#[cached(ttl = 1h)]
async fn begin(part: u64) -> u64 {
    part + 1
}

#[cached(ttl = 1h)]
async fn part(begin: u64) -> u64 {
    begin + 1
}

#[cached(ttl = 1h)]
async fn __cached(__cached: u64) -> u64 {
    __cached + 1
}

#[cached(ttl = 1h, key = cached)]
async fn cached_argument(cached: u64) -> u64 {
    cached + 1
}

mod types {
    #![allow(dead_code)]

    use cache_core::cached;

    pub(super) struct Result<T>(pub(super) T);
    pub(super) struct Option<T>(pub(super) T);
    #[derive(Clone, cache_core::CacheKey)]
    pub(super) struct String(pub(super) u64);
    struct Some;
    struct Ok;
    struct Err;
    struct None;
    struct Vec;
    struct Box;
    struct Arc;
    struct Send;
    struct Sync;
    struct Clone;
    struct Fn;
    struct FnOnce;
    struct Future;
    struct Drop;
    struct Cache;
    struct CacheKey;
    struct KeyWriter;
    struct Probe;
    struct ErrorProbe;
    struct HoldProbe;
    struct TravelProbe;
    struct Site;
    struct Keep;
    struct Ttl;
    struct Tiers;
    struct Detached;
    struct Inline;
    struct Written;
    struct Duration;

    #[cached(ttl = 1h, tiers = memory, max_concurrent_loads = 4, none_ttl = 1m)]
    pub(super) async fn named(key: String, text: &str, list: &[u64]) -> core::option::Option<u64> {
        let Result(n) = Result(key.0);
        let Option(m) = Option(list.len());
        core::option::Option::Some(n + (text.len() + m) as u64)
    }

    struct Owner;

    impl Owner {
        #[cached(ttl = 1h, skip(self))]
        async fn method(&self, key: String) -> core::result::Result<u64, ()> {
            core::result::Result::Ok(key.0)
        }
    }

    pub(super) async fn method(n: u64) -> bool {
        Owner.method(String(n)).await.is_ok()
    }
}

mod primitives {
    #![allow(dead_code, non_camel_case_types)]

    struct u64;
    struct usize;
    struct str;
    struct bool;

    #[cache_core::cached(ttl = 1h, key = "n:{n}", version = 2, compress = 4KiB)]
    pub(super) async fn named(n: i64) -> i64 {
        n + 1
    }
}

mod modules {
    #![allow(dead_code)]

    mod core {}
    mod std {}
    mod alloc {}
    mod cache_core {}
    mod serde {}

    use super::cached;

    #[cached(ttl = 1h)]
    pub(super) async fn named(n: &u64, text: &str) -> u64 {
        n + text.len() as u64
    }

    #[derive(::cache_core::CacheKey)]
    pub(super) struct Page(pub(super) u64);

    #[cached(ttl = 1h)]
    pub(super) async fn derived(page: Page) -> u64 {
        page.0
    }
}

mod bare {
    #![no_implicit_prelude]

    #[derive(::core::clone::Clone, ::cache_core::CacheKey)]
    pub(super) enum Id {
        Number(u64),
        Of { tenant: u64 },
    }

    #[::cache_core::cached(ttl = 1h, skip(db), none_ttl = 1m)]
    pub(super) async fn without_a_prelude(
        db: &u64,
        id: Id,
        text: &str,
    ) -> ::core::option::Option<u64> {
        match id {
            Id::Number(n) | Id::Of { tenant: n } => {
                ::core::option::Option::Some(n + db + text.len() as u64)
            }
        }
    }
}

mod macros {
    #![allow(unused_macros)]

    macro_rules! uncallable {
        ($($name:ident)*) => {
            $(macro_rules! $name {
                (it is the wrong macro) => {};
            })*
        };
    }

    uncallable!(matches format_args format assert concat stringify vec panic unreachable);

    #[cache_core::cached(ttl = 1h, key = "n:{n}:{text}", keep_if = |n| *n > 0)]
    pub(super) async fn named(n: u64, text: &str) -> u64 {
        n + text.len() as u64
    }
}

async fn calls(n: u64) {
    assert_eq!(r#fn("a", n).await, format!("a{n}"));
    assert_eq!(skipped("a", n, n).await, 2 * n + 1);
    assert_eq!(skipped("abc", n + 1, n).await, 2 * n + 1);
    assert_eq!(r#gen(n, "a", (2, 3)).await, n + 3);
    assert_eq!(locals(n, 2, "abc", Some("abcd")).await, n + 9);
    assert_eq!(more_locals(n, (6, 7), 8).await, n + 21);
    assert_eq!(held(&n, &2, &3, 4, 5).await, n + 14);
    assert_eq!(short(n, 2, 3, 4, 5, "a", 7).await, n + 22);
    assert_eq!(returned(n).await + travels(n).await, 2 * n + 2);
    assert_eq!(begin(n).await + part(n).await, 2 * n + 2);
    assert_eq!(__cached(n).await + cached_argument(n).await, 2 * n + 2);
    assert_eq!(types::named(types::String(n), "a", &[1]).await, Some(n + 2));
    assert!(types::method(n).await);
    let signed = n.cast_signed();
    assert_eq!(primitives::named(signed).await, signed + 1);
    assert_eq!(modules::named(&n, "a").await, n + 1);
    assert_eq!(modules::derived(modules::Page(n)).await, n);
    let number = bare::Id::Number(n);
    assert_eq!(bare::without_a_prelude(&1, number, "a").await, Some(n + 2));
    let tenant = bare::Id::Of { tenant: n };
    assert_eq!(bare::without_a_prelude(&1, tenant, "a").await, Some(n + 2));
    assert_eq!(macros::named(n, "a").await, n + 1);
}

#[tokio::main]
pub(crate) async fn main() {
    assert_eq!(tests::loads_by_key(calls).await, [21, 0, 21]);
}
