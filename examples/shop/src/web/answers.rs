//! What goes over the wire beside what the shop keeps.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use cache_core::FunctionStats;
use serde::Serialize;

use crate::{
    catalogue::{Price, ProductId},
    db::{Db, DbError},
    orders::CheckoutError,
};

/// A cart with the prices of now.
#[derive(Debug, Serialize)]
pub(super) struct CartView {
    version: i64,
    cents: i64,
    lines: Vec<CartLine>,
}

#[derive(Debug, Serialize)]
pub(super) struct CartLine {
    pub(super) id: ProductId,
    pub(super) quantity: u32,
    pub(super) price: Price,
}

impl CartView {
    pub(super) fn of(version: i64, lines: Vec<CartLine>) -> Self {
        let cents = lines
            .iter()
            .map(|line| i64::from(line.quantity) * i64::from(line.price.cents));
        Self {
            version,
            cents: cents.sum(),
            lines,
        }
    }
}

/// Something has this version now.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    pub(super) version: i64,
}

/// What this replica did since it began.
#[derive(Debug, Serialize)]
pub(super) struct Stats {
    queries: u64,
    /// Events that Redis does not have yet.
    pending: u64,
    functions: Vec<Function>,
}

#[derive(Debug, Serialize)]
struct Function {
    name: String,
    hits: u64,
    redis_hits: u64,
    loads: u64,
    shared_loads: u64,
}

impl Stats {
    pub(super) fn of(db: &Db, cache: &cache_core::Stats) -> Self {
        Self {
            queries: db.queries(),
            pending: cache.events.pending,
            functions: cache.functions.iter().map(Function::of).collect(),
        }
    }
}

impl Function {
    fn of(stats: &FunctionStats) -> Self {
        Self {
            name: stats.name.clone(),
            hits: stats.hits,
            redis_hits: stats.redis_hits,
            loads: stats.loads,
            shared_loads: stats.shared_loads,
        }
    }
}

#[derive(Debug)]
pub(super) enum Failure {
    NotFound,
    Conflict(CheckoutError),
    Broken(DbError),
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Broken(error)
    }
}

impl From<CheckoutError> for Failure {
    fn from(error: CheckoutError) -> Self {
        match error {
            CheckoutError::EmptyCart => Self::Conflict(error),
            CheckoutError::Db(error) => Self::Broken(error),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND.into_response(),
            Self::Conflict(error) => (StatusCode::CONFLICT, error.to_string()).into_response(),
            Self::Broken(error) => {
                // What a database says is for the log alone.
                eprintln!("{error}");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
