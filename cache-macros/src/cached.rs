//! `#[cached(...)]`: reads, checks and expands.

use proc_macro2::{Span, TokenStream};
use syn::{Error, Result};

use crate::{
    expand,
    features::Features,
    function::{self, Purpose},
    mistakes::Mistakes,
    model::Model,
    parse,
};

/// The expansion or, where something is wrong, all that is and the item as it was, so that whoever
/// calls it does not see an error too.
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
    options.check(features, &mut mistakes);
    let function = function::read(item, Purpose::Cached, &mut mistakes);
    let model = function.map(|function| Model::new(options, function, &mut mistakes));
    match (mistakes.into_error(), model) {
        (None, Some(model)) => Ok(expand::expand(&model, features)),
        (Some(mistakes), _) => Err(mistakes),
        (None, None) => Err(Error::new(
            Span::call_site(),
            "`#[cached]` found nothing to cache",
        )),
    }
}
