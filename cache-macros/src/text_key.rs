//! Text keys: `"user:{tenant}:{id}"` as pieces of text and names of arguments.

use crate::{argument::ambiguous, suggest};

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Argument(String),
}

/// The characters that end a value, as every value escapes them.
const SEPARATORS: &str = ":/|#@;&!$*?<>^ ";

/// Reads a text key over the arguments with these names.
///
/// # Errors
///
/// Where the text names something else, or where the keys of two calls could read the same.
pub(crate) fn parse(text: &str, arguments: &[String]) -> Result<Vec<Piece>, String> {
    let pieces = split(text)?;
    let mut names = Vec::new();
    for piece in &pieces {
        if let Piece::Argument(name) = piece {
            check_name(name, arguments, &pieces)?;
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err("this key is the same for all calls: name an argument, as in `\"user:{id}\"`, or write \
             `key = ()` for one entry"
            .to_owned());
    }
    for between in pieces.windows(3) {
        if let [
            Piece::Argument(before),
            Piece::Text(text),
            Piece::Argument(after),
        ] = between
            && !text.contains(|c| SEPARATORS.contains(c))
        {
            return Err(format!(
                "`{{{before}}}{text}{{{after}}}` is ambiguous, `{text}` can be part of a value: put `:` between"
            ));
        }
    }
    for neighbours in pieces.windows(2) {
        if let [Piece::Argument(before), Piece::Argument(after)] = neighbours {
            return Err(format!(
                "`{{{before}}}{{{after}}}` is ambiguous, it does not show where a value ends: put `:` between"
            ));
        }
    }
    Ok(pieces)
}

fn split(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        let (before, after) = rest.split_at(brace);
        if after.starts_with("{{") || after.starts_with("}}") {
            return Err("a text key has no braces of its own, values may contain them: use another character".to_owned());
        }
        let closed = after
            .strip_prefix('{')
            .and_then(|inside| inside.split_once('}'));
        let Some((name, after)) = closed.filter(|(name, _)| !name.contains('{')) else {
            return Err("a brace without its partner: write an argument as `{id}`".to_owned());
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        pieces.push(Piece::Argument(name.to_owned()));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

fn check_name(name: &str, arguments: &[String], pieces: &[Piece]) -> Result<(), String> {
    if name != "self" {
        match arguments
            .iter()
            .filter(|argument| *argument == name)
            .count()
        {
            0 => {}
            1 => return Ok(()),
            _ => return Err(ambiguous(name)),
        }
    }
    if let Some(name) = name.strip_prefix("r#") {
        return Err(format!(
            "a text names arguments without `r#`: write `{{{name}}}`"
        ));
    }
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "`{{{name}}}` has no name: write the argument's, as in `{{id}}`"
        ));
    }
    if let Some((name, _)) = name.split_once(':').filter(|_| !name.contains("::")) {
        return Err(format!(
            "a key is always written the same way: write `{{{name}}}` without a format"
        ));
    }
    if arguments.iter().any(|argument| argument == name.trim()) && name.trim() != "self" {
        return Err(format!("write `{{{}}}` without spaces", name.trim()));
    }
    if name == "self" || name.contains(|c: char| !c.is_alphanumeric() && c != '_') {
        let names = pieces.iter().filter_map(|piece| match piece {
            Piece::Argument(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        });
        let names: Vec<_> = names.collect();
        return Err(format!(
            "`{{{name}}}` is not an argument: write `key = ({})`",
            names.join(", ")
        ));
    }
    let known = arguments
        .iter()
        .map(String::as_str)
        .filter(|known| *known != "self");
    Err(format!(
        "no argument is called `{name}`, {}",
        suggest::instead(name, known)
    ))
}
