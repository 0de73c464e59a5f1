//! The tables, and what is in them at first. What can change has a version that grows by one with each change: it is not
//! needed for caching, and lets anybody see whether an answer is up to date.

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub(crate) const CATEGORIES: u32 = 20;
pub(crate) const PRODUCTS: u32 = 100;

const SOLD_BEFORE: u32 = 5_000;

const TABLES: &str = "
    CREATE TABLE product (
        category INTEGER, product INTEGER, name TEXT, cents INTEGER, price_version INTEGER DEFAULT 1,
        PRIMARY KEY (category, product)
    ) WITHOUT ROWID;
    CREATE TABLE customer (
        user INTEGER PRIMARY KEY, cart_version INTEGER DEFAULT 0, orders_version INTEGER DEFAULT 0
    );
    CREATE TABLE cart_line (
        user INTEGER, category INTEGER, product INTEGER, quantity INTEGER,
        PRIMARY KEY (user, category, product)
    ) WITHOUT ROWID;
    CREATE TABLE placed (
        id INTEGER PRIMARY KEY, user INTEGER, cents INTEGER, is_cancelled INTEGER DEFAULT FALSE
    );
    CREATE INDEX placed_by ON placed (user);
    CREATE TABLE sold (id INTEGER PRIMARY KEY, category INTEGER, product INTEGER, quantity INTEGER);
    CREATE INDEX sold_in ON sold (category);
    PRAGMA user_version = 1;
";

/// Makes tables and products where there are none. Of several processes that begin at once, one does.
pub(crate) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        transaction.execute_batch(TABLES)?;
        fill(&transaction)?;
    }
    transaction.commit()
}

fn fill(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut product = transaction
        .prepare("INSERT INTO product (category, product, name, cents) VALUES (?1, ?2, ?3, ?4)")?;
    for category in 0..CATEGORIES {
        for number in 0..PRODUCTS {
            let name = format!("product {number} of category {category}");
            let cents = 100 + (category * PRODUCTS + number) * 7919 % 9_900;
            product.execute((category, number, name, cents))?;
        }
    }
    let mut sold = transaction
        .prepare("INSERT INTO sold (category, product, quantity) VALUES (?1, ?2, ?3)")?;
    for n in 0..SOLD_BEFORE {
        sold.execute((n % CATEGORIES, n * n % PRODUCTS, 1 + n % 3))?;
    }
    Ok(())
}
