//! `#[cached(...)]`: reads, checks and expands.

use proc_macro2::TokenStream;

use crate::{expand, function, mistakes::Mistakes, model::Model, parse};

/// The expansion or, where something is wrong, all that is and the item as it was: whoever calls it
/// should not see an error too.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let options = parse::options(options, &mut mistakes);
    let function = function::read(item.clone(), &mut mistakes);
    let model = function.map(|function| Model::new(options, function, &mut mistakes));
    match (mistakes.into_compile_errors(), model) {
        (None, Some(model)) => expand::expand(&model),
        (errors, _) => errors.into_iter().chain([item]).collect(),
    }
}
