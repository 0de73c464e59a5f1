//! What people write without a macro: a plain map (the floor), `quick_cache` with an expiry (the
//! limit that this project measures itself against), and `moka`.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
};

use quick_cache::{DefaultHashBuilder, Equivalent};

use crate::{
    clock::{Nanos, coarse_now},
    load::{CAPACITY, TTL},
};

const TTL_NANOS: Nanos = TTL.as_secs() * 1_000_000_000;

/// A map that is never written again: no lock, no expiry, no eviction.
pub(crate) type Floor<K, V> = HashMap<K, V, DefaultHashBuilder>;

/// A floor that holds all of `keys`.
pub(crate) fn floor<K: Copy + Eq + Hash, V>(keys: &[K], load: impl Fn(K) -> V) -> Floor<K, V> {
    let mut map = HashMap::with_capacity_and_hasher(CAPACITY, DefaultHashBuilder::default());
    map.extend(keys.iter().map(|key| (*key, load(*key))));
    map
}

/// A hit in the floor. Its keys were all put in before.
pub(crate) async fn from_floor<K: Eq + Hash, V: Clone, S: BuildHasher>(
    map: &HashMap<K, V, S>,
    key: K,
) -> V {
    map.get(&key).expect("the floor holds all keys").clone()
}

/// A typed `quick_cache` whose entries know when they expire, by the coarse clock.
pub(crate) struct Expiring<K, V> {
    cache: quick_cache::sync::Cache<K, (V, Nanos)>,
}

impl<K: Eq + Hash, V: Clone> Expiring<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            cache: quick_cache::sync::Cache::new(CAPACITY),
        }
    }

    #[expect(
        clippy::unused_async,
        reason = "all variants are awaited in the same way"
    )]
    pub(crate) async fn get<Q>(&self, key: Q, load: impl FnOnce(&Q) -> V) -> V
    where
        Q: Hash + Equivalent<K> + Into<K>,
    {
        if let Some((value, expires)) = self.cache.get(&key)
            && coarse_now() < expires
        {
            return value;
        }
        let value = load(&key);
        let entry = (value.clone(), coarse_now() + TTL_NANOS);
        self.cache.insert(key.into(), entry);
        value
    }
}

/// A tenant and a name, as a cache keeps them.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct OwnedName(u64, String);

/// A tenant and a name, looked up without an allocation.
#[derive(Hash)]
pub(crate) struct Name<'a>(pub(crate) u64, pub(crate) &'a str);

impl Equivalent<OwnedName> for Name<'_> {
    fn equivalent(&self, key: &OwnedName) -> bool {
        self.0 == key.0 && self.1 == key.1
    }
}

impl From<Name<'_>> for OwnedName {
    fn from(key: Name<'_>) -> Self {
        Self(key.0, key.1.to_owned())
    }
}

/// A shop, a tenant and a name, as a cache keeps them.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct OwnedShop(u32, u64, String);

/// The same, looked up without an allocation.
#[derive(Hash)]
pub(crate) struct Shop<'a>(pub(crate) u32, pub(crate) u64, pub(crate) &'a str);

impl Equivalent<OwnedShop> for Shop<'_> {
    fn equivalent(&self, key: &OwnedShop) -> bool {
        self.0 == key.0 && self.1 == key.1 && self.2 == key.2
    }
}

impl From<Shop<'_>> for OwnedShop {
    fn from(key: Shop<'_>) -> Self {
        Self(key.0, key.1, key.2.to_owned())
    }
}

/// A text, looked up without an allocation.
#[derive(Hash)]
pub(crate) struct Text<'a>(pub(crate) &'a str);

impl Equivalent<String> for Text<'_> {
    fn equivalent(&self, key: &String) -> bool {
        self.0 == key
    }
}

impl From<Text<'_>> for String {
    fn from(key: Text<'_>) -> Self {
        key.0.to_owned()
    }
}

/// A cache of `moka` as its README starts one, with a lifetime.
pub(crate) fn moka<K, V>() -> moka::future::Cache<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    moka::future::Cache::builder()
        .max_capacity(CAPACITY as u64)
        .time_to_live(TTL)
        .build()
}
