//! A program is deployed over its former self, whose entries are still in Redis.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "redeploy/events.rs"]
mod events;

use cache_core::{Cache, CachedCall, RedisMiss, Source, testing::FakeRedis};
use shop_after as after;
use shop_before as before;
use tests::{SOON, process};

/// Calls a function of the old program, then of the new one in another process.
macro_rules! deployed_over {
    ($($call:tt)+) => {{
        let redis = FakeRedis::new();
        let old = process(&redis).await;
        Cache::scope(old.clone(), before::$($call)+).await;
        let left = old.close(SOON).await;
        assert_eq!((left.fills, redis.keys().len()), (0, 1), "the old entry is there");
        let new = process(&redis).await;
        Cache::scope(new, after::$($call)+.explain()).await.unwrap()
    }};
}

#[tokio::test]
async fn what_has_not_changed_stays_warm() {
    let unchanged = deployed_over!(unchanged(7));
    assert_eq!(unchanged.source, Source::Redis);
    assert_eq!(unchanged.value.state, after::State::Paid { cents: -7 });
}

/// A function whose value changed is asked anew, and gives what the new program says.
macro_rules! changes {
    ($($name:ident: $call:ident($($argument:expr),*) is $value:expr;)+) => {$(
        #[tokio::test]
        async fn $name() {
            let changed = deployed_over!($call($($argument),*));
            assert_eq!(changed.value, $value);
            assert_eq!(changed.source, Source::Load);
            let miss = changed.redis.unwrap();
            assert!(matches!(miss, RedisMiss::Absent | RedisMiss::Foreign), "{miss:?}");
        }
    )+};
}

changes! {
    a_swapped_pair_of_fields_is_a_miss: swapped() is after::Swapped { height: 2, width: 1 };
    a_widened_integer_is_a_miss: widened() is after::Widened { count: 3 };
    an_integer_with_a_sign_is_a_miss: signed() is after::Signed { balance: 3 };
    an_inserted_variant_is_a_miss: inserted() is after::Inserted::Large;
    a_renamed_variant_is_a_miss: renamed() is after::Renamed::Closed;
    a_removed_last_field_is_a_miss: shortened() is vec![after::Shortened { id: 1 }; 2];
    a_renamed_field_is_a_miss: relabelled() is after::Relabelled { gross: 119 };
    an_array_instead_of_a_tuple_is_a_miss: retyped() is [3, 4];
    turned_arguments_are_a_miss: turned(1, 2) is "tenant 2, id 1";
}

#[tokio::test]
async fn a_change_deep_inside_is_a_miss() {
    let deep = deployed_over!(deep());
    assert_eq!(deep.source, Source::Load);
    let after::Leaf::Tree(tree) = deep.value.by_name["y"][0].as_ref().unwrap() else {
        panic!("it is a tree");
    };
    assert_eq!(tree.by_name["x"][1], Some(after::Leaf::Point(1, -1)));
}
