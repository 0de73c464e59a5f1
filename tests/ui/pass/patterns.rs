//! Arguments that are patterns: tuples, structs, slices, references, bindings, alternatives, `mut`, `_`.
#![deny(warnings, clippy::pedantic)]

use cache_core::{CacheKey, cached};
use tests::Runs;

static RUNS: Runs = Runs::new();

struct Path<T>(T);

struct Query {
    page: u64,
    size: u64,
}

#[derive(Clone, CacheKey)]
struct Point {
    x: u64,
    y: u64,
}

#[derive(Clone, CacheKey)]
enum Id {
    Number(u64),
    Other(u64),
}

#[cached(ttl = 1h)]
async fn tuple((a, mut b): (u64, u64), [c, ..]: [u64; 2], mut d: u64) -> u64 {
    RUNS.add();
    b += 1;
    d += 1;
    a * 1000 + b * 100 + c * 10 + d
}

#[cached(ttl = 1h)]
async fn structure(Point { x, y: mut height }: Point) -> u64 {
    RUNS.add();
    height += 1;
    x + height
}

#[cached(ttl = 1h)]
async fn reference(&Point { x, ref y }: &Point, &[first, .., last]: &[u64; 3]) -> u64 {
    RUNS.add();
    x + *y + first + last
}

#[cached(ttl = 1h)]
async fn through_reference(Point { x, y }: &Point, (text, n): &(String, u64)) -> u64 {
    RUNS.add();
    *x + *y + text.len() as u64 + *n
}

#[cached(ttl = 1h)]
async fn alternatives((Id::Number(id) | Id::Other(id)): Id) -> u64 {
    RUNS.add();
    id
}

#[cached(ttl = 1h, key = (id, page, size))]
async fn in_the_key(Path(mut id): Path<u64>, Query { page, size }: Query) -> u64 {
    RUNS.add();
    id += 1;
    id * 100 + page * 10 + size
}

#[cached(ttl = 1h, key = "{id}:{page}")]
async fn in_a_text_key(Path(id): Path<u64>, Query { page, .. }: Query) -> u64 {
    RUNS.add();
    id * 10 + page
}

#[cached(ttl = 1h, skip(size))]
async fn skipped(Path(size): Path<u64>, id: u64) -> u64 {
    RUNS.add();
    id + size
}

#[cached(ttl = 1h, key = id)]
async fn nameless(id: u64, _: Path<u64>) -> u64 {
    RUNS.add();
    id
}

#[cached(ttl = 1h)]
async fn underscored(id: u64, _trace: &str) -> u64 {
    RUNS.add();
    id
}

#[cached(ttl = 1h)]
async fn bound(whole @ (a, _): (u64, u64)) -> u64 {
    RUNS.add();
    whole.0 + whole.1 + a
}

#[cached(ttl = 1h)]
async fn partly((used, _): (u64, u64), [_, second, ..]: [u64; 4]) -> u64 {
    RUNS.add();
    used + second
}

/// The text captures names that the body does not use.
#[cached(ttl = 1h, key = format!("{a}:{b}:{tenant}"))]
async fn captured((a, b): (u64, u64), tenant: &str, other: u64) -> u64 {
    RUNS.add();
    other
}

#[tokio::main]
pub(crate) async fn main() {
    for _ in 0..2 {
        assert_eq!(tuple((1, 2), [3, 0], 4).await, 1335);
        assert_eq!(structure(Point { x: 1, y: 2 }).await, 4);
        assert_eq!(reference(&Point { x: 1, y: 2 }, &[3, 4, 5]).await, 11);
        assert_eq!(
            through_reference(&Point { x: 1, y: 2 }, &("a".to_owned(), 3)).await,
            7
        );
        assert_eq!(alternatives(Id::Number(7)).await, 7);
        assert_eq!(alternatives(Id::Other(8)).await, 8);
        assert_eq!(in_the_key(Path(1), Query { page: 2, size: 3 }).await, 223);
        assert_eq!(in_a_text_key(Path(1), Query { page: 2, size: 3 }).await, 12);
        assert_eq!(nameless(1, Path(2)).await, 1);
        assert_eq!(underscored(1, "a").await, 1);
        assert_eq!(bound((1, 2)).await, 4);
        assert_eq!(partly((1, 2), [3, 4, 5, 6]).await, 5);
        assert_eq!(captured((1, 2), "shop", 7).await, 7);
    }
    assert_eq!(RUNS.take(), 13);
    assert_eq!(skipped(Path(1), 7).await, 8);
    assert_eq!(skipped(Path(2), 7).await, 8);
    assert_eq!(partly((1, 3), [3, 4, 5, 6]).await, 5);
    assert_eq!(
        RUNS.take(),
        2,
        "all of an argument is in the key, whatever its pattern binds"
    );
}
