//! What a key is made of, as text: where that changes, no entry of before is read.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;

use super::Context;
use crate::{
    argument::Argument,
    model::Part,
    options::{Given, Key},
};

impl Context<'_> {
    /// The text of a text key; else the expressions, or the arguments with their types.
    pub(super) fn key_shape(&self) -> String {
        if let Some(Given {
            value: Key::Text(text),
            ..
        }) = &self.model.options.key
        {
            return text.value();
        }
        let parts = self.model.key.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.clone()),
            Part::Expr(expr) => Some(written(expr.to_token_stream())),
            Part::Argument(position) => self.model.arguments.get(*position).map(typed),
        });
        parts.collect::<Vec<_>>().join(", ")
    }
}

fn typed(argument: &Argument) -> String {
    let names: Vec<_> = argument.names.iter().map(ToString::to_string).collect();
    let names = match names.as_slice() {
        [name] => name.clone(),
        names => format!("({})", names.join(", ")),
    };
    format!("{names}: {}", written(argument.ty.to_token_stream()))
}

/// The tokens as text, by a rule of our own: compilers change where they put spaces.
pub(crate) fn written(tokens: TokenStream) -> String {
    let mut text = String::new();
    write(tokens, &mut text, &mut false);
    text
}

/// `ends_in_word` is whether the text so far would run into a word that follows.
fn write(tokens: TokenStream, text: &mut String, ends_in_word: &mut bool) {
    for token in tokens {
        let is_word = matches!(token, TokenTree::Ident(_) | TokenTree::Literal(_));
        let is_lifetime = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\'');
        if *ends_in_word && (is_word || is_lifetime) {
            text.push(' ');
        }
        let TokenTree::Group(group) = token else {
            text.push_str(&token.to_string());
            *ends_in_word = is_word;
            continue;
        };
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        text.push_str(open);
        *ends_in_word = *ends_in_word && open.is_empty();
        write(group.stream(), text, ends_in_word);
        text.push_str(close);
        *ends_in_word = *ends_in_word && close.is_empty();
    }
}
