//! What to generate: the options and the function, checked against each other.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{Expr, LitStr, Receiver, ReceiverKind, ReturnType, ext::IdentExt, parse_quote};

use crate::{
    argument::{self, Argument},
    duration::Time,
    function::{Function, find},
    literal::Literal,
    mistakes::Mistakes,
    options::{Key, Options, Ttl},
    self_rename, suggest,
    text_key::{self, Piece},
};

mod events;

pub(crate) struct Model {
    pub(crate) options: Options,
    pub(crate) function: Function,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) key: Vec<Part>,
    pub(crate) mode: Mode,
    /// Whether the body's `self` is a local.
    pub(crate) holds_self: bool,
}

/// Where the load runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Inline,
    Detached,
    /// Detached where the types behind the references can be owned.
    Probed,
}

/// One part of the key.
pub(crate) enum Part {
    Text(String),
    /// An argument of the default key, by its position.
    Argument(usize),
    Expr(Box<Expr>),
}

impl Model {
    pub(crate) fn new(options: Options, mut function: Function, mistakes: &mut Mistakes) -> Self {
        let arguments = Argument::all(&function);
        let receiver = function.signature.receiver();
        refuse_static_reference(&options, &function, mistakes);
        refuse_odd_batch(&options, &arguments, mistakes);
        let key = match &options.key {
            Some(key) => {
                let batch = options.batch.as_ref().map(|given| &given.value.element);
                explicit_key(&key.value, &arguments, batch, mistakes)
            }
            None => default_key(&options, receiver, &arguments, mistakes),
        };
        refuse_mixed_parts(&options, &function, &arguments, &key, mistakes);
        events::refuse_undetermined(&options, &arguments, &key, mistakes);
        let own = options.prefetches(&function.signature.ident);
        if let (Some(name), None) = (own, options.needs_task()) {
            options.refuse_inline_beside(name, mistakes);
        }
        let needs_task = options.needs_task().or(own);
        let detached = options.detached.as_ref().map(|given| &given.name);
        if let Some(name) = detached.or(needs_task) {
            refuse_borrows(name, receiver, &arguments, mistakes);
        }
        refuse_owned_future(&function, &arguments, mistakes);
        let mode = if needs_task.is_some() {
            Mode::Detached
        } else {
            mode(&options, &function, &arguments)
        };
        let holds_self = mode == Mode::Detached && receiver.is_some_and(is_reference);
        if holds_self {
            function.statements = self_rename::rename(function.statements, mistakes);
        }
        Self {
            options,
            function,
            arguments,
            key,
            mode,
            holds_self,
        }
    }

    /// Whether the argument is part of the default key.
    pub(crate) fn is_part(&self, position: usize) -> bool {
        let is_it = |part: &Part| matches!(part, Part::Argument(argument) if *argument == position);
        self.key.iter().any(is_it)
    }

    /// Whether an expression in an option may mean the argument of this name.
    pub(crate) fn is_mentioned(&self, name: &Ident) -> bool {
        let name = name.to_string();
        self.expressions().any(|tokens| mentions(&tokens, &name))
    }

    fn expressions(&self) -> impl Iterator<Item = TokenStream> {
        let key = self.key.iter().filter_map(|part| match part {
            Part::Expr(expr) => Some(&**expr),
            _ => None,
        });
        let ttls = [&self.options.ttl, &self.options.err_ttl];
        let ttls = ttls.into_iter().flatten();
        let ttls = ttls.filter_map(|given| match &given.value {
            Ttl::Fixed(time) => Some(time),
            Ttl::Of(_) => None,
        });
        let none_ttl = self.options.none_ttl.iter().map(|given| &given.value);
        let times = ttls.chain(none_ttl).filter_map(|time| match time {
            Time::Expr(expr) => Some(&**expr),
            Time::Literal(_) => None,
        });
        let options = [&self.options.cache, &self.options.prefetch];
        let options = options.into_iter().flatten().map(|given| &given.value);
        let events = self.options.invalidate_on.iter();
        let events = events.flat_map(|given| &given.value.literals);
        let events = events.flat_map(Literal::fields).map(|field| &field.expr);
        key.chain(times)
            .chain(options)
            .chain(events)
            .map(ToTokens::to_token_stream)
    }
}

/// The keys of a batch are an argument, and what one of them is called is none.
fn refuse_odd_batch(options: &Options, arguments: &[Argument], mistakes: &mut Mistakes) {
    let Some(batch) = options.batch.as_ref().map(|given| &given.value) else {
        return;
    };
    if argument::called(arguments, &batch.elements)
        .next()
        .is_none()
    {
        let names = arguments.iter().flat_map(|argument| &argument.names);
        let names: Vec<_> = names.map(|name| name.unraw().to_string()).collect();
        let text = batch.elements.unraw().to_string();
        let instead = suggest::instead(&text, names.iter().map(String::as_str));
        mistakes.at(
            &batch.elements,
            format_args!("no argument is called `{text}`, {instead}"),
        );
    }
    if argument::called(arguments, &batch.element).next().is_some() {
        mistakes.at(
            &batch.element,
            format_args!(
                "`{0}` is an argument: give one of the keys another name, as in `batch(id in ids)`",
                batch.element
            ),
        );
    }
}

/// Whether an expression may mean what has this name, raw or not.
fn mentions(tokens: &TokenStream, name: &str) -> bool {
    let name = name.trim_start_matches("r#");
    // In a text it may be captured: `format!("{name}")`.
    tokens.to_string().contains(&format!("{{{name}"))
        || find(tokens.clone(), &|ident| ident.unraw() == name).is_some()
}

/// What the keys of one load have in common are the parts of the key that do not name one of them: a part that names
/// both would be lost.
fn refuse_mixed_parts(
    options: &Options,
    function: &Function,
    arguments: &[Argument],
    key: &[Part],
    mistakes: &mut Mistakes,
) {
    let Some(batch) = options.batch.as_ref().map(|given| &given.value) else {
        return;
    };
    let receiver = function.signature.receiver().map(|_| "self".to_owned());
    let names = arguments.iter().flat_map(|argument| &argument.names);
    let names: Vec<_> = names.map(ToString::to_string).chain(receiver).collect();
    for part in key {
        let Part::Expr(expr) = part else {
            continue;
        };
        let tokens = expr.to_token_stream();
        let is_of_all = || names.iter().any(|name| mentions(&tokens, name));
        if mentions(&tokens, &batch.element.to_string()) && is_of_all() {
            mistakes.at(
                expr,
                format_args!(
                    "a part of the key that names `{0}` names nothing else, so that it is known what the keys of one load \
                     have in common: write the others on their own, as in `key = (tenant, {0})`",
                    batch.element
                ),
            );
        }
    }
}

/// What refers to something else can be written to the shared tier, but not read back.
fn refuse_static_reference(options: &Options, function: &Function, mistakes: &mut Mistakes) {
    let is_memory_only =
        options.is_memory_only() || options.tiers.is_some() != options.is_tried("tiers");
    if let Some(returned) = &function.output
        && !is_memory_only
        && let Some(token) = argument::find_static_reference(returned.to_token_stream())
    {
        mistakes.at(
            token,
            "a reference cannot be read back from the shared tier: return `String` or `Arc<str>`, or write \
             `tiers = memory`",
        );
    }
}

fn explicit_key(
    key: &Key,
    arguments: &[Argument],
    element: Option<&Ident>,
    mistakes: &mut Mistakes,
) -> Vec<Part> {
    match key {
        Key::Parts(parts) => parts
            .iter()
            .cloned()
            .map(Box::new)
            .map(Part::Expr)
            .collect(),
        Key::Text(text) => text_parts(text, arguments, element).unwrap_or_else(|message| {
            mistakes.at(text, message);
            Vec::new()
        }),
    }
}

fn text_parts(
    text: &LitStr,
    arguments: &[Argument],
    element: Option<&Ident>,
) -> Result<Vec<Part>, String> {
    let names = arguments.iter().flat_map(|argument| &argument.names);
    let idents: Vec<&Ident> = names.chain(element).collect();
    let names: Vec<_> = idents
        .iter()
        .map(|ident| ident.unraw().to_string())
        .collect();
    let pieces = text_key::parse(&text.value(), &names)?;
    let parts = pieces.into_iter().filter_map(|piece| match piece {
        Piece::Text(text) => Some(Part::Text(text)),
        Piece::Argument(name) => {
            let mut ident = (*idents.iter().find(|ident| ident.unraw() == name)?).clone();
            ident.set_span(ident.span().located_at(text.span()));
            Some(Part::Expr(Box::new(parse_quote!(#ident))))
        }
    });
    Ok(parts.collect())
}

fn default_key(
    options: &Options,
    receiver: Option<&Receiver>,
    arguments: &[Argument],
    mistakes: &mut Mistakes,
) -> Vec<Part> {
    let skipped = options
        .skip
        .as_ref()
        .map(|skip| skip.value.as_slice())
        .unwrap_or_default();
    refuse_unknown_names(skipped, receiver, arguments, mistakes);
    let is_understood =
        !options.is_tried("key") && options.skip.is_some() == options.is_tried("skip");
    if let Some(receiver) = receiver
        && is_understood
        && !skipped.iter().any(|name| name == "self")
    {
        mistakes.at(
            receiver,
            "only you know whether `self` identifies the value: write `skip(self)` if it does not, else \
             name all parts, as in `key = (self.tenant, id)`",
        );
    }
    let mut key = Vec::new();
    for (position, argument) in arguments.iter().enumerate() {
        if argument.names.is_empty() && is_understood {
            mistakes.at(
                &argument.pattern,
                "the key needs a name for each argument: give this one a name, or write `key = ..`",
            );
        }
        let is_skipped = |name: &Ident| skipped.iter().any(|skip| skip.unraw() == name.unraw());
        let batch = options.batch.as_ref().map(|given| &given.value);
        let batch = batch.filter(|batch| argument.names.contains(&batch.elements));
        if let Some(batch) = batch {
            let element = &batch.element;
            key.push(Part::Expr(Box::new(parse_quote!(#element))));
            continue;
        }
        match argument.names.iter().find(|name| is_skipped(name)) {
            None => key.push(Part::Argument(position)),
            // To leave out the others with it would give what they identify to whoever asks.
            Some(name) if !argument.names.iter().all(is_skipped) => mistakes.at(
                skipped.iter().find(|skip| skip.unraw() == name.unraw()),
                format_args!(
                    "`{name}` is one part of a pattern: skip all of its names, or name the parts of the key, as \
                     in `key = (tenant, id)`"
                ),
            ),
            Some(_) => {}
        }
    }
    key
}

fn refuse_unknown_names(
    skipped: &[Ident],
    receiver: Option<&Receiver>,
    arguments: &[Argument],
    mistakes: &mut Mistakes,
) {
    for skip in skipped {
        let is_self = skip == "self" && receiver.is_some();
        let text = skip.unraw().to_string();
        match argument::called(arguments, skip).count() {
            0 if !is_self => {
                let names = arguments.iter().flat_map(|argument| &argument.names);
                let names = names.map(|name| name.unraw().to_string());
                let names: Vec<_> = names.chain(receiver.map(|_| "self".to_owned())).collect();
                let instead = suggest::instead(&text, names.iter().map(String::as_str));
                mistakes.at(
                    skip,
                    format_args!("no argument is called `{text}`, {instead}"),
                );
            }
            0 | 1 => {}
            _ => mistakes.at(skip, argument::ambiguous(&text)),
        }
    }
}

/// A detached load outlives the call, so its arguments must be owned, or have an owned form. `option` detaches it.
fn refuse_borrows(
    option: &Ident,
    receiver: Option<&Receiver>,
    arguments: &[Argument],
    mistakes: &mut Mistakes,
) {
    let load = if option == "detached" {
        "a detached load".to_owned()
    } else {
        format!("with `{option}` a load")
    };
    let advice = format!(
        "is borrowed, and {load} outlives the call: take `&T`, `Arc<T>` or another owned value"
    );
    for argument in arguments {
        if let Some(token) = argument.borrow() {
            mistakes.at(token, format_args!("{} {advice}", argument.described()));
        }
    }
    if let Some(ReceiverKind::Typed(_, ty)) = receiver.map(|receiver| &receiver.kind)
        && let Some(token) = argument::find_inner_borrow(ty)
    {
        mistakes.at(token, format_args!("`self` {advice}"));
    }
}

/// The key is written when the future is first polled, so it borrows what the arguments borrow, whatever the body
/// copies before it makes a future of its own.
fn refuse_owned_future(function: &Function, arguments: &[Argument], mistakes: &mut Mistakes) {
    if function.boxed.as_ref().is_none_or(|boxed| boxed.may_borrow) {
        return;
    }
    let is_borrowed = |argument: &&Argument| {
        argument.referent().is_some()
            || argument
                .borrow()
                .is_some_and(|token| token.to_string() != "impl")
    };
    let receiver = function.signature.receiver();
    let receiver = receiver.filter(|receiver| is_reference(receiver));
    let receiver = receiver.map(|_| "`self`".to_owned());
    let names = arguments
        .iter()
        .filter(is_borrowed)
        .map(Argument::described);
    let names: Vec<_> = receiver.into_iter().chain(names).collect();
    let advice = match names.len() {
        0 => return,
        1 => "write `+ '_` behind `Send`, or `BoxFuture<'_, T>`",
        _ => {
            "write `+ 'a` behind `Send`, or `BoxFuture<'a, T>`, and `'a` in the types of the arguments"
        }
    };
    let returned = match &function.signature.output {
        ReturnType::Type(_, returned) => Some(returned),
        ReturnType::Default => None,
    };
    mistakes.at(
        returned,
        format_args!(
            "the future makes its key when it is first polled, and so borrows {}: {advice}",
            names.join(" and ")
        ),
    );
}

fn mode(options: &Options, function: &Function, arguments: &[Argument]) -> Mode {
    let signature = &function.signature;
    let is_owned = |argument: &Argument| argument.is_owned(&signature.generics);
    if options.detached.is_some() {
        Mode::Detached
    } else if options.inline.is_some()
        || signature.receiver().is_some()
        || !arguments.iter().all(is_owned)
    {
        Mode::Inline
    } else if arguments
        .iter()
        .any(|argument| argument.referent().is_some())
    {
        Mode::Probed
    } else {
        Mode::Detached
    }
}

fn is_reference(receiver: &Receiver) -> bool {
    match &receiver.kind {
        ReceiverKind::Reference(..) => true,
        ReceiverKind::Typed(_, ty) => argument::referent(ty).is_some(),
        _ => false,
    }
}
