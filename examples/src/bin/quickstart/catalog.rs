//! What is in the shop: products, reviews and orders, made by chance from a fixed seed.

use rusqlite::{Connection, Transaction, params};

use crate::chance::{Chance, Zipf};

pub(crate) const PRODUCTS: u32 = 100_000;
pub(crate) const CATEGORIES: u32 = 50;
const REVIEWS: u32 = 300_000;
const ORDERS: u32 = 60_000;

pub(crate) const STYLES: [&str; 12] = [
    "Amber", "Brave", "Calm", "Dusky", "Early", "Frosty", "Gentle", "Hollow", "Ivory", "Jolly",
    "Keen", "Lively",
];
pub(crate) const MATERIALS: [&str; 12] = [
    "Ash", "Brass", "Cedar", "Denim", "Elm", "Felt", "Glass", "Hemp", "Iron", "Jute", "Linen",
    "Maple",
];
const THINGS: [&str; 10] = [
    "Basket", "Chair", "Desk", "Easel", "Frame", "Kettle", "Lamp", "Mirror", "Stool", "Vase",
];
const REMARKS: [&str; 5] = [
    "would buy again",
    "smaller than it looks",
    "a gift that was liked",
    "came late, works well",
    "does what it says",
];

const TABLES: &str = "
    CREATE TABLE product (
        id INTEGER PRIMARY KEY,
        category INTEGER NOT NULL,
        name TEXT NOT NULL,
        cents INTEGER NOT NULL
    );
    CREATE TABLE review (
        id INTEGER PRIMARY KEY,
        product INTEGER NOT NULL,
        stars INTEGER NOT NULL,
        remark TEXT NOT NULL
    );
    CREATE TABLE order_line (order_id INTEGER NOT NULL, product INTEGER NOT NULL);
";

const INDEXES: &str = "
    CREATE INDEX product_by_category ON product (category);
    CREATE INDEX review_by_product ON review (product, stars);
    CREATE INDEX line_by_product ON order_line (product, order_id);
    CREATE INDEX line_by_order ON order_line (order_id, product);
    ANALYZE;
";

/// Which products people want: by rank, spread over ids and categories.
#[derive(Debug)]
pub(crate) struct Popularity(Zipf);

impl Popularity {
    pub(crate) fn new() -> Self {
        Self(Zipf::new(PRODUCTS))
    }

    /// The id of a product, the popular ones more often.
    pub(crate) fn product(&self, chance: &mut Chance) -> u32 {
        // Shares no factor with `PRODUCTS`, so that every rank has an id of its own.
        const SPREAD: u32 = 7919;
        self.0.draw(chance) * SPREAD % PRODUCTS
    }
}

/// Makes the tables and fills them.
pub(crate) fn fill(connection: &mut Connection) -> rusqlite::Result<()> {
    let mut chance = Chance::seeded(1);
    let popularity = Popularity::new();
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    add_products(&transaction, &mut chance)?;
    add_reviews(&transaction, &mut chance, &popularity)?;
    add_orders(&transaction, &mut chance, &popularity)?;
    transaction.execute_batch(INDEXES)?;
    transaction.commit()
}

fn category_of(product: u32) -> u32 {
    product % CATEGORIES
}

fn add_products(transaction: &Transaction<'_>, chance: &mut Chance) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare("INSERT INTO product VALUES (?1, ?2, ?3, ?4)")?;
    for id in 0..PRODUCTS {
        let (style, material, thing) = (
            chance.pick(&STYLES),
            chance.pick(&MATERIALS),
            chance.pick(&THINGS),
        );
        let name = format!("{style} {material} {thing}");
        insert.execute(params![
            id,
            category_of(id),
            name,
            199 + chance.below(50_000)
        ])?;
    }
    Ok(())
}

fn add_reviews(
    transaction: &Transaction<'_>,
    chance: &mut Chance,
    popularity: &Popularity,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare("INSERT INTO review VALUES (?1, ?2, ?3, ?4)")?;
    for id in 0..REVIEWS {
        let stars = 1 + chance.below(3) + chance.below(3);
        insert.execute(params![
            id,
            popularity.product(chance),
            stars,
            chance.pick(&REMARKS)
        ])?;
    }
    Ok(())
}

fn add_orders(
    transaction: &Transaction<'_>,
    chance: &mut Chance,
    popularity: &Popularity,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare("INSERT INTO order_line VALUES (?1, ?2)")?;
    for id in 0..ORDERS {
        let first = popularity.product(chance);
        insert.execute(params![id, first])?;
        for _ in 0..chance.below(5) {
            // People fill their baskets from the category they came for.
            let other = popularity.product(chance);
            let nearby = other - category_of(other) + category_of(first);
            insert.execute(params![id, nearby])?;
        }
    }
    Ok(())
}
