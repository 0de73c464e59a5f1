//! What becomes of a loaded value: the calls that the options make of it.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote_spanned};

use super::{Context, at};
use crate::options::{Codec, Ttl};

impl Context<'_> {
    /// What becomes of a loaded value.
    pub(super) fn keep(&self) -> TokenStream {
        let model = self.model;
        let options = &model.options;
        let mixed = Span::mixed_site();
        let (mut ttl, mut ttl_of) = (None, None);
        match options.ttl.as_ref().map(|given| (given, &given.value)) {
            Some((given, Ttl::Fixed(time))) => ttl = Some(time.to_tokens(given.name.span())),
            Some((given, Ttl::Of(closure))) => {
                ttl = Some(quote_spanned!(mixed=> ::core::time::Duration::ZERO));
                ttl_of = Some(call(&given.name, None, Some(closure)));
            }
            None => {}
        }
        let mut keep = quote_spanned! {mixed=>
            let __cached_keep = __cached::Keep::new(&__cached_returned, __cached_travel, #ttl);
            #ttl_of
        };
        if let Some(given) = &options.none_ttl {
            let time = given.value.to_tokens(given.name.span());
            keep.extend(call(&given.name, None, Some(&time)));
        }
        match options.err_ttl.as_ref().map(|given| (given, &given.value)) {
            Some((given, Ttl::Fixed(time))) => {
                let time = time.to_tokens(given.name.span());
                keep.extend(call(&given.name, None, Some(&time)));
            }
            Some((given, Ttl::Of(closure))) => {
                let name = Ident::new("err_ttl_of", given.name.span());
                keep.extend(call(&name, None, Some(closure)));
            }
            None => {}
        }
        keep.extend(self.stand_ins());
        for given in [&options.keep_if, &options.weight].into_iter().flatten() {
            keep.extend(call(&given.name, None, Some(&given.value)));
        }
        if let Some(given) = &options.codec
            && let Some(ty) = codec_type(&given.value)
        {
            keep.extend(call(&given.name, Some(&ty), None));
        }
        if let Some(given) = &options.compress {
            let least = Literal::u32_unsuffixed(given.value);
            keep.extend(call(&given.name, None, Some(&least)));
        }
        keep.extend(self.events_of());
        let travel = self.travel();
        quote_spanned!(mixed=> #travel #keep)
    }

    /// How the value is weighed and, where it leaves the process, the assertion that it can.
    fn travel(&self) -> TokenStream {
        let options = &self.model.options;
        let is_memory_only = options.is_memory_only();
        // Where there is one, its own bound asks: two would be two errors.
        let codec = options
            .codec
            .as_ref()
            .and_then(|given| codec_type(&given.value));
        let assertion = (!is_memory_only && codec.is_none()).then(|| {
            quote_spanned! {at(self.output.span)=>
                let __cached_travel = __cached::travels(__cached_travel);
            }
        });
        // Not asked where it does not matter: the answer for a value with a lifetime, `&'static str`
        // among them, is an error and not a no.
        let probe =
            (!is_memory_only).then(|| quote_spanned!(Span::mixed_site()=> ProbeTravel as _,));
        // At the place of the assertion, so that what both report is one error.
        let weigh = quote_spanned! {at(self.output.span)=>
            (&&&__cached::TravelProbe::of(&__cached_returned)).__cached_weigh()
        };
        quote_spanned! {Span::mixed_site()=>
            let __cached_travel = {
                use __cached::{ProbeSize as _, #probe ProbeWeigh as _};
                #weigh
            };
            #assertion
        }
    }
}

/// The type of a codec that is not the one taken where none is given.
fn codec_type(codec: &Codec) -> Option<TokenStream> {
    match codec {
        Codec::Postcard => None,
        Codec::Featured { word, ty } => {
            let place = at(word.span());
            let ty = Ident::new(ty, place);
            Some(quote_spanned!(place=> __cached::#ty))
        }
        Codec::Own(path) => Some(path.to_token_stream()),
    }
}

/// A call of the method that is named as the option, at the option.
pub(super) fn call(
    option: &Ident,
    ty: Option<&TokenStream>,
    argument: Option<&dyn ToTokens>,
) -> TokenStream {
    let place = at(option.span());
    let types = ty.map(|ty| quote_spanned!(place=> ::<#ty>));
    let method = Ident::new(&option.to_string(), place);
    quote_spanned!(place=> let __cached_keep = __cached_keep.#method #types (#argument);)
}
