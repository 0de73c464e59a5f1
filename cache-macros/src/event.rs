//! `#[derive(Event)]`: what changed, with its fields as a hierarchy.
//!
//! Beside the implementation it makes two methods, which expansions call where they emit or listen: the
//! compiler reports at the event the one that nobody calls, by its name.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Attribute, Data, DeriveInput, Error, Field, Fields, GenericParam, LitStr, Path, Result,
    ext::IdentExt, meta::ParseNestedMeta, spanned::Spanned,
};

use crate::{features::Features, graph, mistakes::Mistakes, suggest};

/// The methods, called by expansions.
pub(crate) const EMITTED: &str = "nobody_emits_this";
pub(crate) const LISTENED_TO: &str = "nobody_listens_to_this";

/// A mistake is reported next to an implementation, so that none that is missing is reported too.
pub(crate) fn expand(input: TokenStream, features: Features) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut mistakes = Mistakes::default();
    let options = Options::read(&input.attrs, &mut mistakes);
    let is_open = refuse_generics(&input, &mut mistakes);
    let mut fields = fields(&input, &mut mistakes);
    if is_open {
        fields.clear();
    }
    let implementation = implementation(&input, &options, &fields);
    let marks = (!options.is_used_elsewhere).then(|| marks(&input));
    let mistakes = mistakes.into_error();
    let registered =
        (features.have_graph() && mistakes.is_none()).then(|| registered(&input, &options));
    let mistakes = mistakes.map(Error::into_compile_error);
    quote!(#mistakes #implementation #marks #registered)
}

/// `#[event(name = "..", crate = path, used_elsewhere)]`
#[derive(Default)]
struct Options {
    name: Option<LitStr>,
    krate: Option<Path>,
    is_used_elsewhere: bool,
}

const OPTIONS: [&str; 3] = ["name", "crate", "used_elsewhere"];

impl Options {
    fn krate(&self) -> TokenStream {
        let krate = self.krate.as_ref();
        krate.map_or_else(|| quote!(::cache_core), ToTokens::to_token_stream)
    }

    fn read(attributes: &[Attribute], mistakes: &mut Mistakes) -> Self {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|attribute| is_ours(attribute)) {
            let read = attribute.parse_nested_meta(|option| options.read_one(&option));
            if let Err(mistake) = read {
                mistakes.add(mistake);
            }
        }
        options
    }

    fn read_one(&mut self, option: &ParseNestedMeta<'_>) -> Result<()> {
        let given = option.path.to_token_stream().to_string();
        let is_again = match given.as_str() {
            "name" => {
                let name = option
                    .value()
                    .and_then(syn::parse::ParseBuffer::parse::<LitStr>);
                let name = name.map_err(|error| {
                    Error::new(error.span(), "`name` is written `name = \"UserChanged\"`")
                })?;
                check_name(&name)?;
                self.name.replace(name).is_some()
            }
            "crate" => {
                let path = option.value()?.call(Path::parse_mod_style)?;
                self.krate.replace(path).is_some()
            }
            "used_elsewhere" => std::mem::replace(&mut self.is_used_elsewhere, true),
            _ => {
                let instead = suggest::instead(&given, OPTIONS);
                return Err(option.error(format_args!("unknown option `{given}`, {instead}")));
            }
        };
        if is_again {
            return Err(option.error(format_args!("`{given}` is given twice: remove one")));
        }
        Ok(())
    }
}

/// The name is a part of keys in Redis, between separators.
fn check_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    if text.is_empty() {
        return Err(Error::new_spanned(
            name,
            "a name has at least one character: write `name = \"UserChanged\"`",
        ));
    }
    match text
        .chars()
        .find(|&c| c.is_whitespace() || c.is_control() || ":/{}".contains(c))
    {
        None => Ok(()),
        Some(c) => Err(Error::new_spanned(
            name,
            format_args!(
                "the name of an event has no {c:?}, and no other space, control character or `:/{{}}`: write \
                 `name = \"UserChanged\"`"
            ),
        )),
    }
}

/// Whether there are type parameters, which are refused.
fn refuse_generics(input: &DeriveInput, mistakes: &mut Mistakes) -> bool {
    let open = input
        .generics
        .params
        .iter()
        .find(|parameter| !is_lifetime(parameter));
    if let Some(parameter) = open {
        mistakes.at(
            parameter,
            format_args!(
                "an event has no type parameters, as other processes know it by its name alone: write one for each \
                 type, or a field that says which `{}` it is",
                input.ident
            ),
        );
    }
    open.is_some()
}

fn is_lifetime(parameter: &GenericParam) -> bool {
    matches!(parameter, GenericParam::Lifetime(_))
}

/// The fields, none where the type has none that can be named.
fn fields<'a>(input: &'a DeriveInput, mistakes: &mut Mistakes) -> Vec<&'a Field> {
    let name = &input.ident;
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(data) => {
            mistakes.at(
                data.enum_token,
                format_args!("an event is a struct: write one for each variant of `{name}`"),
            );
            return Vec::new();
        }
        Data::Union(data) => {
            mistakes.at(
                data.union_token,
                format_args!("an event is a struct: write `struct {name} {{ .. }}`"),
            );
            return Vec::new();
        }
    };
    for field in fields {
        if let Some(attribute) = field.attrs.iter().find(|attribute| is_ours(attribute)) {
            mistakes.at(
                attribute,
                "`event` belongs above the type: every field is a part of the event",
            );
        }
    }
    if let Fields::Unnamed(unnamed) = fields {
        mistakes.at(
            unnamed,
            format_args!(
                "an event names its fields, so that the first ones can be named alone: write \
                 `struct {name} {{ id: .. }}`"
            ),
        );
        return Vec::new();
    }
    fields.iter().collect()
}

/// Output: `impl Event for Name { NAME, FIELDS, fn write_fields }`, where the first `count` fields are written.
fn implementation(input: &DeriveInput, options: &Options, fields: &[&Field]) -> TokenStream {
    let krate = options.krate();
    let (parameters, arguments, clause) = input.generics.split_for_impl();
    let ident = &input.ident;
    let name = match &options.name {
        Some(name) => name.value(),
        None => ident.unraw().to_string(),
    };
    let mixed = Span::mixed_site();
    let (key, count) = (
        Ident::new("__cached_key", mixed),
        Ident::new("__cached_count", mixed),
    );
    let members: Vec<_> = fields
        .iter()
        .filter_map(|field| field.ident.as_ref())
        .collect();
    let names = members.iter().map(|member| member.unraw().to_string());
    let bindings: Vec<_> = (0..members.len())
        .map(|index| format_ident!("__cached_{index}", span = mixed))
        .collect();
    let writes = fields
        .iter()
        .zip(&bindings)
        .enumerate()
        .map(|(index, (field, binding))| {
            // At the field's type, which is what lacks the implementation where one is missing.
            let place = mixed.located_at(field.ty.span());
            let mut binding = binding.clone();
            binding.set_span(place);
            let write = quote_spanned!(place=> #krate::CacheKey::write(#binding, #key););
            let index = Literal::usize_unsuffixed(index);
            quote_spanned!(mixed=> if #count > #index { #write })
        });
    let taken =
        (!members.is_empty()).then(|| quote!(let Self { #(#members: #bindings,)* .. } = self;));
    quote! {
        #[automatically_derived]
        impl #parameters #krate::Event for #ident #arguments #clause {
            const NAME: &'static str = #name;
            const FIELDS: &'static [&'static str] = &[#(#names),*];

            fn write_fields(&self, #count: usize, #key: &mut #krate::KeyWriter<'_>) {
                #taken
                #(#writes)*
            }
        }
    }
}

/// The methods that expansions call, at the name of the event. In any other span lints would take them for
/// nothing that the user could change, and stay silent.
fn marks(input: &DeriveInput) -> TokenStream {
    let (parameters, arguments, clause) = input.generics.split_for_impl();
    let (ident, visibility) = (&input.ident, &input.vis);
    let marks = [EMITTED, LISTENED_TO].map(|name| {
        let name = Ident::new(name, ident.span());
        quote_spanned! {ident.span()=>
            #[doc(hidden)]
            #[inline]
            #visibility const fn #name(&self) {
                let _ = self;
            }
        }
    });
    quote_spanned!(ident.span()=> impl #parameters #ident #arguments #clause { #(#marks)* })
}

/// Has the graph of the program know the event, also where nobody does anything with it.
fn registered(input: &DeriveInput, options: &Options) -> TokenStream {
    let krate = options.krate();
    let ident = &input.ident;
    let lifetimes = input.generics.params.iter().map(|_| quote!('_));
    let lifetimes = (lifetimes.len() > 0).then(|| quote!(<#(#lifetimes),*>));
    let is_used_elsewhere = options.is_used_elsewhere;
    let registered = graph::registered(&quote_spanned! {Span::mixed_site()=>
        __cached_graph.event::<#ident #lifetimes>(::core::file!(), ::core::line!(), #is_used_elsewhere);
    });
    quote! {
        const _: () = {
            use #krate::__private as __cached;
            #registered
        };
    }
}

fn is_ours(attribute: &Attribute) -> bool {
    attribute.path().is_ident("event")
}
