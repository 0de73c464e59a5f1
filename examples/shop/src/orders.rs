//! What a customer has bought.

use std::sync::Arc;

use cache_core::{Event, cached, invalidates};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use serde::{Deserialize, Serialize};

use crate::{
    cart::{CartChanged, Line, lines},
    db::{Db, DbError},
};

/// An order was placed or cancelled. Its fields are a hierarchy: the list of orders listens to all of its user.
#[derive(Debug, Event)]
pub(crate) struct OrderChanged {
    pub(crate) user: i64,
    pub(crate) order: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) cents: i64,
    pub(crate) is_cancelled: bool,
}

/// The latest orders of a user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) version: i64,
    pub(crate) latest: Vec<Order>,
}

/// What became of a cart that was bought.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Receipt {
    pub(crate) id: i64,
    pub(crate) cents: i64,
    pub(crate) orders_version: i64,
    pub(crate) cart_version: i64,
}

#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CheckoutError {
    #[error("the cart is empty")]
    EmptyCart,
    #[error(transparent)]
    Db(#[from] DbError),
}

#[cached(ttl = 10m, skip(db), invalidate_on = OrderChanged { user, .. })]
pub(crate) async fn orders(db: &Db, user: i64) -> Result<Arc<Orders>, DbError> {
    db.query(move |connection| {
        let snapshot = connection.transaction()?;
        let version = snapshot
            .prepare_cached("SELECT orders_version FROM customer WHERE user = ?1")?
            .query_row([user], |row| row.get(0))
            .optional()?;
        let latest = snapshot
            .prepare_cached(
                "SELECT id, cents, is_cancelled FROM placed WHERE user = ?1 ORDER BY id DESC LIMIT 10",
            )?
            .query_map([user], read)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Arc::new(Orders {
            version: version.unwrap_or_default(),
            latest,
        }))
    })
    .await
}

#[cached(ttl = 10m, none_ttl = 10s, skip(db), invalidate_on = OrderChanged { user, order })]
pub(crate) async fn order(db: &Db, user: i64, order: i64) -> Result<Option<Order>, DbError> {
    db.query(move |connection| {
        connection
            .prepare_cached(
                "SELECT id, cents, is_cancelled FROM placed WHERE user = ?1 AND id = ?2",
            )?
            .query_row((user, order), read)
            .optional()
    })
    .await
}

/// Buys what is in the cart, at the prices of this moment. A checkout that fails may still have written: both events are
/// emitted then too, the first one as `OrderChanged { user, .. }`, because nobody knows the order.
#[invalidates(OrderChanged { user, order: result.id }, CartChanged { user })]
pub(crate) async fn checkout(db: &Db, user: i64) -> Result<Receipt, CheckoutError> {
    let receipt = db.query(move |connection| {
        let sale = connection.transaction()?;
        let versions = sale
            .prepare_cached(
                "UPDATE customer SET cart_version = cart_version + 1, orders_version = orders_version + 1
                 WHERE user = ?1 AND EXISTS (SELECT 1 FROM cart_line WHERE user = ?1)
                 RETURNING cart_version, orders_version",
            )?
            .query_row([user], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((cart_version, orders_version)) = versions else {
            return Ok(None);
        };
        let mut cents = 0;
        for line in lines(&sale, user)? {
            cents += sell(&sale, line)?;
        }
        sale.execute("DELETE FROM cart_line WHERE user = ?1", [user])?;
        sale.execute("INSERT INTO placed (user, cents) VALUES (?1, ?2)", (user, cents))?;
        let id = sale.last_insert_rowid();
        sale.commit()?;
        Ok(Some(Receipt { id, cents, orders_version, cart_version }))
    });
    receipt.await?.ok_or(CheckoutError::EmptyCart)
}

/// Gives the version of the list of orders, `None` where the user has no such order, or has cancelled it.
#[invalidates(OrderChanged { user, order })]
pub(crate) async fn cancel(db: &Db, user: i64, order: i64) -> Result<Option<i64>, DbError> {
    db.query(move |connection| {
        let change = connection.transaction()?;
        let changed = change.execute(
            "UPDATE placed SET is_cancelled = TRUE WHERE user = ?1 AND id = ?2 AND NOT is_cancelled",
            (user, order),
        )?;
        if changed == 0 {
            return Ok(None);
        }
        let version = next_version(&change, user)?;
        change.commit()?;
        Ok(Some(version))
    })
    .await
}

fn next_version(connection: &Connection, user: i64) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "UPDATE customer SET orders_version = orders_version + 1 WHERE user = ?1
             RETURNING orders_version",
        )?
        .query_row([user], |row| row.get(0))
}

/// Gives what a line of a cart costs, and counts it as sold.
fn sell(sale: &Transaction<'_>, line: Line) -> rusqlite::Result<i64> {
    let (category, product) = (line.id.category, line.id.product);
    let cents: i64 = sale
        .prepare_cached("SELECT cents FROM product WHERE category = ?1 AND product = ?2")?
        .query_row((category, product), |row| row.get(0))?;
    sale.execute(
        "INSERT INTO sold (category, product, quantity) VALUES (?1, ?2, ?3)",
        (category, product, line.quantity),
    )?;
    Ok(cents * i64::from(line.quantity))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order {
        id: row.get(0)?,
        cents: row.get(1)?,
        is_cancelled: row.get(2)?,
    })
}
