//! The mistakes found so far. All of them are reported in one go, each at the token that is wrong.

use std::fmt::Display;

use proc_macro2::Span;
use quote::ToTokens;
use syn::Error;

#[derive(Default)]
pub(crate) struct Mistakes(Option<Error>);

impl Mistakes {
    /// A mistake at these tokens.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.add(Error::new_spanned(tokens, message));
    }

    /// A mistake of something that is not there.
    pub(crate) fn missing(&mut self, message: impl Display) {
        self.add(Error::new(Span::call_site(), message));
    }

    pub(crate) fn add(&mut self, mistake: Error) {
        match &mut self.0 {
            Some(mistakes) => mistakes.combine(mistake),
            none => *none = Some(mistake),
        }
    }

    /// All of them, as one error; nothing where there is none.
    pub(crate) fn into_error(self) -> Option<Error> {
        self.0
    }
}
