//! What was asked of a serializer or a deserializer, in order, as one number.
//!
//! It is part of what is kept: it depends on neither process nor platform, and changes only together
//! with [`SEED`], which makes every older encoding one of another shape.

const SEED: u64 = 0x6361_6368_6564_0001;
/// Odd and without a pattern: digits of pi.
const MIX: u64 = 0x243F_6A88_85A3_08D3;
const MIX_TEXT: u64 = 0x1319_8A2E_0370_7345;

/// One thing that can be asked. Which number each has is kept, so new ones go to the end.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    Bool = 1,
    I8,
    I16,
    I32,
    I64,
    I128,
    U8,
    U16,
    U32,
    U64,
    U128,
    F32,
    F64,
    Char,
    Str,
    Bytes,
    None,
    Some,
    Unit,
    UnitStruct,
    NewtypeStruct,
    TupleStruct,
    Struct,
    End,
    Tuple,
    Seq,
    Map,
    Enum,
    Variant,
    UnitVariant,
    NewtypeVariant,
    TupleVariant,
    StructVariant,
}

/// What was asked so far. Names wait for the value that they belong to: what takes time is that each
/// multiplication waits for the one before.
#[derive(Debug)]
pub(super) struct Shape {
    values: u64,
    names: u64,
}

impl Shape {
    #[inline]
    pub(super) fn new() -> Self {
        Self {
            values: SEED,
            names: 0,
        }
    }

    #[inline]
    pub(super) fn kind(&mut self, kind: Kind) {
        self.value(kind as u64);
    }

    /// A kind that has a length.
    #[inline]
    pub(super) fn counted(&mut self, kind: Kind, count: usize) {
        self.value((count as u64) << 8 | kind as u64);
    }

    /// A kind that has a name.
    #[inline]
    pub(super) fn named(&mut self, kind: Kind, name: Name) {
        self.name(name.0 ^ kind as u64);
    }

    #[inline]
    pub(super) fn variant(&mut self, index: u32, name: Name) {
        self.name(name.0 ^ (u64::from(index) << 8 | Kind::Variant as u64));
    }

    /// The end of a struct, whose fields are called this. Without it, a field could move from a struct to
    /// the one around it.
    #[inline]
    pub(super) fn end(&mut self, fields: Name) {
        self.named(Kind::End, fields);
    }

    #[inline]
    pub(super) fn finish(mut self) -> [u8; 8] {
        self.kind(Kind::End);
        self.values.to_le_bytes()
    }

    #[inline]
    fn value(&mut self, asked: u64) {
        self.values = mix(self.values ^ self.names ^ asked, MIX);
        self.names = 0;
    }

    #[inline]
    fn name(&mut self, asked: u64) {
        self.names = mix(self.names ^ asked, MIX_TEXT);
    }
}

/// A name as a number. It does not wait for what was asked before, so that the processor can work ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name(u64);

impl Name {
    #[inline]
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut name = (bytes.len() as u64).wrapping_mul(MIX);
        let last = if let Some(last) = bytes.last_chunk() {
            // The last eight bytes overlap with those before them, which is no harm.
            for chunk in bytes.as_chunks().0 {
                name = mix(name ^ u64::from_le_bytes(*chunk), MIX_TEXT);
            }
            u64::from_le_bytes(*last)
        } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        } else {
            // Of three bytes at most.
            let byte = |at: usize| u64::from(bytes.get(at).copied().unwrap_or(0));
            byte(0) << 16 | byte(1) << 8 | byte(2)
        };
        Self(mix(name ^ last, MIX_TEXT))
    }

    #[inline]
    pub(super) fn none() -> Self {
        Self(0)
    }

    /// Several names as one.
    #[inline]
    pub(super) fn and(self, next: Self) -> Self {
        Self(mix(self.0 ^ next.0, MIX_TEXT))
    }

    pub(super) fn of_all(texts: &[&str]) -> Self {
        let names = texts.iter().map(|text| Self::of(text));
        names.fold(Self::none(), Self::and)
    }

    /// Enough of it to tell the variants of an enum apart.
    #[inline]
    pub(super) fn short(self) -> [u8; 2] {
        let [first, second, ..] = self.0.to_le_bytes();
        [first, second]
    }
}

/// Both halves of the product: each bit depends on all bits of `a`.
#[inline]
fn mix(a: u64, b: u64) -> u64 {
    let (low, high) = a.carrying_mul(b, 0);
    low ^ high
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_that_differ_in_one_byte_are_different_numbers() {
        let mut seen = HashSet::new();
        for length in 0..40 {
            let name = "a".repeat(length);
            assert!(seen.insert(Name::of(&name).0), "{name}");
            for at in 0..length {
                let mut name = name.clone();
                name.replace_range(at..=at, "b");
                assert!(seen.insert(Name::of(&name).0), "{name}");
            }
        }
    }

    #[test]
    fn the_order_of_names_counts() {
        let names = [
            Name::of_all(&[]),
            Name::of_all(&["a"]),
            Name::of_all(&["a", "b"]),
            Name::of_all(&["b", "a"]),
            Name::of_all(&["ab"]),
            Name::of_all(&["a", "b", "c"]),
        ];
        let numbers: HashSet<_> = names.map(|name| name.0).into();
        assert_eq!(numbers.len(), names.len());
    }

    #[test]
    fn the_order_of_what_was_asked_counts() {
        let shape = |kinds: &[Kind]| {
            let mut shape = Shape::new();
            for &kind in kinds {
                shape.kind(kind);
            }
            shape.finish()
        };
        let shapes = [
            shape(&[]),
            shape(&[Kind::U8]),
            shape(&[Kind::I8]),
            shape(&[Kind::U8, Kind::I8]),
            shape(&[Kind::I8, Kind::U8]),
            shape(&[Kind::U8, Kind::U8]),
        ];
        assert_eq!(HashSet::from(shapes).len(), shapes.len());
    }
}
