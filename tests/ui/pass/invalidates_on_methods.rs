//! `#[invalidates]` on methods with every `self`, in traits, under `#[async_trait]`, on boxed futures and generics.
#![deny(warnings, clippy::pedantic)]

use std::{future::Future, pin::Pin, sync::Arc};

use async_trait::async_trait;
use cache_core::{CacheKey, Event, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    tenant: String,
    id: u64,
}

#[derive(Clone)]
struct Users {
    tenant: String,
    names: Vec<String>,
}

impl Users {
    fn new() -> Self {
        Self {
            tenant: "a".to_owned(),
            names: Vec::new(),
        }
    }

    #[invalidates(UserChanged { tenant: self.tenant, id: result })]
    async fn add(&mut self, name: &str) -> u64 {
        self.names.push(name.to_owned());
        self.names.len() as u64
    }

    #[invalidates(UserChanged { tenant: self.tenant, .. })]
    async fn clear(mut self) -> Self {
        self.names.clear();
        self
    }

    #[invalidates(UserChanged { tenant: self.tenant, .. })]
    async fn shared(self: Arc<Self>) -> usize {
        self.names.len()
    }

    #[invalidates(UserChanged { tenant, id })]
    async fn of_pair((tenant, id): (String, u64), _: &[u8]) -> String {
        format!("{tenant}{id}")
    }

    #[invalidates(UserChanged { tenant: tenant.to_string(), .. })]
    async fn of_any<T: CacheKey + ToString, const N: usize>(tenant: &T, ids: [u64; N]) -> usize {
        let _ = tenant;
        ids.len()
    }

    #[invalidates(UserChanged { tenant: self.tenant, id })]
    fn boxed(&self, id: u64) -> Pin<Box<dyn Future<Output = Result<u64, ()>> + Send + '_>> {
        if id == 0 {
            return Box::pin(async { Err(()) });
        }
        Box::pin(async move { Ok(self.names.len() as u64 + id) })
    }
}

trait Renames {
    fn tenant(&self) -> String;

    async fn rename(&mut self, id: u64, name: String) -> Option<()>;

    #[invalidates(UserChanged { tenant: self.tenant(), id })]
    async fn touch(&self, id: u64) -> u64 {
        id
    }
}

impl Renames for Users {
    fn tenant(&self) -> String {
        self.tenant.clone()
    }

    #[invalidates(UserChanged { tenant: self.tenant, id })]
    async fn rename(&mut self, id: u64, name: String) -> Option<()> {
        *self.names.get_mut(usize::try_from(id).ok()?)? = name;
        Some(())
    }
}

#[async_trait]
trait Deletes {
    async fn delete(&mut self, id: usize) -> Result<String, String>;
}

#[async_trait]
impl Deletes for Users {
    #[invalidates(UserChanged { tenant: self.tenant, id: id as u64 }, on_ok)]
    async fn delete(&mut self, id: usize) -> Result<String, String> {
        if id >= self.names.len() {
            return Err(format!("there is no {id}"));
        }
        Ok(self.names.remove(id))
    }
}

#[async_trait(?Send)]
trait Local {
    async fn touch(&self, id: u64) -> u64;
}

#[async_trait(?Send)]
impl Local for u64 {
    #[invalidates(UserChanged { tenant: "a".to_owned(), id })]
    async fn touch(&self, id: u64) -> u64 {
        self + id
    }
}

fn is_send<T: Send>(future: T) -> T {
    future
}

#[tokio::main]
pub(crate) async fn main() {
    let mut users = Users::new();
    assert_eq!(is_send(users.add("Ada")).await, 1);
    assert_eq!(Renames::touch(&users, 7).await, 7);
    assert_eq!(users.rename(0, "Grace".to_owned()).await, Some(()));
    assert_eq!(users.rename(1, "Ada".to_owned()).await, None);
    assert_eq!(users.boxed(7).await, Ok(8));
    assert_eq!(users.boxed(0).await, Err(()));
    assert_eq!(users.delete(0).await.as_deref(), Ok("Grace"));
    assert_eq!(users.delete(0).await.unwrap_err(), "there is no 0");
    assert_eq!(Arc::new(users.clone()).shared().await, 0);
    assert!(users.clear().await.names.is_empty());
    assert_eq!(Users::of_pair(("a".to_owned(), 7), &[]).await, "a7");
    assert_eq!(Users::of_any(&7, [1, 2]).await, 2);
    assert_eq!(Local::touch(&1, 7).await, 8);
}
