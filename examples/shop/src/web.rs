//! The shop over HTTP. Handlers call functions as if nothing was cached.

mod answers;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, put},
};
use cache_core::Cache;
use serde::Deserialize;

use self::answers::{CartLine, CartView, Changed, Failure, Stats};
use crate::{
    cart::{self, Line},
    catalogue::{self, Bestseller, Product, ProductId},
    db::Db,
    orders::{self, Order, Orders, Receipt},
};

type Answer<T> = Result<Json<T>, Failure>;

pub(crate) fn app(db: Db) -> Router {
    Router::new()
        .route("/catalogue/{category}/pages/{number}", get(page))
        .route("/catalogue/{category}/bestsellers", get(bestsellers))
        .route("/catalogue/{category}/products/{product}", get(product))
        .route(
            "/catalogue/{category}/products/{product}/price",
            put(change_price),
        )
        .route("/users/{user}/cart", get(cart).post(change_cart))
        .route("/users/{user}/orders", get(orders).post(checkout))
        .route("/users/{user}/orders/{order}", get(order).delete(cancel))
        .route("/stats", get(stats))
        .with_state(db)
}

async fn page(
    State(db): State<Db>,
    Path((category, number)): Path<(u32, u32)>,
) -> Answer<Arc<[Product]>> {
    Ok(Json(catalogue::page(&db, category, number).await?))
}

async fn bestsellers(State(db): State<Db>, Path(category): Path<u32>) -> Answer<Arc<[Bestseller]>> {
    Ok(Json(catalogue::bestsellers(&db, category).await?))
}

async fn product(
    State(db): State<Db>,
    Path((category, product)): Path<(u32, u32)>,
) -> Answer<Arc<Product>> {
    let product = catalogue::product(&db, category, product).await?;
    product.map(Json).ok_or(Failure::NotFound)
}

#[derive(Debug, Deserialize)]
struct NewPrice {
    cents: u32,
}

async fn change_price(
    State(db): State<Db>,
    Path((category, product)): Path<(u32, u32)>,
    Json(price): Json<NewPrice>,
) -> Answer<Changed> {
    let version = catalogue::change_price(&db, category, product, price.cents).await?;
    let version = version.ok_or(Failure::NotFound)?;
    Ok(Json(Changed { version }))
}

/// Lines and prices change apart, and are cached apart.
async fn cart(State(db): State<Db>, Path(user): Path<i64>) -> Answer<CartView> {
    let cart = cart::cart(&db, user).await?;
    let ids: Vec<ProductId> = cart.lines.iter().map(|line| line.id).collect();
    let prices = catalogue::prices(&db, &ids).await?;
    let lines = cart.lines.iter().filter_map(|line| {
        let (id, quantity) = (line.id, line.quantity);
        let price = *prices.get(&id)?;
        Some(CartLine {
            id,
            quantity,
            price,
        })
    });
    Ok(Json(CartView::of(cart.version, lines.collect())))
}

async fn change_cart(
    State(db): State<Db>,
    Path(user): Path<i64>,
    Json(line): Json<Line>,
) -> Answer<Changed> {
    let (category, product) = (line.id.category, line.id.product);
    if catalogue::product(&db, category, product).await?.is_none() {
        return Err(Failure::NotFound);
    }
    let version = cart::change_cart(&db, user, line).await?;
    Ok(Json(Changed { version }))
}

async fn orders(State(db): State<Db>, Path(user): Path<i64>) -> Answer<Arc<Orders>> {
    Ok(Json(orders::orders(&db, user).await?))
}

async fn checkout(State(db): State<Db>, Path(user): Path<i64>) -> Answer<Receipt> {
    Ok(Json(orders::checkout(&db, user).await?))
}

async fn order(State(db): State<Db>, Path((user, order)): Path<(i64, i64)>) -> Answer<Order> {
    let order = orders::order(&db, user, order).await?;
    order.map(Json).ok_or(Failure::NotFound)
}

async fn cancel(State(db): State<Db>, Path((user, order)): Path<(i64, i64)>) -> Answer<Changed> {
    let version = orders::cancel(&db, user, order).await?;
    let version = version.ok_or(Failure::NotFound)?;
    Ok(Json(Changed { version }))
}

async fn stats(State(db): State<Db>) -> Json<Stats> {
    Json(Stats::of(&db, &Cache::current().stats()))
}
