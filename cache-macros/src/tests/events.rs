use proc_macro2::TokenStream;

use super::tokens;
use crate::{event, features::Features, invalidates, literal::by_hand};

fn written(tokens: TokenStream) -> String {
    let file = syn::parse2(tokens).expect("the expansion is Rust");
    prettyplease::unparse(&file)
}

macro_rules! mutations {
    ($($name:ident: $events:literal, $function:literal;)*) => {
        $(#[test]
        fn $name() {
            let expansion = invalidates::try_expand(tokens($events), tokens($function), Features::ALL);
            let expansion = written(expansion.expect("the test has no mistakes"));
            insta::with_settings!({
                description => concat!("#[invalidates(", $events, ")]\n", $function),
                omit_expression => true,
                prepend_module_to_snapshot => false,
            }, { insta::assert_snapshot!(stringify!($name), expansion); });
        })*
    };
}

mutations! {
    invalidates_an_event: "UserChanged { id }",
        "/// Renames.\npub async fn rename(db: &Db, id: u64, name: &str) -> Result<(), DbError> { db.rename(id, name).await }";
    invalidates_a_prefix_on_success: "OrderChanged { tenant: self.tenant, .. }, on_ok, cache = self.cache",
        "async fn close(&mut self) -> Result<(), DbError> { self.db.close().await }";
    invalidates_with_the_result: "OrderChanged { tenant, id: result.id }, SettingsChanged",
        "async fn create(tenant: u64) -> Result<Order, DbError> { load(tenant).await }";
    invalidates_what_is_returned: "result, crate = shop::cache",
        "async fn sweep() -> Vec<UserChanged> { all().await }";
    invalidates_guarded: "UserChanged { id }, guarded",
        "fn rename(&self, id: u64) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send + '_>> { Box::pin(async move { Ok(()) }) }";
}

#[test]
fn a_derived_event_writes_its_first_fields_and_can_be_found_unused() {
    let event = tokens("pub(crate) struct OrderChanged<'a> { tenant: &'a str, r#type: u8 }");
    insta::assert_snapshot!(written(event::expand(event, Features::ALL)));
}

#[test]
fn an_event_that_is_used_elsewhere_is_never_found_unused() {
    let event = tokens(
        "#[event(used_elsewhere, name = \"settings\", crate = shop::cache)] struct SettingsChanged;",
    );
    insta::assert_snapshot!(written(event::expand(event, Features::ALL)));
}

/// What is refused of events on an async function, each as ``where: why``.
fn refused(events: &str) -> Vec<String> {
    refused_on(
        events,
        "async fn change(tenant: String, id: u64) -> Result<User, DbError> {}",
    )
}

fn refused_on(events: &str, item: &str) -> Vec<String> {
    let Err(error) = invalidates::try_expand(tokens(events), tokens(item), Features::ALL) else {
        return Vec::new();
    };
    let mistakes = error.into_iter().map(|mistake| {
        let place = mistake.span().source_text().unwrap_or_default();
        format!("{place}: {mistake}")
    });
    mistakes.collect()
}

#[test]
fn every_mistake_of_a_mutation_is_found_at_once() {
    assert_eq!(
        refused("A { id, ..b }, onok, on_ok = true, tll = 5m, Self { id }, cache"),
        [
            "b: `..` stands for the fields that are left out: write `A { .. }`, with nothing behind the dots",
            "on_ok: `on_ok` takes no value: write `on_ok`",
            "tll: unknown option `tll`, there are `cache`, `crate`, `on_ok`, `guarded`",
            "Self: write the event's name: constants of the expansion do not know `Self`",
            "onok: `onok` is no event, no flag and no argument, did you mean `on_ok`?",
            "cache: `cache` is no event, no flag and no argument, there are `on_ok`, `guarded`, `result`, `tenant`, `id`",
        ]
    );
}

#[test]
fn a_guard_needs_an_event_that_is_known_before_the_body() {
    assert_eq!(
        refused("result, result.id, guarded"),
        [
            "guarded: `guarded` tells others of the events before the body runs, and these are known only after it: write \
             what may change besides, such as `OrderChanged { .. }`"
        ]
    );
    for events in ["A { id: result.id }, guarded", "result, A { .. }, guarded"] {
        assert_eq!(refused(events), [""; 0], "{events}");
    }
}

#[test]
fn what_is_in_lists_and_tuples_counts_for_itself() {
    assert_eq!(
        refused("(A { ..a }, [B { ..b }])"),
        [
            "a: `..` stands for the fields that are left out: write `A { .. }`, with nothing behind the dots",
            "b: `..` stands for the fields that are left out: write `B { .. }`, with nothing behind the dots",
        ]
    );
}

#[test]
fn functions_that_a_hit_would_skip_are_not_mutations_in_either_order() {
    let message = "`f` is cached, so a hit would change nothing, and emit nothing: remove `#[cached]` or `#[invalidates]`";
    assert_eq!(
        refused_on("A { .. }", "#[cached(ttl = 5m)] async fn f() {}"),
        [format!("cached: {message}")]
    );
    assert_eq!(
        super::refused("ttl = 5m", "#[invalidates(A { .. })] async fn f() {}"),
        [format!("invalidates: {message}")]
    );
}

#[test]
fn a_mutation_takes_what_a_cache_cannot() {
    for item in [
        "async fn f(&mut self) -> &str {}",
        "async unsafe fn f() {}",
        "async fn f() -> impl Display {}",
        "fn f() -> LocalBoxFuture<'static, ()> {}",
    ] {
        assert_eq!(refused_on("A { .. }", item), [""; 0], "{item}");
    }
}

#[test]
fn one_event_is_made_by_hand_at_a_time() {
    for (event, message) in [
        ("", "expected an event"),
        ("id", "expected an event"),
        ("A { id }, B { id }", "write several in a tuple"),
        ("A { id }, crate", "expected `=`"),
    ] {
        let expansion = by_hand::expand(tokens(event), Features::ALL).to_string();
        assert!(expansion.contains(message), "{event}: {expansion}");
    }
}
