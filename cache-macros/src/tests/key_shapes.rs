use super::tokens;
use crate::{cached, expand::key_shape::written, features::Features};

/// What the site of a function says of its key; nothing where it says nothing.
fn shape(options: &str, item: &str) -> Option<String> {
    let expansion = cached::try_expand(tokens(options), tokens(item), Features::ALL)
        .expect("the test has no mistakes")
        .to_string();
    let (_, call) = expansion.split_once("keyed")?;
    call.split('"').nth(1).map(str::to_owned)
}

#[test]
fn spaces_in_the_source_do_not_count() {
    assert_eq!(written(tokens("& 'a  mut Vec < u8 >")), "&'a mut Vec<u8>");
    assert_eq!(written(tokens("&'a mut Vec<u8>")), "&'a mut Vec<u8>");
    assert_eq!(
        written(tokens("( id % 10 , self . name ( ) )")),
        "(id%10,self.name())"
    );
}

#[test]
fn neighbouring_words_stay_apart() {
    assert_eq!(written(tokens("dyn Named + 'static")), "dyn Named+'static");
    assert_eq!(written(tokens("break 'a 7")), "break 'a 7");
    assert_eq!(written(tokens("id as u64")), "id as u64");
    assert_eq!(written(tokens("if a { 1 } else { 2 }")), "if a{1}else{2}");
}

#[test]
fn what_a_macro_has_put_in_reads_as_if_it_were_written_there() {
    let inner = tokens("as u64").into_iter();
    let group = proc_macro2::Group::new(proc_macro2::Delimiter::None, inner.collect());
    let tokens = tokens("id")
        .into_iter()
        .chain([group.into()])
        .chain(tokens("b"));
    assert_eq!(written(tokens.collect()), "id as u64 b");
}

#[test]
fn arguments_count_with_their_types() {
    for (item, expected) in [
        (
            "async fn f(tenant: &str, id: u64) {}",
            "tenant: &str, id: u64",
        ),
        ("async fn f(mut id: u64, _n: u8) {}", "id: u64, _n: u8"),
        ("async fn f((a, b): (u64, u64)) {}", "(a, b): (u64,u64)"),
        ("async fn f(ids: [u8; 4]) {}", "ids: [u8;4]"),
        ("async fn f(r#type: u8) {}", "r#type: u8"),
    ] {
        assert_eq!(shape("ttl = 5m", item).as_deref(), Some(expected), "{item}");
    }
}

#[test]
fn what_is_skipped_does_not_count() {
    let item = "async fn user(db: &Db, id: u64) {}";
    assert_eq!(
        shape("ttl = 5m, skip(db)", item).as_deref(),
        Some("id: u64")
    );
}

#[test]
fn a_key_of_its_own_counts_as_it_is_written() {
    let item = "async fn user(&self, tenant: u8, id: u64) {}";
    for (options, expected) in [
        ("ttl = 5m, key = id", "id"),
        ("ttl = 5m, key = (self.base, id)", "self.base, id"),
        (
            "ttl = 5m, key = \"user:{tenant}/{id}\"",
            "user:{tenant}/{id}",
        ),
        (
            "ttl = 5m, key = r\"user:{tenant}/{id}\"",
            "user:{tenant}/{id}",
        ),
    ] {
        assert_eq!(shape(options, item).as_deref(), Some(expected), "{options}");
    }
}

#[test]
fn a_key_without_parts_and_a_function_of_memory_say_nothing() {
    let item = "async fn user(id: u64) {}";
    assert_eq!(shape("ttl = 5m, key = ()", item), None);
    assert_eq!(shape("ttl = 5m", "async fn config() {}"), None);
    assert_eq!(shape("ttl = 5m, tiers = memory", item), None);
    assert!(shape("ttl = 5m, tiers = redis", item).is_some());
}
