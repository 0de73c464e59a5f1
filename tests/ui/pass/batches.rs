//! Functions of many keys: their shapes.
#![deny(warnings, clippy::pedantic)]

use std::collections::{BTreeMap, HashMap};

use cache_core::{Event, cached, invalidates};

#[derive(Event)]
struct UserChanged {
    id: u64,
}

#[invalidates(UserChanged { id })]
async fn change(id: u64) -> u64 {
    id
}

#[derive(Clone)]
struct Db;

#[cached(ttl = 5m, skip(db), batch(id in ids, max = 100), none_ttl = 10s, invalidate_on = UserChanged { id })]
async fn users(db: &Db, ids: &[u64]) -> Result<HashMap<u64, String>, String> {
    let Db = db;
    Ok(ids.iter().map(|id| (*id, id.to_string())).collect())
}

#[cached(ttl = 5m, batch(name in names))]
async fn lengths(names: Vec<String>) -> BTreeMap<String, usize> {
    names
        .into_iter()
        .map(|name| (name.clone(), name.len()))
        .collect()
}

#[cached(ttl = 5m, key = "{tenant}:{id}", batch(id in ids), tiers = memory)]
async fn of_tenant(tenant: String, ids: &[u32]) -> HashMap<u32, String> {
    ids.iter()
        .map(|id| (*id, format!("{tenant} {id}")))
        .collect()
}

#[derive(Clone)]
struct Shop {
    db: Db,
}

impl Shop {
    #[cached(ttl = 5m, skip(self), batch(id in ids))]
    async fn prices(&self, ids: &[u64]) -> HashMap<u64, u64> {
        let Db = self.db;
        ids.iter().map(|id| (*id, id * 100)).collect()
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() {
    assert_eq!(users(&Db, &[1, 2]).await.unwrap().len(), 2);
    assert_eq!(lengths(vec!["ab".to_owned()]).await["ab"], 2);
    assert_eq!(of_tenant("t".to_owned(), &[1]).await[&1], "t 1");
    assert_eq!(Shop { db: Db }.prices(&[3]).await[&3], 300);
    assert_eq!(change(1).await, 1);
}
