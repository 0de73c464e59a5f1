//! What a type was seen to ask for, as a graph: definitions, their branches, and what lies in each slot.
//!
//! Nothing in it depends on which placeholder a place took. A definition stands for one visitor type
//! with one request, so that `Page<Order>` and `Page<User>` are two although both say `Page`.

use std::{any::TypeId, collections::HashMap};

/// A list of names as a derive gives it.
pub(super) type Names = &'static [&'static str];

/// What a type asks for where that holds other values, with all that it says.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Request {
    Option,
    Seq,
    Map,
    Tuple(usize),
    Newtype(&'static str),
    TupleStruct(&'static str, usize),
    Struct(&'static str, Names),
    Enum(&'static str, Names),
}

/// Where a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Position {
    pub(super) definition: usize,
    pub(super) branch: usize,
    pub(super) slot: usize,
}

impl Position {
    /// The value itself: the first definition holds nothing else.
    pub(super) const ROOT: Self = Self::new(0, 0, 0);

    pub(super) const fn new(definition: usize, branch: usize, slot: usize) -> Self {
        Self {
            definition,
            branch,
            slot,
        }
    }
}

/// What makes two requests the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) visitor: TypeId,
    pub(super) request: Request,
    /// Where an enum is the first of two fields of a struct. What follows can then depend on the
    /// variant, as in an adjacently tagged enum, so that this enum is one of its own.
    pub(super) tag: Option<Position>,
}

/// What lies in a slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Leaf(&'static str),
    UnitStruct(&'static str),
    Definition(usize),
    Asks(&'static str),
}

/// How a variant holds its content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Unit,
    Newtype,
    Tuple(usize),
    Struct(Names),
}

/// One way to read a definition: a variant of an enum, else the only way to read what it holds.
#[derive(Default)]
pub(super) struct Branch {
    pub(super) form: Option<Form>,
    /// Nearly always one node each. In an enum the first is for what follows it (see [`Key::tag`]).
    pub(super) slots: Vec<Vec<Node>>,
    /// It was read to its end.
    pub(super) is_explored: bool,
    /// Nothing makes it readable: it is not tried again.
    pub(super) is_barred: bool,
    /// It was seen to lead back to where it began: it does not end a recursion.
    pub(super) is_recursing: bool,
}

impl Branch {
    pub(super) fn is_open(&self) -> bool {
        !self.is_explored && !self.is_barred
    }

    fn definitions(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().flatten().filter_map(|node| match node {
            Node::Definition(id) => Some(*id),
            _ => None,
        })
    }
}

pub(super) struct Definition {
    pub(super) request: Request,
    pub(super) tag: Option<Position>,
    pub(super) branches: Vec<Branch>,
}

impl Definition {
    fn new(request: Request, tag: Option<Position>) -> Self {
        let branches = match request {
            Request::Enum(_, variants) => variants.len(),
            _ => 1,
        };
        Self {
            request,
            tag,
            branches: std::iter::repeat_with(Branch::default)
                .take(branches)
                .collect(),
        }
    }

    fn is_open(&self) -> bool {
        self.branches.iter().any(Branch::is_open)
    }

    pub(super) fn is_enum(&self) -> bool {
        matches!(self.request, Request::Enum(..))
    }

    /// Whether it can be answered without reading what it holds.
    pub(super) fn is_container(&self) -> bool {
        matches!(self.request, Request::Option | Request::Seq | Request::Map)
    }

    /// The definitions that can be read below it.
    fn below(&self) -> impl Iterator<Item = usize> {
        let branches = self.branches.iter().filter(|branch| !branch.is_barred);
        branches.flat_map(Branch::definitions)
    }
}

pub(super) struct Record {
    definitions: Vec<Definition>,
    known: HashMap<Key, usize>,
    /// Whether anything was learned since it was last set to false. There is an end to what can be.
    pub(super) has_grown: bool,
}

impl Record {
    pub(super) fn new() -> Self {
        Self {
            definitions: vec![Definition::new(Request::Tuple(1), None)],
            known: HashMap::new(),
            has_grown: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.definitions.len()
    }

    pub(super) fn get(&self, definition: usize) -> &Definition {
        &self.definitions[definition]
    }

    pub(super) fn branch(&self, definition: usize, branch: usize) -> &Branch {
        &self.definitions[definition].branches[branch]
    }

    pub(super) fn define(&mut self, key: Key) -> usize {
        let next = self.definitions.len();
        let id = *self.known.entry(key).or_insert(next);
        if id == next {
            self.has_grown = true;
            self.definitions.push(Definition::new(key.request, key.tag));
        }
        id
    }

    /// Whether the place is the first of two fields of a struct.
    pub(super) fn is_tag(&self, position: Position) -> bool {
        let request = self.get(position.definition).request;
        position.slot == 0 && matches!(request, Request::Struct(_, fields) if fields.len() == 2)
    }

    pub(super) fn see(&mut self, position: Position, node: Node) {
        let slots = &mut self.branch_mut(position.definition, position.branch).slots;
        if slots.len() <= position.slot {
            slots.resize_with(position.slot + 1, Vec::new);
        }
        let nodes = &mut slots[position.slot];
        if !nodes.contains(&node) {
            nodes.push(node);
            self.has_grown = true;
        }
    }

    pub(super) fn nodes(&self, position: Position) -> &[Node] {
        let slots = &self.branch(position.definition, position.branch).slots;
        slots.get(position.slot).map_or(&[], Vec::as_slice)
    }

    pub(super) fn see_form(&mut self, definition: usize, branch: usize, form: Form) {
        self.branch_mut(definition, branch).form = Some(form);
    }

    pub(super) fn explore(&mut self, definition: usize, branch: usize) {
        let branch = self.branch_mut(definition, branch);
        let is_new = !std::mem::replace(&mut branch.is_explored, true);
        self.has_grown |= is_new;
    }

    pub(super) fn bar(&mut self, definition: usize, branch: usize) {
        let branch = self.branch_mut(definition, branch);
        let is_new = !std::mem::replace(&mut branch.is_barred, true);
        self.has_grown |= is_new;
    }

    pub(super) fn mark_recursing(&mut self, definition: usize, branch: usize) {
        let branch = self.branch_mut(definition, branch);
        let is_new = !std::mem::replace(&mut branch.is_recursing, true);
        self.has_grown |= is_new;
    }

    fn branch_mut(&mut self, definition: usize, branch: usize) -> &mut Branch {
        &mut self.definitions[definition].branches[branch]
    }

    /// For each definition whether something in it or below it is still to be read.
    pub(super) fn unfinished(&self) -> Vec<bool> {
        let mut unfinished: Vec<bool> = self.definitions.iter().map(Definition::is_open).collect();
        loop {
            let mut is_settled = true;
            for (id, definition) in self.definitions.iter().enumerate().rev() {
                if !unfinished[id] && definition.below().any(|below| unfinished[below]) {
                    unfinished[id] = true;
                    is_settled = false;
                }
            }
            if is_settled {
                return unfinished;
            }
        }
    }

    /// The first usable branch of a definition that leads to something still to be read, past none
    /// of the definitions that are closed.
    pub(super) fn leading_on(&self, id: usize, mut is_closed: Vec<bool>) -> Option<usize> {
        let branches = &self.get(id).branches;
        branches.iter().position(|branch| {
            let mut ahead: Vec<usize> = branch.definitions().collect();
            while !branch.is_barred
                && let Some(id) = ahead.pop()
            {
                if std::mem::replace(&mut is_closed[id], true) {
                    continue;
                }
                if self.get(id).is_open() {
                    return true;
                }
                ahead.extend(self.get(id).below());
            }
            false
        })
    }

    /// How a path names the step into a slot.
    pub(super) fn label(&self, position: Position) -> String {
        let Position {
            definition,
            branch,
            slot,
        } = position;
        let definition = self.get(definition);
        match definition.request {
            Request::Option | Request::Newtype(_) => String::new(),
            Request::Seq => "[]".to_owned(),
            Request::Map => if slot == 0 { "[key]" } else { "[value]" }.to_owned(),
            Request::Tuple(_) | Request::TupleStruct(..) => format!(".{slot}"),
            Request::Struct(_, fields) => named(fields, slot),
            Request::Enum(_, variants) => match (definition.tag, slot.checked_sub(1)) {
                (Some(tag), None) => self.label(Position { slot: 1, ..tag }),
                (_, slot) => {
                    let variant = variants[branch];
                    let field = match (definition.branches[branch].form, slot) {
                        (Some(Form::Struct(fields)), Some(slot)) => named(fields, slot),
                        (Some(Form::Tuple(_)), Some(slot)) => format!(".{slot}"),
                        _ => String::new(),
                    };
                    format!("::{variant}{field}")
                }
            },
        }
    }
}

fn named(fields: Names, slot: usize) -> String {
    match fields.get(slot) {
        Some(field) => format!(".{field}"),
        None => format!(".{slot}"),
    }
}
