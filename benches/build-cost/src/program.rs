//! The source of a program: types, functions over them, and a `main` that calls each function twice.

use crate::variants::Variant;

const TYPES: usize = 20;

const HEAD: &str = r#"
use std::{pin::Pin, sync::{Arc, atomic::{AtomicU64, Ordering}}};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug)]
pub struct DbError(pub String);

impl std::fmt::Display for DbError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DbError {}

#[derive(Clone, Default)]
pub struct Db(pub Arc<AtomicU64>);

impl Db {
    pub async fn load(&self, id: u64) -> Result<String, DbError> {
        tokio::task::yield_now().await;
        self.0.fetch_add(1, Ordering::Relaxed);
        if id == u64::MAX { Err(DbError("no such row".into())) } else { Ok(id.to_string()) }
    }
}
"#;

const TYPE: &str = "
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Value{t} {
    pub id: u64,
    pub name: String,
    pub tags: Vec<String>,
    pub price_{t}: i64,
    pub note: Option<String>,
    pub parts: Vec<Part{t}>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part{t} {
    pub sku: String,
    pub count_{t}: u32,
}
";

const LOAD: &str = "    let name = db.load(id).await?;
    let parts = vec![Part{t} { sku: name.clone(), count_{t}: {t} }];
    let value = Value{t} { id, name, tags: Vec::new(), price_{t}: {t}, note: None, parts };
";

/// A function of each shape, without its name and body, and how it is called.
const SHAPES: [(&str, &str, &str, &str); 3] = [
    (
        "id: u64",
        "Value{t}",
        "    let db = Db::default();\n{load}    Ok(value)\n",
        "(id).await?.id",
    ),
    (
        "db: &Db, id: u64",
        "Value{t}",
        "{load}    Ok(value)\n",
        "(db, id).await?.id",
    ),
    (
        "db: &Db, tenant: &str, id: u64",
        "Option<Value{t}>",
        "    if tenant.is_empty() { return Ok(None); }\n{load}    Ok(Some(value))\n",
        "(db, \"shop\", id).await?.map_or(0, |value| value.id)",
    ),
];

/// Of ten functions of a type, four take no reference, three one and three two.
fn shape_of(function: usize) -> usize {
    match function / TYPES % 10 {
        0..4 => 0,
        4..7 => 1,
        _ => 2,
    }
}

pub(crate) fn source(variant: &Variant, functions: usize) -> String {
    let mut source = format!("{}\n{HEAD}", variant.import);
    for number in 0..TYPES {
        source += &TYPE.replace("{t}", &number.to_string());
    }
    let mut calls = String::new();
    for function in 0..functions {
        let shape = shape_of(function);
        let (arguments, returned, body, call) = SHAPES[shape];
        let body = body.replace("{load}", LOAD);
        let text = format!(
            "\n{}\npub async fn f{function}({arguments}) -> Result<{returned}, DbError> {{\n{body}}}\n",
            variant.attributes[shape],
        );
        source += &text.replace("{t}", &(function % TYPES).to_string());
        calls.extend(["    sum += f", &function.to_string(), call, ";\n"]);
    }
    let main = format!(
        "\n// In a box, as what a service calls is: else the compiler has a copy of it for each of its threads.
fn all<'a>(db: &'a Db, id: u64) -> Pin<Box<dyn Future<Output = Result<u64, DbError>> + Send + 'a>> {{
    Box::pin(async move {{\n    let mut sum = 0;\n{calls}    Ok(sum)\n    }})\n}}\n
#[tokio::main]
async fn main() -> Result<(), DbError> {{
    let db = Db::default();
    let id = std::env::args().count() as u64;
    let sum = all(&db, id).await? + all(&db, id).await?;
    println!(\"{{sum}} {{}}\", db.0.load(Ordering::Relaxed));
    Ok(())
}}\n"
    );
    source + &main
}
