//! What `#[invalidates]` names, on functions of every shape.
#![deny(warnings, clippy::pedantic)]

use std::pin::Pin;

use async_trait::async_trait;
use cache_core::{Cache, Event, Refused, invalidates};

#[derive(Event, Clone)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

#[derive(Event)]
#[event(used_elsewhere)]
struct OrderChanged {
    tenant: String,
    id: u64,
}

#[derive(Event)]
#[event(used_elsewhere)]
struct SettingsChanged;

struct Order {
    id: u64,
}

#[derive(Debug)]
struct Failed;

impl From<Refused> for Failed {
    fn from(_refused: Refused) -> Self {
        Self
    }
}

#[invalidates(UserChanged { id })]
async fn one(id: u64) -> Result<u64, Failed> {
    if id == 0 {
        return Err(Failed);
    }
    Ok(id)
}

#[invalidates(UserChanged { id: order.id }, OrderChanged { tenant, .. }, SettingsChanged, on_ok)]
async fn several(tenant: String, order: &Order) -> Result<String, Failed> {
    Ok(tenant)
}

#[invalidates(OrderChanged { tenant, id: result.id })]
async fn created(tenant: String, id: u64) -> Result<Order, Failed> {
    drop(tenant);
    Ok(Order { id })
}

#[invalidates(ids.iter().map(|id| UserChanged { id: *id }).collect::<Vec<_>>())]
async fn many(ids: &[u64]) -> usize {
    ids.len()
}

#[invalidates(result)]
async fn returned(id: u64) -> Result<Option<UserChanged>, Failed> {
    Ok(Some(UserChanged { id }))
}

#[invalidates((UserChanged { id }, [OrderChanged { .. }]), id.checked_sub(1).map(|id| UserChanged { id }))]
async fn nested(mut id: u64) -> u64 {
    id += 1;
    id
}

#[invalidates(UserChanged { id }, guarded)]
async fn guarded(id: u64) -> Result<u64, Failed> {
    Ok(id)
}

#[invalidates(UserChanged { id }, cache = cache)]
async fn in_cache(cache: &Cache, id: u64) -> u64 {
    let _ = cache;
    id
}

#[invalidates(UserChanged { id })]
async fn borrowed(text: &mut String, id: u64) -> &str {
    text.push_str(&id.to_string());
    text
}

#[invalidates(UserChanged { id })]
async fn opaque(id: u64) -> Result<impl std::fmt::Display, Failed> {
    Ok(id)
}

#[async_trait]
trait Orders {
    async fn renamed(&self, pair: (String, Option<UserChanged>), id: &u64) -> u64;
}

#[async_trait]
impl Orders for Order {
    #[invalidates(OrderChanged { tenant, id: result }, UserChanged { id }, more)]
    async fn renamed(&self, (tenant, more): (String, Option<UserChanged>), &id: &u64) -> u64 {
        drop((tenant, more));
        self.id + id
    }
}

/// The lifetime of a `for` is none of the body's.
#[allow(
    clippy::type_complexity,
    reason = "what is shown is that it may be complex"
)]
#[invalidates(UserChanged { id: *id })]
fn boxed<'b>(
    id: &'b u64,
) -> Pin<Box<dyn Future<Output = for<'a> fn(&'a str) -> &'a str> + Send + 'b>> {
    let trim: for<'a> fn(&'a str) -> &'a str = if *id == 0 { str::trim } else { str::trim_end };
    Box::pin(async move { trim })
}

#[tokio::main]
pub(crate) async fn main() {
    assert_eq!(one(7).await.unwrap(), 7);
    one(0).await.unwrap_err();
    let order = Order { id: 7 };
    assert_eq!(several("a".to_owned(), &order).await.unwrap(), "a");
    assert_eq!(created("a".to_owned(), 7).await.unwrap().id, 7);
    assert_eq!(many(&[1, 2]).await, 2);
    assert_eq!(returned(7).await.unwrap().unwrap().id, 7);
    assert_eq!(nested(7).await, 8);
    assert_eq!(guarded(7).await.unwrap(), 7);
    assert_eq!(in_cache(&Cache::disabled(), 7).await, 7);
    assert_eq!(borrowed(&mut String::new(), 7).await, "7");
    assert_eq!(order.renamed(("a".to_owned(), None), &1).await, 8);
    assert_eq!(boxed(&7).await(" a "), " a");
    assert_eq!(opaque(7).await.unwrap().to_string(), "7");
}
