//! From literals to tokens. Bare names and fields of arguments are cloned: the body still needs them.

use proc_macro2::{Ident, Literal as Number, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Expr, ExprStruct, FieldValue, Token, parse_quote, spanned::Spanned};

use super::{Events, Literal, Written, bare, field_name, is_place, local, uses_result, written};
use crate::{
    event::{EMITTED, LISTENED_TO},
    expand::at,
    function::find,
};

/// What an expansion does with an event: the compiler reports events with which nobody does one of these.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Emitted,
    ListenedTo,
}

impl Mark {
    fn method(self) -> Ident {
        let name = match self {
            Self::Emitted => EMITTED,
            Self::ListenedTo => LISTENED_TO,
        };
        Ident::new(name, Span::mixed_site())
    }
}

/// Where a literal stands: what its names are, and what becomes of it.
pub(crate) struct Scope<'a> {
    pub(crate) mark: Mark,
    /// The names of arguments, and whether each is a reference to one.
    pub(crate) names: &'a [(Ident, bool)],
}

impl Scope<'_> {
    fn is_reference(&self, name: &Ident) -> Option<bool> {
        let known = self.names.iter().find(|(known, _)| known == name);
        known.map(|(_, is_reference)| *is_reference)
    }

    /// A reference to the value.
    fn borrowed(&self, value: &Expr) -> TokenStream {
        let place = at(value.span());
        let is_reference = bare(value).and_then(|name| self.is_reference(name));
        if is_reference == Some(true) {
            value.to_token_stream()
        } else {
            quote_spanned!(place=> &(#value))
        }
    }

    /// A copy of the value where it is an argument, or a field of something; nothing where it stays as it is.
    fn cloned(&self, value: &Expr) -> Option<TokenStream> {
        let is_known = bare(value).is_some_and(|name| self.is_reference(name).is_some());
        (is_known || is_place(value)).then(|| {
            let borrowed = self.borrowed(value);
            quote_spanned!(at(value.span())=> ::core::clone::Clone::clone(#borrowed))
        })
    }

    fn owned(&self, value: &Expr) -> TokenStream {
        self.cloned(value)
            .unwrap_or_else(|| value.to_token_stream())
    }
}

impl Events {
    /// Adds them to `__cached_events`, which is of the type that `into` names.
    pub(crate) fn added(&self, scope: &Scope<'_>, into: &TokenStream) -> TokenStream {
        match self {
            Self::Literal(literal) => {
                let place = at(literal.path().span());
                let events = literal.to_tokens(scope);
                // By a name, which has a place: a block has that of the whole attribute.
                let named = Ident::new("__cached_given", place);
                let add = quote_spanned!(place=> #into::add(__cached_events, #named));
                quote_spanned!(Span::mixed_site()=> match &#events { #named => #add })
            }
            Self::Expr(expr) => {
                let events = scope.borrowed(expr);
                let (named, mark) = (
                    Ident::new("__cached_given", at(expr.span())),
                    scope.mark.method(),
                );
                let add = quote_spanned!(at(expr.span())=> #into::add(__cached_events, #named););
                quote_spanned! {Span::mixed_site()=>
                    match #events {
                        #named => {
                            #add
                            let _ = || {
                                use __cached::{ProbeEvents as _, ProbeOther as _};
                                (&&__cached::EventIn::of(#named)).__cached_event().#mark();
                            };
                        }
                    }
                }
            }
        }
    }
}

impl Literal {
    /// What stands for the event where it is added to others: itself, or a prefix of it.
    pub(super) fn to_tokens(&self, scope: &Scope<'_>) -> TokenStream {
        if self.is_whole {
            return self.event(scope);
        }
        let fields: Vec<_> = self.fields().collect();
        let values = fields
            .iter()
            .map(|field| scope.borrowed(&field.expr))
            .collect::<Vec<_>>();
        let order = self.order(&fields);
        self.prefix(scope, &fields, &values, false, &order)
    }

    /// Input: `UserChanged { id, tenant: self.tenant, at: now() }`
    ///
    /// Output:
    ///
    /// ```text
    /// let id = Clone::clone(&id);
    /// let field1 = Clone::clone(&self.tenant);
    /// let event = UserChanged { id, tenant: field1, at: now() };
    /// event.nobody_emits_this();
    /// event
    /// ```
    fn event(&self, scope: &Scope<'_>) -> TokenStream {
        let mut copies = TokenStream::new();
        let mut literal = self.clone();
        for (index, field) in literal.fields_mut().enumerate() {
            if let Some(copy) = scope.cloned(&field.expr) {
                let name = self.name_value(index, field);
                copies.extend(quote_spanned!(Span::mixed_site()=> let #name = #copy;));
            }
        }
        let literal = literal.written_tokens(None);
        let marked = marked(scope.mark, &literal);
        quote_spanned!(Span::mixed_site()=> { #copies #marked })
    }

    /// Before the body runs: the values that do not depend on its result, as a tuple.
    pub(crate) fn held(&self, scope: &Scope<'_>) -> TokenStream {
        let values = self.fields().filter(|field| !uses_result(field));
        let values = values.map(|field| scope.owned(&field.expr));
        quote_spanned!(Span::mixed_site()=> (#(#values,)*))
    }

    /// Before the body runs: what is known of the event, from the values that are held.
    pub(crate) fn known(&self, scope: &Scope<'_>, held: &Ident) -> TokenStream {
        let fields: Vec<_> = self.fields().filter(|field| !uses_result(field)).collect();
        let values = (0..fields.len())
            .map(|index| element(held, index))
            .collect::<Vec<_>>();
        self.prefix(scope, &fields, &values, true, &TokenStream::new())
    }

    /// After the body has run: the event with what it returned.
    pub(crate) fn complete(&self, scope: &Scope<'_>, held: &Ident) -> TokenStream {
        let fields: Vec<_> = self.fields().collect();
        let mut known = 0;
        let values = fields.iter().map(|field| {
            if uses_result(field) {
                return scope.borrowed(&field.expr);
            }
            known += 1;
            element(held, known - 1)
        });
        let values = values.collect::<Vec<_>>();
        let order = self.order(&fields);
        self.prefix(scope, &fields, &values, false, &order)
    }

    /// Output:
    ///
    /// ```text
    /// const EVENT: Described = describe(|| OrderChanged { ..rest() });
    /// match (&(tenant),) {
    ///     (field0,) => prefix(
    ///         EVENT,
    ///         || { let tenant = owned(field0); OrderChanged { tenant, ..rest() } },
    ///         &[("tenant", &|key| part(key, field0))],
    ///     ),
    /// }
    /// ```
    ///
    /// The literal is there to be read by the compiler. One that is partial says nothing of its fields.
    fn prefix(
        &self,
        scope: &Scope<'_>,
        fields: &[&FieldValue],
        values: &[TokenStream],
        is_partial: bool,
        order: &TokenStream,
    ) -> TokenStream {
        let mixed = Span::mixed_site();
        let locals: Vec<_> = fields
            .iter()
            .enumerate()
            .map(|(index, field)| local(index, field.expr.span()))
            .collect();
        let names = fields.iter().map(|field| field_name(&field.member));
        let described = self.describe();
        let read = self.read_by_compiler(scope, &locals, is_partial);
        quote_spanned! {mixed=>
            {
                #described
                #order
                match (#(#values,)*) {
                    (#(#locals,)*) => __cached::prefix(
                        __CACHED_EVENT,
                        || #read,
                        &[#((#names, &|__cached_key| __cached::part(__cached_key, #locals)),)*],
                    ),
                }
            }
        }
    }

    fn describe(&self) -> TokenStream {
        let place = at(self.path().span());
        let empty = self.empty();
        let described = quote_spanned!(place=> __cached::describe(|| #empty));
        quote_spanned!(Span::mixed_site()=> const __CACHED_EVENT: __cached::Described = #described;)
    }

    fn read_by_compiler(
        &self,
        scope: &Scope<'_>,
        locals: &[Ident],
        is_partial: bool,
    ) -> TokenStream {
        let mixed = Span::mixed_site();
        if is_partial {
            return marked(scope.mark, &self.empty());
        }
        let mut values = TokenStream::new();
        let mut literal = self.clone();
        for (index, (field, local)) in literal.fields_mut().zip(locals).enumerate() {
            let name = self.name_value(index, field);
            values.extend(quote_spanned!(mixed=> let #name = __cached::owned(#local);));
        }
        let rest = (!self.is_whole).then(|| quote_spanned!(mixed=> __cached::rest()));
        let marked = marked(scope.mark, &literal.written_tokens(rest));
        quote_spanned!(mixed=> { #values #marked })
    }

    /// The literal without a field.
    fn empty(&self) -> TokenStream {
        let path = self.path();
        quote_spanned!(at(path.span())=> #path { ..__cached::rest() })
    }

    /// For each field, in a constant at its place: a refusal where one before it is left out.
    fn order(&self, fields: &[&FieldValue]) -> TokenStream {
        if self.is_whole {
            return TokenStream::new();
        }
        let names: Vec<_> = fields
            .iter()
            .map(|field| field_name(&field.member))
            .collect();
        let path = written(self.path());
        let checks = fields.iter().enumerate().map(|(index, field)| {
            let index = Number::usize_unsuffixed(index);
            let place = at(field.member.span());
            let panic = quote_spanned!(place=> ::core::panic!("{}", __cached_said.as_str()));
            quote_spanned! {place=>
                const _: () = if let ::core::option::Option::Some(__cached_said) =
                    __cached::OutOfOrder::find(__CACHED_EVENT, #path, &[#(#names),*], #index)
                {
                    #panic
                };
            }
        });
        checks.collect()
    }

    /// Gives the value of a field a name, and makes that the value. A field in shorthand has one, unless another
    /// one needs it too.
    fn name_value(&self, index: usize, field: &mut FieldValue) -> Ident {
        if let Some(name) = bare(&field.expr)
            && field.colon_token.is_none()
            && !self.mentions_besides(index, name)
        {
            return name.clone();
        }
        let name = local(index, field.expr.span());
        field.colon_token = Some(Token![:](at(field.member.span())));
        field.expr = parse_quote!(#name);
        name
    }

    fn mentions_besides(&self, index: usize, name: &Ident) -> bool {
        let others = self
            .fields()
            .enumerate()
            .filter(|(other, _)| *other != index);
        let mut values = others.map(|(_, field)| field.expr.to_token_stream());
        values.any(|value| find(value, &|ident| ident == name).is_some())
    }

    /// The literal with all of its fields, and a value for none.
    pub(crate) fn without_values(&self) -> TokenStream {
        if !self.is_whole {
            return self.empty();
        }
        let mut literal = self.clone();
        for field in literal.fields_mut() {
            field.colon_token = Some(Token![:](at(field.member.span())));
            field.expr = Expr::Verbatim(quote_spanned!(at(field.member.span())=> __cached::rest()));
        }
        literal.written_tokens(None)
    }

    fn fields_mut(&mut self) -> impl Iterator<Item = &mut FieldValue> {
        let fields = match &mut self.written {
            Written::Struct(written) => Some(&mut written.fields),
            Written::Path(_) => None,
        };
        fields.into_iter().flatten()
    }

    pub(super) fn written_tokens(&self, rest: Option<TokenStream>) -> TokenStream {
        match &self.written {
            Written::Path(path) => path.to_token_stream(),
            Written::Struct(written) => {
                let mut written: ExprStruct = written.clone();
                if let Some(rest) = rest {
                    written.dot2_token = Some(Token![..](Span::mixed_site()));
                    written.rest = Some(Box::new(Expr::Verbatim(rest)));
                }
                written.into_token_stream()
            }
        }
    }
}

/// The event, known as one with which that is done.
pub(super) fn marked(mark: Mark, literal: &TokenStream) -> TokenStream {
    let mark = mark.method();
    quote_spanned! {Span::mixed_site()=>
        {
            let __cached_event = #literal;
            __cached_event.#mark();
            __cached_event
        }
    }
}

fn element(held: &Ident, index: usize) -> TokenStream {
    let index = Number::usize_unsuffixed(index);
    quote_spanned!(Span::mixed_site()=> &#held.#index)
}
