//! The annotated item, as far as it is read: attributes, visibility and signature. The body stays tokens.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, Error, Receiver, ReceiverKind, ReturnType, Safety, Signature, Token, Type,
    Visibility,
    parse::{Parse, ParseStream},
};

use crate::{argument, boxed::BoxedFuture, mistakes::Mistakes};

pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) signature: Signature,
    /// What a call gives: the return type, or the output of the boxed future that it is. Nothing for `()`
    /// that is not written.
    pub(crate) output: Option<Type>,
    /// What the return type says of the boxed future that the body makes, where it does not itself await.
    pub(crate) boxed: Option<BoxedFuture>,
    /// The `#![..]` at the start of the body.
    pub(crate) inner_attributes: TokenStream,
    /// The rest of the body.
    pub(crate) statements: TokenStream,
    /// Where the braces of the body are. Between other braces the compiler would not report dead code.
    pub(crate) braces: Span,
}

/// Which attribute is on the function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Cached,
    Invalidates,
}

impl Purpose {
    fn attribute(self) -> &'static str {
        match self {
            Self::Cached => "`#[cached]`",
            Self::Invalidates => "`#[invalidates]`",
        }
    }
}

/// What the attribute was put on.
enum Item {
    Function(Box<Function>),
    Bodiless(Ident),
    Other(TokenStream),
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let ahead = input.fork();
        if ahead.parse::<Signature>().is_err() {
            return Ok(Self::Other(input.parse()?));
        }
        let signature: Signature = input.parse()?;
        if input.peek(Token![;]) {
            input.parse::<Token![;]>()?;
            return Ok(Self::Bodiless(signature.ident));
        }
        let body = body(input.parse()?)?;
        let (inner_attributes, statements) = split_inner_attributes(body.stream());
        let returned = match &signature.output {
            ReturnType::Type(_, ty) => Some(&**ty),
            ReturnType::Default => None,
        };
        let boxed = returned.filter(|_| signature.asyncness.is_none());
        let boxed = boxed.and_then(BoxedFuture::read);
        let output = boxed.as_ref().map(|boxed| &boxed.output).or(returned);
        Ok(Self::Function(Box::new(Function {
            attributes,
            visibility,
            output: output.cloned(),
            boxed,
            signature,
            inner_attributes,
            statements,
            braces: body.span(),
        })))
    }
}

/// The braces, also where they are a `$body:block` of a `macro_rules!`.
fn body(token: TokenTree) -> syn::Result<Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Ok(group),
        TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
            body(syn::parse2(group.stream())?)
        }
        other => Err(Error::new_spanned(other, "expected `{`")),
    }
}

/// Reads the item. Nothing where it is not a function with a body.
pub(crate) fn read(
    item: TokenStream,
    purpose: Purpose,
    mistakes: &mut Mistakes,
) -> Option<Function> {
    match syn::parse2(item) {
        Ok(Item::Function(function)) => {
            refuse(&function, purpose, mistakes);
            Some(*function)
        }
        Ok(Item::Bodiless(name)) => {
            mistakes.at(
                &name,
                format_args!(
                    "`{name}` has no body to {}: put {} on the implementations",
                    match purpose {
                        Purpose::Cached => "load with",
                        Purpose::Invalidates => "change something with",
                    },
                    purpose.attribute()
                ),
            );
            None
        }
        Ok(Item::Other(item)) => {
            let first = item.into_iter().next();
            mistakes.at(
                first,
                format_args!(
                    "{} goes on an `async fn`, in a module, an `impl` or a `trait`",
                    purpose.attribute()
                ),
            );
            None
        }
        Err(error) => {
            mistakes.add(error);
            None
        }
    }
}

/// Refuses functions that the attribute cannot be on, each reason at the token that is one.
fn refuse(function: &Function, purpose: Purpose, mistakes: &mut Mistakes) {
    refuse_second_attribute(function, purpose, mistakes);
    match purpose {
        Purpose::Cached => refuse_to_cache(function, mistakes),
        Purpose::Invalidates => refuse_to_invalidate(function, mistakes),
    }
}

fn refuse_to_cache(function: &Function, mistakes: &mut Mistakes) {
    let signature = &function.signature;
    refuse_qualifiers(signature, mistakes);
    let stream = function.output.as_ref().and_then(find_stream);
    if let Some(stream) = stream {
        mistakes.at(
            stream,
            "a stream is read once, and many callers share a value: return its items, as in `Vec<T>`",
        );
    } else {
        refuse_kind(function, Purpose::Cached, mistakes);
        if let Some(boxed) = &function.boxed {
            refuse_boxed(boxed, &signature.ident, mistakes);
        }
        if let Some(returned) = &function.output
            && !returns_future(function)
        {
            refuse_return_type(returned, mistakes);
        }
    }
    if let Some(receiver) = signature.receiver() {
        refuse_receiver(receiver, mistakes);
    }
}

fn refuse_to_invalidate(function: &Function, mistakes: &mut Mistakes) {
    refuse_kind(function, Purpose::Invalidates, mistakes);
    if let Some(Type::Never(never)) = &function.output {
        mistakes.at(
            never,
            "a function that never returns has nothing to emit after it: write `cache.emit(..)` in its body",
        );
    }
}

fn refuse_second_attribute(function: &Function, purpose: Purpose, mistakes: &mut Mistakes) {
    let name = &function.signature.ident;
    for attribute in &function.attributes {
        let Some(last) = attribute.path().segments.last() else {
            continue;
        };
        let other = if last.ident == "cached" {
            Purpose::Cached
        } else if last.ident == "invalidates" {
            Purpose::Invalidates
        } else {
            continue;
        };
        let message = match (purpose, other) {
            (Purpose::Cached, Purpose::Cached) => {
                format!("`{name}` is already cached: remove one `#[cached]`")
            }
            (Purpose::Invalidates, Purpose::Invalidates) => {
                "one attribute names all events: write `#[invalidates(UserChanged { id }, ..)]`"
                    .to_owned()
            }
            _ => format!(
                "`{name}` is cached, so a hit would change nothing, and emit nothing: remove `#[cached]` or \
                 `#[invalidates]`"
            ),
        };
        mistakes.at(attribute.path(), message);
    }
}

/// Refuses what is neither an `async fn` nor what `#[async_trait]` makes of one.
fn refuse_kind(function: &Function, purpose: Purpose, mistakes: &mut Mistakes) {
    let signature = &function.signature;
    let name = &signature.ident;
    if let Some(constness) = &signature.constness {
        mistakes.at(
            constness,
            format_args!("a `const fn` has nothing to await: write `async fn {name}`"),
        );
    } else if signature.asyncness.is_none() && function.boxed.is_none() {
        let (place, why) = not_async(function, purpose);
        mistakes.at(place, why);
    }
}

/// Refuses boxed futures that callers cannot share a load through.
fn refuse_boxed(boxed: &BoxedFuture, name: &Ident, mistakes: &mut Mistakes) {
    if !boxed.is_send {
        mistakes.at(
            name,
            format_args!(
                "callers on other threads may share a load of `{name}`: write `+ Send`, or `#[async_trait]` \
                 without `?Send`"
            ),
        );
    }
    if let Some(beyond) = &boxed.beyond {
        let name = beyond.segments.last().map(|last| &last.ident);
        let name = name.to_token_stream();
        mistakes.at(
            beyond,
            format_args!("the future of a cached call is `Send` and no more: remove `+ {name}`"),
        );
    }
}

/// Why the attribute cannot be on a function that is not async, and what says so: it may make a future without a type that
/// tells.
fn not_async(function: &Function, purpose: Purpose) -> (TokenStream, String) {
    let signature = &function.signature;
    let name = &signature.ident;
    let returned = function.output.to_token_stream();
    let place = signature.fn_token.to_token_stream();
    if returns_future(function) {
        let outer = match &function.output {
            Some(Type::Path(path)) => path.path.segments.last(),
            _ => None,
        };
        let inside = outer.map(|outer| format!(" inside of `{}`", outer.ident));
        let inside = inside.unwrap_or_default();
        let why = format!(
            "`{name}` returns a future{inside}: write `async fn {name}`, and what the future gives"
        );
        return (place, why);
    }
    let makes_one = |ident: &Ident| ident == "pin" || ident == "boxed";
    if !returned.is_empty() && find(function.statements.clone(), &makes_one).is_some() {
        let why = format!(
            "`{name}` makes a boxed future, which this type does not show: write it out, as in \
             `Pin<Box<dyn Future<Output = T> + Send>>`"
        );
        return (returned, why);
    }
    let why = match purpose {
        Purpose::Cached => format!("`{name}` is not async: write `async fn {name}`"),
        Purpose::Invalidates => format!(
            "`{name}` is not async, and cannot wait until the others know: write `async fn {name}`, or \
             `cache.emit(..)` where it is called"
        ),
    };
    (place, why)
}

/// What in a return type tells that it is a stream.
fn find_stream(returned: &Type) -> Option<Ident> {
    let tokens = returned.to_token_stream();
    let is_trait = |ident: &Ident| ident == "impl" || ident == "dyn";
    let has_trait = find(tokens.clone(), &is_trait).is_some();
    find(tokens, &|ident| {
        ident == "BoxStream" || ident == "LocalBoxStream" || has_trait && ident == "Stream"
    })
}

/// Whether the function is not async and returns a future that is not boxed.
fn returns_future(function: &Function) -> bool {
    let returned = function.signature.output.to_token_stream();
    function.signature.asyncness.is_none()
        && function.boxed.is_none()
        && find(returned, &|ident| ident == "Future").is_some()
}

fn refuse_qualifiers(signature: &Signature, mistakes: &mut Mistakes) {
    let name = &signature.ident;
    if let Safety::Unsafe(token) = &signature.safety {
        mistakes.at(
            token,
            format_args!(
                "the cache would call `{name}` unchecked: cache a safe function that calls it"
            ),
        );
    }
    if let Some(abi) = &signature.abi {
        mistakes.at(
            abi,
            format_args!(
                "`{name}` has a foreign ABI: cache a function without `extern` that calls it"
            ),
        );
    }
    if let Some(variadic) = &signature.variadic {
        mistakes.at(
            variadic.dots,
            "a key needs arguments that have types: remove `...`",
        );
    }
}

fn refuse_return_type(returned: &Type, mistakes: &mut Mistakes) {
    let tokens = returned.to_token_stream();
    if let Type::Never(never) = returned {
        mistakes.at(
            never,
            "a function that never returns has no value to keep: remove `#[cached]`",
        );
    } else if let Some(token) = find(tokens.clone(), &|token| token == "impl") {
        mistakes.at(
            token,
            "an entry needs a type with a name: write which one is returned, instead of `impl Trait`",
        );
    } else if find(tokens.clone(), &|token| token == "fn" || token == "Fn").is_none()
        && let Some(token) = argument::find_borrow(tokens)
    {
        mistakes.at(
            token,
            "an entry outlives the call: return an owned value, such as `String` or `Arc<str>`",
        );
    }
}

fn refuse_receiver(receiver: &Receiver, mistakes: &mut Mistakes) {
    let is_mutable = match &receiver.kind {
        ReceiverKind::Reference(_, _, mutability) => mutability.is_some(),
        // `Pin<&mut Self>` too.
        ReceiverKind::Typed(_, ty) => find(ty.to_token_stream(), &|ident| ident == "mut").is_some(),
        _ => false,
    };
    if is_mutable {
        mistakes.at(
            receiver,
            "a hit would skip what the body does to `self`: take `&self`",
        );
    }
}

/// The first identifier that fits, in groups too.
pub(crate) fn find(tokens: TokenStream, fits: &dyn Fn(&Ident) -> bool) -> Option<Ident> {
    let found = find_token(
        tokens,
        &|token| matches!(token, TokenTree::Ident(ident) if fits(ident)),
    );
    found.and_then(|token| match token {
        TokenTree::Ident(ident) => Some(ident),
        _ => None,
    })
}

/// The first token that fits and is no group, in groups too.
pub(crate) fn find_token(
    tokens: TokenStream,
    fits: &dyn Fn(&TokenTree) -> bool,
) -> Option<TokenTree> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Group(group) => find_token(group.stream(), fits),
        token => fits(&token).then_some(token),
    })
}

fn split_inner_attributes(body: TokenStream) -> (TokenStream, TokenStream) {
    let mut rest = body.into_iter();
    let mut attributes = TokenStream::new();
    loop {
        let mut ahead = rest.clone();
        match (ahead.next(), ahead.next(), ahead.next()) {
            (
                Some(TokenTree::Punct(hash)),
                Some(TokenTree::Punct(bang)),
                Some(TokenTree::Group(group)),
            ) if hash.as_char() == '#'
                && bang.as_char() == '!'
                && group.delimiter() == Delimiter::Bracket =>
            {
                attributes.extend([
                    TokenTree::Punct(hash),
                    TokenTree::Punct(bang),
                    TokenTree::Group(group),
                ]);
                rest = ahead;
            }
            _ => return (attributes, rest.collect()),
        }
    }
}
