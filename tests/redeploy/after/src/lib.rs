//! A program after its values changed, each in a way that the bytes alone do not show.
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
    pub height: u32,
    pub width: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Widened {
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signed {
    pub balance: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Inserted {
    Small,
    Middling,
    Large,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Renamed {
    Open,
    Closed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shortened {
    pub id: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relabelled {
    pub gross: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deep {
    pub by_name: BTreeMap<String, Vec<Option<Leaf>>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Leaf {
    Point(u8, i8),
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
        height: 2,
        width: 1,
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
    Renamed::Closed
}

#[cached(ttl = 1h)]
pub async fn shortened() -> Vec<Shortened> {
    vec![Shortened { id: 1 }; 2]
}

#[cached(ttl = 1h)]
pub async fn relabelled() -> Relabelled {
    Relabelled { gross: 119 }
}

#[cached(ttl = 1h)]
pub async fn deep() -> Deep {
    let leaf = Deep {
        by_name: BTreeMap::from([("x".into(), vec![None, Some(Leaf::Point(1, -1))])]),
    };
    Deep {
        by_name: BTreeMap::from([("y".into(), vec![Some(Leaf::Tree(Box::new(leaf)))])]),
    }
}

#[cached(ttl = 1h)]
pub async fn turned(id: u64, tenant: u64) -> String {
    format!("tenant {tenant}, id {id}")
}

#[cached(ttl = 1h)]
pub async fn retyped() -> [u8; 2] {
    [3, 4]
}
