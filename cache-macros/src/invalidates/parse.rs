//! Reads `UserChanged { id }, result, on_ok, cache = self.cache`. A mistake costs only what is before the next comma.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::{
    Error, Expr, ExprPath, Result, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser, discouraged::Speculative},
};

use super::Options;
use crate::{literal::Events, mistakes::Mistakes, options::Given, suggest};

/// The words with a value, and those that stand alone.
const VALUES: [&str; 2] = ["cache", "crate"];
pub(super) const FLAGS: [&str; 2] = ["on_ok", "guarded"];

pub(super) fn options(tokens: TokenStream, mistakes: &mut Mistakes) -> Options {
    let mut options = Options::default();
    let is_empty = tokens.is_empty();
    let mut has_mistake = false;
    let parsed = (|input: ParseStream<'_>| {
        while !input.is_empty() {
            if let Err(mistake) = read_one(&mut options, input) {
                mistakes.add(mistake);
                has_mistake = true;
                skip_to_comma(input);
            }
            if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                mistakes.add(input.error("expected `,` before the next event"));
                has_mistake = true;
                skip_to_comma(input);
                input.parse::<Option<Token![,]>>()?;
            }
        }
        Ok(())
    })
    .parse2(tokens);
    if let Err(error) = parsed {
        mistakes.add(error);
        has_mistake = true;
    }
    if options.events.is_empty() && !has_mistake {
        let also = if is_empty { "" } else { " beside the options" };
        mistakes.missing(format_args!(
            "no event is named: write what the function changes{also}, as in \
             `#[invalidates(UserChanged {{ id }})]`"
        ));
    }
    options
}

fn read_one(options: &mut Options, input: ParseStream<'_>) -> Result<()> {
    let ahead = input.fork();
    if let Ok(word) = ahead.call(Ident::parse_any) {
        if ahead.peek(Token![=]) && !ahead.peek(Token![==]) {
            input.advance_to(&ahead);
            return read_value(options, word, input);
        }
        let is_alone = ahead.is_empty() || ahead.peek(Token![,]);
        if is_alone && FLAGS.iter().any(|flag| word == flag) {
            input.advance_to(&ahead);
            return read_flag(options, word);
        }
    }
    let ahead = input.fork();
    let expr: Expr = ahead.parse().map_err(|error| {
        Error::new(
            error.span(),
            "expected an event, as in `#[invalidates(UserChanged { id })]`",
        )
    })?;
    input.advance_to(&ahead);
    options.events.extend(Events::read(expr)?);
    Ok(())
}

fn read_flag(options: &mut Options, word: Ident) -> Result<()> {
    let flag = if word == "on_ok" {
        &mut options.on_ok
    } else {
        &mut options.guarded
    };
    if flag.is_some() {
        return Err(given_twice(&word));
    }
    *flag = Some(word);
    Ok(())
}

fn read_value(options: &mut Options, name: Ident, input: ParseStream<'_>) -> Result<()> {
    let equals: Token![=] = input.parse()?;
    if FLAGS.iter().any(|flag| name == flag) {
        return Err(Error::new_spanned(
            &name,
            format_args!("`{name}` takes no value: write `{name}`"),
        ));
    }
    if !VALUES.iter().any(|value| name == value) {
        let instead = suggest::instead(&name.to_string(), VALUES.into_iter().chain(FLAGS));
        return Err(Error::new_spanned(
            &name,
            format_args!("unknown option `{name}`, {instead}"),
        ));
    }
    let form = if name == "cache" {
        "`cache = self.cache`"
    } else {
        "`crate = path::to::cache_core`"
    };
    let ahead = input.fork();
    let Ok(value) = ahead.parse::<Expr>() else {
        return Err(Error::new_spanned(
            equals,
            format_args!("`{name}` needs a value: write {form}"),
        ));
    };
    input.advance_to(&ahead);
    if name == "cache" {
        return give(&mut options.cache, name, value);
    }
    match value {
        Expr::Path(ExprPath {
            qself: None, path, ..
        }) => give(&mut options.krate, name, path),
        other => Err(Error::new_spanned(
            other,
            format_args!("`{name}` is written {form}"),
        )),
    }
}

fn give<T>(option: &mut Option<Given<T>>, name: Ident, value: T) -> Result<()> {
    if option.is_some() {
        return Err(given_twice(&name));
    }
    *option = Some(Given { name, value });
    Ok(())
}

fn given_twice(name: &Ident) -> Error {
    Error::new_spanned(name, format_args!("`{name}` is given twice: remove one"))
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}
