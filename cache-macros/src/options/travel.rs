//! How values travel to the shared tier: what `codec` and `compress` take.

use syn::{Expr, Ident, Lit, LitInt};

use super::{
    Codec, Wrong,
    values::{literal, word},
};
use crate::suggest;

/// The codecs of the runtime, each with its type there.
const CODECS: [(&str, Option<&str>); 3] = [
    ("postcard", None),
    ("json", Some("Json")),
    ("msgpack", Some("Msgpack")),
];

/// The units of sizes, with their bytes.
const UNITS: [(&str, u32); 3] = [("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20)];

/// A word of ours, or the path of a type. One name in lower case is a word: types are not called so.
pub(super) fn codec(value: Expr) -> Result<Codec, Wrong> {
    if let Some(word) = word(&value)
        && word.to_string().starts_with(char::is_lowercase)
    {
        let known = CODECS.iter().find(|(known, _)| word == known);
        return match known {
            Some((_, None)) => Ok(Codec::Postcard),
            Some((_, Some(ty))) => Ok(Codec::Featured {
                word: word.clone(),
                ty,
            }),
            None => Err(unknown_codec(word)),
        };
    }
    match value {
        Expr::Path(path) => Ok(Codec::Own(path)),
        _ => Err(Wrong::Form),
    }
}

fn unknown_codec(word: &Ident) -> Wrong {
    let text = word.to_string();
    let known = CODECS.map(|(known, _)| known);
    let instead = suggest::instead(&text, known);
    let own = if suggest::nearest(&text, known).is_none() {
        "; one of your own is the path of a type, as in `codec = codecs::Own`"
    } else {
        ""
    };
    Wrong::at(word, format_args!("unknown codec `{text}`, {instead}{own}"))
}

/// The least number of bytes to compress.
pub(super) fn compress(value: &Expr) -> Result<u32, Wrong> {
    if let Some(word) = word(value).filter(|word| *word == "lz4" || *word == "zstd") {
        return Err(Wrong::at(
            word,
            format_args!(
                "`{word}` is chosen by the feature of that name of `cache-core`: write `compress = 4KiB`, the \
                 least size that is compressed"
            ),
        ));
    }
    let Some(Lit::Int(size)) = literal(value) else {
        return Err(Wrong::Form);
    };
    let Some((_, unit)) = UNITS.iter().find(|(unit, _)| *unit == LitInt::suffix(size)) else {
        return Err(unknown_unit(size));
    };
    let bytes = size.base10_parse::<u32>().ok();
    match bytes.and_then(|bytes| bytes.checked_mul(*unit)) {
        None => Err(Wrong::at(
            size,
            format_args!("`{size}` is too large, the largest is {} bytes", u32::MAX),
        )),
        Some(0) => Err(Wrong::at(
            size,
            "write the least size worth compressing, such as `4KiB`",
        )),
        Some(bytes) => Ok(bytes),
    }
}

fn unknown_unit(size: &LitInt) -> Wrong {
    let (number, unit) = (size.base10_digits(), size.suffix());
    let instead = match unit.chars().next().map(|first| first.to_ascii_lowercase()) {
        Some('b') => format!("did you mean `{number}`?"),
        Some('k') => format!("did you mean `{number}KiB`?"),
        Some('m') => format!("did you mean `{number}MiB`?"),
        _ => "a size is written `4096`, `4KiB` or `1MiB`".to_owned(),
    };
    Wrong::at(
        size,
        format_args!("unknown unit `{unit}` in `{size}`, {instead}"),
    )
}
