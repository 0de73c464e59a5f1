//! One instantiation of an annotated function, and its name.

use std::any::TypeId;

use super::Site;
use crate::function::{self, CLOSURE};

/// One instantiation of an annotated function: what its entries in every tier are told apart by.
#[derive(Clone, Copy, Debug)]
pub struct Instance {
    pub(crate) site: &'static Site,
    /// The type of a closure in the expansion: unique per function and per type parameters.
    pub(crate) id: TypeId,
    /// The name of that closure's type.
    pub(crate) type_name: &'static str,
}

impl Instance {
    /// The one that a closure of its own stands for, which its expansion has: the type of that is unique per function
    /// and type parameters.
    #[inline]
    pub fn of<I>(site: &'static Site, _closure: &I) -> Self {
        Self {
            site,
            id: typeid::of::<I>(),
            type_name: std::any::type_name::<I>(),
        }
    }

    /// Whether a closure or a block of an `async fn` is part of its path: others have the same name then.
    pub(super) fn is_nameless(&self) -> bool {
        let path = self.path();
        let parameters = type_parameters(path);
        let part = if self.site.name.is_some() {
            &parameters
        } else {
            path
        };
        part.as_bytes()
            .windows(CLOSURE.len())
            .any(|window| window == CLOSURE.as_bytes())
    }

    fn path(&self) -> &'static str {
        function::path(self.type_name)
    }

    /// The readable name: module, implementing type, function and type parameters, or the option
    /// `name` with those type parameters; `@version` where there is one.
    pub(super) fn name(&self) -> String {
        let path = self.path();
        let mut name = match self.site.name {
            Some(name) => format!("{name}{}", type_parameters(path)),
            None => path.to_owned(),
        };
        if self.site.version != 0 {
            name = format!("{name}@{}", self.site.version);
        }
        name
    }
}

/// The type parameters in a path: every list in angle brackets that belongs to a name.
///
/// Those of `<shop::Store<u8> as shop::Named<u16>>::find<u32>` are `<u8><u16><u32>`.
fn type_parameters(path: &str) -> String {
    let mut parameters = String::new();
    let mut depth = 0;
    let mut before = ' ';
    for c in path.chars() {
        match c {
            // A list inside a list is part of it; one after nothing is a type with its trait.
            '<' if depth > 0 || before.is_alphanumeric() || before == '_' => depth += 1,
            // `->` in the type of a function.
            '>' if before != '-' && depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    parameters.push('>');
                }
            }
            _ => {}
        }
        if depth > 0 {
            parameters.push(c);
        }
        before = c;
    }
    parameters
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
        }
    }
}
