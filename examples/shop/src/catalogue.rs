//! What is for sale, and for how much.

use std::{collections::HashMap, sync::Arc};

use cache_core::{CacheKey, Event, cached, invalidates};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use crate::db::{Db, DbError};

/// How many products a page of the catalogue shows.
const PAGE: u32 = 20;

/// The price of a product is another one. Its fields are a hierarchy: a page of the catalogue listens to its whole category.
#[derive(Debug, Event)]
pub(crate) struct PriceChanged {
    pub(crate) category: u32,
    pub(crate) product: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, CacheKey, Serialize, Deserialize)]
pub(crate) struct ProductId {
    pub(crate) category: u32,
    pub(crate) product: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    pub(crate) name: String,
    pub(crate) price: Price,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Price {
    pub(crate) cents: u32,
    pub(crate) version: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bestseller {
    pub(crate) product: u32,
    pub(crate) sold: i64,
}

/// One product, `None` where there is none. The value is in an `Arc`, so that a hit copies a pointer. When it is new to all
/// processes one of them loads it (`fleet`), and when the database is down it may be an hour older than its `ttl`, unless
/// its price has changed.
#[cached(
    ttl = 5m,
    none_ttl = 10s,
    skip(db),
    invalidate_on = PriceChanged { category, product },
    strategy = stale_if_error(1h),
    fleet
)]
pub(crate) async fn product(
    db: &Db,
    category: u32,
    product: u32,
) -> Result<Option<Arc<Product>>, DbError> {
    db.query(move |connection| {
        connection
            .prepare_cached(
                "SELECT category, product, name, cents, price_version FROM product
                 WHERE category = ?1 AND product = ?2",
            )?
            .query_row((category, product), |row| read(row).map(Arc::new))
            .optional()
    })
    .await
}

/// A page of the catalogue, which any price in its category changes. Pages that are read are loaded anew before they expire.
#[cached(
    ttl = 1m,
    skip(db),
    invalidate_on = PriceChanged { category, .. },
    strategy = refresh_ahead(0.8)
)]
pub(crate) async fn page(db: &Db, category: u32, number: u32) -> Result<Arc<[Product]>, DbError> {
    db.query(move |connection| {
        connection
            .prepare_cached(
                "SELECT category, product, name, cents, price_version FROM product
                 WHERE category = ?1 ORDER BY product LIMIT ?2 OFFSET ?3",
            )?
            .query_map((category, PAGE, number.saturating_mul(PAGE)), read)?
            .collect()
    })
    .await
}

/// The prices of many products, such as those in a cart: one query for all that are missing.
#[cached(
    ttl = 5m,
    skip(db),
    batch(id in ids),
    invalidate_on = PriceChanged { category: id.category, product: id.product }
)]
pub(crate) async fn prices(
    db: &Db,
    ids: &[ProductId],
) -> Result<HashMap<ProductId, Price>, DbError> {
    let ids = ids.to_vec();
    db.query(move |connection| {
        let found = ids.into_iter().filter_map(|id| price(connection, id));
        found.collect()
    })
    .await
}

/// What sells best, which is allowed to be old: no event, ten seconds, and one more minute while it is loaded anew.
#[cached(ttl = 10s, skip(db), strategy = stale_while_revalidate(1m))]
pub(crate) async fn bestsellers(db: &Db, category: u32) -> Result<Arc<[Bestseller]>, DbError> {
    db.query(move |connection| {
        connection
            .prepare_cached(
                "SELECT product, sum(quantity) AS sold FROM sold WHERE category = ?1
                 GROUP BY product ORDER BY sold DESC, product LIMIT 10",
            )?
            .query_map([category], |row| {
                let (product, sold) = (row.get(0)?, row.get(1)?);
                Ok(Bestseller { product, sold })
            })?
            .collect()
    })
    .await
}

/// Gives the version of the new price, `None` where there is no such product.
#[invalidates(PriceChanged { category, product })]
pub(crate) async fn change_price(
    db: &Db,
    category: u32,
    product: u32,
    cents: u32,
) -> Result<Option<i64>, DbError> {
    db.query(move |connection| {
        connection
            .prepare_cached(
                "UPDATE product SET cents = ?3, price_version = price_version + 1
                 WHERE category = ?1 AND product = ?2 RETURNING price_version",
            )?
            .query_row((category, product, cents), |row| row.get(0))
            .optional()
    })
    .await
}

fn read(row: &Row<'_>) -> rusqlite::Result<Product> {
    let (category, product) = (row.get(0)?, row.get(1)?);
    let (cents, version) = (row.get(3)?, row.get(4)?);
    Ok(Product {
        id: ProductId { category, product },
        name: row.get(2)?,
        price: Price { cents, version },
    })
}

fn price(connection: &Connection, id: ProductId) -> Option<rusqlite::Result<(ProductId, Price)>> {
    let found = connection
        .prepare_cached(
            "SELECT cents, price_version FROM product WHERE category = ?1 AND product = ?2",
        )
        .and_then(|mut price| {
            price
                .query_row((id.category, id.product), |row| {
                    let (cents, version) = (row.get(0)?, row.get(1)?);
                    Ok((id, Price { cents, version }))
                })
                .optional()
        });
    found.transpose()
}
