//! `#[invalidates(...)]`: reads, checks and expands.

mod check;
mod expand;
mod parse;

use proc_macro2::{Ident, Span, TokenStream};
use syn::{Error, Expr, Path, Result};

use crate::{
    features::Features,
    function::{self, Purpose},
    literal::Events,
    mistakes::Mistakes,
    options::Given,
};

/// The expansion or, where something is wrong, all that is and the item as it was.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    match try_expand(options, item.clone(), Features::BUILT) {
        Ok(expansion) => expansion,
        Err(mistakes) => [mistakes.into_compile_error(), item].into_iter().collect(),
    }
}

/// The expansion.
///
/// # Errors
///
/// All mistakes, combined.
pub(crate) fn try_expand(
    options: TokenStream,
    item: TokenStream,
    features: Features,
) -> Result<TokenStream> {
    let mut mistakes = Mistakes::default();
    let options = parse::options(options, &mut mistakes);
    let function = function::read(item, Purpose::Invalidates, &mut mistakes);
    if let Some(function) = &function {
        check::check(&options, function, &mut mistakes);
    }
    match (mistakes.into_error(), function) {
        (None, Some(function)) => Ok(expand::expand(&options, &function, features)),
        (Some(mistakes), _) => Err(mistakes),
        (None, None) => Err(Error::new(
            Span::call_site(),
            "`#[invalidates]` found no function",
        )),
    }
}

/// What the attribute holds.
#[derive(Default)]
struct Options {
    events: Vec<Events>,
    /// A failed call emits nothing.
    on_ok: Option<Ident>,
    /// The other processes know of the call before it begins.
    guarded: Option<Ident>,
    cache: Option<Given<Expr>>,
    krate: Option<Given<Path>>,
}
