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

/// The type parameters in a path: every list in angle brackets that belongs to a name.
///
/// Those of `<shop::Store<u8> as shop::Named<u16>>::find<u32>` are `<u8><u16><u32>`.
pub(crate) fn type_parameters(path: &str) -> String {
    let parts = parts(path).filter(|(_, is_parameter)| *is_parameter);
    parts.map(|(c, _)| c).collect()
}

/// The path without its type parameters: `<shop::Store as shop::Named>::find`.
#[cfg(feature = "graph")]
pub(crate) fn without_parameters(path: &str) -> String {
    let parts = parts(path).filter(|(_, is_parameter)| !*is_parameter);
    parts.map(|(c, _)| c).collect()
}

/// Each character, and whether it is of the type parameters.
fn parts(path: &str) -> impl Iterator<Item = (char, bool)> {
    let (mut depth, mut before) = (0, ' ');
    path.chars().map(move |c| {
        let was_in = depth > 0;
        match c {
            // A list inside a list is part of it; one after nothing is a type with its trait.
            '<' if was_in || before.is_alphanumeric() || before == '_' => depth += 1,
            // `->` in the type of a function.
            '>' if before != '-' && was_in => depth -= 1,
            _ => {}
        }
        before = c;
        (c, was_in || depth > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_a_path_are_all_of_its_lists() {
        for (path, parameters) in [
            ("shop::user", ""),
            ("shop::find<u8>", "<u8>"),
            (
                "shop::Store<u8>::find<alloc::vec::Vec<u16>>",
                "<u8><alloc::vec::Vec<u16>>",
            ),
            ("<shop::Store as shop::Named>::find", ""),
            (
                "<shop::Store<u8> as shop::Named<u16>>::find<u32>",
                "<u8><u16><u32>",
            ),
            ("shop::call<fn(u8) -> u16>", "<fn(u8) -> u16>"),
        ] {
            assert_eq!(type_parameters(path), parameters, "{path}");
            #[cfg(feature = "graph")]
            assert_eq!(
                without_parameters(path).len() + parameters.len(),
                path.len()
            );
        }
    }
}
