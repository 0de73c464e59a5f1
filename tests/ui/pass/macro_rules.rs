//! Functions that a `macro_rules!` writes, with the attribute in it or at its call: each fragment that can
//! stand in one.
#![deny(warnings, clippy::pedantic)]

use cache_core::cached;
use tests::Runs;

pub(crate) static RUNS: Runs = Runs::new();

pub(crate) mod own {
    pub(crate) use cache_core as cache;

    pub(crate) type Answer = Result<u64, String>;

    #[derive(Clone)]
    pub(crate) struct Db(pub(crate) u64);

    pub(crate) fn key(id: u64) -> u64 {
        id % 10
    }

    #[expect(clippy::trivially_copy_pass_by_ref)]
    pub(crate) fn weight(_: &u64) -> usize {
        8
    }

    #[expect(clippy::trivially_copy_pass_by_ref)]
    pub(crate) fn is_kept(value: &u64) -> bool {
        *value > 0
    }
}

macro_rules! getter {
    ($(#[$attribute:meta])* $vis:vis $name:ident($argument:ident: $ty:ty) -> $output:ty, $ttl:expr, $body:block) => {
        $(#[$attribute])*
        #[cached(ttl = $ttl)]
        $vis async fn $name($argument: $ty) -> $output $body
    };
}

getter!(
    /// Doubles.
    #[must_use = "it took a multiplication"]
    pub(crate) double(n: u64) -> Result<u64, String>, std::time::Duration::from_hours(1), {
        let two = 2;
        Ok(n * two)
    }
);
getter!(length(text: &str) -> usize, HOUR + HOUR, { text.len() });
getter!(early(list: &[&str]) -> Option<usize>, HOUR, {
    let first = list.first()?;
    if first.is_empty() {
        return None;
    }
    Some(first.len())
});

pub(crate) const HOUR: std::time::Duration = std::time::Duration::from_hours(1);

macro_rules! plain {
    ($(#[$attribute:meta])* $vis:vis async fn $name:ident($($pattern:pat_param => $ty:ty),*) $(-> $output:ty)? { $($body:tt)* }) => {
        $(#[$attribute])*
        $vis async fn $name($($pattern: $ty),*) $(-> $output)? { $($body)* }
    };
}

plain!(
    #[cached(ttl = 1h)]
    async fn from_outside((a, mut b) => (u64, u64), &c => &u64) -> u64 {
        RUNS.add();
        b += 1;
        a + b + c
    }
);
plain!(
    /// Nothing.
    #[cached(ttl = 1h)]
    pub(crate) async fn returns_nothing(_n => u64) {}
);

macro_rules! whole {
    ($item:item) => {
        $item
    };
}

whole! {
    #[cached(ttl = 1h, key = id)]
    async fn whole_item(id: u64) -> u64 {
        RUNS.add();
        id
    }
}

macro_rules! around_item {
    ($item:item) => {
        #[cached(ttl = 1h)]
        $item
    };
}

around_item! {
    async fn attribute_around_an_item(id: u64) -> u64 {
        RUNS.add();
        id
    }
}

macro_rules! literals {
    ($name:ident, $ttl:tt, $version:literal, $key:literal, $text:literal, $loads:expr, $codec:ident, $least:literal) => {
        #[cached(ttl = $ttl, version = $version, key = $key, name = $text, max_concurrent_loads = $loads, codec = $codec, compress = $least)]
        async fn $name(id: u64) -> u64 {
            id
        }
    };
}

literals!(identity, 1h, 2, "id:{id}", "tests::identity", 4, json, 4KiB);

macro_rules! options {
    ($name:ident: $($options:tt)*) => {
        #[cached($($options)*)]
        async fn $name(id: u64, other: u64) -> u64 {
            RUNS.add();
            id + other
        }
    };
}

options!(skipped: ttl = 1h, skip(other), keep_if = |value| *value > 2);
options!(in_memory: ttl = |value| std::time::Duration::from_secs(*value), tiers = memory, key = ());
options!(inline: ttl = 1d1h, inline,);

macro_rules! each_option {
    ($($option:ident = $value:expr),*; $($skipped:ident)*) => {
        #[cached($($option = $value),*, skip($($skipped),*), tiers = memory)]
        async fn each_option(id: u64, other: u64) -> Option<u64> {
            RUNS.add();
            Some(id + other)
        }
    };
}

each_option!(ttl = HOUR, none_ttl = HOUR / 2, keep_if = |value| *value > 0; other);

macro_rules! fragments {
    ($name:ident: $ttl:expr, $none_ttl:literal, $key:expr, $keep_if:expr, $weight:expr, $codec:path, $krate:path) => {
        #[cached(ttl = $ttl, none_ttl = $none_ttl, key = $key, keep_if = $keep_if, weight = $weight, codec = $codec, crate = $krate)]
        async fn $name(id: u64, other: u64) -> Option<u64> {
            RUNS.add();
            Some(id + other)
        }
    };
}

fragments!(in_groups: 5m, 1m, (1, 2), |value| *value > 0, |_| 8, cache_core::Json, own::cache);
fragments!(by_paths: |value| std::time::Duration::from_secs(*value), 1m, (), own::is_kept, own::weight, cache_core::Json, ::cache_core);

macro_rules! by_crate_paths {
    ($name:ident) => {
        #[$crate::own::cache::cached(crate = $crate::own::cache, ttl = $crate::HOUR, key = $crate::own::key(id), keep_if = $crate::own::is_kept)]
        async fn $name(db: &$crate::own::Db, id: u64) -> $crate::own::Answer {
            $crate::RUNS.add();
            let $crate::own::Db(offset) = db;
            Ok($crate::own::key(id) + offset)
        }
    };
}

by_crate_paths!(crate_paths);

macro_rules! methods {
    ($type:ident<$($parameter:ident),*>($self:ident, $id:ident) { $($name:ident: $key:expr => $body:expr),* }) => {
        impl<$($parameter: std::fmt::Display + Send + Sync),*> $type<$($parameter),*> {
            $(
                #[cached(ttl = 1h, key = $key)]
                async fn $name(&$self, $id: u64) -> u64 {
                    RUNS.add();
                    $body
                }
            )*
        }
    };
}

struct Users<T>(u64, T);

methods!(Users<T>(self, id) { one: 1 => self.0 + id, two: (self.0, id) => self.0 + id });

macro_rules! generic {
    ($name:ident<$lifetime:lifetime, $($parameter:ident: $bound:path),*> $argument:ident: $ty:ty) => {
        #[cached(ttl = 1h)]
        async fn $name<$lifetime, $($parameter: $bound + cache_core::CacheKey + Sync),*>($argument: $ty) -> String {
            RUNS.add();
            $argument.to_string()
        }
    };
}

generic!(generic<'a, T: ToString> value: &'a T);

macro_rules! nested {
    ($($name:ident)*) => {
        $(nested!(@ $name, concat!(stringify!($name), "!"));)*
    };
    (@ $name:ident, $text:expr) => {
        #[cached(ttl = 1h)]
        async fn $name() -> String {
            RUNS.add();
            $text.to_owned()
        }
    };
}

nested!(first second);

/// To the compiler these are two names. The text of both is the same.
macro_rules! two_of_one_name {
    ($id:ident) => {
        #[cached(ttl = 1h)]
        async fn two_of_one_name($id: &u64, id: &u64) -> u64 {
            RUNS.add();
            *$id * 10 + *id
        }

        #[cached(ttl = 1h, key = ($id.0, id.0))]
        async fn two_of_one_name_in_the_key((_, $id): (u8, (u64, u64)), id: &(u64, u64)) -> u64 {
            RUNS.add();
            $id.1 * 10 + id.1
        }
    };
}

two_of_one_name!(id);

#[tokio::main]
pub(crate) async fn main() {
    for runs in [20, 0] {
        assert_eq!(double(2).await, Ok(4));
        assert_eq!(length("Ada").await, 3);
        assert_eq!(early(&["Ada"]).await, Some(3));
        assert_eq!(from_outside((1, 2), &3).await, 7);
        returns_nothing(1).await;
        assert_eq!(whole_item(7).await, 7);
        assert_eq!(attribute_around_an_item(7).await, 7);
        assert_eq!(identity(7).await, 7);
        assert_eq!(skipped(1, 2).await, 3);
        assert_eq!(skipped(1, 3).await, 3);
        assert_eq!(in_memory(1, 3).await, 4);
        assert_eq!(inline(1, 3).await, 4);
        assert_eq!(each_option(1, 3).await, Some(4));
        assert_eq!(each_option(1, 4).await, Some(4));
        assert_eq!(in_groups(1, 3).await, Some(4));
        assert_eq!(in_groups(1, 4).await, Some(4));
        assert_eq!(by_paths(1, 3).await, Some(4));
        assert_eq!(by_paths(1, 4).await, Some(4));
        assert_eq!(crate_paths(&own::Db(1), 17).await, Ok(8));
        assert_eq!(crate_paths(&own::Db(1), 27).await, Ok(8));
        assert_eq!(Users(1, 'a').one(2).await, 3);
        assert_eq!(Users(1, 'a').two(3).await, 4);
        assert_eq!(Users(1, 'a').two(4).await, 5);
        assert_eq!(generic(&7).await, "7");
        assert_eq!(first().await + &second().await, "first!second!");
        assert_eq!(two_of_one_name(&1, &2).await, 12);
        assert_eq!(two_of_one_name(&2, &1).await, 21);
        assert_eq!(two_of_one_name_in_the_key((0, (1, 1)), &(2, 2)).await, 12);
        assert_eq!(two_of_one_name_in_the_key((0, (2, 2)), &(1, 1)).await, 21);
        assert_eq!(RUNS.take(), runs);
    }
}
