#![allow(dead_code, reason = "the types are only ever read")]

/// The fingerprints of a type that the items define.
macro_rules! shapes {
    ($of:ty: $($item:item)+) => {{
        $(#[derive(serde::Deserialize)] $item)+
        $crate::value::schema::tests::shapes::<$of>()
    }};
}

mod changes;
mod placeholders;
mod recursion;
mod refusals;
mod types;

use serde::{Deserialize, de::DeserializeOwned};

use super::{Schema, short_name, trace, traced};

/// The fingerprints without the name of the type, which two types of one name never share.
fn shapes<T: DeserializeOwned>() -> [u64; 2] {
    [false, true].map(|is_readable| {
        let tracer = traced::<T>(is_readable);
        assert_eq!(tracer.incomplete, None);
        tracer.fingerprint("")
    })
}

#[track_caller]
fn assert_differ(before: [u64; 2], after: [u64; 2]) {
    assert_ne!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
}

/// What a trace says of the whole type.
#[track_caller]
fn assert_complete<T: DeserializeOwned>() {
    for is_readable in [false, true] {
        let schema = trace::<T>(is_readable);
        let name = std::any::type_name::<T>();
        let found = (schema.asks, schema.incomplete);
        assert_eq!(found, (None, None), "{name}, readable: {is_readable}");
    }
}

#[derive(Deserialize)]
struct Order {
    id: u64,
    lines: Vec<Line>,
    state: State,
}

#[derive(Deserialize)]
struct Line {
    article: String,
    cents: Option<i64>,
}

#[derive(Deserialize)]
enum State {
    Open,
    Paid(u32),
    Sent(u8, String),
    Lost { on: u64 },
}

#[test]
fn one_type_has_one_fingerprint() {
    let first = trace::<Order>(false);
    assert_eq!(first, trace::<Order>(false));
    assert_eq!(first.asks.or(first.hides_none).or(first.incomplete), None);
    assert_ne!(first.fingerprint, trace::<Order>(true).fingerprint);
    assert_ne!(first.fingerprint, trace::<Vec<Order>>(false).fingerprint);
}

/// Another number here makes every entry written before unreachable.
#[test]
fn the_fingerprint_is_the_same_in_every_process() {
    assert_eq!(
        shapes::<Order>(),
        [11_699_303_812_462_359_678, 13_801_770_214_184_344_967]
    );
}

#[test]
fn paths_name_types_without_their_modules() {
    assert_eq!(short_name("u8"), "u8");
    assert_eq!(
        short_name("alloc::vec::Vec<(shop::v1::Order, [shop::A_b; 2])>"),
        "Vec<(Order, [A_b; 2])>"
    );
}
