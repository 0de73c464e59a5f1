//! Whether the key of an entry determines which events kill it.

use proc_macro2::Ident;
use quote::ToTokens;

use super::Part;
use crate::{
    argument::Argument, function::find, literal::Literal, mistakes::Mistakes, options::Options,
};

/// Refuses arguments that are part of an event and not of the key, as far as bare names show it: an entry would die
/// by the events of the call that loaded it, and serve the others.
pub(super) fn refuse_undetermined(
    options: &Options,
    arguments: &[Argument],
    key: &[Part],
    mistakes: &mut Mistakes,
) {
    let Some(listened) = &options.invalidate_on else {
        return;
    };
    if options.key.is_some() != options.is_tried("key") {
        return;
    }
    for name in listened.value.literals.iter().flat_map(Literal::bare_names) {
        let Some(position) = arguments
            .iter()
            .position(|argument| argument.names.contains(name))
        else {
            continue;
        };
        if key.iter().any(|part| determines(part, name, position)) {
            continue;
        }
        let instead = if options.key.is_some() {
            format!("write it into the key, as in `key = (.., {name})`")
        } else {
            "remove it from `skip(..)`".to_owned()
        };
        mistakes.at(
            name,
            format_args!(
                "`{name}` is part of an event, but not of the key: calls that share an entry would not share its \
                 events; {instead}"
            ),
        );
    }
}

fn determines(part: &Part, name: &Ident, position: usize) -> bool {
    match part {
        Part::Text(_) => false,
        Part::Argument(argument) => *argument == position,
        Part::Expr(expr) => find(expr.to_token_stream(), &|ident| ident == name).is_some(),
    }
}
