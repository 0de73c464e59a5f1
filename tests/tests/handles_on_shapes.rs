//! The call as its own handle, on a function of each shape.
#![allow(
    clippy::unwrap_used,
    reason = "a call that is no handle is a test that fails"
)]

#[path = "handles_on_shapes/arguments.rs"]
mod arguments;
#[path = "handles_on_shapes/bodies.rs"]
mod bodies;
#[path = "handles_on_shapes/methods.rs"]
mod methods;
#[path = "handles_on_shapes/names.rs"]
mod names;
#[path = "handles_on_shapes/returns.rs"]
mod returns;

use std::fmt::Debug;

use cache_core::{Cache, CachedCall, Miss, Source};
use tests::{on_both_runtimes, until, until_loads};

/// Asks a call everything, in a cache that has nothing of it. `put` makes another output than the body.
fn answers_every_handle<T, F>(call: impl Fn() -> F, put: impl Fn() -> T)
where
    T: Debug + Send + 'static,
    F: Future<Output = T>,
{
    on_both_runtimes(|cache| answers_in(cache, &call, &put));
}

async fn answers_in<T, F>(cache: Cache, call: &impl Fn() -> F, put: &impl Fn() -> T)
where
    T: Debug + Send + 'static,
    F: Future<Output = T>,
{
    assert!(call().peek().await.is_none(), "nothing was kept");
    let loaded = said(&call().bypass().await.unwrap());
    assert!(call().peek().await.is_none(), "a bypass keeps nothing");
    until_loads(&cache, 1).await;

    call().put(put()).await.unwrap();
    assert_eq!(call().peek().await.map(|it| said(&it)), Some(said(&put())));
    assert_eq!(said(&call().await), said(&put()));

    assert_eq!(said(&call().refresh().await.unwrap()), loaded);
    assert_eq!(
        call().peek().await.map(|it| said(&it)),
        Some(loaded.clone())
    );
    until_loads(&cache, 2).await;

    call().evict().await.unwrap();
    assert!(call().peek().await.is_none(), "it was evicted");
    call().prefetch().await.unwrap();
    until("the prefetch is kept", || cache.stats().entries == 1).await;
    assert_eq!(said(&call().await), loaded);
    call().prefetch().await.unwrap();
    until_loads(&cache, 3).await;

    explains_in(&cache, call, &loaded).await;
}

async fn explains_in<T, F>(cache: &Cache, call: &impl Fn() -> F, loaded: &str)
where
    T: Debug + 'static,
    F: Future<Output = T>,
{
    let memory = call().explain().await.unwrap();
    assert_eq!((memory.source, memory.miss), (Source::Memory, None));
    assert_eq!(said(&memory.value), loaded);
    assert!(memory.time_left.is_some());
    call().evict().await.unwrap();
    let load = call().explain().await.unwrap();
    assert_eq!((load.source, load.miss), (Source::Load, Some(Miss::Absent)));
    assert_eq!((load.function, load.key), (memory.function, memory.key));
    until_loads(cache, 4).await;
}

/// Some outputs can be shown and not compared.
fn said(output: &impl Debug) -> String {
    format!("{output:?}")
}
