//! Values of many shapes, and how to make them up.

use std::collections::BTreeMap;

use proptest::{collection, option, prelude::*};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) customer: String,
    pub(super) lines: Vec<Line>,
    pub(super) state: State,
    pub(super) notes: BTreeMap<String, Option<i32>>,
    pub(super) rate: Option<f64>,
    pub(super) mark: char,
    pub(super) is_urgent: bool,
    pub(super) place: (i16, i16),
    pub(super) digest: [u8; 4],
    pub(super) history: List,
    pub(super) nothing: (),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) article: u32,
    pub(super) cents: i64,
    pub(super) tags: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum State {
    Open,
    Paid(i64),
    Sent { by: String, weight: Option<u32> },
    Returned(u8, String),
}

/// A list that goes as deep as it is long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum List {
    End,
    Item(i32, Box<List>),
}

/// A type that is an option of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Hollow(pub(super) Option<Box<Hollow>>);

/// A tree in which only sequences nest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree(pub(super) Vec<Tree>);

/// Structs and options in turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Chain {
    pub(super) next: Option<Box<Chain>>,
}

/// Names that are written, and names that are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Aliased {
    #[serde(alias = "ID", alias = "aId")]
    pub(super) own_id: u32,
    #[serde(alias = "z")]
    pub(super) name: String,
    #[serde(default, alias = "a", alias = "b")]
    pub(super) kinds: Vec<Alias>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Alias {
    #[serde(alias = "One", alias = "one", alias = "Zero")]
    First,
    #[serde(alias = "Another")]
    Second(u8),
    #[serde(skip)]
    #[expect(dead_code, reason = "it is there to be skipped")]
    Hidden,
    Third {
        #[serde(alias = "x")]
        of: i8,
        #[serde(skip)]
        unseen: u64,
    },
}

pub(super) fn order() -> impl Strategy<Value = Order> {
    (
        (
            any::<u64>(),
            ".{0,12}",
            collection::vec(line(), 0..4),
            state(),
        ),
        collection::btree_map(".{0,5}", option::of(any::<i32>()), 0..4),
        option::of(-1e9..1e9),
        (
            any::<char>(),
            any::<bool>(),
            any::<(i16, i16)>(),
            any::<[u8; 4]>(),
        ),
        list(),
    )
        .prop_map(
            |((id, customer, lines, state), notes, rate, rest, history)| Order {
                id,
                customer,
                lines,
                state,
                notes,
                rate,
                mark: rest.0,
                is_urgent: rest.1,
                place: rest.2,
                digest: rest.3,
                history,
                nothing: (),
            },
        )
}

fn line() -> impl Strategy<Value = Line> {
    (
        any::<u32>(),
        any::<i64>(),
        collection::vec("[a-z]{0,8}", 0..3),
    )
        .prop_map(|(article, cents, tags)| Line {
            article,
            cents,
            tags,
        })
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::Open),
        any::<i64>().prop_map(State::Paid),
        (".{0,5}", option::of(any::<u32>())).prop_map(|(by, weight)| State::Sent { by, weight }),
        (any::<u8>(), ".{0,5}").prop_map(|(why, note)| State::Returned(why, note)),
    ]
}

pub(super) fn list() -> impl Strategy<Value = List> {
    collection::vec(any::<i32>(), 0..20).prop_map(|items| {
        let add = |list, item| List::Item(item, Box::new(list));
        items.into_iter().fold(List::End, add)
    })
}

pub(super) fn tree() -> impl Strategy<Value = Tree> {
    let leaf = Just(Tree(Vec::new()));
    leaf.prop_recursive(20, 60, 4, |tree| collection::vec(tree, 0..4).prop_map(Tree))
}

pub(super) fn aliased() -> impl Strategy<Value = Aliased> {
    let kind = prop_oneof![
        Just(Alias::First),
        any::<u8>().prop_map(Alias::Second),
        any::<i8>().prop_map(|of| Alias::Third { of, unseen: 0 }),
    ];
    (any::<u32>(), ".{0,5}", collection::vec(kind, 0..5)).prop_map(|(own_id, name, kinds)| {
        Aliased {
            own_id,
            name,
            kinds,
        }
    })
}
