//! Errors that several callers can share, and those that belong to one: boxed, `anyhow`, of one's own.
#![deny(warnings, clippy::pedantic)]

use std::{convert::Infallible, error::Error, fmt, num::ParseIntError, sync::Arc};

use anyhow::Context as _;
use cache_core::cached;
use tests::Runs;

static RUNS: Runs = Runs::new();

#[cached(ttl = 1h)]
async fn boxed(text: &str) -> Result<u64, Box<dyn Error + Send + Sync>> {
    RUNS.add();
    if text.is_empty() {
        return Err("empty".into());
    }
    Ok(text.parse()?)
}

#[cached(ttl = 1h)]
async fn boxed_and_send(text: &str) -> Result<u64, Box<dyn Error + Send>> {
    RUNS.add();
    text.parse()
        .map_err(|error: ParseIntError| Box::new(error) as _)
}

#[cached(ttl = 1h)]
async fn by_anyhow(text: &str) -> anyhow::Result<Option<u64>> {
    RUNS.add();
    anyhow::ensure!(!text.is_empty(), "empty");
    let number = text
        .parse()
        .with_context(|| format!("`{text}` is no number"))?;
    Ok(Some(number))
}

#[derive(Clone, Debug, PartialEq)]
enum LoadError {
    Parse(ParseIntError),
    Zero,
}

impl From<ParseIntError> for LoadError {
    fn from(error: ParseIntError) -> Self {
        Self::Parse(error)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Error for LoadError {}

#[cached(ttl = 1h, err_ttl = 1m)]
async fn own(text: &str) -> Result<u64, LoadError> {
    RUNS.add();
    let number: u64 = text.parse()?;
    if number == 0 {
        Err(LoadError::Zero)
    } else {
        Ok(number)
    }
}

#[cached(ttl = 1h, err_ttl = 1m)]
async fn shared(text: &str) -> Result<u64, Arc<dyn Error + Send + Sync>> {
    RUNS.add();
    text.parse()
        .map_err(|error: ParseIntError| Arc::new(error) as _)
}

#[cached(ttl = 1h)]
async fn generic<T, E>(text: &str) -> Result<u64, E>
where
    T: std::str::FromStr<Err: Into<E>> + Into<u64>,
    E: Send + 'static,
{
    RUNS.add();
    match text.parse::<T>() {
        Ok(number) => Ok(number.into()),
        Err(error) => Err(error.into()),
    }
}

#[cached(ttl = 1h)]
async fn never(id: u64) -> Result<u64, Infallible> {
    RUNS.add();
    Ok(id)
}

#[cached(ttl = 1h, err_ttl = 1m)]
async fn nothing(id: u64) -> Result<u64, ()> {
    RUNS.add();
    if id == 0 { Err(()) } else { Ok(id) }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    for _ in 0..2 {
        assert_eq!(boxed("7").await?, 7);
        assert!(boxed_and_send("7").await.is_ok_and(|number| number == 7));
        assert_eq!(by_anyhow("7").await?, Some(7));
        assert_eq!(own("7").await?, 7);
        assert_eq!(shared("7").await?, 7);
        assert_eq!(generic::<u8, LoadError>("7").await?, 7);
        assert_eq!(never(7).await?, 7);
        assert_eq!(nothing(7).await, Ok(7));
    }
    assert_eq!(RUNS.take(), 8);
    for _ in 0..2 {
        assert_eq!(own("0").await, Err(LoadError::Zero));
        assert!(shared("x").await.is_err());
        assert_eq!(nothing(0).await, Err(()));
    }
    assert_eq!(RUNS.take(), 3);
    for _ in 0..2 {
        assert!(
            boxed("")
                .await
                .is_err_and(|error| error.to_string() == "empty")
        );
        assert!(boxed_and_send("x").await.is_err());
        assert!(
            by_anyhow("x")
                .await
                .is_err_and(|error| error.to_string() == "`x` is no number")
        );
        assert!(generic::<u8, LoadError>("x").await.is_err());
    }
    assert_eq!(RUNS.take(), 8, "what is not to be kept is loaded again");
    Ok(())
}
