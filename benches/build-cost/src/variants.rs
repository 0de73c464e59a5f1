//! The programs that are compared: the same functions, under other attributes.

/// A table of the report.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Memory,
    BothTiers,
}

impl Group {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Memory => "in memory",
            Self::BothTiers => "on Redis",
        }
    }
}

/// One program.
pub(crate) struct Variant {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// Nothing for the program without a cache, which stands in each table.
    pub(crate) group: Option<Group>,
    /// The line of its `[dependencies]`. `{core}` stands for where our crate is.
    pub(crate) dependency: &'static str,
    pub(crate) import: &'static str,
    /// For `fn(id: u64)`, for `fn(db: &Db, id: u64)` and for `fn(db: &Db, tenant: &str, id: u64)`.
    pub(crate) attributes: [&'static str; 3],
}

impl Variant {
    pub(crate) fn is_in(&self, group: Group) -> bool {
        self.group.is_none_or(|own| own == group)
    }
}

pub(crate) const VARIANTS: &[Variant] = &[
    Variant {
        id: "plain",
        title: "without a cache",
        group: None,
        dependency: "",
        import: "",
        attributes: ["", "", ""],
    },
    Variant {
        id: "ours-memory",
        title: "**ours: `tiers = memory`**",
        group: Some(Group::Memory),
        dependency: "cache-core = { path = \"{core}\", default-features = false }",
        import: "use cache_core::cached;",
        attributes: [
            "#[cached(ttl = 5m, tiers = memory)]",
            "#[cached(ttl = 5m, tiers = memory, skip(db))]",
            "#[cached(ttl = 5m, tiers = memory, skip(db))]",
        ],
    },
    Variant {
        id: "cached-memory",
        title: "cached: `#[cached]`",
        group: Some(Group::Memory),
        dependency: "cached = { version = \"4.1\", features = [\"async\"] }",
        import: "use cached::macros::cached;",
        attributes: [
            "#[cached(max_size = 1_000, ttl_secs = 300)]",
            "#[cached(max_size = 1_000, ttl_secs = 300, key = \"u64\", convert = { id })]",
            "#[cached(max_size = 1_000, ttl_secs = 300, key = \"(String, u64)\", convert = { (tenant.to_owned(), id) })]",
        ],
    },
    Variant {
        id: "cached-concurrent",
        title: "cached: `#[concurrent_cached]`",
        group: Some(Group::Memory),
        dependency: "cached = { version = \"4.1\", features = [\"async\"] }",
        import: "use cached::macros::concurrent_cached;",
        attributes: [
            "#[concurrent_cached(max_size = 1_000, ttl_secs = 300)]",
            "#[concurrent_cached(max_size = 1_000, ttl_secs = 300, key = \"u64\", convert = { id })]",
            "#[concurrent_cached(max_size = 1_000, ttl_secs = 300, key = \"(String, u64)\", convert = { (tenant.to_owned(), id) })]",
        ],
    },
    Variant {
        id: "ours-both",
        title: "**ours: both tiers**",
        group: Some(Group::BothTiers),
        dependency: "cache-core = { path = \"{core}\" }",
        import: "use cache_core::cached;",
        attributes: [
            "#[cached(ttl = 5m)]",
            "#[cached(ttl = 5m, skip(db))]",
            "#[cached(ttl = 5m, skip(db))]",
        ],
    },
    Variant {
        id: "cached-redis",
        title: "cached: Redis, nothing in memory",
        group: Some(Group::BothTiers),
        dependency: "cached = { version = \"4.1\", features = [\"async\", \"redis_tokio\"] }",
        import: "use cached::macros::concurrent_cached;",
        attributes: [
            "#[concurrent_cached(redis = true, ttl_secs = 300, map_error = |e| DbError(e.to_string()))]",
            "#[concurrent_cached(redis = true, ttl_secs = 300, map_error = |e| DbError(e.to_string()), \
             key = \"u64\", convert = { id })]",
            "#[concurrent_cached(redis = true, ttl_secs = 300, map_error = |e| DbError(e.to_string()), \
             key = \"String\", convert = { format!(\"{tenant}:{id}\") })]",
        ],
    },
];
