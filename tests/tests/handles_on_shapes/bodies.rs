//! Functions by what is in and around their bodies.

use std::num::ParseIntError;

use cache_core::{CachedCall, cached};
use futures::future::BoxFuture;
use tests::on_both_runtimes;
use tracing::instrument;

use super::answers_every_handle;

#[test]
fn a_call_is_a_handle_whatever_way_leads_out_of_the_body() {
    #[cached(ttl = 1h)]
    async fn asked(text: &str) -> Result<u64, ParseIntError> {
        let number: u64 = text.parse()?;
        Ok(number)
    }
    #[cached(ttl = 1h)]
    async fn early(n: u64) -> u64 {
        if n == 1 {
            return 10;
        }
        n
    }
    #[cached(ttl = 1h)]
    async fn labelled(n: u64) -> u64 {
        'outer: loop {
            for m in 0.. {
                if m > n {
                    break 'outer m;
                }
            }
        }
    }
    answers_every_handle(|| asked("1"), || Ok(70));
    answers_every_handle(|| early(1), || 70);
    answers_every_handle(|| early(2), || 70);
    answers_every_handle(|| labelled(1), || 70);
    on_both_runtimes(|_| async {
        assert!(asked("x").refresh().await.unwrap().is_err());
        assert_eq!(asked("x").peek().await, None);
    });
}

#[test]
fn a_call_is_a_handle_whatever_items_and_attributes_are_in_the_body() {
    #[cached(ttl = 1h)]
    async fn shape(n: u64) -> u64 {
        #![allow(unused_variables)]
        use std::cmp::max;
        const TWO: u64 = 2;
        fn doubled(n: u64) -> u64 {
            n * TWO
        }
        let unused = 1;
        max(doubled(n), TWO)
    }
    answers_every_handle(|| shape(2), || 70);
}

#[test]
fn a_call_of_a_function_inside_another_is_a_handle() {
    async fn outer(id: u64) -> u64 {
        #[cached(ttl = 1h)]
        async fn shape(id: u64) -> u64 {
            id
        }
        shape(id).await
    }
    answers_every_handle(|| outer(1), || 70);
}

#[test]
fn a_call_of_a_function_that_calls_itself_is_a_handle() {
    #[cached(ttl = 1h)]
    async fn shape(is_first: bool) -> u64 {
        fn again() -> BoxFuture<'static, u64> {
            Box::pin(shape(true))
        }
        if is_first {
            1
        } else {
            1 + again().bypass().await.unwrap()
        }
    }
    answers_every_handle(|| shape(true), || 70);
    on_both_runtimes(|_| async {
        assert_eq!(shape(false).refresh().await.unwrap(), 2);
        assert_eq!(shape(true).peek().await, None);
    });
}

#[test]
fn a_call_in_a_span_of_its_own_is_a_handle() {
    #[instrument]
    #[cached(ttl = 1h)]
    async fn above(id: u64) -> u64 {
        id
    }
    #[cached(ttl = 1h)]
    #[instrument(skip_all, fields(id))]
    async fn below(id: u64) -> u64 {
        id
    }
    answers_every_handle(|| above(1), || 70);
    answers_every_handle(|| below(1), || 70);
}

#[test]
fn a_call_that_is_boxed_or_passed_on_is_a_handle() {
    #[cached(ttl = 1h)]
    async fn shape(id: u64) -> u64 {
        id
    }
    async fn passes_on(id: u64) -> u64 {
        shape(id).await
    }
    fn boxed(id: u64) -> BoxFuture<'static, u64> {
        Box::pin(shape(id))
    }
    answers_every_handle(|| passes_on(1), || 70);
    answers_every_handle(|| boxed(2), || 70);
    answers_every_handle(|| async { boxed(3).await }, || 70);
}
