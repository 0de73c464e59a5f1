//! The bytes of an entry.
