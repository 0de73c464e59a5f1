//! Whether the fields that a literal names are the first ones of its event, and what to write where they are not.
//! For constants in expansions, which know only names.

use super::literal::Described;

/// What to write instead of a literal that names a field without one before it.
#[derive(Debug)]
pub struct OutOfOrder {
    text: [u8; LONGEST],
    len: usize,
}

/// Longer ones are cut.
const LONGEST: usize = 400;

impl OutOfOrder {
    /// What is wrong with the field at `at` among those that the literal names, if that is the first such field.
    #[must_use]
    pub const fn find(event: Described, written: &str, named: &[&str], at: usize) -> Option<Self> {
        let Some((missing, stray)) = gap(event.fields(), named) else {
            return None;
        };
        if !is_same(stray.as_bytes(), named[at].as_bytes()) {
            return None;
        }
        Some(Self::say(event, written, missing, stray))
    }

    const fn say(event: Described, written: &str, missing: &str, stray: &str) -> Self {
        let mut said = Self {
            text: [0; LONGEST],
            len: 0,
        };
        said.push("`");
        said.push(missing);
        said.push("` comes before `");
        said.push(stray);
        said.push("`: write `");
        said.push(written);
        said.push(" { ");
        let fields = event.fields();
        let mut field = 0;
        while field < fields.len() {
            said.push(fields[field]);
            said.push(", ");
            if is_same(fields[field].as_bytes(), stray.as_bytes()) {
                break;
            }
            field += 1;
        }
        if field + 1 >= fields.len() {
            said.len -= 2;
            said.push(" }`");
        } else {
            said.push("..");
            said.push(" }`");
        }
        said
    }

    const fn push(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() && self.len < LONGEST {
            self.text[self.len] = bytes[at];
            self.len += 1;
            at += 1;
        }
    }

    /// The sentence.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        let (said, _) = self.text.split_at(self.len);
        match std::str::from_utf8(said) {
            Ok(said) => said,
            Err(_) => "a field is named without one that comes before it",
        }
    }
}

/// The first field that is left out while a later one is named, and that one.
const fn gap(
    fields: &'static [&'static str],
    named: &[&str],
) -> Option<(&'static str, &'static str)> {
    let mut missing = None;
    let mut at = 0;
    while at < fields.len() {
        let field = fields[at];
        match missing {
            None if !contains(named, field) => missing = Some(field),
            Some(missing) if contains(named, field) => return Some((missing, field)),
            _ => {}
        }
        at += 1;
    }
    None
}

pub(super) const fn contains(names: &[&str], name: &str) -> bool {
    let mut at = 0;
    while at < names.len() {
        if is_same(names[at].as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}
