//! What each option takes as its value.

use syn::{Expr, ExprLit, ExprPath, Ident, Lit, LitInt, LitStr, Path};

use super::{Key, Tiers, Ttl, Wrong};
use crate::{duration::Time, parse::ungrouped, suggest};

pub(super) fn time(value: Expr, option: &str) -> Result<Time, Wrong> {
    Time::from_expr(value, option).map_err(Wrong::Because)
}

pub(super) fn key(value: Expr) -> Result<Key, Wrong> {
    Ok(match value {
        Expr::Tuple(tuple) => Key::Parts(tuple.elems.into_iter().collect()),
        Expr::Paren(paren) => Key::Parts(vec![*paren.expr]),
        Expr::Closure(_) => return Err(Wrong::Form),
        // A `macro_rules!` may have another literal for each function.
        Expr::Group(group) => match ungrouped(*group.expr) {
            literal @ Expr::Lit(_) if text(&literal).is_none() => Key::Parts(vec![literal]),
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
            None => Key::Parts(vec![value]),
        },
    })
}

pub(super) fn strategy(value: &Expr) -> Result<(), Wrong> {
    const STRATEGIES: [&str; 1] = ["read_through"];
    let named = if let Expr::Call(call) = value {
        &call.func
    } else {
        value
    };
    let Some(word) = word(named) else {
        return Err(Wrong::Form);
    };
    if STRATEGIES.iter().any(|known| word == known) {
        return if matches!(value, Expr::Call(_)) {
            Err(Wrong::Form)
        } else {
            Ok(())
        };
    }
    let instead = suggest::instead(&word.to_string(), STRATEGIES);
    Err(Wrong::at(
        value,
        format_args!("unknown strategy `{word}`, {instead}"),
    ))
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

pub(super) fn ttl(value: Expr) -> Result<Ttl, Wrong> {
    match value {
        Expr::Closure(_) => function(value).map(Box::new).map(Ttl::Of),
        value => time(value, "ttl").map(Ttl::Fixed),
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
