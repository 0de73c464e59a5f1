//! What an editor gets while somebody types. Unbalanced brackets never reach a macro.

use super::{spans::ends_with, tokens};
use crate::cached;

const ITEM: &str = "/// Finds a user.\npub async fn user(&self, tenant: Tenant, id: u64) -> Result<User, DbError> \
                    { self.db.load(tenant, id).await }";

fn expansion(options: &str, item: &str) -> String {
    cached::expand(tokens(options), tokens(item)).to_string()
}

#[test]
fn the_item_is_there_whatever_is_half_typed() {
    let half_typed = [
        "t",
        "tt",
        "ttl",
        "ttl =",
        "ttl = ,",
        "ttl = 5",
        "ttl = |",
        "ttl = |value|",
        "ttl = |value| value.",
        "ttl = CONFIG.",
        "ttl = Duration::",
        "ttl = Duration::from_secs(",
        "ttl = 5m, k",
        "ttl = 5m, ke",
        "ttl = 5m, key",
        "ttl = 5m, key =",
        "ttl = 5m, key = self.",
        "ttl = 5m, key = (self.",
        "ttl = 5m, key = (id,, tenant",
        "ttl = 5m, key = \"user:{",
        "ttl = 5m, key = \"user:{te}",
        "ttl = 5m, key = \"user:{tenant}{",
        "ttl = 5m, s",
        "ttl = 5m, skip",
        "ttl = 5m, skip(",
        "ttl = 5m, skip(se",
        "ttl = 5m, skip(self,,",
        "ttl = 5m, skip(self), keep_if = |user|",
        "ttl = 5m, skip(self), keep_if = |user| !",
        "ttl = 5m, skip(self), codec = ",
        "ttl = 5m, skip(self), codec = codecs::",
        "ttl = 5m, skip(self), compress = 4Ki",
        "ttl = 5m, skip(self), tiers = m",
        "ttl = 5m, skip(self), cache = self.",
        "ttl = 5m, skip(self), crate =",
        "ttl = 5m, skip(self), name = ",
        ", ttl = 5m",
        "ttl = 5m,, skip(self)",
        "= 5m",
        "#",
        "..",
    ];
    for options in half_typed {
        let closed = closed(options);
        let expansion = expansion(&closed, ITEM);
        assert!(expansion.contains("compile_error"), "`{closed}` is taken");
        assert!(ends_with(&expansion, ITEM), "`{closed}` changes the item");
    }
}

#[test]
fn a_list_that_ends_in_a_comma_is_whole() {
    for options in [
        "ttl = 5m, skip(self),",
        "ttl = 5m, key = (id,)",
        "ttl = 5m, skip(self,)",
    ] {
        assert!(
            !expansion(options, ITEM).contains("compile_error"),
            "{options}"
        );
    }
}

/// Bodies that are no Rust, though they are tokens.
const BROKEN: [&str; 14] = [
    "let user = ;",
    "let",
    "let user: = load(id);",
    "self.",
    "self.db.",
    "self.db.load(id,",
    "load(id)?.",
    "match id { 0 =>",
    "match id",
    "if id ==",
    "for id in",
    "id +",
    "#[",
    "fn inner(",
];

/// Closes what is open, as an editor does.
fn closed(typed: &str) -> String {
    let mut open = Vec::new();
    for c in typed.chars() {
        match c {
            '"' if open.last() == Some(&'"') => {
                open.pop();
            }
            _ if open.last() == Some(&'"') => {}
            '"' => open.push('"'),
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' => {
                open.pop();
            }
            _ => {}
        }
    }
    typed.chars().chain(open.into_iter().rev()).collect()
}

#[test]
fn a_broken_body_is_expanded_around() {
    for body in BROKEN.map(closed) {
        for (options, receiver) in [
            ("ttl = 5m", ""),
            ("ttl = 5m, inline", ""),
            ("ttl = 5m, skip(self)", "&self, "),
        ] {
            let item = format!("async fn user({receiver}id: u64) -> User {{ {body} }}");
            let expansion = expansion(options, &item);
            assert!(
                !expansion.contains("compile_error"),
                "`{body}` is refused: {expansion}"
            );
            assert!(expansion.contains("launch"), "`{body}` is not loaded");
            let body = tokens(&body).to_string();
            assert!(
                expansion.contains(&body),
                "`{body}` is not there: {expansion}"
            );
        }
    }
}

#[test]
fn a_broken_body_stays_under_broken_options() {
    for body in BROKEN.map(closed) {
        let item = format!("async fn user(id: u64) -> User {{ {body} }}");
        let expansion = expansion("ttl = 5m, ke", &item);
        assert_eq!(expansion.matches("compile_error").count(), 1, "{body}");
        assert!(ends_with(&expansion, &item), "{body}");
    }
}

#[test]
fn a_broken_signature_is_one_mistake_beside_the_item() {
    for item in [
        "async fn user(id: ) -> User { load(id).await }",
        "async fn user(id) -> User { load(id).await }",
        "async fn user(id: u64) -> { load(id).await }",
        "async fn user(id: u64,, db: Db) -> User { load(id).await }",
        "async fn { load().await }",
        "async fn user() -> User",
        "async",
        "pub",
        "",
    ] {
        let expansion = expansion("ttl = 5m", item);
        assert_eq!(
            expansion.matches("compile_error").count(),
            1,
            "{item}: {expansion}"
        );
        assert!(ends_with(&expansion, item), "{item}");
    }
}
