//! What the variants are called.

use crate::harness::{Label, Role};

pub(super) const FLOOR: Label = Label {
    role: Role::Floor,
    id: "floor",
    title: "floor: a plain `HashMap`",
};

pub(super) const BY_HAND: Label = Label {
    role: Role::ByHand,
    id: "by-hand",
    title: "by hand: `quick_cache` and an expiry",
};

pub(super) const OURS: Label = Label {
    role: Role::Ours,
    id: "ours",
    title: "**ours: `#[cached(ttl)]`**",
};

pub(super) const METHOD: Label = Label {
    role: Role::Ours,
    id: "ours-method",
    title: "**ours: `#[cached(ttl, key = id)]` on a method**",
};

pub(super) const TRAIT: Label = Label {
    role: Role::Ours,
    id: "ours-trait",
    title: "**ours: the same on a method of a trait**",
};

pub(super) const GENERIC: Label = Label {
    role: Role::Ours,
    id: "ours-generic",
    title: "**ours: `#[cached(ttl)]` on a generic function**",
};

pub(super) const ONE_EVENT: Label = Label {
    role: Role::Ours,
    id: "ours-event",
    title: "**ours: with one event, of one tag**",
};

pub(super) const EVENTS: Label = Label {
    role: Role::Ours,
    id: "ours-events",
    title: "**ours: with three events**",
};

pub(super) const OURS_DETACHED: Label = Label {
    role: Role::Ours,
    id: "ours-detached",
    title: "**ours: `#[cached(ttl)]`, load in a task of its own**",
};

pub(super) const OURS_INLINE: Label = Label {
    role: Role::Ours,
    id: "ours-inline",
    title: "**ours: `#[cached(ttl, inline)]`**",
};

pub(super) const CONCURRENT: Label = Label {
    role: Role::Other,
    id: "concurrent",
    title: "cached: `#[concurrent_cached(max_size)]`, no TTL",
};

pub(super) const CONCURRENT_TTL: Label = Label {
    role: Role::Macro,
    id: "concurrent-ttl",
    title: "cached: `#[concurrent_cached(max_size, ttl)]`",
};

pub(super) const CACHED_TTL: Label = Label {
    role: Role::Macro,
    id: "cached-ttl",
    title: "cached: `#[cached(max_size, ttl)]`",
};

pub(super) const CACHED_BY_KEY: Label = Label {
    role: Role::Macro,
    id: "cached-by-key",
    title: "cached: `#[cached(.., sync_writes = \"by_key\")]`",
};

pub(super) const MOKA: Label = Label {
    role: Role::Other,
    id: "moka",
    title: "by hand: `moka::future`, `get_with` and a TTL",
};
