//! What is wrong with events in view of the function that emits them.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::Expr;

use super::{Options, parse::FLAGS};
use crate::{
    argument::Argument,
    function::{Function, find},
    literal::{Events, RESULT},
    mistakes::Mistakes,
    suggest,
};

pub(super) fn check(options: &Options, function: &Function, mistakes: &mut Mistakes) {
    let arguments = Argument::all(function);
    let names: Vec<_> = arguments
        .iter()
        .flat_map(|argument| &argument.names)
        .collect();
    for events in &options.events {
        match events {
            Events::Expr(expr) => refuse_unknown_word(expr, &names, mistakes),
            Events::Literal(_) => {}
        }
        refuse_result_argument(events, &names, mistakes);
    }
    refuse_guard_of_nothing(options, mistakes);
}

/// Refuses `guarded` where no event is known when it has to be.
fn refuse_guard_of_nothing(options: &Options, mistakes: &mut Mistakes) {
    let Some(guarded) = &options.guarded else {
        return;
    };
    let is_late = |events: &Events| matches!(events, Events::Expr(_)) && events.use_result();
    if !options.events.is_empty() && options.events.iter().all(is_late) {
        mistakes.at(
            guarded,
            "`guarded` tells others of the events before the body runs, and these are known only after it: write what may \
             change besides, such as `OrderChanged { .. }`",
        );
    }
}

/// Refuses a name that is neither an argument nor one of the attribute's words.
fn refuse_unknown_word(expr: &Expr, names: &[&Ident], mistakes: &mut Mistakes) {
    let Expr::Path(path) = expr else { return };
    let Some(word) = path.path.get_ident() else {
        return;
    };
    let is_constant = word.to_string().starts_with(char::is_uppercase);
    if word == RESULT || word == "self" || is_constant || names.contains(&word) {
        return;
    }
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let known = FLAGS.into_iter().chain([RESULT]);
    let known = known.chain(names.iter().map(String::as_str));
    let instead = suggest::instead(&word.to_string(), known);
    mistakes.at(
        word,
        format_args!("`{word}` is no event, no flag and no argument, {instead}"),
    );
}

fn refuse_result_argument(events: &Events, names: &[&Ident], mistakes: &mut Mistakes) {
    if !names.iter().any(|name| *name == RESULT) {
        return;
    }
    if let Some(token) = find(events.to_token_stream(), &|ident| ident == RESULT) {
        mistakes.at(
            token,
            "`result` is what the function returns, and the name of an argument: give the argument another one",
        );
    }
}
