//! What the fields of structs and the variants of enums are called when written.
//!
//! A derived `Deserialize` lists its names with all aliases among them and without skipped variants, and
//! does not say which are which. Only the `Serialize` of the same type tells.

#[derive(Debug, Default)]
pub(super) struct Names {
    structs: Vec<Struct>,
    variants: Vec<Variant>,
}

#[derive(Debug, PartialEq, Eq)]
struct Struct {
    name: &'static str,
    fields: Vec<&'static str>,
}

#[derive(Debug, PartialEq, Eq)]
struct Variant {
    of: &'static str,
    index: u32,
    name: &'static str,
}

impl Names {
    /// The fields of a struct whose `candidates` are these names and aliases of them.
    #[inline]
    pub(super) fn fields(&self, name: &str, candidates: &[&str]) -> Option<&[&'static str]> {
        if self.structs.is_empty() {
            return None;
        }
        self.find(name, candidates)
    }

    #[cold]
    fn find(&self, name: &str, candidates: &[&str]) -> Option<&[&'static str]> {
        let found = self.structs.iter().find(|found| {
            found.name == name
                && found.fields.len() < candidates.len()
                && is_part(&found.fields, candidates)
        })?;
        Some(&found.fields)
    }

    pub(super) fn has_variant(&self, of: &'static str, index: u32, name: &'static str) -> bool {
        self.variants.contains(&Variant { of, index, name })
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
    /// Structs that have begun, the innermost last.
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
            && !self.names.structs.contains(&closed)
        {
            self.names.structs.push(closed);
        }
    }

    pub(super) fn variant(&mut self, of: &'static str, index: u32, name: &'static str) {
        if !self.names.has_variant(of, index, name) {
            self.names.variants.push(Variant { of, index, name });
        }
    }

    pub(super) fn into_names(self) -> Names {
        self.names
    }
}
