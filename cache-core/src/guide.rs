//! Pages on how to work with this crate, for readers only.

/// # Testing code that caches
#[doc = include_str!("../docs/testing.md")]
#[cfg(any(feature = "testing", not(doctest)))]
#[cfg_attr(
    not(feature = "testing"),
    expect(
        rustdoc::broken_intra_doc_links,
        reason = "what it links to needs the feature"
    )
)]
pub mod testing {}

/// # What invalidation promises
#[doc = include_str!("../docs/coherence.md")]
pub mod coherence {}

/// # Redis servers, and what to set there
#[doc = include_str!("../docs/servers.md")]
#[cfg(any(feature = "redis", not(doctest)))]
pub mod servers {}

/// # Old values, slow loads, many keys
#[doc = include_str!("../docs/strategies.md")]
pub mod strategies {}

/// # What is in it, why was this served, and what should I change?
#[doc = include_str!("../docs/insight.md")]
pub mod insight {}

/// # What a cache tells of itself: metrics, traces, health
#[doc = include_str!("../docs/metrics.md")]
#[cfg_attr(
    not(all(feature = "metrics", feature = "opentelemetry")),
    expect(
        rustdoc::broken_intra_doc_links,
        reason = "what it links to needs the features"
    )
)]
pub mod metrics {}

/// # Which function changes what
#[doc = include_str!("../docs/graph.md")]
#[cfg(any(feature = "graph", not(doctest)))]
#[cfg_attr(
    not(feature = "graph"),
    expect(
        rustdoc::broken_intra_doc_links,
        reason = "what it links to needs the feature"
    )
)]
pub mod graph {}

/// # Compile-testing your own use of the macros
#[doc = include_str!("../docs/compile_tests.md")]
pub mod compile_tests {}
