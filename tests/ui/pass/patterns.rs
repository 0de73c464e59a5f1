//! Arguments that are patterns, `mut`, unused, or called as what the expansion itself binds.
#![deny(warnings)]

use cache_core::cached;

struct Path<T>(T);

struct Query {
    page: u64,
    size: u64,
}

#[cached(ttl = 1h)]
async fn tuple((a, mut b): (u64, u64), [c, ..]: [u64; 2], mut d: u64) -> u64 {
    b += 1;
    d += 1;
    a * 1000 + b * 100 + c * 10 + d
}

#[cached(ttl = 1h, key = (id, page, size))]
async fn structs(Path(mut id): Path<u64>, Query { page, size }: Query) -> u64 {
    id += 1;
    id * 100 + page * 10 + size
}

#[cached(ttl = 1h, key = id)]
async fn nameless(id: u64, _: Path<u64>) -> u64 {
    id
}

#[cached(ttl = 1h)]
async fn underscored(id: u64, _trace: &str) -> u64 {
    id
}

#[cached(ttl = 1h)]
async fn bound(whole @ (a, _): (u64, u64)) -> u64 {
    whole.0 + whole.1 + a
}

#[cached(ttl = 1h, key = "{type}:{match}")]
async fn raw(r#type: &str, r#match: u64) -> String {
    format!("{type}{match}")
}

#[cached(ttl = 1h)]
async fn locals(
    __cached_key: u64,
    __cached_begun: u64,
    __cached_keep: &str,
    __cached_missed: Option<&str>,
    __cached_output: u64,
    __cached_arg0: u64,
    __cached: u64,
    __cached_site: u64,
) -> u64 {
    __cached_key
        + __cached_begun
        + __cached_keep.len() as u64
        + __cached_missed.map_or(0, str::len) as u64
        + __cached_output
        + __cached_arg0
        + __cached
        + __cached_site
}

#[cached(ttl = 1h, inline)]
async fn short(key: u64, site: u64, cache: u64, result: u64, f: u64, mode: &str, value: u64) -> u64 {
    key + site + cache + result + f + mode.len() as u64 + value
}

#[tokio::main]
async fn main() {
    for _ in 0..2 {
        assert_eq!(tuple((1, 2), [3, 0], 4).await, 1335);
        assert_eq!(structs(Path(1), Query { page: 2, size: 3 }).await, 223);
        assert_eq!(nameless(1, Path(2)).await, 1);
        assert_eq!(underscored(1, "a").await, 1);
        assert_eq!(bound((1, 2)).await, 4);
        assert_eq!(raw("a", 1).await, "a1");
        assert_eq!(locals(1, 2, "abc", Some("abcd"), 5, 6, 7, 8).await, 36);
        assert_eq!(short(1, 2, 3, 4, 5, "a", 7).await, 23);
    }
}
