//! What a function of many keys returns: a map from its keys, or a `Result` of one.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    hash::{BuildHasher, Hash},
};

use crate::key::CacheKey;

/// The key of one value of many. All that is asked of it in one, so that what it lacks is one error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a function under `batch(..)`",
    label = "this lacks `CacheKey`, `Clone`, `Eq` or `Hash`, or what it takes to go from thread to thread",
    note = "for a type of your own, write `#[derive(CacheKey, Clone, PartialEq, Eq, Hash)]` above it",
    note = "floats have no canonical form: take something that has one, such as `value.to_bits()`"
)]
pub trait BatchKey: CacheKey + Clone + Eq + Hash + Send + Sync + 'static {}

// Else the compiler would report the bounds, and not why they are asked for.
#[diagnostic::do_not_recommend]
impl<K: CacheKey + Clone + Eq + Hash + Send + Sync + 'static> BatchKey for K {}

/// A map from keys to values.
pub trait Map: Sized {
    /// A key.
    type Key: BatchKey;
    /// A value.
    type Value;

    /// A map of nothing.
    fn empty() -> Self;
    /// Adds a value.
    fn put(&mut self, key: Self::Key, value: Self::Value);
    /// Takes a value out.
    fn take(&mut self, key: &Self::Key) -> Option<Self::Value>;
}

impl<K: BatchKey, V, S: BuildHasher + Default> Map for HashMap<K, V, S> {
    type Key = K;
    type Value = V;

    fn empty() -> Self {
        Self::default()
    }

    fn put(&mut self, key: K, value: V) {
        self.insert(key, value);
    }

    fn take(&mut self, key: &K) -> Option<V> {
        self.remove(key)
    }
}

impl<K: BatchKey + Ord, V> Map for BTreeMap<K, V> {
    type Key = K;
    type Value = V;

    fn empty() -> Self {
        Self::new()
    }

    fn put(&mut self, key: K, value: V) {
        self.insert(key, value);
    }

    fn take(&mut self, key: &K) -> Option<V> {
        self.remove(key)
    }
}

/// What a function of many keys may return.
#[diagnostic::on_unimplemented(
    message = "a function under `batch(..)` returns a map from its keys to values, or a `Result` of one",
    label = "`{Self}` is no `HashMap` or `BTreeMap`, and no `Result` of one"
)]
pub trait Output: Sized {
    /// The map.
    type Map: Map;
    /// The error; `Infallible` where there is none.
    type Error;

    /// Takes an output apart.
    ///
    /// # Errors
    ///
    /// That of the function.
    fn split(self) -> Result<Self::Map, Self::Error>;
    /// Makes an output.
    fn make(made: Result<Self::Map, Self::Error>) -> Self;
}

impl<M: Map, E> Output for Result<M, E> {
    type Map = M;
    type Error = E;

    fn split(self) -> Self {
        self
    }

    fn make(made: Self) -> Self {
        made
    }
}

/// A map that no error can take the place of.
macro_rules! infallible {
    ($($map:ty, <$($parameter:ident: $bound:path),+>;)+) => {
        $(impl<$($parameter: $bound),+> Output for $map
        where
            Self: Map,
        {
            type Map = Self;
            type Error = Infallible;

            fn split(self) -> Result<Self, Infallible> {
                Ok(self)
            }

            fn make(Ok(map): Result<Self, Infallible>) -> Self {
                map
            }
        })+
    };
}

infallible! {
    HashMap<K, V, S>, <K: Sized, V: Sized, S: Sized>;
    BTreeMap<K, V>, <K: Sized, V: Sized>;
}

/// The key of an output.
pub(crate) type KeyOf<O> = <<O as Output>::Map as Map>::Key;

/// The value of an output.
type ValueOf<O> = <<O as Output>::Map as Map>::Value;

/// What there is for each key.
pub(crate) type Each<O> = Result<Option<ValueOf<O>>, <O as Output>::Error>;
