//! The load: where it runs, what it holds of the arguments, and the user's body in it.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{ReturnType, spanned::Spanned};

use super::{Context, at, names::held};
use crate::model::{Mode, Model};

impl Context<'_> {
    pub(super) fn load(&self) -> TokenStream {
        let mixed = Span::mixed_site();
        let probed = (self.model.mode == Mode::Probed).then(|| self.probed_mode());
        let mode = self.mode(mixed);
        let signature = &self.model.function.signature;
        let place = match &signature.asyncness {
            Some(asyncness) => asyncness.span(),
            None => signature.fn_token.span(),
        };
        let launch = Ident::new("launch", at(place));
        let future = quote_spanned!(at(place)=> async move);
        let holds = self.holds();
        let body = self.body();
        quote_spanned! {mixed=>
            {
                #probed
                #mode.#launch(__cached_missed, &__cached_keep, move || { #holds #future #body })
            }
        }
    }

    fn mode(&self, place: Span) -> TokenStream {
        match self.model.mode {
            Mode::Inline => quote_spanned!(at(place)=> __cached::Inline),
            Mode::Detached => quote_spanned!(at(place)=> __cached::Detached),
            Mode::Probed => quote_spanned!(at(place)=> __cached_mode),
        }
    }

    /// Detached, unless something behind a reference cannot be owned.
    fn probed_mode(&self) -> TokenStream {
        let model = self.model;
        let references = model
            .arguments
            .iter()
            .filter(|argument| argument.referent().is_some());
        let probes = references.map(|argument| {
            let (outer, cfgs) = (&argument.outer, argument.cfgs());
            quote_spanned! {Span::mixed_site()=>
                #(#cfgs)*
                let __cached_mode = __cached_mode.__cached_and((&&__cached::HoldProbe::of(#outer)).__cached_mode());
            }
        });
        quote_spanned! {Span::mixed_site()=>
            let __cached_mode = {
                use __cached::{Mode as _, ProbeBorrow as _, ProbeHold as _};
                let __cached_mode = __cached::Detached;
                #(#probes)*
                __cached_mode
            };
        }
    }

    /// Gives the load what it needs of the references among the arguments.
    fn holds(&self) -> TokenStream {
        let Model {
            function,
            arguments,
            holds_self,
            ..
        } = self.model;
        let mut holds = TokenStream::new();
        if let Some(receiver) = function.signature.receiver().filter(|_| *holds_self) {
            let (place, token) = (receiver.span(), &receiver.self_token);
            let mode = self.mode(place);
            holds.extend(quote_spanned!(at(place)=> let __cached_held_self = #mode.hold(#token);));
        }
        for argument in arguments.iter().filter(|argument| self.is_held(argument)) {
            let (place, held, cfgs) = (argument.ty.span(), held(argument), argument.cfgs());
            let (mode, outer) = (self.mode(place), argument.outer_at(place));
            holds.extend(quote_spanned!(at(place)=> #(#cfgs)* let #held = #mode.hold(#outer);));
        }
        holds
    }

    /// What is awaited for the value.
    fn body(&self) -> TokenStream {
        let bindings = self.bindings();
        let body = if self.model.function.is_boxed {
            self.made()
        } else {
            self.awaited()
        };
        quote_spanned!(Span::mixed_site()=> { #bindings #body })
    }

    /// The user's statements where they make a future: in a closure, so that their `return` ends it.
    fn made(&self) -> TokenStream {
        let function = &self.model.function;
        let returned = match &function.signature.output {
            ReturnType::Type(_, returned) => without_lifetimes(returned.to_token_stream()),
            ReturnType::Default => TokenStream::new(),
        };
        let mut block = Group::new(Delimiter::Brace, function.statements.clone());
        block.set_span(function.braces);
        quote_spanned!(Span::mixed_site()=> (move || -> #returned #block)().await)
    }

    /// The user's statements between the user's braces, and before them what they need.
    ///
    /// The first statement never runs. It tells the compiler the type of the block, so that an error
    /// in the body reads as it would in the function.
    fn awaited(&self) -> TokenStream {
        let (output, allow) = (&self.output, self.allow_complexity());
        let edge = quote_spanned! {at(self.output_span)=>
            #allow
            if false {
                return (|| -> #output { loop {} })();
            }
        };
        let statements = &self.model.function.statements;
        // With one more in it, the block is not taken for one whose braces its author could remove. An item
        // only among others, as from inside a block that has one, the compiler does not see what a misspelt
        // name could mean; no statement before items, as that is a lint.
        let more = if starts_with_item(statements) {
            quote_spanned!(Span::mixed_site()=> const _: () = ();)
        } else {
            quote_spanned!(Span::mixed_site()=> let () = ();)
        };
        let block = quote_spanned!(Span::mixed_site()=> #more #statements);
        let mut block = Group::new(Delimiter::Brace, block);
        block.set_span(self.model.function.braces);
        quote_spanned!(Span::mixed_site()=> #edge #block)
    }
}

/// The type with `'_` in place of each lifetime but `'static`: the body may borrow from copies that live shorter than
/// what the caller has lent.
fn without_lifetimes(returned: TokenStream) -> TokenStream {
    let mut tokens = returned.into_iter();
    let mut written = TokenStream::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(quote) if quote.as_char() == '\'' => {
                let name = tokens.next();
                written.extend(match &name {
                    Some(name) if name.to_string() == "static" => quote!('static),
                    _ => quote!('_),
                });
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_lifetimes(group.stream()));
                inner.set_span(group.span());
                written.extend([TokenTree::Group(inner)]);
            }
            other => written.extend([other]),
        }
    }
    written
}

/// Whether the statements may start with an item.
fn starts_with_item(statements: &TokenStream) -> bool {
    const STARTS: [&str; 17] = [
        "async",
        "const",
        "enum",
        "extern",
        "fn",
        "impl",
        "macro_rules",
        "mod",
        "pub",
        "static",
        "struct",
        "trait",
        "type",
        "union",
        "unsafe",
        "use",
        "#",
    ];
    let first = statements.clone().into_iter().next();
    first.is_some_and(|token| STARTS.contains(&token.to_string().as_str()))
}
