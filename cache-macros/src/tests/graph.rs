use proc_macro2::TokenStream;

use super::tokens;
use crate::{cached, event, features::Features, invalidates, literal::by_hand};

const GRAPH: Features = Features::only(&["graph"]);

fn written(tokens: TokenStream) -> String {
    let file = syn::parse2(tokens).expect("the expansion is Rust");
    prettyplease::unparse(&file)
}

/// The function that registers, and nothing else of the expansion.
fn registered(expansion: TokenStream) -> String {
    let written = written(expansion);
    let lines = written
        .lines()
        .skip_while(|line| !line.contains("fn __cached_registered"));
    let indent = |line: &str| line.len() - line.trim_start().len();
    let outermost = lines.clone().next().map_or(0, indent);
    let mut ends = 0;
    let lines = lines.take_while(|line| {
        let is_before_end = ends < 2;
        ends += usize::from(indent(line) == outermost && line.trim() == "}");
        is_before_end
    });
    let lines: Vec<_> = lines
        .map(|line| line.get(outermost..).unwrap_or(line))
        .collect();
    lines.join("\n")
}

#[test]
fn a_function_registers_what_it_listens_to() {
    let options = "ttl = 5m, invalidate_on = [UserChanged { id }, orders::Order { tenant: tenant.of(db), .. }, Settings]";
    let function =
        "async fn find<T>(db: &Db, tenant: &T, id: u64) -> u64 { db.load(tenant, id).await }";
    let expansion = cached::try_expand(tokens(options), tokens(function), GRAPH);
    insta::assert_snapshot!(registered(expansion.expect("the test has no mistakes")));
}

#[test]
fn a_function_whose_value_names_its_events_registers_what_the_closure_mentions() {
    let options = "ttl = 5m, invalidate_on = |user| [UserChanged { id: user.id }, user.team.map(|id| TeamChanged { id })]";
    let function = "async fn find(name: String) -> User { load(name).await }";
    let expansion = cached::try_expand(tokens(options), tokens(function), GRAPH);
    insta::assert_snapshot!(registered(expansion.expect("the test has no mistakes")));
}

#[test]
fn a_function_registers_what_it_emits() {
    let events = "Order { tenant, id: result.id }, Order { tenant, .. }, maybe.then(|| event!(UserChanged { id })), changes(), result";
    let function =
        "async fn create(tenant: u64) -> Result<Vec<Created>, DbError> { load(tenant).await }";
    let expansion = invalidates::try_expand(tokens(events), tokens(function), GRAPH);
    insta::assert_snapshot!(registered(expansion.expect("the test has no mistakes")));
}

#[test]
fn an_event_by_hand_registers_its_function() {
    let expansion = by_hand::expand(
        tokens("Order { tenant: self.tenant, .. }, crate = shop"),
        GRAPH,
    );
    insta::assert_snapshot!(registered(tokens(&format!("fn close() {{ {expansion} }}"))));
}

#[test]
fn a_derived_event_registers() {
    let event =
        tokens("#[event(used_elsewhere, crate = shop)] pub struct Order<'a> { tenant: &'a str }");
    let expansion = written(event::expand(event, GRAPH));
    let (_, registered) = expansion.split_once("const _").expect("it registers");
    insta::assert_snapshot!(registered);
}

#[test]
fn an_event_with_mistakes_does_not_register() {
    let expansion = event::expand(tokens("struct Order<T> { id: T }"), GRAPH).to_string();
    assert!(!expansion.contains("Registered"), "{expansion}");
}

#[test]
fn nothing_registers_without_the_feature() {
    let function = || tokens("async fn find(id: u64) -> u64 { id }");
    let expansions = [
        cached::try_expand(
            tokens("ttl = 5m, invalidate_on = UserChanged { id }"),
            function(),
            Features::ALL,
        ),
        invalidates::try_expand(tokens("UserChanged { id }"), function(), Features::ALL),
        Ok(by_hand::expand(tokens("UserChanged { id }"), Features::ALL)),
        Ok(event::expand(
            tokens("struct UserChanged { id: u64 }"),
            Features::ALL,
        )),
    ];
    for expansion in expansions {
        let expansion = expansion.expect("the test has no mistakes").to_string();
        assert!(!expansion.to_lowercase().contains("regist"), "{expansion}");
    }
}
