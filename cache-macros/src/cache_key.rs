//! `#[derive(CacheKey)]`: a struct is its fields, an enum the name of its variant and that one's fields.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Attribute, Data, DeriveInput, Error, Field, Fields, Path, Result, ext::IdentExt,
    spanned::Spanned,
};

/// A mistake is reported next to an implementation, so that none that is missing is reported too.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut mistakes = misplaced_attributes(&input.data);
    let krate = path_of_crate(&input.attrs).unwrap_or_else(|error| {
        mistakes.push(error);
        None
    });
    let krate = krate.map_or_else(|| quote!(::cache_core), |path| quote!(#path));
    let body = body(&input, &krate).unwrap_or_else(|error| {
        mistakes.push(error);
        TokenStream::new()
    });
    let mistakes = mistakes.into_iter().map(Error::into_compile_error);
    let implementation = implementation(&input, &krate, &body);
    quote!(#(#mistakes)* #implementation)
}

/// Output: `impl<T> CacheKey for Name<T> where T: CacheKey { fn write(&self, key: &mut KeyWriter<'_>) { body } }`
fn implementation(input: &DeriveInput, krate: &TokenStream, body: &TokenStream) -> TokenStream {
    let (name, key) = (&input.ident, key());
    let (parameters, arguments, _) = input.generics.split_for_impl();
    let wanted = input
        .generics
        .where_clause
        .iter()
        .flat_map(|clause| &clause.predicates);
    let types = input
        .generics
        .type_params()
        .map(|parameter| &parameter.ident);
    quote! {
        #[automatically_derived]
        impl #parameters #krate::CacheKey for #name #arguments
        where
            #(#wanted,)*
            #(#types: #krate::CacheKey,)*
        {
            #[inline]
            fn write(&self, #key: &mut #krate::KeyWriter<'_>) {
                #body
            }
        }
    }
}

fn body(input: &DeriveInput, krate: &TokenStream) -> Result<TokenStream> {
    match &input.data {
        Data::Struct(data) => {
            let (pattern, parts) = (pattern(&data.fields), parts(&data.fields, krate));
            let written = if is_newtype(&data.fields) {
                parts
            } else {
                let key = key();
                quote!(#krate::KeyWriter::group(#key, |#key| { #parts });)
            };
            Ok(quote!(let Self #pattern = self; #written))
        }
        Data::Enum(data) if data.variants.is_empty() => Ok(quote!(match *self {})),
        Data::Enum(data) => {
            let arms = data.variants.iter().map(|variant| {
                let (ident, key) = (&variant.ident, key());
                let name = ident.unraw().to_string();
                let (pattern, parts) = (pattern(&variant.fields), parts(&variant.fields, krate));
                quote! {
                    Self::#ident #pattern => #krate::KeyWriter::variant(#key, #name, |#key| { #parts }),
                }
            });
            Ok(quote!(match self { #(#arms)* }))
        }
        Data::Union(data) => Err(Error::new(
            data.union_token.span,
            format!(
                "`CacheKey` cannot be derived for a union: which field is set is unknown; write `impl CacheKey for {}`",
                input.ident
            ),
        )),
    }
}

/// Output: `{ name: __cached_0, 1: __cached_1 }`
fn pattern(fields: &Fields) -> TokenStream {
    let bindings = fields.members().enumerate().map(|(index, member)| {
        let binding = binding(index);
        quote!(#member: #binding)
    });
    quote!({ #(#bindings),* })
}

/// Output, for each field: `CacheKey::write(__cached_0, key);`, blaming the field's type for a missing implementation.
fn parts(fields: &Fields, krate: &TokenStream) -> TokenStream {
    let key = key();
    fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let span = field.ty.span().resolved_at(Span::mixed_site());
            let mut binding = binding(index);
            binding.set_span(span);
            quote_spanned!(span=> #krate::CacheKey::write(#binding, #key);)
        })
        .collect()
}

/// A struct that only names another type has the key of that type.
fn is_newtype(fields: &Fields) -> bool {
    matches!(fields, Fields::Unnamed(unnamed) if unnamed.unnamed.len() == 1)
}

fn key() -> Ident {
    Ident::new("__cached_key", Span::mixed_site())
}

fn binding(index: usize) -> Ident {
    format_ident!("__cached_{index}", span = Span::mixed_site())
}

/// `#[cache_key(crate = path)]`
fn path_of_crate(attributes: &[Attribute]) -> Result<Option<Path>> {
    let mut krate = None;
    for attribute in attributes.iter().filter(|attribute| is_ours(attribute)) {
        attribute.parse_nested_meta(|option| {
            if !option.path.is_ident("crate") {
                let given = option.path.to_token_stream();
                let message = format!(
                    "unknown option `{given}`; the only one is `crate = path::to::cache_core`"
                );
                return Err(option.error(message));
            }
            let path = option.value()?.call(Path::parse_mod_style)?;
            if krate.replace(path).is_some() {
                return Err(option.error("`crate` is given twice"));
            }
            Ok(())
        })?;
    }
    Ok(krate)
}

fn misplaced_attributes(data: &Data) -> Vec<Error> {
    let (variants, fields): (Vec<_>, Vec<&Field>) = match data {
        Data::Struct(data) => (Vec::new(), data.fields.iter().collect()),
        Data::Enum(data) => (
            data.variants.iter().collect(),
            data.variants
                .iter()
                .flat_map(|variant| &variant.fields)
                .collect(),
        ),
        Data::Union(_) => (Vec::new(), Vec::new()),
    };
    let of_variants = variants.iter().flat_map(|variant| &variant.attrs);
    let of_fields = fields.iter().flat_map(|field| &field.attrs);
    of_variants
        .chain(of_fields)
        .filter(|attribute| is_ours(attribute))
        .map(|attribute| {
            Error::new_spanned(
                attribute,
                "`cache_key` belongs above the type; a key cannot leave a field out: write \
                 `impl CacheKey`, or `key = ..` at the function",
            )
        })
        .collect()
}

fn is_ours(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cache_key")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use proc_macro2::TokenStream;
    use quote::quote;

    use super::expand;

    /// The messages of an expansion, and how many implementations stand next to them.
    fn refused(input: TokenStream) -> (Vec<String>, usize) {
        let file: syn::File = syn::parse2(expand(input)).unwrap();
        let messages = file.items.iter().filter_map(|item| match item {
            syn::Item::Macro(item) => {
                assert!(
                    item.mac
                        .path
                        .segments
                        .iter()
                        .any(|part| part.ident == "compile_error")
                );
                Some(item.mac.parse_body::<syn::LitStr>().unwrap().value())
            }
            _ => None,
        });
        let implementations = file
            .items
            .iter()
            .filter(|item| matches!(item, syn::Item::Impl(_)));
        (messages.collect(), implementations.count())
    }

    fn expanded(input: TokenStream) -> String {
        prettyplease::unparse(&syn::parse2(expand(input)).unwrap())
    }

    #[test]
    fn a_struct_is_its_fields() {
        insta::assert_snapshot!(expanded(quote! {
            struct Order<'a, T: Copy, const N: usize> where T: Send { tenant: &'a T, ids: [u64; N] }
        }), @r#"
            #[automatically_derived]
            impl<'a, T: Copy, const N: usize> ::cache_core::CacheKey for Order<'a, T, N>
            where
                T: Send,
                T: ::cache_core::CacheKey,
            {
                #[inline]
                fn write(&self, __cached_key: &mut ::cache_core::KeyWriter<'_>) {
                    let Self { tenant: __cached_0, ids: __cached_1 } = self;
                    ::cache_core::KeyWriter::group(
                        __cached_key,
                        |__cached_key| {
                            ::cache_core::CacheKey::write(__cached_0, __cached_key);
                            ::cache_core::CacheKey::write(__cached_1, __cached_key);
                        },
                    );
                }
            }
        "#);
    }

    #[test]
    fn a_newtype_is_what_it_holds() {
        insta::assert_snapshot!(expanded(quote!(struct UserId(u64);)), @r#"
            #[automatically_derived]
            impl ::cache_core::CacheKey for UserId {
                #[inline]
                fn write(&self, __cached_key: &mut ::cache_core::KeyWriter<'_>) {
                    let Self { 0: __cached_0 } = self;
                    ::cache_core::CacheKey::write(__cached_0, __cached_key);
                }
            }
        "#);
    }

    #[test]
    fn an_enum_is_a_name_and_fields() {
        insta::assert_snapshot!(expanded(quote! {
            #[cache_key(crate = renamed::inner)]
            enum Page { All, r#Type(u32), Between { from: u32, to: u32 } }
        }), @r#"
            #[automatically_derived]
            impl renamed::inner::CacheKey for Page {
                #[inline]
                fn write(&self, __cached_key: &mut renamed::inner::KeyWriter<'_>) {
                    match self {
                        Self::All {} => {
                            renamed::inner::KeyWriter::variant(
                                __cached_key,
                                "All",
                                |__cached_key| {},
                            )
                        }
                        Self::r#Type { 0: __cached_0 } => {
                            renamed::inner::KeyWriter::variant(
                                __cached_key,
                                "Type",
                                |__cached_key| {
                                    renamed::inner::CacheKey::write(__cached_0, __cached_key);
                                },
                            )
                        }
                        Self::Between { from: __cached_0, to: __cached_1 } => {
                            renamed::inner::KeyWriter::variant(
                                __cached_key,
                                "Between",
                                |__cached_key| {
                                    renamed::inner::CacheKey::write(__cached_0, __cached_key);
                                    renamed::inner::CacheKey::write(__cached_1, __cached_key);
                                },
                            )
                        }
                    }
                }
            }
        "#);
    }

    #[test]
    fn an_enum_without_variants_has_no_key_to_write() {
        insta::assert_snapshot!(expanded(quote!(enum Never {})), @r#"
            #[automatically_derived]
            impl ::cache_core::CacheKey for Never {
                #[inline]
                fn write(&self, __cached_key: &mut ::cache_core::KeyWriter<'_>) {
                    match *self {}
                }
            }
        "#);
    }

    #[test]
    fn unions_are_refused() {
        let (messages, implementations) = refused(quote!(union Either { a: u32, b: f32 }));
        assert!(
            messages[0].contains("write `impl CacheKey for Either`"),
            "{messages:?}"
        );
        assert_eq!((messages.len(), implementations), (1, 1));
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let (messages, implementations) = refused(quote! {
            #[cache_key(crates = a)]
            enum Page { #[cache_key(skip)] All, Numbered(#[cache_key(skip)] u32) }
        });
        assert!(
            messages
                .iter()
                .any(|message| message.contains("unknown option `crates`")),
            "{messages:?}"
        );
        assert_eq!((messages.len(), implementations), (3, 1));
    }

    #[test]
    fn options_are_given_once_and_with_a_value() {
        for options in [
            quote!(crate = a, crate = b),
            quote!(crate),
            quote!(crate = "a"),
            quote!(skip(a)),
        ] {
            let (messages, _) = refused(quote!(
                #[cache_key(#options)]
                struct Unit;
            ));
            assert_eq!(messages.len(), 1, "{messages:?}");
        }
        assert_eq!(
            refused(quote!(
                #[cache_key]
                struct Unit;
            ))
            .0
            .len(),
            1
        );
    }

    #[test]
    fn what_is_no_type_is_refused() {
        assert_eq!(
            refused(quote!(
                fn function() {}
            ))
            .0
            .len(),
            1
        );
    }
}
