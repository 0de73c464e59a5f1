//! Aliases and nests of `Result` and `Option`, `()`, `Self`, and containers.
#![deny(warnings, clippy::pedantic)]

use std::{collections::BTreeMap, io, sync::Arc};

use cache_core::cached;
use serde::{Deserialize, Serialize};
use tests::Runs;

static RUNS: Runs = Runs::new();

type Answer<T, E = io::Error> = Result<T, E>;
type Found = Answer<Option<String>>;
type Maybe<T> = Option<T>;

#[cached(ttl = 1h)]
async fn alias(id: u64) -> Answer<u64> {
    RUNS.add();
    if id == 0 {
        Err(io::Error::other("zero"))
    } else {
        Ok(id)
    }
}

#[cached(ttl = 1h, none_ttl = 1m)]
async fn alias_of_both(id: u64) -> Found {
    RUNS.add();
    Ok((id != 0).then(|| id.to_string()))
}

#[cached(ttl = 1h, none_ttl = 1m)]
async fn alias_of_option(id: u64) -> Maybe<u64> {
    RUNS.add();
    (id != 0).then_some(id)
}

#[cached(ttl = 1h)]
async fn alias_with_a_path(id: u64) -> std::fmt::Result {
    RUNS.add();
    if id == 0 {
        Err(std::fmt::Error)
    } else {
        Ok(())
    }
}

#[cached(ttl = 1h, err_ttl = 1m)]
async fn nested(id: u64) -> Result<Option<Option<u64>>, Result<String, u8>> {
    RUNS.add();
    match id {
        0 => Err(Ok("zero".to_owned())),
        1 => Ok(None),
        2 => Ok(Some(None)),
        _ => Ok(Some(Some(id))),
    }
}

#[cached(ttl = 1h, none_ttl = 1m)]
async fn result_in_an_option(id: u64) -> Option<Result<u64, String>> {
    RUNS.add();
    match id {
        0 => None,
        1 => Some(Err("one".to_owned())),
        _ => Some(Ok(id)),
    }
}

#[cached(ttl = 1h)]
async fn result_in_a_result(id: u64) -> Result<Result<u64, String>, io::Error> {
    RUNS.add();
    match id {
        0 => Err(io::ErrorKind::NotFound.into()),
        1 => Ok(Err("one".to_owned())),
        _ => Ok(Ok(id)),
    }
}

#[cached(ttl = 1h)]
async fn unit(id: u64) {
    RUNS.add();
    assert_eq!(id, 7);
}

#[cached(ttl = 1h)]
async fn written_unit(id: u64) -> () {
    RUNS.add();
    assert_eq!(id, 7);
}

#[cached(ttl = 1h)]
async fn fallible_unit(id: u64) -> Result<(), String> {
    RUNS.add();
    if id == 7 { Ok(()) } else { Err(id.to_string()) }
}

#[derive(Clone, Serialize, Deserialize)]
struct User {
    id: u64,
}

impl User {
    #[cached(ttl = 1h)]
    async fn load(id: u64) -> Self {
        RUNS.add();
        Self { id }
    }

    #[cached(ttl = 1h)]
    async fn find(id: u64) -> Result<Option<Self>, String> {
        RUNS.add();
        Ok(Some(Self { id }))
    }
}

#[cached(ttl = 1h)]
async fn containers(id: u64) -> (Arc<User>, BTreeMap<String, Vec<User>>, [Option<u8>; 2]) {
    RUNS.add();
    let by_name = BTreeMap::from([(id.to_string(), vec![User { id }])]);
    (Arc::new(User { id }), by_name, [None, Some(1)])
}

#[cached(ttl = 1h, tiers = memory)]
async fn function(id: u64) -> fn(&u64) -> String {
    RUNS.add();
    if id == 0 {
        |_| String::new()
    } else {
        u64::to_string
    }
}

#[cached(ttl = 1h, tiers = memory)]
async fn trait_object(id: u64) -> Arc<dyn Fn(&str) -> String + Send + Sync> {
    RUNS.add();
    Arc::new(move |text| format!("{text}{id}"))
}

/// Runs a call twice, and gives how often its body ran.
async fn runs<T, F: Future<Output = T>>(
    call: impl Fn() -> F,
    is_right: impl Fn(&T) -> bool,
) -> usize {
    RUNS.take();
    for _ in 0..2 {
        assert!(is_right(&call().await));
    }
    RUNS.take()
}

async fn call_layers() {
    assert_eq!(runs(|| alias(7), |answer| matches!(answer, Ok(7))).await, 1);
    assert_eq!(runs(|| alias(0), Result::is_err).await, 2);
    assert_eq!(
        runs(
            || alias_of_both(7),
            |found| matches!(found, Ok(Some(text)) if text == "7")
        )
        .await,
        1
    );
    assert_eq!(
        runs(|| alias_of_both(0), |found| matches!(found, Ok(None))).await,
        1
    );
    assert_eq!(runs(|| alias_of_option(0), Option::is_none).await, 1);
    assert_eq!(runs(|| alias_with_a_path(0), Result::is_err).await, 2);
    assert_eq!(runs(|| alias_with_a_path(1), Result::is_ok).await, 1);
    assert_eq!(
        runs(|| nested(0), |value| *value == Err(Ok("zero".to_owned()))).await,
        1
    );
    assert_eq!(runs(|| nested(1), |value| *value == Ok(None)).await, 1);
    assert_eq!(
        runs(|| nested(2), |value| *value == Ok(Some(None))).await,
        1
    );
    assert_eq!(
        runs(|| nested(3), |value| *value == Ok(Some(Some(3)))).await,
        1
    );
    assert_eq!(runs(|| result_in_an_option(0), Option::is_none).await, 1);
    assert_eq!(
        runs(
            || result_in_an_option(1),
            |value| *value == Some(Err("one".to_owned()))
        )
        .await,
        1
    );
    assert_eq!(
        runs(|| result_in_an_option(2), |value| *value == Some(Ok(2))).await,
        1
    );
    assert_eq!(runs(|| result_in_a_result(0), Result::is_err).await, 2);
    assert_eq!(
        runs(
            || result_in_a_result(1),
            |value| matches!(value, Ok(Err(_)))
        )
        .await,
        1
    );
    assert_eq!(
        runs(|| result_in_a_result(2), |value| matches!(value, Ok(Ok(2)))).await,
        1
    );
}

async fn call_plain() {
    assert_eq!(runs(|| unit(7), |()| true).await, 1);
    assert_eq!(runs(|| written_unit(7), |()| true).await, 1);
    assert_eq!(runs(|| fallible_unit(7), Result::is_ok).await, 1);
    assert_eq!(runs(|| fallible_unit(8), Result::is_err).await, 2);
    assert_eq!(runs(|| User::load(7), |user| user.id == 7).await, 1);
    assert_eq!(
        runs(
            || User::find(7),
            |user| matches!(user, Ok(Some(User { id: 7 })))
        )
        .await,
        1
    );
    assert_eq!(
        runs(
            || containers(7),
            |all| all.0.id == 7 && all.1["7"].len() == 1
        )
        .await,
        1
    );
    assert_eq!(runs(|| function(7), |show| show(&7) == "7").await, 1);
    assert_eq!(runs(|| trait_object(7), |show| show("a") == "a7").await, 1);
}

#[tokio::main]
pub(crate) async fn main() {
    call_layers().await;
    call_plain().await;
}
