//! What a customer is about to buy.

use std::sync::Arc;

use cache_core::{Event, cached, invalidates};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use crate::{
    catalogue::ProductId,
    db::{Db, DbError},
};

/// Something was put into a cart, or bought out of it.
#[derive(Debug, Event)]
pub(crate) struct CartChanged {
    pub(crate) user: i64,
}

/// Without prices: those change by events of their own, and are cached apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cart {
    pub(crate) version: i64,
    pub(crate) lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: ProductId,
    pub(crate) quantity: u32,
}

/// An empty cart of version 0 where the user is new.
#[cached(ttl = 30m, skip(db), invalidate_on = CartChanged { user })]
pub(crate) async fn cart(db: &Db, user: i64) -> Result<Arc<Cart>, DbError> {
    db.query(move |connection| {
        // Version and lines of one moment.
        let snapshot = connection.transaction()?;
        let version = snapshot
            .prepare_cached("SELECT cart_version FROM customer WHERE user = ?1")?
            .query_row([user], |row| row.get(0))
            .optional()?;
        Ok(Arc::new(Cart {
            version: version.unwrap_or_default(),
            lines: lines(&snapshot, user)?,
        }))
    })
    .await
}

/// Puts so many of a product into a cart, none to take it out. Gives the version of the cart.
#[invalidates(CartChanged { user })]
pub(crate) async fn change_cart(db: &Db, user: i64, line: Line) -> Result<i64, DbError> {
    db.query(move |connection| {
        let change = connection.transaction()?;
        // The write first: a transaction that begins with a read may not wait for other writers.
        let version = change
            .prepare_cached(
                "INSERT INTO customer (user, cart_version) VALUES (?1, 1)
                 ON CONFLICT DO UPDATE SET cart_version = cart_version + 1 RETURNING cart_version",
            )?
            .query_row([user], |row| row.get(0))?;
        let key = (user, line.id.category, line.id.product);
        if line.quantity == 0 {
            change.execute(
                "DELETE FROM cart_line WHERE user = ?1 AND category = ?2 AND product = ?3",
                key,
            )?;
        } else {
            change.execute(
                "INSERT OR REPLACE INTO cart_line VALUES (?1, ?2, ?3, ?4)",
                (key.0, key.1, key.2, line.quantity),
            )?;
        }
        change.commit()?;
        Ok(version)
    })
    .await
}

pub(crate) fn lines(connection: &Connection, user: i64) -> rusqlite::Result<Vec<Line>> {
    connection
        .prepare_cached(
            "SELECT category, product, quantity FROM cart_line WHERE user = ?1
             ORDER BY category, product",
        )?
        .query_map([user], |row| {
            let (category, product) = (row.get(0)?, row.get(1)?);
            Ok(Line {
                id: ProductId { category, product },
                quantity: row.get(2)?,
            })
        })?
        .collect()
}
