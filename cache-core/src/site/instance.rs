//! One instantiation of an annotated function, and its name.

use std::any::TypeId;

use super::Site;
use crate::function::{self, CLOSURE, type_parameters};

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
