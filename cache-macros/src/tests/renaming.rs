use super::{refused, tokens};
use crate::{mistakes::Mistakes, self_rename::rename};

fn renamed(body: &str) -> String {
    let mut mistakes = Mistakes::default();
    let renamed = rename(tokens(body), &mut mistakes);
    assert!(mistakes.into_error().is_none());
    renamed.to_string()
}

fn same(text: &str) -> String {
    tokens(text).to_string()
}

#[test]
fn self_is_renamed_wherever_it_is_the_value() {
    assert_eq!(
        renamed("self.db.get(self)"),
        same("__cached_self.db.get(__cached_self)")
    );
    assert_eq!(
        renamed("vec![self.id, { self.id }]"),
        same("vec![__cached_self.id, { __cached_self.id }]")
    );
    assert_eq!(
        renamed("|x: fn(u8) -> u8| x(self.id)"),
        same("|x: fn(u8) -> u8| x(__cached_self.id)")
    );
    assert_eq!(
        renamed("Point { x: self }"),
        same("Point { x: __cached_self }")
    );
}

#[test]
fn the_module_self_and_the_type_self_stay() {
    for body in [
        "self::load()",
        "Self::load()",
        "use crate::db::{self, Db}; use self::db;",
        "pub(self) struct A;",
    ] {
        assert_eq!(renamed(body), same(body));
    }
}

#[test]
fn items_inside_keep_their_own_self() {
    for body in [
        "fn inner(&self) -> [u8; 3] { self.x }",
        "impl A { fn get(&self) -> u8 { self.0 } }",
        "impl<T: Clone> B for A<T> where T: Send { fn get(&self) -> u8 { self.0 } }",
        "trait A { fn get(&self) -> u8; fn put(&self) { self.get() } }",
    ] {
        assert_eq!(renamed(body), same(body));
        assert_eq!(
            renamed(&format!("{body} self")),
            same(&format!("{body} __cached_self"))
        );
    }
}

#[test]
fn self_in_a_format_string_is_refused() {
    let why =
        "a detached load cannot capture `self` in a text: write `{}` and pass `self` after it";
    for text in [
        "\"{self}\"",
        "\"{self:?}\"",
        "\"a {{{self:>5}}}\"",
        "r#\"{self}\"#",
    ] {
        let item = format!("async fn f(&self, id: u64) {{ println!({text}); }}");
        assert_eq!(
            refused("ttl = 5m, detached, skip(self)", &item),
            [format!("{text}: {why}")]
        );
    }
}

#[test]
fn other_texts_may_have_self_in_them() {
    for text in ["\"{{self}}\"", "\"{selfish}\"", "\"self\"", "b\"{self}\""] {
        assert_eq!(
            renamed(&format!("println!({text})")),
            same(&format!("println!({text})"))
        );
    }
}

#[test]
fn a_load_in_place_keeps_self() {
    assert!(
        refused(
            "ttl = 5m, skip(self)",
            "async fn f(&self) { println!(\"{self}\"); }"
        )
        .is_empty()
    );
    let owned = "async fn f(self: Arc<Self>) { println!(\"{self}\"); }";
    assert!(refused("ttl = 5m, skip(self), detached", owned).is_empty());
}
