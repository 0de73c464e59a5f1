use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::Deserialize;

use super::{assert_complete, assert_differ};

#[derive(Deserialize)]
struct Tree {
    name: String,
    children: Vec<Tree>,
    by_name: HashMap<String, Tree>,
}

#[derive(Deserialize)]
struct List {
    item: u8,
    next: Option<Box<List>>,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Nested {
    items: Vec<Nested>,
}

#[test]
fn recursive_structs_end() {
    assert_complete::<Tree>();
    assert_complete::<List>();
    assert_complete::<Nested>();
    assert_complete::<(Tree, List, Option<Nested>, Arc<Tree>)>();
}

/// The variants that end the recursion come last.
#[derive(Deserialize)]
enum Expression {
    Not(Box<Expression>),
    Add(Box<Expression>, Box<Expression>),
    If {
        condition: Box<Condition>,
        then: Box<Expression>,
    },
    Call(Call),
    All(Vec<Expression>),
    Number(f64),
}

#[derive(Deserialize)]
enum Condition {
    Both(Box<Condition>, Box<Condition>),
    IsZero(Box<Expression>),
    Given(Option<Box<Expression>>),
}

#[derive(Deserialize)]
struct Call {
    name: String,
    arguments: Vec<Expression>,
    mode: Mode,
}

#[derive(Deserialize)]
enum Mode {
    Strict,
    Lazy(Option<u32>),
    Other(Box<Call>),
}

#[test]
fn recursive_enums_end() {
    assert_complete::<Expression>();
    assert_complete::<Condition>();
    assert_complete::<Call>();
    assert_complete::<BTreeMap<String, (Expression, Mode, Condition)>>();
}

#[derive(Deserialize)]
enum Ping {
    Pong(Box<Pong>),
}

#[derive(Deserialize)]
enum Pong {
    Ping(Box<Ping>),
    Back(Box<Ping>),
    Out,
}

#[test]
fn mutual_recursion_ends() {
    assert_complete::<Ping>();
    assert_complete::<Pong>();
    assert_complete::<(Vec<Pong>, Ping)>();
}

#[derive(Deserialize)]
#[serde(tag = "kind", content = "of")]
enum Adjacent {
    Not(Box<Adjacent>),
    Both((Box<Adjacent>, Box<Adjacent>)),
    Any(Vec<Adjacent>),
    Is(Mode),
}

#[test]
fn an_adjacently_tagged_recursion_ends() {
    let schema = super::trace::<Adjacent>(true);
    assert_eq!((schema.asks, schema.incomplete), (None, None));
    assert_eq!(super::trace::<Adjacent>(false).incomplete, None);
}

#[derive(Deserialize)]
struct Wrapper<T> {
    inner: T,
    others: Vec<Wrapper<u8>>,
}

#[test]
fn a_generic_type_in_itself_ends() {
    assert_complete::<Wrapper<Wrapper<Wrapper<String>>>>();
    assert_complete::<Wrapper<Option<Box<Wrapper<Tree>>>>>();
}

/// More variants that lead on than values may lie in each other.
#[derive(Deserialize)]
#[rustfmt::skip]
enum Wide {
    A0(Box<Wide>), A1(Box<Wide>), A2(Box<Wide>), A3(Box<Wide>), A4(Box<Wide>), A5(Box<Wide>),
    A6(Box<Wide>), A7(Box<Wide>), A8(Box<Wide>), A9(Box<Wide>), B0(Box<Wide>), B1(Box<Wide>),
    B2(Box<Wide>), B3(Box<Wide>), B4(Box<Wide>), B5(Box<Wide>), B6(Box<Wide>), B7(Box<Wide>),
    C0(Box<Wide>, Box<Wide>), C1(Box<Wide>, Box<Wide>), C2 { a: Box<Wide>, b: Box<Wide> },
    D0(Box<Wide>), D1(Box<Wide>), D2(Box<Wide>), D3(Box<Wide>), D4(Box<Wide>), D5(Box<Wide>),
    End,
}

#[test]
fn an_enum_of_many_recursive_variants_ends() {
    assert_complete::<Wide>();
    assert_complete::<Vec<(Wide, Wide)>>();
}

/// Types that lead to the next, and back to the first.
macro_rules! chain {
    ($($name:ident $next:ident)+) => {
        $(
            #[derive(Deserialize)]
            struct $name {
                next: Option<Box<$next>>,
                first: Vec<N0>,
                kind: Vec<Mode>,
            }
        )+
        #[derive(Deserialize)]
        struct Last(u16);
    };
}

chain! {
    N0 N1 N1 N2 N2 N3 N3 N4 N4 N5 N5 N6 N6 N7 N7 N8 N8 N9 N9 N10 N10 N11 N11 N12 N12 N13
    N13 N14 N14 N15 N15 N16 N16 N17 N17 Last
}

#[test]
fn many_types_that_lie_in_each_other_are_complete() {
    assert_complete::<N0>();
}

#[test]
fn a_change_below_a_recursion_is_another_schema() {
    assert_differ(
        shapes! { A:
            enum A { Not(Box<A>), Of(B) }
            struct B { of: Vec<A>, c: C }
            enum C { D, E(u8) }
        },
        shapes! { A:
            enum A { Not(Box<A>), Of(B) }
            struct B { of: Vec<A>, c: C }
            enum C { D, E(u16) }
        },
    );
    assert_differ(
        shapes!(A: struct A { a: Vec<A>, b: Vec<B> } struct B { a: Vec<A> }),
        shapes!(A: struct A { a: Vec<A>, b: Vec<B> } struct B { a: Vec<B> }),
    );
}
