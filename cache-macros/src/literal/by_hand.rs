//! `event!(..)`: an event, or a prefix of one, for those who emit by hand.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::{
    Error, Expr, Path, Result, Token,
    parse::{ParseStream, Parser},
    spanned::Spanned,
};

use super::{
    Literal,
    expand::{Mark, Scope, marked},
};
use crate::{expand, features::Features, graph, options::Given};

/// The event or, where something is wrong, what is.
pub(crate) fn expand(event: TokenStream, features: Features) -> TokenStream {
    read.parse2(event)
        .map_or_else(Error::into_compile_error, |(literal, krate)| {
            expansion(&literal, krate.as_ref(), features)
        })
}

const EXPECTED: &str = "expected an event, as in `event!(UserChanged { id })` or `event!(OrderChanged { tenant, .. })`";

/// `UserChanged { id }`, and `crate = path` behind it where there is one.
fn read(input: ParseStream<'_>) -> Result<(Literal, Option<Given<Path>>)> {
    if input.is_empty() {
        return Err(Error::new(Span::call_site(), EXPECTED));
    }
    let expr: Expr = input.parse()?;
    let Some(literal) = Literal::read(&expr)? else {
        return Err(Error::new_spanned(expr, EXPECTED));
    };
    let comma: Option<Token![,]> = input.parse()?;
    if input.is_empty() {
        return Ok((literal, None));
    }
    if comma.is_none() || !input.peek(Token![crate]) {
        return Err(input.error("one `event!` makes one event: write several in a tuple"));
    }
    let name = input.parse::<Token![crate]>()?;
    input.parse::<Token![=]>()?;
    let value = input.call(Path::parse_mod_style)?;
    input.parse::<Option<Token![,]>>()?;
    let name = syn::Ident::new("crate", name.span);
    Ok((literal, Some(Given { name, value })))
}

fn expansion(literal: &Literal, krate: Option<&Given<Path>>, features: Features) -> TokenStream {
    let scope = Scope {
        mark: Mark::Emitted,
        names: &[],
    };
    let event = if literal.is_whole {
        let event = marked(scope.mark, &literal.written_tokens(None));
        let place = expand::at(literal.path().span());
        let whole = quote_spanned!(place=> __cached::whole(__cached_event));
        quote_spanned! {place=>
            {
                let __cached_event = #event;
                #whole
            }
        }
    } else {
        literal.to_tokens(&scope)
    };
    let import = expand::import(krate);
    let registered = graph::by_hand(features, literal);
    quote_spanned! {Span::mixed_site()=>
        {
            #import
            #registered
            use __cached::Unmarked as _;
            #event
        }
    }
}
