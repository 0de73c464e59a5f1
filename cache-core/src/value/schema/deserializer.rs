//! The deserializer of one place: it notes what is asked for, and answers with a placeholder.

use std::iter::empty;

use serde::de::{
    Deserializer, Visitor,
    value::{MapDeserializer, SeqDeserializer},
};

use super::{
    access::{Elements, Fields, Pairs, Variant},
    placeholders::{self, BYTES, CHARS, FLOATS, INTEGERS, LENGTHS, TEXTS, ZEROS},
    record::{Names, Node, Position, Request},
    tracer::{Refused, Tracer},
};

pub(super) struct ValueDeserializer<'t> {
    pub(super) tracer: &'t mut Tracer,
    pub(super) position: Position,
    /// Whether nothing but newtypes is between this value and an `Option` around it.
    pub(super) is_in_option: bool,
}

impl ValueDeserializer<'_> {
    fn leaf(&mut self, kind: &'static str, count: usize) -> usize {
        self.tracer.choose(self.position, Node::Leaf(kind), count)
    }

    fn define<'de, V: Visitor<'de>>(&mut self, request: Request, count: usize) -> (usize, usize) {
        let visitor = typeid::of::<V>();
        self.tracer.define(self.position, visitor, request, count)
    }

    fn choose_asking(&mut self, how: &'static str, count: usize) -> usize {
        self.tracer.note_asking();
        self.tracer.choose(self.position, Node::Asks(how), count)
    }

    /// Notes a value that formats write as null.
    fn note_null(&mut self) {
        if self.is_in_option {
            self.tracer.note_hidden_none();
        }
    }

    /// Reads one place after the other, all of them to be there.
    fn fields<'de, V: Visitor<'de>>(
        mut self,
        request: Request,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let (id, _) = self.define::<V>(request, 1);
        let mut fields = Fields::new(self.tracer, Position::new(id, 0, 0), &[], len);
        let value = visitor.visit_seq(&mut fields)?;
        self.tracer.record.explore(id, 0);
        Ok(value)
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ident)+) => {$(
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
            let nth = self.leaf(stringify!($type), INTEGERS.len());
            visitor.$visit(placeholders::integer(nth))
        }
    )+};
}

/// Methods that differ in nothing the encoding shows.
macro_rules! same {
    ($($method:ident $as:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
            self.$as(visitor)
        }
    )+};
}

impl<'de> Deserializer<'de> for ValueDeserializer<'_> {
    type Error = Refused;

    fn is_human_readable(&self) -> bool {
        self.tracer.is_human_readable
    }

    integers! {
        deserialize_i8 visit_i8 i8 deserialize_i16 visit_i16 i16 deserialize_i32 visit_i32 i32
        deserialize_i64 visit_i64 i64 deserialize_i128 visit_i128 i128
        deserialize_u8 visit_u8 u8 deserialize_u16 visit_u16 u16 deserialize_u32 visit_u32 u32
        deserialize_u64 visit_u64 u64 deserialize_u128 visit_u128 u128
    }

    same! {
        deserialize_string deserialize_str
        deserialize_byte_buf deserialize_bytes
    }

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let nth = self.leaf("bool", 2);
        visitor.visit_bool(nth == 1)
    }

    fn deserialize_f32<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let nth = self.leaf("f32", FLOATS.len());
        visitor.visit_f32(FLOATS[nth])
    }

    fn deserialize_f64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let nth = self.leaf("f64", FLOATS.len());
        visitor.visit_f64(FLOATS[nth].into())
    }

    fn deserialize_char<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let nth = self.leaf("char", CHARS.len());
        visitor.visit_char(CHARS[nth])
    }

    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let nth = self.leaf("str", TEXTS.len());
        visitor.visit_str(TEXTS[nth])
    }

    fn deserialize_bytes<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let nth = self.leaf("bytes", BYTES.len());
        visitor.visit_bytes(&ZEROS[..BYTES[nth]])
    }

    fn deserialize_unit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.note_null();
        self.leaf("unit", 1);
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.note_null();
        let node = Node::UnitStruct(name);
        self.tracer.choose(self.position, node, 1);
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.note_null();
        let (id, nth) = self.define::<V>(Request::Option, 3);
        let is_some = match nth {
            0 => self.tracer.is_to_fill(id),
            nth => nth == 1,
        };
        if !is_some || self.tracer.record.branch(id, 0).is_barred {
            return visitor.visit_none();
        }
        let some = Position::new(id, 0, 0);
        let value = self
            .tracer
            .within(some, true, |place| visitor.visit_some(place))?;
        self.tracer.record.explore(id, 0);
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let (id, nth) = self.define::<V>(Request::Seq, 1 + LENGTHS.len());
        let len = match nth.checked_sub(1) {
            _ if self.tracer.record.branch(id, 0).is_barred => 0,
            None => usize::from(self.tracer.is_to_fill(id)),
            Some(nth) => LENGTHS[nth],
        };
        let value = visitor.visit_seq(Elements::new(self.tracer, id, len))?;
        if len > 0 {
            self.tracer.record.explore(id, 0);
        }
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        let (id, nth) = self.define::<V>(Request::Map, 3);
        let has_pair = match nth {
            0 => self.tracer.is_to_fill(id),
            nth => nth == 1,
        } && !self.tracer.record.branch(id, 0).is_barred;
        let value = visitor.visit_map(Pairs::new(self.tracer, id, has_pair))?;
        if has_pair {
            self.tracer.record.explore(id, 0);
        }
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.fields(Request::Tuple(len), len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        self.fields(Request::TupleStruct(name, len), len, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let (id, _) = self.define::<V>(Request::Newtype(name), 1);
        let inner = Position::new(id, 0, 0);
        let value = self.tracer.within(inner, self.is_in_option, |place| {
            visitor.visit_newtype_struct(place)
        })?;
        self.tracer.record.explore(id, 0);
        Ok(value)
    }

    /// As a map where the format is for people to read, which is how such formats hold structs, else
    /// as a sequence; the other way round where the type takes only that.
    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        fields: Names,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let (id, nth) = self.define::<V>(Request::Struct(name, fields), 2);
        let is_map = self.tracer.is_human_readable == (nth == 0);
        let first = Position::new(id, 0, 0);
        let mut fields = Fields::new(self.tracer, first, fields, fields.len());
        let value = if is_map {
            visitor.visit_map(&mut fields)?
        } else {
            visitor.visit_seq(&mut fields)?
        };
        if let Some((tag, branch)) = fields.tag {
            self.tracer.record.explore(tag, branch);
        }
        self.tracer.record.explore(id, 0);
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        variants: Names,
        visitor: V,
    ) -> Result<V::Value, Refused> {
        let (id, nth) = self.define::<V>(Request::Enum(name, variants), 1 + variants.len());
        let branch = self.tracer.variant(id, nth.checked_sub(1))?;
        let value = visitor.visit_enum(Variant::new(self.tracer, id, branch, variants[branch]))?;
        if self.tracer.record.get(id).tag.is_some() {
            // It is explored when what follows it is.
            self.tracer.run.tag = Some((self.position, id, branch));
        } else {
            self.tracer.record.explore(id, branch);
        }
        Ok(value)
    }

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        match self.choose_asking("any", 6) {
            0 => visitor.visit_unit(),
            1 => visitor.visit_str(""),
            2 => visitor.visit_u64(0),
            3 => visitor.visit_bool(false),
            4 => visitor.visit_seq(SeqDeserializer::<_, Refused>::new(empty::<()>())),
            _ => visitor.visit_map(MapDeserializer::<_, Refused>::new(empty::<((), ())>())),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.choose_asking("ignored any", 1);
        visitor.visit_unit()
    }

    fn deserialize_identifier<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Refused> {
        self.choose_asking("identifier", 1);
        visitor.visit_str("")
    }
}
