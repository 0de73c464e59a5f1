//! Redis as a store.
