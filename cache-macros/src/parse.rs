//! Reads `name = value, name(..), name` by the table of options.
//!
//! A mistake costs only its own option: reading goes on after the next comma that starts another one.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Error, Expr, Ident, LitInt, Result, Token,
    ext::IdentExt,
    parse::{ParseStream, Parser, discouraged::Speculative},
    punctuated::Punctuated,
    token::Paren,
};

use crate::{
    mistakes::Mistakes,
    options::{Batch, KNOWN, Known, Options, Read, Wrong},
    suggest,
};

/// Reads all options; what is wrong with them goes to `mistakes`.
pub(crate) fn options(tokens: TokenStream, mistakes: &mut Mistakes) -> Options {
    let mut options = Options::default();
    let parsed = (|input: ParseStream<'_>| {
        read_all(&mut options, input, mistakes);
        Ok(())
    })
    .parse2(tokens);
    if let Err(error) = parsed {
        mistakes.add(error);
    }
    if !options.is_tried("ttl") {
        mistakes.missing(
            "`ttl` is missing: write how long an entry is fresh, as in `#[cached(ttl = 5m)]`",
        );
    }
    options
}

fn read_all(options: &mut Options, input: ParseStream<'_>, mistakes: &mut Mistakes) {
    while !input.is_empty() {
        if let Err(mistake) = read_one(options, input) {
            mistakes.add(mistake);
            skip_to_next(input);
            continue;
        }
        if !input.is_empty() && input.parse::<Token![,]>().is_err() {
            mistakes.add(input.error(expected(options, input)));
            if !starts_option(input) {
                skip_to_next(input);
            }
        }
    }
}

/// What to write where an option does not end.
fn expected(options: &Options, input: ParseStream<'_>) -> &'static str {
    let is_time = options
        .named
        .last()
        .is_some_and(|name| name.ends_with("ttl"));
    let unit = input.fork().parse::<LitInt>();
    if is_time && unit.is_ok_and(|unit| !unit.suffix().is_empty()) {
        "a duration is one word: write `1h30m`"
    } else {
        "expected `,` before the next option"
    }
}

fn read_one(options: &mut Options, input: ParseStream<'_>) -> Result<()> {
    let name = input.call(Ident::parse_any).map_err(|error| {
        // Whatever it is may be meant for it: what is not understood is not missing too.
        options.meant.push("ttl");
        Error::new(error.span(), "expected an option, as in `ttl = 5m`")
    })?;
    let Some(known) = KNOWN.iter().find(|known| name == known.name) else {
        return Err(unknown(options, &name, input));
    };
    let is_again = options.named.contains(&known.name);
    options.named.push(known.name);
    if is_again {
        return Err(Error::new_spanned(
            &name,
            format_args!("`{name}` is given twice: remove one"),
        ));
    }
    match known.read {
        Read::Value(read) => {
            let value = value(input, &name, known)?;
            let tokens = value.to_token_stream();
            read(options, name, value).map_err(|wrong| match wrong {
                Wrong::Form => known.instead(tokens),
                Wrong::Because(error) => error,
            })
        }
        Read::Names(read) => {
            let names = names(input, &name, known)?;
            read(options, name, names);
            Ok(())
        }
        Read::Batch(read) => {
            let batch = Batch::read(input, &name, known.form)?;
            read(options, name, batch);
            Ok(())
        }
        Read::Flag(_) if input.peek(Token![=]) || input.peek(Paren) => Err(Error::new_spanned(
            &name,
            format_args!("`{name}` takes no value: write {}", known.form),
        )),
        Read::Flag(read) => {
            read(options, name);
            Ok(())
        }
    }
}

/// Words that other crates use, and what to write here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("compression", "write `compress = 4KiB`"),
    ("convert", "write what it gives as `key = ..`"),
    ("encoding", "write `codec = json`"),
    ("expire", "write `ttl = 5m`"),
    ("format", "write `codec = json`"),
    ("map_error", "leave it out: errors pass as they are"),
    (
        "max_capacity",
        "write `Cache::builder().memory_limit(bytes)`",
    ),
    ("max_size", "write `Cache::builder().memory_limit(bytes)`"),
    (
        "option",
        "leave it out: `Option` is seen by its type, and `none_ttl` says how long `None` is kept",
    ),
    ("refresh", "call `.refresh()` where it is wanted"),
    (
        "result",
        "leave it out: `Result` is seen by its type, and an `Err` is not kept",
    ),
    ("serializer", "write `codec = json`"),
    (
        "size",
        "write `Cache::builder().memory_limit(bytes)`, or `weight = |value| ..` for one value's bytes",
    ),
    (
        "sync_writes",
        "leave it out: one load per key is always shared",
    ),
    ("time", "write `ttl = 5m`"),
    ("time_to_live", "write `ttl = 5m`"),
    (
        "unbound",
        "leave it out: memory is always bounded, by `Cache::builder().memory_limit(bytes)`",
    ),
];

fn unknown(options: &mut Options, name: &Ident, input: ParseStream<'_>) -> Error {
    let text = name.to_string();
    let follows_key = options.named.last() == Some(&"key");
    if follows_key && (input.is_empty() || input.peek(Token![,]) || input.peek(Token![.])) {
        return Error::new_spanned(
            name,
            format_args!(
                "there is no option `{name}`: if it is a part of the key, write `key = (.., {name})`"
            ),
        );
    }
    if let Some((_, instead)) = ELSEWHERE.iter().find(|(word, _)| *word == text) {
        if instead.contains("ttl = 5m") {
            options.meant.push("ttl");
        }
        return Error::new_spanned(name, format_args!("there is no option `{name}`: {instead}"));
    }
    let known = KNOWN.iter().map(|known| known.name);
    options.meant.extend(suggest::nearest(&text, known.clone()));
    let instead = suggest::instead(&text, known);
    Error::new_spanned(name, format_args!("unknown option `{name}`, {instead}"))
}

impl Known {
    fn instead(&self, found: impl ToTokens) -> Error {
        Error::new_spanned(
            found,
            format_args!("`{}` is written {}", self.name, self.form),
        )
    }
}

fn value(input: ParseStream<'_>, name: &Ident, known: &Known) -> Result<Expr> {
    let Ok(equals) = input.parse::<Token![=]>() else {
        return Err(Error::new_spanned(
            name,
            format_args!("`{name}` needs a value: write {}", known.form),
        ));
    };
    if input.is_empty() || input.peek(Token![,]) {
        return Err(Error::new_spanned(
            equals,
            format_args!("`{name}` needs a value: write {}", known.form),
        ));
    }
    // A fork, as whatever a failed attempt leaves unread in a group would count as a second mistake.
    let ahead = input.fork();
    let value = ahead.parse().map_err(|error| {
        // Where nothing follows, the compiler would underline all options.
        let last = input.cursor().token_stream().into_iter().last();
        let last = last.filter(|last| ahead.is_empty() && !matches!(last, TokenTree::Group(_)));
        let place = last.map_or(error.span(), |last| last.span());
        Error::new(place, format_args!("`{name}` is written {}", known.form))
    })?;
    if let Expr::Assign(_) = value {
        return Err(known.instead(value));
    }
    input.advance_to(&ahead);
    // A key looks itself at who has written it.
    let is_key = name == "key";
    Ok(if is_key { value } else { ungrouped(value) })
}

/// The value, also where it is a `$value:expr` of a `macro_rules!`.
pub(crate) fn ungrouped(value: Expr) -> Expr {
    match value {
        Expr::Group(group) => ungrouped(*group.expr),
        value => value,
    }
}

fn names(input: ParseStream<'_>, name: &Ident, known: &Known) -> Result<Vec<Ident>> {
    let group = input
        .parse::<Group>()
        .ok()
        .filter(|group| group.delimiter() == Delimiter::Parenthesis);
    let Some(group) = group.filter(|group| !group.stream().is_empty()) else {
        return Err(Error::new_spanned(
            name,
            format_args!("`{name}` needs a list: write {}", known.form),
        ));
    };
    let names = (|list: ParseStream<'_>| {
        Punctuated::<Ident, Token![,]>::parse_terminated_with(list, Ident::parse_any)
    })
    .parse2(group.stream());
    match names {
        Ok(names) => Ok(names.into_iter().collect()),
        Err(_) => Err(Error::new_spanned(
            group,
            format_args!("`{name}` takes names of arguments: write {}", known.form),
        )),
    }
}

/// Whether what follows is the start of an option, rather than of something that went wrong.
fn starts_option(input: ParseStream<'_>) -> bool {
    let fork = input.fork();
    fork.call(Ident::parse_any).is_ok_and(|name| {
        fork.peek(Token![=]) && !fork.peek(Token![==])
            || KNOWN.iter().any(|known| name == known.name)
    })
}

/// Goes behind the comma that ends the option in which the mistake is.
fn skip_to_next(input: ParseStream<'_>) {
    skip_value(input);
    let is_read = input.is_empty() || input.peek(Token![,]);
    while !input.is_empty() {
        let is_comma = input.peek(Token![,]);
        if input.parse::<TokenTree>().is_err() {
            return;
        }
        if is_comma && (is_read || input.is_empty() || starts_option(input)) {
            return;
        }
    }
}

/// Reads over the value of an option that is wrong before its value.
fn skip_value(input: ParseStream<'_>) {
    let ahead = input.fork();
    let is_read = if input.peek(Token![=]) {
        ahead.parse::<Token![=]>().is_ok() && ahead.parse::<Expr>().is_ok()
    } else {
        ahead.parse::<Group>().is_ok()
    };
    if is_read {
        input.advance_to(&ahead);
    }
}
