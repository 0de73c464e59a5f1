//! What a graph shows of hand-made registries, in each form, and which of its ends are loose.

use std::panic;

use serde_json::{Value, json};

use super::{Graph, KnownEvent, Link, Registry};
use crate::{
    KeyWriter,
    event::{Event, describe, rest},
};

macro_rules! events {
    ($($name:ident($event:expr) [$($field:literal),*];)*) => {$(
        struct $name;

        impl Event for $name {
            const NAME: &'static str = $event;
            const FIELDS: &'static [&'static str] = &[$($field),*];

            fn write_fields(&self, _count: usize, _key: &mut KeyWriter) {}
        }
    )*};
}

const HOSTILE: &str = "<a>\"&amp;\\N#35;`|[";

events! {
    Order("Order") ["tenant", "id"];
    Hostile(HOSTILE) ["a"];
    Settings("Settings") [];
    Used("Used") [];
}

/// A small program: two functions emit, two listen.
fn shop(registry: &mut Registry) {
    registry.event::<Order>("src/order.rs", 3, false);
    registry.event::<Settings>("src/settings.rs", 1, false);
    let mut place = registry.emitter("shop::place::{{closure}}::item", "src/place.rs", 10);
    place.prefix(describe(|| -> Order { rest() }), &["tenant"]);
    place.whole(Some(describe(|| -> Settings { rest() })));
    let mut order = registry.listener(
        "<shop::Store<_> as shop::Orders>::order::item",
        "src/store.rs",
        9,
    );
    order.whole(Some(describe(|| -> Order { rest() })));
    registry
        .listener("shop::settings::{{closure}}::item", "src/settings.rs", 4)
        .whole(Some(describe(|| -> Settings { rest() })));
    registry
        .emitter("shop::close::{{closure}}::item", "src/place.rs", 20)
        .whole(Some(describe(|| -> Order { rest() })));
}

fn graph_of(tells: &[fn(&mut Registry)]) -> Graph {
    let mut registry = Registry::default();
    for tell in tells {
        tell(&mut registry);
    }
    registry.into_graph()
}

fn hostile(registry: &mut Registry) {
    registry
        .emitter(
            "<shop::Of<\"a\\\n> as shop::B>::b::item",
            "src\\a \"b\".rs",
            1,
        )
        .whole(Some(describe(|| -> Hostile { rest() })));
    registry
        .emitter("shop::c::item", "src/c.rs", 2)
        .some(&["Vec"], "of(\"\\\", b'\\n')");
}

#[test]
fn as_text_each_event_has_its_functions_and_their_places() {
    let expected = "\
Order { tenant, id }  (src/order.rs:3)
  emitted by shop::close  (src/place.rs:20)
  emitted by shop::place as { tenant, .. }  (src/place.rs:10)
  listened to by <shop::Store<_> as shop::Orders>::order  (src/store.rs:9)

Settings  (src/settings.rs:1)
  emitted by shop::place  (src/place.rs:10)
  listened to by shop::settings  (src/settings.rs:4)
";
    assert_eq!(graph_of(&[shop]).to_string(), expected);
}

#[test]
fn as_text_it_says_what_nobody_does_and_what_is_not_known() {
    let expected = "\
Order { tenant, id }
  emitted by others
  listened to by others

Settings
  emitted by shop::b  (src/b.rs:1)
  nobody listens to it

Used
  nobody emits it
  nobody listens to it

shop::b emits what this gives: changes()  (src/b.rs:1)
";
    let graph = graph_of(&[|registry| {
        registry.event::<Order>("src/a.rs", 1, true);
        registry.event::<Used>("src/a.rs", 2, false);
        let mut b = registry.emitter("shop::b::item", "src/b.rs", 1);
        b.whole(Some(describe(|| -> Settings { rest() })));
        b.some(&["Vec"], "changes()");
    }]);
    assert_eq!(
        graph
            .to_string()
            .replace("  (src/a.rs:1)", "")
            .replace("  (src/a.rs:2)", ""),
        expected
    );
}

#[test]
fn as_mermaid_functions_lead_to_events_and_those_to_functions() {
    let expected = r##"flowchart LR
    f0["#60;shop::Store#60;_#62; as shop::Orders#62;::order"]
    f1["shop::close"]
    f2["shop::place"]
    f3["shop::settings"]
    e0(["Order"])
    e1(["Settings"])
    f1 --> e0
    f2 -->|"{ tenant, .. }"| e0
    e0 --> f0
    f2 --> e1
    e1 --> f3
"##;
    assert_eq!(graph_of(&[shop]).to_mermaid(), expected);
}

#[test]
fn as_dot_functions_lead_to_events_and_those_to_functions() {
    let expected = r#"digraph events {
    rankdir=LR;
    f0 [label="<shop::Store<_> as shop::Orders>::order", shape=box];
    f1 [label="shop::close", shape=box];
    f2 [label="shop::place", shape=box];
    f3 [label="shop::settings", shape=box];
    e0 [label="Order", shape=ellipse];
    e1 [label="Settings", shape=ellipse];
    f1 -> e0;
    f2 -> e0 [label="{ tenant, .. }"];
    e0 -> f0;
    f2 -> e1;
    e1 -> f3;
}
"#;
    assert_eq!(graph_of(&[shop]).to_dot(), expected);
}

#[test]
fn in_a_picture_other_programs_do_what_nobody_does_here() {
    let graph = graph_of(&[|registry| {
        registry.event::<Used>("src/used.rs", 1, true);
        registry
            .listener("shop::used::item", "src/used.rs", 2)
            .whole(Some(describe(|| -> Used { rest() })));
    }]);
    let expected = r#"flowchart LR
    f0["shop::used"]
    e0(["Used"])
    e0emitters["other programs"]
    e0 --> f0
    e0emitters -.-> e0
    style e0emitters stroke-dasharray: 4
"#;
    assert_eq!(graph.to_mermaid(), expected);
    assert!(
        graph
            .to_dot()
            .contains("\n    e0emitters -> e0 [style=dashed];\n")
    );
}

#[test]
fn as_json_it_is_read_back() {
    let json = graph_of(&[shop, hostile]).to_json();
    let graph: Value = serde_json::from_str(&json).expect("it is JSON");
    let whole = |name: &str| format!("{name} {{ tenant, id }}");
    assert_eq!(graph["events"][0]["name"], HOSTILE);
    assert_eq!(graph["events"][0]["place"], Value::Null);
    assert_eq!(
        graph["events"][0]["emitted"],
        json!([{ "function": "<shop::Of<\"a\\\n> as shop::B>::b", "pattern": format!("{HOSTILE} {{ a }}"), "place": "src\\a \"b\".rs:1" }])
    );
    assert_eq!(
        graph["events"][1],
        json!({
            "name": "Order",
            "fields": ["tenant", "id"],
            "place": "src/order.rs:3",
            "used_elsewhere": false,
            "emitted": [
                { "function": "shop::close", "pattern": whole("Order"), "place": "src/place.rs:20" },
                { "function": "shop::place", "pattern": "Order { tenant, .. }", "place": "src/place.rs:10" },
            ],
            "listened_to": [
                { "function": "<shop::Store<_> as shop::Orders>::order", "pattern": whole("Order"), "place": "src/store.rs:9" },
            ],
        })
    );
    assert_eq!(
        graph["unknown_emitted"],
        json!([{ "function": "shop::c", "pattern": "of(\"\\\", b'\\n')", "place": "src/c.rs:2" }])
    );
    assert_eq!(graph["unknown_listened_to"], json!([]));
}

#[test]
fn no_name_breaks_out_of_a_picture() {
    let expected = r##"flowchart LR
    f0["#60;shop::Of#60;#34;a#92;#10;#62; as shop::B#62;::b"]
    f1["shop::c"]
    e0(["#60;a#62;#34;#38;amp#59;#92;N#35;35#59;#96;|["])
    u0(["of(#34;#92;#34;, b'#92;n')"])
    f0 --> e0
    f1 --> u0
    style e0 stroke-dasharray: 4
    style u0 stroke-dasharray: 4
"##;
    assert_eq!(graph_of(&[hostile]).to_mermaid(), expected);
    let expected = r#"digraph events {
    rankdir=LR;
    f0 [label="<shop::Of<\"a\\&#10;> as shop::B>::b", shape=box];
    f1 [label="shop::c", shape=box];
    e0 [label="<a>\"&#38;amp;\\N#35;`|[", shape=ellipse, style=dashed];
    u0 [label="of(\"\\\", b'\\n')", shape=ellipse, style=dashed];
    f0 -> e0;
    f1 -> u0;
}
"#;
    assert_eq!(graph_of(&[hostile]).to_dot(), expected);
}

#[test]
fn the_order_in_which_functions_are_linked_is_not_seen() {
    let (one, other) = (graph_of(&[shop, hostile]), graph_of(&[hostile, shop]));
    assert_eq!(one.to_json(), other.to_json());
    assert_eq!(one.to_string(), other.to_string());
    assert_eq!(one.to_dot(), other.to_dot());
}

struct Shop;

trait Tells {
    fn tell(registry: &mut Registry);
}

impl Tells for Shop {
    fn tell(registry: &mut Registry) {
        events! { Closed("Closed") []; }
        registry.event::<Closed>("src/shop.rs", 1, false);
        let mut close = registry.emitter("shop::close::item", "src/shop.rs", 9);
        close.some(&["Closed"], "closed()");
    }
}

#[test]
fn an_event_within_a_method_of_a_trait_is_known_by_its_name_too() {
    let graph = graph_of(&[Shop::tell]);
    let links: Vec<_> = graph.links().iter().map(Link::event).collect();
    assert_eq!(links, [Some("Closed")]);
}

#[test]
fn an_expression_gives_the_events_whose_types_it_mentions() {
    let graph = graph_of(&[|registry| {
        registry.event::<Order>("src/a.rs", 1, false);
        registry.event::<Settings>("src/a.rs", 2, false);
        let mut function = registry.emitter("shop::all::item", "src/all.rs", 1);
        function.some(&["Some", "Order", "Settings"], "all()");
        // What tells of itself.
        function.some(&["Some"], "");
    }]);
    let patterns: Vec<_> = graph.links().iter().map(Link::pattern).collect();
    assert_eq!(patterns, ["Order { tenant, id }", "Settings"]);
}

#[test]
fn fields_are_in_the_order_of_the_event() {
    let graph = graph_of(&[|registry| {
        registry
            .emitter("shop::a::item", "src/a.rs", 1)
            .prefix(describe(|| -> Order { rest() }), &["id", "tenant"]);
        registry
            .emitter("shop::b::item", "src/a.rs", 2)
            .prefix(describe(|| -> Order { rest() }), &[]);
    }]);
    let patterns: Vec<_> = graph.links().iter().map(Link::pattern).collect();
    assert_eq!(patterns, ["Order { tenant, id }", "Order { .. }"]);
}

fn lonely(registry: &mut Registry) {
    registry.event::<Order>("src/order.rs", 3, false);
    registry.event::<Used>("src/used.rs", 1, true);
    let mut place = registry.emitter("shop::place::item", "src/place.rs", 10);
    place.whole(Some(describe(|| -> Order { rest() })));
    place.whole(Some(describe(|| -> Used { rest() })));
    place.some(&[], "changes()");
    registry
        .listener("shop::settings::item", "src/settings.rs", 4)
        .whole(Some(describe(|| -> Settings { rest() })));
}

#[test]
fn orphans_are_half_used_and_not_used_elsewhere() {
    let orphans = |graph: Graph| graph.orphans().map(KnownEvent::name).collect::<Vec<_>>();
    assert_eq!(orphans(graph_of(&[lonely])), ["Order", "Settings"]);
    assert_eq!(orphans(graph_of(&[shop])), [""; 0]);
    let unused: fn(&mut Registry) = |registry| registry.event::<Order>("src/a.rs", 1, false);
    assert_eq!(orphans(graph_of(&[unused])), [""; 0]);
}

#[test]
fn an_assertion_says_of_each_orphan_who_uses_it_and_what_to_write() {
    let graph = graph_of(&[lonely]);
    let panic = panic::catch_unwind(|| graph.assert_no_orphans()).expect_err("there are orphans");
    let expected = "\
2 events lead nowhere
  `Order { tenant, id }` (src/order.rs:3): nobody listens to it
    emitted by `shop::place` (src/place.rs:10)
    write `#[cached(.., invalidate_on = Order { tenant, id })]` where it changes what is cached, or \
`#[event(used_elsewhere)]` above it where that is not seen from here
  `Settings`: nobody emits it
    listened to by `shop::settings` (src/settings.rs:4)
    perhaps by `shop::place` (src/place.rs:10), which says only `changes()`
    write `#[invalidates(Settings)]` or `event!(Settings)` where it happens";
    assert_eq!(
        panic.downcast_ref::<String>().expect("it is text"),
        expected
    );
    graph_of(&[shop]).assert_no_orphans();
}
