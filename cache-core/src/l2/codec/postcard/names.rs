//! What the fields of structs are called when written.
//!
//! A derived `Deserialize` lists the names of its fields with all aliases among them, and does not say
//! which are which. Only the `Serialize` of the same type tells.

/// The names of structs, each with those of its fields.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<Struct>);

#[derive(Debug, PartialEq, Eq)]
struct Struct {
    name: &'static str,
    fields: Vec<&'static str>,
}

impl Names {
    /// The fields of a struct whose `candidates` are these names and aliases of them.
    pub(super) fn fields(&self, name: &str, candidates: &[&str]) -> Option<&[&'static str]> {
        let found = self.0.iter().find(|found| {
            found.name == name
                && found.fields.len() < candidates.len()
                && is_part(&found.fields, candidates)
        })?;
        Some(&found.fields)
    }
}

/// Whether `whole` is `part` with names put in between.
fn is_part(part: &[&str], whole: &[&str]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|name| whole.any(|other| other == name))
}

/// Notes the names while a value is written.
#[derive(Debug, Default)]
pub(super) struct Tape {
    names: Names,
    /// Those that have begun, the innermost last.
    open: Vec<Struct>,
}

impl Tape {
    pub(super) fn begin(&mut self, name: &'static str) {
        self.open.push(Struct {
            name,
            fields: Vec::new(),
        });
    }

    pub(super) fn field(&mut self, name: &'static str) {
        if let Some(open) = self.open.last_mut() {
            open.fields.push(name);
        }
    }

    pub(super) fn end(&mut self) {
        if let Some(closed) = self.open.pop()
            && !self.names.0.contains(&closed)
        {
            self.names.0.push(closed);
        }
    }

    pub(super) fn into_names(self) -> Names {
        self.names
    }
}
