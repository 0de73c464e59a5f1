//! Where tokens come from: an editor finds what a name in the source means by the token of the expansion that has
//! its place. Under which names a token resolves, mixed-site or call-site, does not show outside of the compiler.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Literal, TokenStream, TokenTree};

use super::tokens;
use crate::{cached, features::Features, invalidates, literal::by_hand};

/// Whether the expansion ends in these tokens.
pub(super) fn ends_with(expansion: &str, item: &str) -> bool {
    expansion.ends_with(&tokens(item).to_string())
}

/// Every word with its place. Two sources of one test have different places.
type Words = BTreeSet<(String, String)>;

fn words(tokens: TokenStream) -> Words {
    let mut found = Words::new();
    collect(tokens, &mut found);
    found
}

fn collect(tokens: TokenStream, found: &mut Words) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect(group.stream(), found),
            TokenTree::Ident(ident) => found.extend([word(&ident)]),
            TokenTree::Literal(literal) => found.extend([number(&literal)]),
            TokenTree::Punct(_) => {}
        }
    }
}

fn word(ident: &Ident) -> (String, String) {
    (ident.to_string(), format!("{:?}", ident.span()))
}

fn number(literal: &Literal) -> (String, String) {
    (literal.to_string(), format!("{:?}", literal.span()))
}

/// The words of the item, and of what options hold, that the expansion has not at their places.
fn lost(options: &str, item: &str) -> Vec<String> {
    let (options, item) = (tokens(options), tokens(item));
    let expected = words(options.clone())
        .into_iter()
        .chain(words(item.clone()));
    let expected: Vec<_> = expected.collect();
    let expansion =
        cached::try_expand(options, item, Features::ALL).expect("the test has no mistakes");
    missing(expected, expansion)
}

fn missing(expected: Vec<(String, String)>, expansion: TokenStream) -> Vec<String> {
    let found = words(expansion);
    let lost = expected.into_iter().filter(|word| !found.contains(word));
    lost.map(|(word, _)| word).collect()
}

#[test]
fn every_word_of_the_function_keeps_its_place() {
    let items = [
        "pub async fn user(db: &Db, id: u64) -> Result<Option<User>, DbError> { db.fetch(id, \"users\").await }",
        "async fn user(tenant: String, id: u64) -> User { load(tenant, id).await }",
        "async fn list<'a, T, const N: usize>(pool: &'a Pool, ids: [T; N]) -> Vec<T> where T: CacheKey + 'static { \
         pool.load(ids).await }",
        "#[tracing::instrument] async fn find(r#type: &str) -> User { #![allow(unused)] load(r#type).await }",
        "async fn shown(id: Option<&str>) -> String { format!(\"{id:?}\") }",
        "async fn ping(host: String) { println!(\"{host}\"); fn inner(&self) -> u8 { self.0 } }",
        "fn boxed(id: u64) -> Pin<Box<dyn Future<Output = Option<User>> + Send>> { Box::pin(async move { find(id).await }) }",
    ];
    for item in items {
        for options in ["", "inline"] {
            let lost: Vec<_> = lost(options_with("5m", options).as_str(), item)
                .into_iter()
                .filter(|word| !["ttl", "5m", "inline"].contains(&word.as_str()))
                .collect();
            assert!(lost.is_empty(), "{item}: {lost:?}");
        }
    }
}

fn options_with(ttl: &str, more: &str) -> String {
    format!("ttl = {ttl}, {more}")
}

#[test]
fn every_word_of_a_method_keeps_its_place() {
    let item = "async fn user(&self, id: u64) -> User { self.db.load(self.tenant, id).await }";
    assert_eq!(
        lost("ttl = 5m, skip(self)", item),
        ["5m", "self", "skip", "ttl"]
    );
}

#[test]
fn every_word_of_a_pattern_keeps_its_place() {
    let item = "async fn sum((a, b): (u64, u64), State(mut db): State<Db>, _d: u32, mut e: &str) -> u64 { a + b }";
    assert_eq!(lost("ttl = 5m, key = (a, b)", item), ["5m", "key", "ttl"]);
}

/// What is an expression, a path or a closure in options, is there as it is.
#[test]
fn every_word_of_an_expression_in_options_keeps_its_place() {
    let item = "async fn user(&self, tenant: Tenant, id: u64) -> Result<Option<User>, DbError> { load(id).await }";
    let cases: [(&str, &[&str]); 14] = [
        ("ttl = CONFIG.lifetime * 2, key = id", &["key", "ttl"]),
        (
            "ttl = Duration::from_secs(SECONDS), key = id",
            &["key", "ttl"],
        ),
        ("ttl = |user| user.lifetime(7), key = id", &["key"]),
        (
            "ttl = TTL, key = (self.tenant, tenant.id, id + 1)",
            &["key", "ttl"],
        ),
        (
            "ttl = TTL, key = id, none_ttl = SHORT.min(tenant.ttl)",
            &["key", "ttl"],
        ),
        (
            "ttl = TTL, key = id, err_ttl = self.errors()",
            &["key", "ttl"],
        ),
        (
            "ttl = TTL, key = id, keep_if = |user| user.is_active",
            &["key", "ttl"],
        ),
        (
            "ttl = TTL, key = id, weight = User::weight",
            &["key", "ttl"],
        ),
        (
            "ttl = TTL, key = id, codec = codecs::Sealed::<Own, 4>",
            &["key", "ttl"],
        ),
        (
            "ttl = TTL, key = id, cache = self.caches[0], crate = shop::vendored",
            &["cache", "crate", "key", "ttl"],
        ),
        (
            "ttl = TTL, key = (tenant, id), invalidate_on = UserChanged { id, at: now(7), tenant: self.tenant }",
            &["invalidate_on", "key", "ttl"],
        ),
        (
            "ttl = TTL, key = (tenant, id), invalidate_on = [events::Order { tenant, .. }, SettingsChanged]",
            &["invalidate_on", "key", "ttl"],
        ),
        (
            "ttl = TTL, key = id, invalidate_on = |user| UserChanged { id: user.id, at: user.at(7) }",
            &["invalidate_on", "key", "ttl"],
        ),
        (
            "ttl = TTL, key = id, settle = CONFIG.lag, inherits",
            &["inherits", "key", "settle", "ttl"],
        ),
    ];
    for (options, without) in cases {
        let mut lost = lost(options, item);
        lost.retain(|word| word != "TTL");
        assert_eq!(lost, without, "{options}");
    }
}

#[test]
fn every_word_of_a_mutation_keeps_its_place() {
    let item = "async fn rename(&mut self, db: &Db, id: u64) -> Result<(), DbError> { self.x(db.rename(id)?); Ok(()) }";
    let cases: [(&str, &[&str]); 5] = [
        ("UserChanged { id, at: now(7), tenant: self.tenant }", &[]),
        (
            "events::Order { tenant: 7, .. }, SettingsChanged, on_ok",
            &["on_ok"],
        ),
        ("Order { id: result.id, tenant: self.tenant }", &[]),
        ("result, moved(id), vec![UserChanged { id }]", &[]),
        (
            "Order { .. }, cache = self.caches[0], guarded, crate = shop::vendored",
            &["cache", "crate", "guarded"],
        ),
    ];
    for (options, without) in cases {
        let (options, item) = (tokens(options), tokens(item));
        let expected = words(options.clone())
            .into_iter()
            .chain(words(item.clone()));
        let expected = expected.collect();
        let expansion = invalidates::try_expand(options, item, Features::ALL)
            .expect("the test has no mistakes");
        assert_eq!(missing(expected, expansion), without);
    }
}

#[test]
fn every_word_of_an_event_by_hand_keeps_its_place() {
    for event in [
        "UserChanged { id, at: now(7) }",
        "Order { tenant: self.tenant, id, .. }",
    ] {
        let event = tokens(event);
        let expected = words(event.clone()).into_iter().collect();
        assert_eq!(
            missing(expected, by_hand::expand(event, Features::ALL)),
            [""; 0]
        );
    }
}

/// These are read by the macro, and there is nothing they could lead to.
#[test]
fn words_of_the_macro_are_not_in_the_expansion() {
    let item = "async fn user(id: u64) -> User { load(id).await }";
    let options = "ttl = 5m, strategy = read_through, tiers = both, name = \"user\", version = 2, \
                   max_concurrent_loads = 4, codec = json, compress = 4KiB, detached";
    let lost = lost(options, item);
    let kept = ["\"user\"", "codec", "compress"];
    assert!(
        kept.iter().all(|word| !lost.contains(&(*word).to_owned())),
        "{lost:?}"
    );
    assert_eq!(
        lost,
        [
            "2",
            "4",
            "4KiB",
            "5m",
            "both",
            "detached",
            "json",
            "max_concurrent_loads",
            "name",
            "read_through",
            "strategy",
            "tiers",
            "ttl",
            "version"
        ]
    );
}

/// `self` has another name there, at its place: what it is called is a local of the expansion.
#[test]
fn the_self_of_a_detached_method_keeps_its_place_under_another_name() {
    let (options, item) = (
        tokens("ttl = 5m, skip(self), detached"),
        tokens("async fn user(&self, id: u64) -> User { self.db.load(id).await }"),
    );
    let expected = words(item.clone());
    let expansion =
        cached::try_expand(options, item, Features::ALL).expect("the test has no mistakes");
    let found = words(expansion);
    for (word, place) in expected {
        let renamed = if word == "self" {
            "__cached_self"
        } else {
            &word
        };
        let is_there = |name: &str| found.contains(&(name.to_owned(), place.clone()));
        assert!(is_there(&word) || is_there(renamed), "{word} at {place}");
    }
}

/// A name in a text has no place of its own for a macro: it has that of the text.
#[test]
fn the_names_in_a_text_key_are_at_the_text() {
    let options = tokens("ttl = 5m, key = \"user:{tenant}:{id}\"");
    let text = options
        .clone()
        .into_iter()
        .last()
        .expect("the text is the last of the options");
    let item = tokens("async fn user(tenant: String, id: u64) -> User { load(tenant, id).await }");
    let expansion =
        cached::try_expand(options, item, Features::ALL).expect("the test has no mistakes");
    let found = words(expansion);
    for name in ["tenant", "id"] {
        let place = format!("{:?}", text.span());
        assert!(found.contains(&(name.to_owned(), place)), "{name}");
    }
}
