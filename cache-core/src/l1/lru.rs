//! Strict least-recently-used order over all keys, behind one lock.

use std::{
    borrow::Borrow,
    hash::{Hash, Hasher},
    sync::Arc,
};

use lru::LruCache;
use quick_cache::Equivalent as _;

use super::{Evicted, Node, Ordered};
use crate::{
    key::{Key, KeyHasher, KeyRef},
    lock::Mutex,
};

/// A tier of at most `limit` bytes.
#[derive(Debug)]
pub(super) struct LruTier {
    limit: u64,
    order: Mutex<Order>,
}

#[derive(Debug)]
struct Order {
    entries: LruCache<Key, Arc<Node>, KeyHasher>,
    bytes: u64,
}

impl LruTier {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            order: Mutex::new(Order {
                entries: LruCache::unbounded_with_hasher(KeyHasher::default()),
                bytes: 0,
            }),
        }
    }
}

impl Ordered for LruTier {
    fn get(&self, key: &KeyRef<'_>) -> Option<Arc<Node>> {
        self.order.lock().entries.get(key as &dyn Lookup).cloned()
    }

    fn insert(&self, key: Key, node: Arc<Node>, evicted: &mut Evicted) {
        let weight = node.entry().weight_under(&key);
        let mut order = self.order.lock();
        if let Some((key, replaced)) = order.pop(&key) {
            evicted.take(&key, replaced);
        }
        if weight > self.limit {
            evicted.take(&key, node);
            return;
        }
        while order.bytes + weight > self.limit
            && let Some((oldest, _)) = order.entries.peek_lru()
        {
            let oldest = oldest.clone();
            if let Some((key, node)) = order.pop(&oldest) {
                evicted.take(&key, node);
            }
        }
        order.bytes += weight;
        order.entries.put(key, node);
    }

    fn remove_if(&self, key: &Key, is_it: &mut dyn FnMut(&Arc<Node>) -> bool) -> Option<Arc<Node>> {
        let mut order = self.order.lock();
        if !is_it(order.entries.peek(key)?) {
            return None;
        }
        order.pop(key).map(|(_, node)| node)
    }

    fn clear(&self) {
        let mut order = self.order.lock();
        order.bytes = 0;
        let entries = std::mem::replace(
            &mut order.entries,
            LruCache::unbounded_with_hasher(KeyHasher::default()),
        );
        for (_, node) in &entries {
            node.entry().leave();
        }
        drop(order);
    }

    fn entries(&self) -> u64 {
        self.order.lock().entries.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.order.lock().bytes
    }
}

impl Order {
    fn pop(&mut self, key: &Key) -> Option<(Key, Arc<Node>)> {
        let (key, node) = self.entries.pop_entry(key)?;
        self.bytes -= node.entry().weight_under(&key);
        Some((key, node))
    }
}

/// A key, owned or sought: `lru` looks up by what its keys can be borrowed as, and a [`Key`] holds no [`KeyRef`] that it
/// could lend.
trait Lookup {
    fn as_key(&self) -> KeyRef<'_>;

    /// Where there is one.
    fn owned(&self) -> Option<&Key>;
}

impl Lookup for Key {
    fn as_key(&self) -> KeyRef<'_> {
        self.as_ref()
    }

    fn owned(&self) -> Option<&Key> {
        Some(self)
    }
}

impl Lookup for KeyRef<'_> {
    fn as_key(&self) -> KeyRef<'_> {
        *self
    }

    fn owned(&self) -> Option<&Key> {
        None
    }
}

impl<'a> Borrow<dyn Lookup + 'a> for Key {
    fn borrow(&self) -> &(dyn Lookup + 'a) {
        self
    }
}

impl Hash for dyn Lookup + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_key().hash(state);
    }
}

impl PartialEq for dyn Lookup + '_ {
    fn eq(&self, other: &Self) -> bool {
        match (self.owned(), other.owned()) {
            (_, Some(key)) => self.as_key().equivalent(key),
            (Some(key), None) => other.as_key().equivalent(key),
            (None, None) => self.as_key().to_key() == other.as_key().to_key(),
        }
    }
}

impl Eq for dyn Lookup + '_ {}
