//! Functions of many keys: what `batch` takes.

use proc_macro2::{Delimiter, Group};
use syn::{
    Error, Ident, LitInt, Result, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

/// `batch(id in ids, max = 100)`
pub(crate) struct Batch {
    /// One key, as options name it.
    pub(crate) element: Ident,
    /// The argument that holds all of them.
    pub(crate) elements: Ident,
    /// How many keys one load has at most.
    pub(crate) most: Option<u32>,
}

impl Batch {
    /// Reads what is in the parentheses; `form` is how the option is written.
    pub(crate) fn read(input: ParseStream<'_>, name: &Ident, form: &str) -> Result<Self> {
        let group = input.parse::<Group>().ok();
        let group = group.filter(|group| group.delimiter() == Delimiter::Parenthesis);
        let Some(group) = group else {
            return Err(Error::new_spanned(
                name,
                format_args!("`{name}` names the keys: write {form}"),
            ));
        };
        Self::parse
            .parse2(group.stream())
            .map_err(|error| match error.to_string() {
                message if message.starts_with("a load") => error,
                _ => Error::new_spanned(&group, format_args!("`{name}` is written {form}")),
            })
    }

    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let element = input.parse()?;
        input.parse::<Token![in]>()?;
        let mut batch = Self {
            element,
            elements: input.parse()?,
            most: None,
        };
        if input.is_empty() {
            return Ok(batch);
        }
        input.parse::<Token![,]>()?;
        if input.is_empty() {
            return Ok(batch);
        }
        let word = input.call(Ident::parse_any)?;
        input.parse::<Token![=]>()?;
        let most: LitInt = input.parse()?;
        let number = most.base10_parse::<u32>()?;
        if number == 0 {
            return Err(Error::new_spanned(
                most,
                "a load of no key loads nothing: `max` is at least 1",
            ));
        }
        if word != "max" || !(input.is_empty() || input.parse::<Token![,]>().is_ok()) {
            return Err(input.error("another form"));
        }
        batch.most = Some(number);
        Ok(batch)
    }
}
