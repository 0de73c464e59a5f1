//! The handlers as clients see them, each test on a cache and a database of its own.

use std::{env, fs, path::PathBuf, process, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header::CONTENT_TYPE},
};
use cache_core::testing::{CacheLayer, FakeRedis};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

const PRODUCT: &str = "/catalogue/1/products/2";
const PRICE: &str = "/catalogue/1/products/2/price";

/// A database of its own, which goes with this value.
struct Folder(PathBuf);

impl Folder {
    fn of(test: &str) -> Self {
        let folder = env::temp_dir().join(format!("shop-{test}-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn replica(&self, cache: Cache) -> Replica {
        let file = self.0.join("shop.db");
        let db = Db::open(&file, 2, Duration::ZERO).unwrap();
        Replica { db, cache }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One process, as far as caches are concerned.
struct Replica {
    db: Db,
    cache: Cache,
}

impl Replica {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let app = app(self.db.clone()).layer(CacheLayer::new(self.cache.clone()));
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap();
        let answer = app.oneshot(request).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        answer
    }

    async fn set_price(&self, cents: u32) {
        let price = Some(json!({ "cents": cents }));
        let (status, _) = self.ask(Method::PUT, PRICE, price).await;
        assert_eq!(status, StatusCode::OK);
    }

    async fn put_into_cart(&self, quantity: u32) {
        let line = json!({ "id": { "category": 1, "product": 2 }, "quantity": quantity });
        let (status, _) = self.ask(Method::POST, "/users/7/cart", Some(line)).await;
        assert_eq!(status, StatusCode::OK);
    }
}

async fn memory() -> Cache {
    Cache::builder().build().await.unwrap()
}

#[tokio::test]
async fn a_product_is_one_query_until_its_price_changes() {
    let folder = Folder::of("product");
    let shop = folder.replica(memory().await);
    let before = shop.get(PRODUCT).await;
    assert_eq!(shop.get(PRODUCT).await, before);
    assert_eq!(shop.db.queries(), 1);

    shop.set_price(4_200).await;
    let after = shop.get(PRODUCT).await;
    assert_eq!(after["price"], json!({ "cents": 4_200, "version": 2 }));
    assert_eq!(shop.db.queries(), 3, "a write and a read");
}

#[tokio::test]
async fn a_price_changes_the_pages_of_its_category_alone() {
    let folder = Folder::of("page");
    let shop = folder.replica(memory().await);
    let (here, elsewhere) = ("/catalogue/1/pages/0", "/catalogue/2/pages/0");
    shop.get(here).await;
    shop.get(elsewhere).await;
    shop.set_price(4_200).await;
    let queries = shop.db.queries();
    assert_eq!(shop.get(here).await[2]["price"]["cents"], 4_200);
    shop.get(elsewhere).await;
    assert_eq!(shop.db.queries() - queries, 1);
}

#[tokio::test]
async fn a_cart_shows_the_prices_of_now() {
    let folder = Folder::of("cart");
    let shop = folder.replica(memory().await);
    shop.set_price(100).await;
    shop.put_into_cart(3).await;
    assert_eq!(shop.get("/users/7/cart").await["cents"], 300);
    shop.set_price(200).await;
    assert_eq!(shop.get("/users/7/cart").await["cents"], 600);
    shop.put_into_cart(0).await;
    assert_eq!(shop.get("/users/7/cart").await["lines"], json!([]));
}

#[tokio::test]
async fn an_order_empties_the_cart_and_stands_in_the_list() {
    let folder = Folder::of("order");
    let shop = folder.replica(memory().await);
    shop.set_price(100).await;
    shop.put_into_cart(2).await;
    shop.get("/users/7/cart").await;
    assert_eq!(shop.get("/users/7/orders").await["latest"], json!([]));

    let (status, receipt) = shop.ask(Method::POST, "/users/7/orders", None).await;
    assert_eq!((status, &receipt["cents"]), (StatusCode::OK, &json!(200)));
    assert_eq!(shop.get("/users/7/cart").await["lines"], json!([]));
    let orders = shop.get("/users/7/orders").await;
    assert_eq!(orders["latest"][0]["id"], receipt["id"]);

    let path = format!("/users/7/orders/{}", receipt["id"]);
    assert_eq!(shop.get(&path).await["is_cancelled"], false);
    let (status, _) = shop.ask(Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(shop.get(&path).await["is_cancelled"], true);
    let orders = shop.get("/users/7/orders").await;
    assert_eq!(orders["latest"][0]["is_cancelled"], true);
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let folder = Folder::of("refused");
    let shop = folder.replica(memory().await);
    let refused = [
        (
            Method::GET,
            "/catalogue/1/products/9999",
            StatusCode::NOT_FOUND,
        ),
        (Method::GET, "/users/7/orders/1", StatusCode::NOT_FOUND),
        (Method::DELETE, "/users/7/orders/1", StatusCode::NOT_FOUND),
        (Method::POST, "/users/7/orders", StatusCode::CONFLICT),
    ];
    for (method, path, expected) in refused {
        let (status, _) = shop.ask(method, path, None).await;
        assert_eq!(status, expected, "{path}");
    }
}

#[tokio::test]
async fn another_replica_finds_what_one_has_loaded_and_hears_what_it_has_changed() {
    let (folder, redis) = (Folder::of("replicas"), FakeRedis::new());
    let cache = || async { Cache::builder().fake_redis(&redis).build().await.unwrap() };
    let (here, there) = (folder.replica(cache().await), folder.replica(cache().await));
    here.get("/catalogue/1/pages/0").await;
    redis
        .until(|redis| redis.keys().iter().any(|key| key.contains("page")))
        .await;
    there.get("/catalogue/1/pages/0").await;
    assert_eq!(there.db.queries(), 0);

    here.set_price(4_200).await;
    assert_eq!(here.get(PRODUCT).await["price"]["cents"], 4_200);
    for _ in 0..1_000 {
        let page = there.get("/catalogue/1/pages/0").await;
        if page[2]["price"]["cents"] == 4_200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("the other replica has not heard of it within the bound");
}

#[tokio::test]
async fn without_its_cache_the_shop_says_the_same() {
    let folder = Folder::of("disabled");
    let (with, without) = (
        folder.replica(memory().await),
        folder.replica(Cache::disabled()),
    );
    with.put_into_cart(3).await;
    for path in [
        PRODUCT,
        "/catalogue/1/pages/0",
        "/catalogue/1/bestsellers",
        "/users/7/cart",
        "/users/7/orders",
    ] {
        assert_eq!(with.get(path).await, without.get(path).await, "{path}");
    }
    let queries = without.db.queries();
    without.get(PRODUCT).await;
    assert_eq!(without.db.queries(), queries + 1);
}
