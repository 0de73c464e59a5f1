//! Events as they are named: struct literals, whole or with `..` in place of their last fields.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Error, Expr, ExprPath, ExprStruct, FieldValue, Member, Result, ext::IdentExt};

use crate::{function::find, mistakes::Mistakes, parse::ungrouped};

pub(crate) mod by_hand;
mod expand;

pub(crate) use self::expand::{Mark, Scope};

/// An event, or the first fields of one.
#[derive(Clone)]
pub(crate) struct Literal {
    /// As it was written, less the `..`. A path alone is a literal without fields.
    written: Written,
    pub(crate) is_whole: bool,
}

#[derive(Clone)]
enum Written {
    Struct(ExprStruct),
    Path(ExprPath),
}

/// One or several events.
#[derive(Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "a few live at once, and a box would be in the way of all who take one apart"
)]
pub(crate) enum Events {
    Literal(Literal),
    /// What gives events.
    Expr(Box<Expr>),
}

impl Events {
    /// Reads an expression; each that is in an array or a tuple counts for itself.
    ///
    /// # Errors
    ///
    /// Those of [`Literal::read`].
    pub(crate) fn read(expr: Expr) -> Result<Vec<Self>> {
        if let Some(literal) = Literal::read(&expr)? {
            return Ok(vec![Self::Literal(literal)]);
        }
        match ungrouped(expr) {
            Expr::Array(array) => Self::read_all(array.elems),
            Expr::Tuple(tuple) => Self::read_all(tuple.elems),
            Expr::Paren(paren) => Self::read(*paren.expr),
            other => Ok(vec![Self::Expr(Box::new(other))]),
        }
    }

    /// Whether they use what the function returned.
    pub(crate) fn use_result(&self) -> bool {
        match self {
            Self::Literal(literal) => literal.uses_result(),
            Self::Expr(expr) => mentions_result(expr.to_token_stream()),
        }
    }

    fn read_all(exprs: impl IntoIterator<Item = Expr>) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        let mut mistakes = Mistakes::default();
        for expr in exprs {
            match Self::read(expr) {
                Ok(events) => all.extend(events),
                Err(mistake) => mistakes.add(mistake),
            }
        }
        mistakes.into_error().map_or(Ok(all), Err)
    }
}

impl Literal {
    /// Reads a literal. Nothing where the expression is something else.
    ///
    /// # Errors
    ///
    /// Where it is a literal that names no event.
    pub(crate) fn read(expr: &Expr) -> Result<Option<Self>> {
        let literal = match ungrouped(expr.clone()) {
            Expr::Struct(mut written) => {
                refuse_base(&written)?;
                let dots = written.dot2_token.take();
                if dots.is_some() && !written.fields.trailing_punct() && !written.fields.is_empty()
                {
                    written
                        .fields
                        .push_punct(syn::Token![,](Span::mixed_site()));
                }
                Self {
                    is_whole: dots.is_none(),
                    written: Written::Struct(written),
                }
            }
            Expr::Path(path) if is_type(&path) => Self {
                is_whole: true,
                written: Written::Path(path),
            },
            _ => return Ok(None),
        };
        let path = literal.path();
        match find(path.to_token_stream(), &|ident| ident == "Self") {
            Some(token) => Err(Error::new_spanned(
                token,
                "write the event's name: constants of the expansion do not know `Self`",
            )),
            None => Ok(Some(literal)),
        }
    }

    pub(crate) fn path(&self) -> &syn::Path {
        match &self.written {
            Written::Struct(written) => &written.path,
            Written::Path(path) => &path.path,
        }
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &FieldValue> {
        let fields = match &self.written {
            Written::Struct(written) => Some(&written.fields),
            Written::Path(_) => None,
        };
        fields.into_iter().flatten()
    }

    /// The names that are the whole value of a field.
    pub(crate) fn bare_names(&self) -> impl Iterator<Item = &Ident> {
        self.fields().filter_map(|field| bare(&field.expr))
    }

    /// Whether a field uses what the function returned.
    pub(crate) fn uses_result(&self) -> bool {
        self.fields().any(uses_result)
    }
}

/// Whether the value of the field uses what the function returned.
fn uses_result(field: &FieldValue) -> bool {
    mentions_result(field.expr.to_token_stream())
}

fn mentions_result(tokens: TokenStream) -> bool {
    find(tokens, &|ident| ident == RESULT).is_some()
}

/// The word for what a function returned.
pub(crate) const RESULT: &str = "result";

fn refuse_base(written: &ExprStruct) -> Result<()> {
    let Some(base) = &written.rest else {
        return Ok(());
    };
    let path = written.path.to_token_stream();
    Err(Error::new_spanned(
        base,
        format_args!(
            "`..` stands for the fields that are left out: write `{path} {{ .. }}`, with nothing behind the dots"
        ),
    ))
}

impl ToTokens for Events {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Literal(literal) => {
                for field in literal.fields() {
                    field.expr.to_tokens(tokens);
                }
            }
            Self::Expr(expr) => expr.to_tokens(tokens),
        }
    }
}

/// Whether the path is written as types are: `SettingsChanged`, `events::SettingsChanged`.
fn is_type(path: &ExprPath) -> bool {
    let last = path.path.segments.last();
    let name = last
        .map(|last| last.ident.unraw().to_string())
        .unwrap_or_default();
    path.qself.is_none()
        && name.starts_with(char::is_uppercase)
        && name.chars().any(char::is_lowercase)
}

/// The name that is all of the expression.
fn bare(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident(),
        Expr::Paren(paren) => bare(&paren.expr),
        Expr::Group(group) => bare(&group.expr),
        _ => None,
    }
}

/// Whether the expression is a place, a field of something: a literal would move it out of there.
fn is_place(expr: &Expr) -> bool {
    match expr {
        Expr::Field(field) => matches!(&*field.base, Expr::Path(_)) || is_place(&field.base),
        Expr::Paren(paren) => is_place(&paren.expr),
        Expr::Group(group) => is_place(&group.expr),
        _ => false,
    }
}

/// The name of a field.
pub(crate) fn field_name(member: &Member) -> String {
    match member {
        Member::Named(name) => name.unraw().to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

/// A local of the expansion that holds the value of a field, at the place of what was written for it.
fn local(index: usize, place: Span) -> Ident {
    format_ident!(
        "__cached_field{index}",
        span = Span::mixed_site().located_at(place)
    )
}

/// The path as a person writes it.
fn written(path: &syn::Path) -> String {
    let path = quote!(#path).to_string();
    path.split_whitespace().collect()
}
