//! Functions that return a boxed future: what `#[async_trait]` makes of an `async fn`, and what is
//! written by hand where a function awaits itself.

use syn::{
    GenericArgument, Lifetime, Path, PathArguments, PathSegment, Type, TypeParamBound,
    TypeTraitObject,
};

/// A boxed future, as far as a return type tells.
pub(crate) struct BoxedFuture {
    pub(crate) output: Type,
    pub(crate) is_send: bool,
    /// Whether it may borrow from arguments.
    pub(crate) may_borrow: bool,
    /// What it says to be that no cached future is.
    pub(crate) beyond: Option<Path>,
}

impl BoxedFuture {
    /// Reads `Pin<Box<dyn Future<Output = T> + ..>>`, or the names that crate `futures` has for it.
    pub(crate) fn read(returned: &Type) -> Option<Self> {
        for (name, is_send) in [("BoxFuture", true), ("LocalBoxFuture", false)] {
            if let Some(output) = argument_of(returned, name) {
                return Some(Self {
                    output: output.clone(),
                    is_send,
                    may_borrow: lifetime_of(returned).is_none_or(is_short),
                    beyond: None,
                });
            }
        }
        match bare(argument_of(argument_of(returned, "Pin")?, "Box")?) {
            Type::TraitObject(object) => Self::of_object(object),
            _ => None,
        }
    }

    fn of_object(object: &TypeTraitObject) -> Option<Self> {
        let traits = object.bounds.iter().filter_map(|bound| match bound {
            TypeParamBound::Trait(bound) => Some(&bound.path),
            _ => None,
        });
        let (mut output, mut is_send, mut beyond) = (None, false, None);
        for path in traits {
            let last = path.segments.last()?;
            if last.ident == "Future" {
                output = arguments(&last.arguments).find_map(|argument| match argument {
                    GenericArgument::AssocType(assigned) if assigned.ident == "Output" => {
                        Some(assigned.ty.clone())
                    }
                    _ => None,
                });
            } else if last.ident == "Send" {
                is_send = true;
            } else {
                beyond = Some(path.clone());
            }
        }
        let may_borrow = object
            .bounds
            .iter()
            .any(|bound| matches!(bound, TypeParamBound::Lifetime(lifetime) if is_short(lifetime)));
        Some(Self {
            output: output?,
            is_send,
            may_borrow,
            beyond,
        })
    }
}

fn is_short(lifetime: &Lifetime) -> bool {
    lifetime.ident != "static"
}

/// The type without the parentheses, and the groups of a `macro_rules!`, around it.
pub(crate) fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        ty => ty,
    }
}

/// `T` of `name<T>`, whatever the path before it.
fn argument_of<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let last = last_segment(ty).filter(|last| last.ident == name)?;
    arguments(&last.arguments).find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// `'a` of `name<'a, ..>`
fn lifetime_of(ty: &Type) -> Option<&Lifetime> {
    arguments(&last_segment(ty)?.arguments).find_map(|argument| match argument {
        GenericArgument::Lifetime(lifetime) => Some(lifetime),
        _ => None,
    })
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match bare(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

fn arguments(arguments: &PathArguments) -> impl Iterator<Item = &GenericArgument> {
    let arguments = match arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments.into_iter().flatten()
}
