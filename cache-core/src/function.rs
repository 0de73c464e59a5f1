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

/// Whether the path in the name of a function ends in `name`, by whole segments.
pub(crate) fn is_called(function: &str, name: &str) -> bool {
    let rest = path_in(function).strip_suffix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
}

/// The name of a function without version and type parameters.
pub(crate) fn path_in(name: &str) -> &str {
    let path = without_version(name);
    let mut depth = 0_usize;
    // From the end: an earlier list belongs to the type that the function is a method of.
    let start_of_list = path.char_indices().rev().find(|&(_, c)| {
        depth += usize::from(c == '>');
        depth -= usize::from(c == '<' && depth > 0);
        depth == 0
    });
    match start_of_list {
        Some((at, '<')) => &path[..at],
        _ => path,
    }
}

/// The name of a function without the version of its values, which is a number.
pub(crate) fn without_version(name: &str) -> &str {
    let is_version =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let versioned = name.rsplit_once('@');
    let versioned = versioned.filter(|(_, version)| is_version(version));
    versioned.map_or(name, |(path, _)| path)
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

    #[test]
    fn a_path_has_neither_version_nor_the_type_parameters_of_its_function() {
        for (name, path) in [
            ("shop::users::user", "shop::users::user"),
            ("shop::user@2", "shop::user"),
            ("user@home", "user@home"),
            ("shop::user<alloc::vec::Vec<u8>>@2", "shop::user"),
            ("shop::Store<u8>::find", "shop::Store<u8>::find"),
            (
                "<shop::Store as shop::Named>::find",
                "<shop::Store as shop::Named>::find",
            ),
        ] {
            assert_eq!(path_in(name), path);
        }
    }
}
