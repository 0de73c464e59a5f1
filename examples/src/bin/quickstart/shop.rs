//! The expensive questions of the shop, each behind `#[cached]`.

use std::sync::Arc;

use cache_core::{CacheKey, cached};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::db::{Db, DbError};

/// What a visitor sees of one product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProductPage {
    pub(crate) name: String,
    pub(crate) cents: u32,
    pub(crate) reviews: u32,
    pub(crate) stars: Option<f64>,
    pub(crate) latest_remarks: Vec<String>,
    pub(crate) also_bought: Vec<Listed>,
}

/// One line of a list of products.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) product: u32,
    pub(crate) name: String,
    /// What the list is sorted by: times bought together, stars, or cents.
    pub(crate) rank_by: f64,
}

/// What a visitor typed and ticked.
#[derive(Clone, Debug, CacheKey)]
pub(crate) struct Search {
    pub(crate) words: String,
    pub(crate) max_cents: Option<u32>,
}

/// The page of product `id`, `None` where there is no such product. The value is in an `Arc`, so
/// that a hit copies a pointer and not the page.
#[cached(ttl = 5m, none_ttl = 1m, skip(db))]
pub(crate) async fn product_page(db: &Db, id: u32) -> Result<Option<Arc<ProductPage>>, DbError> {
    let page = db
        .query(move |connection| load_page(connection, id))
        .await?;
    Ok(page.map(Arc::new))
}

/// The lists of the shop.
#[derive(Clone, Debug)]
pub(crate) struct Shop {
    pub(crate) db: Db,
}

impl Shop {
    /// The ten best of a category. Short-lived: under load, every expiry is a small stampede.
    #[cached(ttl = 500ms, key = category)]
    pub(crate) async fn top_list(&self, category: u32) -> Result<Arc<[Listed]>, DbError> {
        let list = self
            .db
            .query(move |connection| load_top_list(connection, category))
            .await?;
        Ok(list.into())
    }

    /// The cheapest products with `search.words` in their name.
    #[cached(ttl = 1m, skip(self))]
    pub(crate) async fn search(&self, search: &Search) -> Result<Arc<[Listed]>, DbError> {
        let search = search.clone();
        let list = self
            .db
            .query(move |connection| load_search(connection, &search))
            .await?;
        Ok(list.into())
    }
}

fn load_page(connection: &Connection, id: u32) -> rusqlite::Result<Option<ProductPage>> {
    let product = connection
        .prepare_cached("SELECT name, cents, category FROM product WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((name, cents, category)) = product else {
        return Ok(None);
    };
    let (reviews, stars) = connection
        .prepare_cached("SELECT count(*), avg(stars) FROM review WHERE product = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Some(ProductPage {
        name,
        cents,
        reviews,
        stars,
        latest_remarks: load_remarks(connection, id)?,
        also_bought: load_also_bought(connection, id, category)?,
    }))
}

fn load_remarks(connection: &Connection, product: u32) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("SELECT remark FROM review WHERE product = ?1 ORDER BY id DESC LIMIT 3")?
        .query_map([product], |row| row.get(0))?
        .collect()
}

fn load_also_bought(
    connection: &Connection,
    product: u32,
    category: u32,
) -> rusqlite::Result<Vec<Listed>> {
    connection
        .prepare_cached(
            "SELECT product.id, product.name, count(*) AS together
             FROM order_line AS this
             JOIN order_line AS other ON other.order_id = this.order_id
             JOIN product ON product.id = other.product
             WHERE this.product = ?1 AND other.product <> ?1 AND product.category = ?2
             GROUP BY product.id ORDER BY together DESC, product.id LIMIT 5",
        )?
        .query_map(params![product, category], listed)?
        .collect()
}

fn load_top_list(connection: &Connection, category: u32) -> rusqlite::Result<Vec<Listed>> {
    connection
        .prepare_cached(
            "SELECT product.id, product.name, avg(stars) AS average
             FROM product JOIN review ON review.product = product.id
             WHERE product.category = ?1
             GROUP BY product.id HAVING count(*) >= 5
             ORDER BY average DESC, product.id LIMIT 10",
        )?
        .query_map([category], listed)?
        .collect()
}

fn load_search(connection: &Connection, search: &Search) -> rusqlite::Result<Vec<Listed>> {
    connection
        .prepare_cached(
            "SELECT id, name, cents FROM product
             WHERE name LIKE '%' || ?1 || '%' AND (?2 IS NULL OR cents <= ?2)
             ORDER BY cents, id LIMIT 20",
        )?
        .query_map(params![search.words, search.max_cents], listed)?
        .collect()
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    Ok(Listed {
        product: row.get(0)?,
        name: row.get(1)?,
        rank_by: row.get(2)?,
    })
}
