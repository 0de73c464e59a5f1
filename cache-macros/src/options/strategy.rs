//! What becomes of values as they grow old: what `strategy` takes.

use syn::{Expr, Ident, Lit, UnOp};

use super::{
    Wrong,
    values::{function, literal, time, word},
};
use crate::{duration::Time, mistakes::Mistakes, parse::ungrouped, suggest};

/// One strategy, and where it is named.
pub(crate) struct Strategy {
    pub(crate) name: Ident,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    ReadThrough,
    RefreshAhead(Expr),
    EarlyExpiration,
    StaleWhileRevalidate(Time),
    StaleIfError {
        time: Time,
        unproven: Option<Ident>,
        stands_in: Option<Expr>,
    },
    StaleIfInvalidated(Time),
}

impl Kind {
    /// Whether a load may run that no caller waits for.
    pub(crate) fn loads_in_background(&self) -> bool {
        !matches!(self, Self::ReadThrough | Self::StaleIfError { .. })
    }
}

/// The strategies, each as it is written.
const STRATEGIES: [(&str, &str); 6] = [
    ("read_through", "read_through"),
    ("refresh_ahead", "refresh_ahead(0.8)"),
    ("early_expiration", "early_expiration"),
    ("stale_while_revalidate", "stale_while_revalidate(1m)"),
    ("stale_if_error", "stale_if_error(1h)"),
    ("stale_if_invalidated", "stale_if_invalidated(5s)"),
];

pub(super) fn strategies(value: Expr) -> Result<Vec<Strategy>, Wrong> {
    let elements = match value {
        Expr::Array(array) if array.elems.is_empty() => {
            return Err(Wrong::at(
                array,
                "no strategy is named: write `strategy = stale_while_revalidate(1m)`, or remove the option",
            ));
        }
        Expr::Array(array) => array.elems.into_iter().collect(),
        value => vec![value],
    };
    let (mut strategies, mut mistakes) = (Vec::new(), Mistakes::default());
    for element in elements {
        match strategy(ungrouped(element)) {
            Ok(strategy) => strategies.push(strategy),
            Err(Wrong::Because(mistake)) => mistakes.add(mistake),
            Err(Wrong::Form) => return Err(Wrong::Form),
        }
    }
    mistakes
        .into_error()
        .map_or(Ok(strategies), |mistakes| Err(Wrong::Because(mistakes)))
}

fn strategy(value: Expr) -> Result<Strategy, Wrong> {
    let (named, arguments) = match value {
        Expr::Call(call) => (*call.func, Some(call.args.into_iter().collect::<Vec<_>>())),
        value => (value, None),
    };
    let Some(name) = word(&named).cloned() else {
        return Err(Wrong::Form);
    };
    let Some((known, form)) = STRATEGIES.iter().find(|(known, _)| name == known) else {
        let known = STRATEGIES.map(|(known, _)| known);
        let instead = suggest::instead(&name.to_string(), known);
        return Err(Wrong::at(
            &name,
            format_args!("unknown strategy `{name}`, {instead}"),
        ));
    };
    let otherwise = || Wrong::at(&name, format_args!("write `{form}`"));
    let kind = match (*known, arguments) {
        ("read_through", None) => Kind::ReadThrough,
        ("early_expiration", None) => Kind::EarlyExpiration,
        ("refresh_ahead", Some(arguments)) => {
            Kind::RefreshAhead(part(only(arguments).ok_or_else(otherwise)?)?)
        }
        ("stale_if_error", Some(arguments)) => stale_if_error(arguments, otherwise)?,
        ("stale_while_revalidate", Some(arguments)) => {
            let argument = only(arguments).ok_or_else(otherwise)?;
            Kind::StaleWhileRevalidate(time(argument, known)?)
        }
        ("stale_if_invalidated", Some(arguments)) => {
            let argument = only(arguments).ok_or_else(otherwise)?;
            Kind::StaleIfInvalidated(time(argument, known)?)
        }
        _ => return Err(otherwise()),
    };
    Ok(Strategy { name, kind })
}

fn only(arguments: Vec<Expr>) -> Option<Expr> {
    let mut arguments = arguments.into_iter();
    let first = arguments.next();
    first.filter(|_| arguments.next().is_none())
}

/// The part of a lifetime; where it is a number, one that makes sense.
fn part(value: Expr) -> Result<Expr, Wrong> {
    let number = match literal(&value) {
        Some(Lit::Float(number)) => number.base10_parse::<f64>().ok(),
        Some(_) => None,
        None if is_negative(&value) => None,
        None => return Ok(value),
    };
    if number.is_some_and(|number| number > 0.0 && number < 1.0) {
        return Ok(value);
    }
    Err(Wrong::at(
        value,
        "the part of its life after which a value is refreshed lies between 0 and 1: write `refresh_ahead(0.8)`",
    ))
}

fn is_negative(value: &Expr) -> bool {
    matches!(value, Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) && literal(&unary.expr).is_some())
}

/// `stale_if_error(1h)`, `stale_if_error(1h, unproven)`, `stale_if_error(1h, |error| ..)`, or all of that.
fn stale_if_error(arguments: Vec<Expr>, otherwise: impl Fn() -> Wrong) -> Result<Kind, Wrong> {
    let mut arguments = arguments.into_iter();
    let limit = time(arguments.next().ok_or_else(&otherwise)?, "stale_if_error")?;
    let (mut unproven, mut stands_in) = (None, None);
    for argument in arguments {
        match word(&argument) {
            Some(flag) if flag == "unproven" && unproven.is_none() => unproven = Some(flag.clone()),
            _ if matches!(argument, Expr::Closure(_) | Expr::Path(_)) && stands_in.is_none() => {
                stands_in = Some(function(argument).map_err(|_| otherwise())?);
            }
            _ => {
                return Err(Wrong::at(
                    argument,
                    "after the time comes `unproven`, or for which errors, as in `stale_if_error(1h, |error| \
                     error.is_temporary())`",
                ));
            }
        }
    }
    Ok(Kind::StaleIfError {
        time: limit,
        unproven,
        stands_in,
    })
}
