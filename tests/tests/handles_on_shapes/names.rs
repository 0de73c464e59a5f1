//! Functions by how they come to be, and what they and the crate are called.

use cache_core::{self as renamed, cached};

use super::answers_every_handle;

mod vendored {
    pub(super) use cache_core as cache;
    pub(super) use cache_core::cached as memoized;
}

pub(crate) mod own {
    #[derive(Clone)]
    pub(crate) struct Db(pub(crate) u64);
}

#[test]
fn a_call_of_what_a_macro_wrote_is_a_handle() {
    macro_rules! getter {
        ($name:ident($argument:ident: $ty:ty) -> $output:ty, $ttl:tt, $body:block) => {
            #[cached(ttl = $ttl)]
            async fn $name($argument: $ty) -> $output $body
        };
    }
    getter!(shape(text: &str) -> usize, 1h, { text.len() });
    answers_every_handle(|| shape("a"), || 70);
}

#[test]
fn a_call_of_what_a_macro_wrote_with_paths_of_its_crate_is_a_handle() {
    macro_rules! getter {
        ($name:ident) => {
            #[cached(ttl = 1h, skip(db))]
            async fn $name(db: &$crate::names::own::Db, id: u64) -> u64 {
                let $crate::names::own::Db(offset) = db;
                offset + id
            }
        };
    }
    getter!(shape);
    answers_every_handle(|| shape(&own::Db(1), 1), || 70);
}

#[test]
fn a_call_of_a_function_that_is_there_on_a_condition_is_a_handle() {
    #[cfg(test)]
    #[cached(ttl = 1h)]
    async fn above(id: u64) -> u64 {
        id
    }
    #[cached(ttl = 1h)]
    #[cfg(test)]
    async fn below(id: u64, #[cfg(test)] more: u64, #[cfg(not(test))] more: Unknown) -> u64 {
        id + more
    }
    answers_every_handle(|| above(1), || 70);
    answers_every_handle(|| below(1, 2), || 70);
}

#[test]
fn a_call_is_a_handle_whatever_the_crate_is_called() {
    #[renamed::cached(crate = renamed, ttl = 1h)]
    async fn by_another_name(id: u64) -> u64 {
        id
    }
    #[vendored::memoized(crate = super::names::vendored::cache, ttl = 1h)]
    async fn behind_another_crate(id: u64) -> u64 {
        id
    }
    answers_every_handle(|| by_another_name(1), || 70);
    answers_every_handle(|| behind_another_crate(1), || 70);
}

#[test]
fn a_call_is_a_handle_whatever_its_arguments_are_called() {
    #[cached(ttl = 1h)]
    async fn locals(__cached_key: u64, __cached_missed: &str, r#type: u64) -> u64 {
        __cached_key + __cached_missed.len() as u64 + r#type
    }
    #[cached(ttl = 1h, detached)]
    async fn detached(__cached_mode: &u64, __cached_held_n: u64, n: &u64) -> u64 {
        __cached_mode + __cached_held_n + n
    }
    answers_every_handle(|| locals(1, "a", 2), || 70);
    answers_every_handle(|| detached(&1, 2, &3), || 70);
}
