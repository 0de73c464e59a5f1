//! What `cache-core` was built with. It passes its features on to this crate, which has no other use for them.

/// The features that options need, and that which has expansions register.
#[derive(Clone, Copy)]
pub(crate) struct Features(&'static [&'static str]);

const GRAPH: &str = "graph";

impl Features {
    pub(crate) const BUILT: Self = Self(&[
        #[cfg(feature = "json")]
        "json",
        #[cfg(feature = "msgpack")]
        "msgpack",
        #[cfg(feature = "lz4")]
        "lz4",
        #[cfg(feature = "zstd")]
        "zstd",
        #[cfg(feature = "graph")]
        GRAPH,
    ]);

    /// All that options need.
    #[cfg(test)]
    pub(crate) const ALL: Self = Self(&["json", "msgpack", "lz4", "zstd"]);

    #[cfg(test)]
    pub(crate) const fn only(names: &'static [&'static str]) -> Self {
        Self(names)
    }

    /// Whether functions and events register in the graph of the program.
    pub(crate) fn have_graph(self) -> bool {
        self.has(GRAPH)
    }

    pub(crate) fn has(self, name: &str) -> bool {
        self.0.contains(&name)
    }
}
