//! Functions that return a boxed future: what `#[async_trait]` makes of an `async fn`, and what is
//! written by hand where a function awaits itself.

use syn::{GenericArgument, PathArguments, Type, TypeParamBound, TypeTraitObject};

/// A boxed future, as far as a return type tells.
pub(crate) struct BoxedFuture<'a> {
    pub(crate) output: &'a Type,
    pub(crate) is_send: bool,
}

impl<'a> BoxedFuture<'a> {
    /// Reads `Pin<Box<dyn Future<Output = T> + ..>>`, or the names that crate `futures` has for it.
    pub(crate) fn read(returned: &'a Type) -> Option<Self> {
        if let Some(output) = argument_of(returned, "BoxFuture") {
            return Some(Self {
                output,
                is_send: true,
            });
        }
        if let Some(output) = argument_of(returned, "LocalBoxFuture") {
            return Some(Self {
                output,
                is_send: false,
            });
        }
        match argument_of(argument_of(returned, "Pin")?, "Box")? {
            Type::TraitObject(object) => Self::of_object(object),
            _ => None,
        }
    }

    fn of_object(object: &'a TypeTraitObject) -> Option<Self> {
        let traits = || {
            object.bounds.iter().filter_map(|bound| match bound {
                TypeParamBound::Trait(bound) => bound.path.segments.last(),
                _ => None,
            })
        };
        let future = traits().find(|last| last.ident == "Future")?;
        let output = arguments(&future.arguments).find_map(|argument| match argument {
            GenericArgument::AssocType(assigned) if assigned.ident == "Output" => {
                Some(&assigned.ty)
            }
            _ => None,
        })?;
        Some(Self {
            output,
            is_send: traits().any(|last| last.ident == "Send"),
        })
    }
}

/// `T` of `name<T>`, whatever the path before it.
fn argument_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let last = match ty {
        Type::Path(path) => path.path.segments.last()?,
        Type::Group(group) => return argument_of(&group.elem, name),
        _ => return None,
    };
    let mut types = arguments(&last.arguments).filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.next().filter(|_| last.ident == name)
}

fn arguments(arguments: &PathArguments) -> impl Iterator<Item = &GenericArgument> {
    let arguments = match arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten()
}
