use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::tokens;
use crate::{cached, features::Features};

/// The expansion as it would be written. `Self` and `self` need an `impl` around them.
fn expansion(options: &str, function: &str) -> String {
    let (options, function) = (fragments(tokens(options)), fragments(tokens(function)));
    let expansion =
        cached::try_expand(options, function, Features::ALL).expect("the test has no mistakes");
    let file = syn::parse2(expansion).expect("the expansion is Rust");
    prettyplease::unparse(&file)
}

/// Has for each `$(..)` what a `macro_rules!` has for a fragment: a group without delimiters. A path after `$crate`
/// there is only in the compiler.
fn fragments(source: TokenStream) -> TokenStream {
    let mut tokens = source.into_iter();
    let mut made = TokenStream::new();
    while let Some(token) = tokens.next() {
        made.extend(match token {
            TokenTree::Punct(punct) if punct.as_char() == '$' => tokens
                .next()
                .map(|group| regrouped(group, Some(Delimiter::None))),
            token => Some(regrouped(token, None)),
        });
    }
    made
}

/// A group with the fragments in it, and with other delimiters where there are to be others.
fn regrouped(token: TokenTree, delimiter: Option<Delimiter>) -> TokenTree {
    match token {
        TokenTree::Group(group) => {
            let delimiter = delimiter.unwrap_or(group.delimiter());
            Group::new(delimiter, fragments(group.stream())).into()
        }
        token => token,
    }
}

macro_rules! shapes {
    ($($name:ident: $options:literal, $function:literal;)*) => {
        $(#[test]
        fn $name() {
            insta::with_settings!({
                description => concat!("#[cached(", $options, ")]\n", $function),
                omit_expression => true,
                prepend_module_to_snapshot => false,
            }, { insta::assert_snapshot!(stringify!($name), expansion($options, $function)); });
        })*
    };
}

shapes! {
    free_function: "ttl = 5m, skip(db), none_ttl = 10s",
        "/// Finds a user.\npub async fn user(db: &Db, id: u64) -> Result<Option<User>, DbError> { db.fetch(id).await }";
    owned_arguments: "ttl = 1h30m",
        "async fn user(tenant: String, id: u64) -> User { load(tenant, id).await }";
    lifetime: "ttl = 500ms, skip(pool)",
        "async fn user<'a>(pool: &'a Pool, id: u64) -> User { pool.load(id).await }";
    generic: "ttl = 5m",
        "async fn list<T, const N: usize>(ids: [T; N]) -> Vec<T> where T: CacheKey + Clone { load(ids).await }";
    method: "ttl = 5m, skip(self)",
        "async fn user(&self, id: u64) -> User { self.db.load(id).await }";
    detached_method: "ttl = 5m, key = (self.tenant, name), detached",
        "async fn user(&self, name: &str) -> User { let this = self; this.db.load(name, self.tenant).await }";
    detached_arc: "ttl = 5m, skip(self), detached",
        "async fn user(self: Arc<Self>, id: u64) -> User { self.db.load(id).await }";
    patterns: "ttl = 5m",
        "async fn sum((a, b): (u64, u64), mut c: u64, _d: u32, mut e: &str) -> u64 { c += a; c + b }";
    array_patterns: "ttl = 5m",
        "async fn sum([a, .., mut b]: [u64; 3], &[c, _]: &[u64; 2], [d, rest @ ..]: &[u64; 4]) -> u64 { b += c; a + b + d }";
    pattern_in_key: "ttl = 5m, key = (id, c)",
        "async fn sum(State(db): State<Db>, Path(mut id): Path<u64>, c: u64) -> u64 { id += 1; id + c }";
    text_key: "ttl = 5m, key = \"user:{tenant}/{id}\"",
        "async fn user(db: Db, tenant: &str, id: u64) -> User { db.load(tenant, id).await }";
    same_key_for_all_calls: "ttl = 5m, key = ()",
        "async fn config() -> Config { read().await }";
    returns_nothing: "ttl = 5m",
        "async fn ping(host: String) { println!(\"{host}\"); }";
    raw_names: "ttl = 5m1ms, key = \"{type}\"",
        "async fn find(r#type: &str) -> User { load(r#type).await }";
    conditional_argument: "ttl = 5m",
        "async fn user(id: u64, #[cfg(test)] db: &Db, #[allow(unused_mut)] mut n: u64) -> User { load(id).await }";
    inner_attributes: "ttl = 5m",
        "async fn one() -> u64 { #![allow(unused)] 1 }";
    conditional_function: "ttl = 5m",
        "#[cfg(feature = \"db\")]\n#[cfg_attr(test, expect(unused))]\nasync fn user(id: u64) -> User { load(id).await }";
    own_codec: "ttl = 5m, codec = codecs::Sealed::<4>",
        "async fn user(id: u64) -> User { load(id).await }";
    ttl_of_the_value: "ttl = |token| token.left(), tiers = memory",
        "async fn token(id: u64) -> Token { load(id).await }";
    attributes: "ttl = 5m",
        "/// Doubles.\n#[must_use]\n#[inline]\n#[expect(unused_mut)]\nasync fn double(#[expect(unused_mut)] mut n: u64) -> u64 { n * 2 }";
    visibility: "ttl = 5m",
        "pub(in crate::users) async fn one() -> u64 { 1 }";
    bodies: "ttl = 5m",
        "async fn parse(text: String) -> Result<u64, E> { if text.is_empty() { return Ok(0); } 'all: loop { break 'all; } Ok(text.parse()?) }";
    items_in_bodies: "ttl = 5m",
        "async fn one() -> u64 { const ONE: u64 = 1; fn same(n: u64) -> u64 { n } same(ONE) }";
    one_line_bodies: "ttl = 5m",
        "async fn same(n: u64) -> u64 { n }";
    empty_bodies: "ttl = 5m",
        "async fn nothing() {}";
    nested: "ttl = 5m",
        "async fn outer(n: u64) -> u64 { #[cached(ttl = 1m)] async fn inner(n: u64) -> u64 { n } inner(n).await }";
    recursion: "ttl = 5m",
        "async fn sum(n: u64) -> u64 { fn again(n: u64) -> BoxFuture<'static, u64> { Box::pin(sum(n)) } n + again(n - 1).await }";
    borrowed_arguments: "ttl = 5m",
        "async fn count(list: &[&str], maybe: Option<&str>, text: Cow<'_, str>) -> usize { list.len() }";
    static_arguments: "ttl = 5m",
        "async fn count(text: &'static str, n: u64) -> usize { text.len() }";
    skipped_arguments: "ttl = 5m, skip(shown, load)",
        "async fn call(shown: Box<dyn Display + Send>, load: fn(u64) -> u64, id: u64) -> u64 { load(id) }";
    impl_trait: "ttl = 5m",
        "async fn show(one: impl CacheKey + Display + Send + Sync, other: &(impl CacheKey + Sync)) -> String { one.to_string() }";
    lifetimes: "ttl = 5m",
        "async fn longer<'a, 'b: 'a>(one: &'a str, other: Name<'b>) -> String where 'b: 'a { other.or(one) }";
    associated_functions: "ttl = 5m",
        "async fn named(id: u64) -> Option<Self> where Self: Sized { Self::find(id).await }";
    trait_methods: "ttl = Self::TTL, key = (self.name(), id)",
        "async fn find(&self, id: Self::Key) -> Self::Found { self.load(id).await }";
    receivers_by_value: "ttl = 5m, key = self.id",
        "async fn find(mut self) -> u64 { self.id += 1; self.id }";
    receivers_with_a_type: "ttl = 5m, skip(self)",
        "async fn find(self: Pin<&Self>, id: u64) -> u64 { self.db.load(id).await }";
    detached_reference_to_arc: "ttl = 5m, skip(self), detached",
        "async fn find(self: &Arc<Self>, id: u64) -> u64 { self.db.load(id).await }";
    return_types: "ttl = 5m",
        "async fn find(id: u64) -> Option<Result<Box<[u64]>, String>> { None }";
    errors: "ttl = 5m, err_ttl = 1s",
        "async fn find(id: u64) -> Result<u64, Box<dyn Error + Send + Sync>> { Ok(id) }";
    anyhow: "ttl = 5m",
        "async fn find(text: &str) -> anyhow::Result<Option<u64>> { anyhow::ensure!(!text.is_empty()); Ok(Some(text.parse()?)) }";
    alias_of_result: "ttl = 5m, none_ttl = 1m",
        "async fn find(id: u64) -> crate::Answer<User> { Ok(load(id).await?) }";
    boxed_future: "ttl = 5m",
        "fn factorial(n: u64) -> BoxFuture<'static, u64> { if n == 0 { return Box::pin(async { 1 }); } Box::pin(async move { n * factorial(n - 1).await }) }";
    boxed_future_detached: "ttl = 5m, detached",
        "fn length(text: &str) -> Pin<Box<dyn Future<Output = usize> + Send + '_>> { Box::pin(async move { text.len() }) }";
    async_trait: "ttl = 5m, key = (self.tenant, id)",
        "fn find<'life0, 'async_trait>(&'life0 self, id: u64) -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<u64, DbError>> \
        + ::core::marker::Send + 'async_trait>> where 'life0: 'async_trait, Self: 'async_trait { Box::pin(async move { \
        if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<Result<u64, DbError>> { return __ret; } \
        let __self = self; let id = id; let __ret: Result<u64, DbError> = { Ok(__self.db.load(id).await?) }; __ret }) }";
    macro_rules: "ttl = $(HOUR + HOUR), key = $((a, id)), keep_if = $(|value| *value > 0)",
        "$(pub(crate)) async fn find($((a, _)): $((u64, u64)), id: $(&str)) -> $(Answer<u64>) $({ load(a).await })";
    names: "ttl = 5m",
        "async fn r#gen(__cached_key: u64, r#gen: &str, __cached_mode: &u64) -> u64 { *__cached_mode }";
    instrument: "ttl = 5m",
        "#[instrument(skip(db))]\nasync fn find(db: Db, id: u64) -> u64 { db.load(id).await }";
    renamed_crate: "ttl = 5m, crate = crate::vendored::cache",
        "async fn one() -> u64 { 1 }";
    edition_2024: "ttl = 5m",
        "async fn len(text: Option<String>) -> usize { let later = async || 1; if let Some(text) = &text && text.len() > 1 { return 2; } later().await }";
    events: "ttl = 5m, skip(db), invalidate_on = [UserChanged { id }, Order { tenant: tenant.of(db), id, .. }, Settings]",
        "async fn find(db: &Db, tenant: &Tenant, id: u64) -> u64 { db.load(tenant, id).await }";
    events_by_value: "ttl = 5m, invalidate_on = |user| [UserChanged { id: user.id }, TeamChanged { .. }], inherits, settle = 2s",
        "async fn find(name: String) -> User { load(name).await }";
    strategies: "ttl = 5m, err_ttl = |error| error.ttl(), invalidate_on = UserChanged { id }, fleet, soft_timeout = 50ms, timeout = 2s, prefetch = find(db, id + 1), \
        strategy = [refresh_ahead(0.8), stale_while_revalidate(GRACE), stale_if_error(1h, unproven, DbError::is_temporary)]",
        "async fn find(db: &Db, id: u64) -> Result<User, DbError> { db.load(id).await }";
    batch: "ttl = 5m, key = (tenant, id), batch(id in ids, max = 10), none_ttl = 1s, invalidate_on = UserChanged { id }",
        "async fn find(db: &Db, tenant: String, ids: &[u64]) -> Result<HashMap<u64, User>, DbError> { db.load(&tenant, ids).await }";
    batch_of_a_method: "ttl = 5m, skip(self), batch(id in ids)",
        "async fn find(&self, ids: Vec<u64>) -> HashMap<u64, User> { self.db.load(ids).await }";
    every_option: "ttl = CONFIG.ttl, key = \"u:{id}\", strategy = read_through, tiers = both, none_ttl = 1s, \
        err_ttl = 500ms, keep_if = |user| user.is_active, max_concurrent_loads = 4, version = 2, name = \"user\", \
        codec = json, compress = 4KiB, inline, cache = self.cache, crate = crate::vendored",
        "pub(crate) async fn user(&self, id: u64) -> Result<Option<User>, DbError> { self.load(id).await }";
}
