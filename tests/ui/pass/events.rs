//! Events of every shape, and how cached functions listen to them.
#![deny(warnings, clippy::pedantic)]

use cache_core::{Event, Prefix, cached, event};

#[derive(Event)]
struct UserChanged {
    id: u64,
}

#[derive(Event)]
#[event(name = "orders", used_elsewhere)]
pub(crate) struct OrderChanged {
    pub(crate) tenant: String,
    pub(crate) id: u64,
}

#[derive(Event)]
#[event(used_elsewhere)]
struct SettingsChanged;

#[derive(Clone)]
struct Article {
    id: u64,
}

#[cached(ttl = 5m, tiers = memory, invalidate_on = UserChanged { id })]
async fn user(id: u64) -> String {
    id.to_string()
}

#[cached(ttl = 5m, invalidate_on = [UserChanged { id }, OrderChanged { tenant, .. }, SettingsChanged], inherits, settle = 2s)]
async fn orders(tenant: String, id: u64) -> String {
    format!("{tenant}{id}")
}

#[cached(ttl = 5m, invalidate_on = OrderChanged { tenant: tenant.to_owned(), .. })]
async fn of_tenant(tenant: &str) -> String {
    tenant.to_owned()
}

#[cached(ttl = 5m, invalidate_on = OrderChanged { .. })]
async fn all() -> u64 {
    1
}

#[cached(ttl = 5m, tiers = memory, invalidate_on = |article| UserChanged { id: article.id })]
async fn article(slug: &str) -> Article {
    Article {
        id: slug.len() as u64,
    }
}

fn by_hand(tenant: &str, id: u64) -> (UserChanged, Prefix<OrderChanged>, Prefix<OrderChanged>) {
    (
        event!(UserChanged { id }),
        event!(OrderChanged {
            tenant: tenant.to_owned(),
            ..
        }),
        event!(OrderChanged { .. }),
    )
}

#[tokio::main]
pub(crate) async fn main() {
    let tenant = "a".to_owned();
    assert_eq!(by_hand(&tenant, 7).0.id, 7);
    assert_eq!(user(7).await, "7");
    assert_eq!(orders("a".to_owned(), 7).await, "a7");
    assert_eq!(of_tenant("a").await, "a");
    assert_eq!(all().await, 1);
    assert_eq!(article("abc").await.id, 3);
}
