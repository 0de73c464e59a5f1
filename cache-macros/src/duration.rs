//! Durations as options take them: `1h30m`, or an expression.

use std::time::Duration;

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote_spanned;
use syn::{Error, Expr, Lit, LitInt, Result, UnOp};

use crate::suggest;

pub(crate) enum Time {
    Literal(Duration),
    Expr(Box<Expr>),
}

/// The units, the largest first, with their microseconds.
const UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

impl Time {
    /// Reads the value of the option called `option`.
    pub(crate) fn from_expr(value: Expr, option: &str) -> Result<Self> {
        let mistake = match &value {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Int(literal) => return from_literal(literal, option).map(Self::Literal),
                Lit::Float(literal) => {
                    format!(
                        "`{literal}` is not a whole number: write it in smaller units, as in `1h30m`"
                    )
                }
                Lit::Str(literal) => format!("write `{}` without the quotes", literal.value()),
                _ => format!("`{option}` takes a duration, as in `{option} = 5m`"),
            },
            Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
                format!("a duration is not negative: write `{option} = 5m`")
            }
            Expr::Closure(_) => {
                format!(
                    "`{option}` does not look at values: write a duration, as in `{option} = 5m`"
                )
            }
            _ => return Ok(Self::Expr(Box::new(value))),
        };
        Err(Error::new_spanned(value, mistake))
    }

    /// An expression of type `Duration`. Where it has another type, the error says so at `option`.
    pub(crate) fn to_tokens(&self, option: Span) -> TokenStream {
        let mixed = Span::mixed_site();
        match self {
            Self::Literal(duration) => literal_tokens(*duration),
            Self::Expr(value) => {
                let expected = quote_spanned!(mixed.located_at(option)=> ::core::time::Duration);
                quote_spanned!(mixed=> { let __cached_time: #expected = #value; __cached_time })
            }
        }
    }
}

fn literal_tokens(duration: Duration) -> TokenStream {
    let mixed = Span::mixed_site();
    let seconds = Literal::u64_unsuffixed(duration.as_secs());
    match duration.subsec_micros() {
        0 => quote_spanned!(mixed=> ::core::time::Duration::from_secs(#seconds)),
        micros if duration.as_secs() > 0 => {
            let nanos = Literal::u32_unsuffixed(micros * 1_000);
            quote_spanned!(mixed=> ::core::time::Duration::new(#seconds, #nanos))
        }
        micros if micros % 1_000 == 0 => {
            let millis = Literal::u32_unsuffixed(micros / 1_000);
            quote_spanned!(mixed=> ::core::time::Duration::from_millis(#millis))
        }
        micros => {
            let micros = Literal::u32_unsuffixed(micros);
            quote_spanned!(mixed=> ::core::time::Duration::from_micros(#micros))
        }
    }
}

fn from_literal(literal: &LitInt, option: &str) -> Result<Duration> {
    from_text(&literal.to_string(), option).map_err(|message| Error::new(literal.span(), message))
}

/// Reads `1h30m`: whole numbers, each with its unit, the largest unit first.
fn from_text(text: &str, option: &str) -> std::result::Result<Duration, String> {
    let mut micros: u64 = 0;
    let mut larger = u64::MAX;
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, after) = split_where(rest, |c| !c.is_ascii_digit() && c != '_');
        let (unit, after) = split_where(after, |c| c.is_ascii_digit());
        rest = after;
        if unit.is_empty() {
            return Err(format!("`{option} = {text}` has no unit, write `{text}s`"));
        }
        let Some((_, size)) = UNITS.iter().find(|(known, _)| *known == unit) else {
            return Err(unknown_unit(unit, text));
        };
        if *size >= larger {
            return Err(format!(
                "write each unit of `{text}` once, the largest first, as in `1h30m`"
            ));
        }
        larger = *size;
        let number = digits.replace('_', "").parse::<u64>().ok();
        let part = number.and_then(|number| number.checked_mul(*size));
        micros = part
            .and_then(|part| micros.checked_add(part))
            .ok_or_else(|| format!("`{text}` is longer than a duration can be"))?;
    }
    if micros == 0 {
        return Err(format!(
            "`{option} = {text}` keeps nothing: write a longer duration, or leave the option out"
        ));
    }
    Ok(Duration::from_micros(micros))
}

fn unknown_unit(unit: &str, text: &str) -> String {
    let meant = match unit.get(..3).unwrap_or(unit) {
        "mil" => "ms",
        "mic" => "us",
        other => other.get(..1).unwrap_or_default(),
    };
    let units = UNITS.map(|(unit, _)| unit);
    let instead = if units.contains(&meant) {
        format!("did you mean `{meant}`?")
    } else {
        format!("the units are {}", suggest::list(units))
    };
    format!("unknown unit `{unit}` in `{text}`, {instead}")
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}
