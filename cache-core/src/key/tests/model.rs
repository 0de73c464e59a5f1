//! Any nesting of values can be read back from either rendering, which makes both injective.

mod decode;

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};

use self::decode::{FromBytes, FromText};
use crate::key::{CacheKey, KeyWriter};

/// What is known of a value without looking at it: its type.
#[derive(Clone, Debug)]
enum Shape {
    Unsigned,
    Signed,
    Text,
    Bytes,
    Digest,
    Option(Box<Shape>),
    Sequence(Box<Shape>),
    Entries(Box<Shape>, Box<Shape>),
    Group(Vec<Shape>),
    /// Parts without a group around them, as an implementation by hand may write.
    Bare(Vec<Shape>),
    Enum(Vec<(String, Vec<Shape>)>),
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Unsigned(u32),
    Signed(i64),
    Text(String),
    Bytes(Vec<u8>),
    Digest([u8; 3]),
    Option(Option<Box<Value>>),
    Sequence(Vec<Value>),
    Entries(Vec<(Value, Value)>),
    Group(Vec<Value>),
    Bare(Vec<Value>),
    Variant(String, Vec<Value>),
}

impl CacheKey for Value {
    fn write(&self, key: &mut KeyWriter) {
        let parts =
            |key: &mut KeyWriter, parts: &[Value]| parts.iter().for_each(|part| part.write(key));
        match self {
            Self::Unsigned(value) => value.write(key),
            Self::Signed(value) => value.write(key),
            Self::Text(value) => value.write(key),
            Self::Bytes(value) => value.write(key),
            Self::Digest(value) => value.write(key),
            Self::Option(value) => value.write(key),
            Self::Sequence(items) => items.write(key),
            Self::Entries(entries) => {
                key.entries(entries.iter().map(|(name, value)| (name, value)));
            }
            Self::Group(values) => key.group(|key| parts(key, values)),
            Self::Bare(values) => parts(key, values),
            Self::Variant(name, fields) => key.variant(name, |key| parts(key, fields)),
        }
    }
}

/// Mostly characters that mean something, in text or to a careless reader of it.
fn nasty_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a0%~+,=:/()\\[\\]{}._ -]{0,4}",
        1 => any::<String>(),
        1 => "[ab]{126,130}",
    ]
}

fn shapes() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Unsigned),
        Just(Shape::Signed),
        Just(Shape::Text),
        Just(Shape::Bytes),
        Just(Shape::Digest),
    ];
    leaf.prop_recursive(4, 24, 4, |shape| {
        prop_oneof![
            shape.clone().prop_map(|of| Shape::Option(Box::new(of))),
            shape.clone().prop_map(|of| Shape::Sequence(Box::new(of))),
            (shape.clone(), shape.clone())
                .prop_map(|(k, v)| Shape::Entries(Box::new(k), Box::new(v))),
            vec(shape.clone(), 0..4).prop_map(Shape::Group),
            vec(shape.clone(), 1..4).prop_map(Shape::Bare),
            btree_map("[A-Za-zé_]{1,3}", vec(shape, 0..3), 1..4)
                .prop_map(|variants| Shape::Enum(variants.into_iter().collect())),
        ]
    })
}

fn values(shape: &Shape) -> BoxedStrategy<Value> {
    match shape {
        Shape::Unsigned => any::<u32>().prop_map(Value::Unsigned).boxed(),
        Shape::Signed => any::<i64>().prop_map(Value::Signed).boxed(),
        Shape::Text => nasty_text().prop_map(Value::Text).boxed(),
        Shape::Bytes => vec(any::<u8>(), 0..5).prop_map(Value::Bytes).boxed(),
        Shape::Digest => any::<[u8; 3]>().prop_map(Value::Digest).boxed(),
        Shape::Option(of) => option::of(values(of).prop_map(Box::new))
            .prop_map(Value::Option)
            .boxed(),
        Shape::Sequence(of) => vec(values(of), 0..4).prop_map(Value::Sequence).boxed(),
        Shape::Entries(k, v) => vec((values(k), values(v)), 0..4)
            .prop_map(Value::Entries)
            .boxed(),
        Shape::Group(parts) => all(parts).prop_map(Value::Group).boxed(),
        Shape::Bare(parts) => all(parts).prop_map(Value::Bare).boxed(),
        Shape::Enum(variants) => {
            let variants: Vec<_> = variants
                .iter()
                .map(|(name, fields)| {
                    let name = name.clone();
                    all(fields)
                        .prop_map(move |fields| Value::Variant(name.clone(), fields))
                        .boxed()
                })
                .collect();
            proptest::strategy::Union::new(variants).boxed()
        }
    }
}

fn all(shapes: &[Shape]) -> Vec<BoxedStrategy<Value>> {
    shapes.iter().map(values).collect()
}

fn parts() -> impl Strategy<Value = Vec<(Shape, Value)>> {
    vec(shapes(), 1..4).prop_flat_map(|shapes| {
        all(&shapes).prop_map(move |values| shapes.clone().into_iter().zip(values).collect())
    })
}

fn write_parts<'a>(mut key: KeyWriter<'a>, parts: &[(Shape, Value)]) -> KeyWriter<'a> {
    for (position, (_, value)) in parts.iter().enumerate() {
        if position > 0 {
            key.literal(":");
        }
        value.write(&mut key);
    }
    key
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn values_can_be_read_back_from_bytes(parts in parts()) {
        let key = write_parts(KeyWriter::for_bytes(), &parts);
        let mut rest = FromBytes(key.as_bytes());
        for (shape, value) in &parts {
            prop_assert_eq!(&rest.value(shape), value);
        }
        prop_assert!(rest.0.is_empty());
    }

    #[test]
    fn values_can_be_read_back_from_text(parts in parts()) {
        let key = write_parts(KeyWriter::for_text(), &parts).into_text();
        let mut rest = FromText::new(&key);
        for (position, (shape, value)) in parts.iter().enumerate() {
            if position > 0 {
                rest.literal(":");
            }
            prop_assert_eq!(&rest.value(shape), value, "{}", key);
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn text_leaves_separators_to_the_user(parts in parts()) {
        let mut key = KeyWriter::for_text();
        for (_, value) in &parts {
            value.write(&mut key);
        }
        let key = key.into_text();
        prop_assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-%()[]{},=+~".contains(&byte)), "{}", key);
    }
}
