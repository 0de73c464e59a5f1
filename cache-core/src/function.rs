//! Functions by the names that the compiler gives them. A leaf.

/// What the compiler calls a closure, and a block of an `async fn`.
pub(crate) const CLOSURE: &str = "::{{closure}}";

/// The function that the type of a closure in its body is named after: module, implementing type, trait, and all type
/// parameters.
pub(crate) fn path(closure: &'static str) -> &'static str {
    let mut path = closure;
    while let Some(shorter) = path.strip_suffix(CLOSURE) {
        path = shorter;
    }
    path
}
