//! Readers of both renderings. They know the shape of a value and look no further than they have read.

use super::{Shape, Value};

pub(super) struct FromBytes<'a>(pub(super) &'a [u8]);

impl FromBytes<'_> {
    pub(super) fn value(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::Unsigned => Value::Unsigned(u32::from_le_bytes(self.array())),
            Shape::Signed => Value::Signed(i64::from_le_bytes(self.array())),
            Shape::Text => Value::Text(self.text()),
            Shape::Bytes => Value::Bytes(self.counted()),
            Shape::Digest => Value::Digest(self.array()),
            Shape::Option(of) => Value::Option(match self.array() {
                [0] => None,
                [1] => Some(Box::new(self.value(of))),
                [tag] => panic!("tag {tag}"),
            }),
            Shape::Sequence(of) => {
                Value::Sequence((0..self.count()).map(|_| self.value(of)).collect())
            }
            Shape::Entries(k, v) => Value::Entries(
                (0..self.count())
                    .map(|_| (self.value(k), self.value(v)))
                    .collect(),
            ),
            Shape::Group(parts) => Value::Group(self.parts(parts)),
            Shape::Bare(parts) => Value::Bare(self.parts(parts)),
            Shape::Enum(variants) => {
                let name = self.text();
                let fields = self.parts(fields_of(variants, &name));
                Value::Variant(name, fields)
            }
        }
    }

    fn parts(&mut self, parts: &[Shape]) -> Vec<Value> {
        parts.iter().map(|part| self.value(part)).collect()
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (array, rest) = self.0.split_first_chunk().unwrap();
        self.0 = rest;
        *array
    }

    fn count(&mut self) -> usize {
        let mut count = 0;
        for shift in (0..).step_by(7) {
            let [byte] = self.array();
            count |= usize::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                assert!(byte > 0 || shift == 0, "a count in the fewest bytes");
                break;
            }
        }
        count
    }

    fn counted(&mut self) -> Vec<u8> {
        let count = self.count();
        let (bytes, rest) = self.0.split_at(count);
        self.0 = rest;
        bytes.to_vec()
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.counted()).unwrap()
    }
}

pub(super) struct FromText<'a> {
    rest: &'a str,
    /// A value ends here: a value that follows has a comma before it.
    complete: bool,
}

impl<'a> FromText<'a> {
    pub(super) fn new(rest: &'a str) -> Self {
        let complete = false;
        Self { rest, complete }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn value(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::Unsigned => Value::Unsigned(self.leaf().parse().unwrap()),
            Shape::Signed => Value::Signed(self.leaf().parse().unwrap()),
            Shape::Text => Value::Text(self.text()),
            Shape::Bytes => Value::Bytes(self.hex()),
            Shape::Digest => Value::Digest(self.hex().try_into().unwrap()),
            Shape::Option(of) => {
                self.start();
                let is_some = self.is_next("+");
                if !is_some {
                    self.end("~");
                }
                Value::Option(is_some.then(|| Box::new(self.value(of))))
            }
            Shape::Sequence(of) => Value::Sequence(self.items("[", "]", |text| text.value(of))),
            Shape::Entries(k, v) => Value::Entries(self.items("{", "}", |text| {
                let name = text.value(k);
                text.literal("=");
                (name, text.value(v))
            })),
            Shape::Group(parts) => {
                self.start();
                self.literal("(");
                Value::Group(self.parts(parts, ")"))
            }
            Shape::Bare(parts) => Value::Bare(parts.iter().map(|part| self.value(part)).collect()),
            Shape::Enum(variants) => {
                let name = self.text();
                let fields = match fields_of(variants, &name) {
                    [] => Vec::new(),
                    fields => {
                        self.literal("(");
                        self.parts(fields, ")")
                    }
                };
                Value::Variant(name, fields)
            }
        }
    }

    pub(super) fn literal(&mut self, text: &str) {
        assert!(self.is_next(text), "{text} before {}", self.rest);
    }

    fn is_next(&mut self, mark: &str) -> bool {
        let rest = self.rest.strip_prefix(mark);
        if let Some(rest) = rest {
            self.rest = rest;
            self.complete = false;
        }
        rest.is_some()
    }

    fn start(&mut self) {
        if self.complete {
            self.literal(",");
        }
    }

    fn end(&mut self, mark: &str) {
        self.literal(mark);
        self.complete = true;
    }

    fn parts(&mut self, parts: &[Shape], close: &str) -> Vec<Value> {
        let values = parts.iter().map(|part| self.value(part)).collect();
        self.end(close);
        values
    }

    fn items<T>(&mut self, open: &str, close: &str, item: impl Fn(&mut Self) -> T) -> Vec<T> {
        self.start();
        self.literal(open);
        let mut items = Vec::new();
        while !self.rest.starts_with(close) {
            items.push(item(self));
            self.literal(",");
        }
        self.end(close);
        items
    }

    fn leaf(&mut self) -> &'a str {
        self.start();
        let is_structure = |c: char| !(c.is_ascii_alphanumeric() || "_.-%".contains(c));
        let end = self.rest.find(is_structure).unwrap_or(self.rest.len());
        let (leaf, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.complete = true;
        leaf
    }

    fn text(&mut self) -> String {
        let mut bytes = Vec::new();
        let mut leaf = self.leaf();
        while let Some(first) = leaf.bytes().next() {
            let width = if first == b'%' { 3 } else { 1 };
            let (character, rest) = leaf.split_at(width);
            bytes.push(
                character
                    .strip_prefix('%')
                    .map_or(first, |hex| u8::from_str_radix(hex, 16).unwrap()),
            );
            leaf = rest;
        }
        String::from_utf8(bytes).unwrap()
    }

    fn hex(&mut self) -> Vec<u8> {
        let leaf = self.leaf();
        (0..leaf.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&leaf[at..at + 2], 16).unwrap())
            .collect()
    }
}

fn fields_of<'a>(variants: &'a [(String, Vec<Shape>)], name: &str) -> &'a [Shape] {
    &variants.iter().find(|(known, _)| known == name).unwrap().1
}
