//! A program before its values change: what `shop-after` is deployed over.
#![allow(missing_docs, reason = "its names say it all")]

use std::collections::BTreeMap;

use cache_core::cached;
use serde::{Deserialize, Serialize};

/// Nothing about it changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unchanged {
    pub id: u64,
    pub names: Vec<String>,
    pub state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum State {
    Open,
    Paid { cents: i64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Swapped {
    pub width: u32,
    pub height: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Widened {
    pub count: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signed {
    pub balance: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Inserted {
    Small,
    Large,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Renamed {
    Open,
    Shut,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shortened {
    pub id: u64,
    pub note: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relabelled {
    pub net: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deep {
    pub by_name: BTreeMap<String, Vec<Option<Leaf>>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Leaf {
    Point(u8, u8),
    Tree(Box<Deep>),
}

#[cached(ttl = 1h)]
pub async fn unchanged(id: u64) -> Unchanged {
    Unchanged {
        id,
        names: vec!["a".into(), "b".into()],
        state: State::Paid { cents: -7 },
    }
}

#[cached(ttl = 1h)]
pub async fn swapped() -> Swapped {
    Swapped {
        width: 1,
        height: 2,
    }
}

#[cached(ttl = 1h)]
pub async fn widened() -> Widened {
    Widened { count: 3 }
}

#[cached(ttl = 1h)]
pub async fn signed() -> Signed {
    Signed { balance: 3 }
}

#[cached(ttl = 1h)]
pub async fn inserted() -> Inserted {
    Inserted::Large
}

#[cached(ttl = 1h)]
pub async fn renamed() -> Renamed {
    Renamed::Shut
}

#[cached(ttl = 1h)]
pub async fn shortened() -> Vec<Shortened> {
    let one = Shortened {
        id: 1,
        note: String::new(),
    };
    vec![one; 2]
}

#[cached(ttl = 1h)]
pub async fn relabelled() -> Relabelled {
    Relabelled { net: 100 }
}

#[cached(ttl = 1h)]
pub async fn deep() -> Deep {
    let leaf = Deep {
        by_name: BTreeMap::from([("x".into(), vec![None, Some(Leaf::Point(1, 2))])]),
    };
    Deep {
        by_name: BTreeMap::from([("y".into(), vec![Some(Leaf::Tree(Box::new(leaf)))])]),
    }
}

#[cached(ttl = 1h)]
pub async fn turned(tenant: u64, id: u64) -> String {
    format!("tenant {tenant}, id {id}")
}

#[cached(ttl = 1h)]
pub async fn retyped() -> (u8, u8) {
    (1, 2)
}
