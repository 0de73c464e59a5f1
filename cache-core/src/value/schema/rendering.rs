//! The fingerprint of a record.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use super::record::{Form, Names, Node, Record, Request};

/// Covers all that was seen, and the text.
pub(super) fn fingerprint(record: &Record, text: &str, is_human_readable: bool) -> u64 {
    let mut bytes = Bytes(vec![u8::from(is_human_readable)]);
    bytes.text(text);
    // Numbered as the walk meets them: the order in which the trace did is not part of the type.
    let mut walk = vec![0];
    let mut numbers = HashMap::from([(0, 0)]);
    let mut next = 0;
    while let Some(id) = walk.get(next) {
        next += 1;
        let definition = record.get(*id);
        bytes.request(definition.request);
        bytes.number(definition.branches.len());
        for branch in &definition.branches {
            bytes.form(branch.form);
            bytes.number(branch.slots.len());
            for nodes in &branch.slots {
                bytes.number(nodes.len());
                for node in nodes {
                    bytes.node(*node, |id| {
                        *numbers.entry(id).or_insert_with(|| {
                            walk.push(id);
                            walk.len() - 1
                        })
                    });
                }
            }
        }
    }
    xxh3_64(&bytes.0)
}

/// An unambiguous rendering: every part says what it is and how long.
struct Bytes(Vec<u8>);

impl Bytes {
    fn tag(&mut self, tag: u8) {
        self.0.push(tag);
    }

    fn number(&mut self, number: usize) {
        self.0.extend((number as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.extend(text.as_bytes());
    }

    fn names(&mut self, names: Names) {
        self.number(names.len());
        for name in names {
            self.text(name);
        }
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Option => self.tag(0),
            Request::Seq => self.tag(1),
            Request::Map => self.tag(2),
            Request::Tuple(len) => {
                self.tag(3);
                self.number(len);
            }
            Request::Newtype(name) => {
                self.tag(4);
                self.text(name);
            }
            Request::TupleStruct(name, len) => {
                self.tag(5);
                self.text(name);
                self.number(len);
            }
            Request::Struct(name, fields) => {
                self.tag(6);
                self.text(name);
                self.names(fields);
            }
            Request::Enum(name, variants) => {
                self.tag(7);
                self.text(name);
                self.names(variants);
            }
        }
    }

    fn form(&mut self, form: Option<Form>) {
        match form {
            None => self.tag(0),
            Some(Form::Unit) => self.tag(1),
            Some(Form::Newtype) => self.tag(2),
            Some(Form::Tuple(len)) => {
                self.tag(3);
                self.number(len);
            }
            Some(Form::Struct(fields)) => {
                self.tag(4);
                self.names(fields);
            }
        }
    }

    fn node(&mut self, node: Node, number: impl FnOnce(usize) -> usize) {
        match node {
            Node::Leaf(kind) => {
                self.tag(0);
                self.text(kind);
            }
            Node::UnitStruct(name) => {
                self.tag(1);
                self.text(name);
            }
            Node::Definition(id) => {
                self.tag(2);
                self.number(number(id));
            }
            Node::Asks(how) => {
                self.tag(3);
                self.text(how);
            }
        }
    }
}
