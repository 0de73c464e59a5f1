//! What each option takes as its value.

use proc_macro2::TokenTree;
use quote::ToTokens;
use syn::{Expr, ExprLit, ExprPath, Ident, Lit, LitInt, LitStr, Path};

use super::{Key, Tiers, Ttl, Wrong};
use crate::{duration::Time, function::find_token, parse::ungrouped, suggest};

pub(super) fn time(value: Expr, option: &str) -> Result<Time, Wrong> {
    let time = Time::from_expr(value, option).map_err(Wrong::Because)?;
    if let Time::Expr(value) = &time {
        refuse_exit(value, &format!("`{option}`"))?;
    }
    Ok(time)
}

pub(super) fn cache(value: Expr) -> Result<Expr, Wrong> {
    refuse_exit(&value, "`cache`")?;
    Ok(value)
}

/// A call of a function, or a block that makes one.
pub(super) fn call(value: Expr) -> Result<Expr, Wrong> {
    match value {
        Expr::Call(_) | Expr::MethodCall(_) | Expr::Block(_) | Expr::Macro(_) => {
            refuse_exit(&value, "`prefetch`")?;
            Ok(value)
        }
        Expr::Await(call) => Err(Wrong::at(
            call,
            "`prefetch` begins the call, and nobody waits for it: leave out `.await`",
        )),
        _ => Err(Wrong::Form),
    }
}

pub(super) fn key(value: Expr) -> Result<Key, Wrong> {
    Ok(match value {
        Expr::Tuple(tuple) => parts(tuple.elems)?,
        Expr::Paren(paren) => parts([*paren.expr])?,
        Expr::Closure(_) => return Err(Wrong::Form),
        // A `macro_rules!` may have another literal for each function.
        Expr::Group(group) => match ungrouped(*group.expr) {
            literal @ Expr::Lit(_) if text(&literal).is_none() => parts([literal])?,
            value => key(value)?,
        },
        Expr::Lit(ExprLit { lit, .. }) if !matches!(lit, Lit::Str(_)) => {
            return Err(Wrong::at(
                lit,
                "this key is the same for all calls: name an argument, as in `key = id`, or write `key = ()` for \
                 one entry",
            ));
        }
        value => match text(&value) {
            Some(text) => Key::Text(text.clone()),
            None => parts([value])?,
        },
    })
}

fn parts(parts: impl IntoIterator<Item = Expr>) -> Result<Key, Wrong> {
    let parts = parts.into_iter().map(|part| {
        if never_gives(&part) {
            return Err(Wrong::Form);
        }
        refuse_exit(&part, "a key")?;
        Ok(part)
    });
    parts.collect::<Result<_, _>>().map(Key::Parts)
}

/// Whether it is a call of a macro that only panics.
fn never_gives(part: &Expr) -> bool {
    const PANICS: [&str; 4] = ["panic", "todo", "unimplemented", "unreachable"];
    matches!(part, Expr::Macro(call) if PANICS.iter().any(|name| call.mac.path.is_ident(name)))
}

/// What an expression cannot do that is evaluated in a closure, as what waits for nothing is.
const EXITS: [(&str, &str); 3] = [
    (
        "await",
        "does not wait: await this before the call, and pass it as an argument",
    ),
    (
        "return",
        "always has a value: write that in place of `return`",
    ),
    (
        "?",
        "always has a value: leave out `?`, or handle what is not there, as with `unwrap_or_else`",
    ),
];

fn refuse_exit(value: &Expr, what: &str) -> Result<(), Wrong> {
    let exit = find_exit(value);
    exit.map_or(Ok(()), |(token, why)| {
        Err(Wrong::at(token, format_args!("{what} {why}")))
    })
}

/// Where the expression would leave the function, and what to write. Closures and blocks of its own it may leave.
fn find_exit(value: &Expr) -> Option<(TokenTree, &'static str)> {
    let tokens = value.to_token_stream();
    let is_inside = |token: &TokenTree| ["|", "async", "fn"].contains(&token.to_string().as_str());
    if find_token(tokens.clone(), &is_inside).is_some() {
        return None;
    }
    EXITS.iter().find_map(|(exit, why)| {
        let token = find_token(tokens.clone(), &|token| token.to_string() == *exit)?;
        Some((token, *why))
    })
}

pub(super) fn tiers(value: &Expr) -> Result<Tiers, Wrong> {
    const TIERS: [(&str, Tiers); 3] = [
        ("both", Tiers::Both),
        ("memory", Tiers::Memory),
        ("redis", Tiers::Redis),
    ];
    let word = word(value).ok_or(Wrong::Form)?;
    if let Some((_, tiers)) = TIERS.iter().find(|(known, _)| word == known) {
        return Ok(*tiers);
    }
    let instead = suggest::instead(&word.to_string(), TIERS.map(|(known, _)| known));
    Err(Wrong::at(
        value,
        format_args!("unknown tiers `{word}`, {instead}"),
    ))
}

pub(super) fn ttl(value: Expr, option: &str) -> Result<Ttl, Wrong> {
    match value {
        Expr::Closure(_) => function(value).map(Box::new).map(Ttl::Of),
        value => time(value, option).map(Ttl::Fixed),
    }
}

/// A closure, or a path where clippy would rather have that: `String::len`.
pub(super) fn function(value: Expr) -> Result<Expr, Wrong> {
    match &value {
        Expr::Closure(closure) if closure.inputs.len() == 1 => Ok(value),
        Expr::Path(_) => Ok(value),
        _ => Err(Wrong::Form),
    }
}

pub(super) fn loads(value: &Expr) -> Result<u32, Wrong> {
    match integer(value)? {
        0 => Err(Wrong::at(
            value,
            "no load could ever run: `max_concurrent_loads` is at least 1",
        )),
        loads => Ok(loads),
    }
}

pub(super) fn integer(value: &Expr) -> Result<u32, Wrong> {
    let literal = literal(value).ok_or(Wrong::Form)?;
    match literal {
        Lit::Int(integer) if matches!(LitInt::suffix(integer), "" | "u32") => {
            integer.base10_parse().map_err(|_| {
                Wrong::at(
                    integer,
                    format_args!("`{integer}` is too large, the largest is {}", u32::MAX),
                )
            })
        }
        _ => Err(Wrong::Form),
    }
}

pub(super) fn site_name(value: &Expr) -> Result<LitStr, Wrong> {
    let text = text(value).ok_or(Wrong::Form)?;
    let name = text.value();
    if name.is_empty() {
        return Err(Wrong::at(
            text,
            "a name has at least one character: write `name = \"shop::user\"`",
        ));
    }
    match name
        .chars()
        .find(|&c| c.is_whitespace() || c.is_control() || "<>{}".contains(c))
    {
        Some(c) => Err(Wrong::at(
            text,
            format_args!(
                "a name has no {c:?}, and no other space, control character or `<>{{}}`: write \
                 `name = \"shop::user\"`"
            ),
        )),
        None => Ok(text.clone()),
    }
}

pub(super) fn path(value: Expr) -> Result<Path, Wrong> {
    match value {
        Expr::Path(ExprPath {
            qself: None, path, ..
        }) => Ok(path),
        _ => Err(Wrong::Form),
    }
}

pub(super) fn word(value: &Expr) -> Option<&Ident> {
    match value {
        Expr::Path(path) => path.path.get_ident(),
        Expr::Group(group) => word(&group.expr),
        _ => None,
    }
}

pub(super) fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(literal) => Some(&literal.lit),
        _ => None,
    }
}

fn text(value: &Expr) -> Option<&LitStr> {
    match literal(value)? {
        Lit::Str(text) => Some(text),
        _ => None,
    }
}
