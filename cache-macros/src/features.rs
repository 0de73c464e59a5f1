//! What `cache-core` was built with. It passes its features on to this crate, which has no other use for them.

/// The features that options need.
#[derive(Clone, Copy)]
pub(crate) struct Features(&'static [&'static str]);

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
    ]);

    #[cfg(test)]
    pub(crate) const ALL: Self = Self(&["json", "msgpack", "lz4", "zstd"]);

    #[cfg(test)]
    pub(crate) const fn only(names: &'static [&'static str]) -> Self {
        Self(names)
    }

    pub(crate) fn has(self, name: &str) -> bool {
        self.0.contains(&name)
    }
}
