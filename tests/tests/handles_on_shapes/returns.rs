//! Functions by what they return.

use std::{error::Error, pin::Pin};

use cache_core::{CachedCall, cached};
use futures::future::BoxFuture;
use tests::on_both_runtimes;

use super::answers_every_handle;

#[test]
fn a_call_is_a_handle_whatever_layers_it_returns() {
    #[cached(ttl = 1h)]
    async fn nothing(_id: u64) {}
    #[cached(ttl = 1h)]
    async fn optional(id: u64) -> Option<u64> {
        (id > 0).then_some(id)
    }
    #[cached(ttl = 1h)]
    async fn fallible(id: u64) -> Result<Option<u64>, String> {
        Ok((id > 0).then_some(id))
    }
    #[cached(ttl = 1h)]
    async fn turned_round(id: u64) -> Option<Result<u64, String>> {
        (id > 0).then_some(Err("no".to_owned()))
    }
    type Answer<T, E = String> = Result<T, E>;
    #[cached(ttl = 1h)]
    async fn by_alias(id: u64) -> Answer<u64> {
        Ok(id)
    }
    answers_every_handle(|| nothing(1), || ());
    answers_every_handle(|| by_alias(1), || Ok(70));
    answers_every_handle(|| optional(0), || Some(70));
    answers_every_handle(|| optional(1), || None);
    answers_every_handle(|| fallible(1), || Ok(Some(70)));
    answers_every_handle(|| fallible(1), || Ok(None));
    answers_every_handle(|| turned_round(1), || Some(Ok(70)));
}

#[test]
fn a_call_is_a_handle_whatever_its_error_is() {
    #[cached(ttl = 1h)]
    async fn boxed(text: &str) -> Result<u64, Box<dyn Error + Send + Sync>> {
        Ok(text.parse()?)
    }
    #[cached(ttl = 1h)]
    async fn by_anyhow(text: &str) -> anyhow::Result<u64> {
        Ok(text.parse()?)
    }
    answers_every_handle(|| boxed("1"), || Ok(70));
    answers_every_handle(|| by_anyhow("1"), || Ok(70));
    on_both_runtimes(|_| async {
        by_anyhow("1").put(Ok(70)).await.unwrap();
        by_anyhow("1")
            .put(Err(anyhow::anyhow!("no")))
            .await
            .unwrap();
        assert_eq!(by_anyhow("1").await.unwrap(), 70, "no error is kept");
        assert!(by_anyhow("x").refresh().await.unwrap().is_err());
        assert!(by_anyhow("x").peek().await.is_none());
    });
}

#[test]
fn a_call_is_a_handle_where_its_value_stays_in_memory() {
    #[derive(Clone, Debug)]
    struct Opaque(#[expect(dead_code, reason = "it is shown")] u64);

    #[cached(ttl = |_| std::time::Duration::from_hours(1), tiers = memory, key = ())]
    async fn shape(id: u64) -> Opaque {
        Opaque(id)
    }
    answers_every_handle(|| shape(1), || Opaque(70));
}

#[test]
fn a_call_of_a_function_that_returns_a_boxed_future_is_a_handle() {
    #[cached(ttl = 1h)]
    fn factorial(n: u64) -> BoxFuture<'static, u64> {
        Box::pin(async move {
            if n == 0 {
                1
            } else {
                n * factorial(n - 1).bypass().await.unwrap()
            }
        })
    }
    #[cached(ttl = 1h)]
    fn length(text: &str) -> Pin<Box<dyn Future<Output = usize> + Send + '_>> {
        Box::pin(async move { text.len() })
    }
    let text = String::from("Ada");
    answers_every_handle(|| factorial(0), || 70);
    answers_every_handle(|| length(&text), || 70);
    on_both_runtimes(|_| async {
        assert_eq!(factorial(5).refresh().await.unwrap(), 120);
        assert_eq!(factorial(4).peek().await, None);
    });
}
