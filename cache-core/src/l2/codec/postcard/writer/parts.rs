//! The parts of sequences, tuples, maps and structs, one after another.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::{
    super::{refused::Refused, shape::Name},
    Done, Writer,
};

/// Values whose number was told before: elements, entries, fields without names.
pub(in super::super) struct Compound<'w, 'a> {
    writer: &'w mut Writer<'a>,
    left: usize,
    /// Where the entry of a map began.
    entry: usize,
}

impl<'w, 'a> Compound<'w, 'a> {
    #[inline]
    pub(super) fn new(writer: &'w mut Writer<'a>, len: usize) -> Self {
        Self {
            writer,
            left: len,
            entry: 0,
        }
    }

    #[inline]
    fn take(&mut self) -> Done {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.other_length()),
        }
    }

    /// An element whose number readers learn from the bytes.
    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        let before = self.writer.written();
        self.part(value)?;
        let after = self.writer.written();
        self.writer.limits.count(after - before)
    }

    #[inline]
    fn part<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.take()?;
        value.serialize(&mut *self.writer)
    }

    #[inline]
    fn finish(mut self) -> Done {
        if self.left > 0 {
            return Err(self.other_length());
        }
        self.writer.limits.leave();
        Ok(())
    }

    #[cold]
    fn other_length(&mut self) -> Refused {
        self.writer.limits.fail(format_args!(
            "a sequence or map has another length than its `Serialize` said: correct that, or write \
             `codec = json`"
        ))
    }
}

macro_rules! compound {
    ($($kind:ident::$method:ident => $part:ident)+) => {$(
        impl $kind for Compound<'_, '_> {
            type Ok = ();
            type Error = Refused;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.$part(value)
            }

            #[inline]
            fn end(self) -> Done {
                self.finish()
            }
        }
    )+};
}

compound! {
    SerializeSeq::serialize_element => element
    SerializeTuple::serialize_element => part
    SerializeTupleStruct::serialize_field => part
    SerializeTupleVariant::serialize_field => part
}

impl SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = Refused;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.entry = self.writer.written();
        self.part(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(&mut *self.writer)?;
        let after = self.writer.written();
        self.writer.limits.count(after - self.entry)
    }

    #[inline]
    fn end(self) -> Done {
        self.finish()
    }
}

/// Fields with names, which may stop at any of them.
pub(in super::super) struct Fields<'w, 'a> {
    writer: &'w mut Writer<'a>,
    names: Name,
}

impl<'w, 'a> Fields<'w, 'a> {
    #[inline]
    pub(super) fn new(writer: &'w mut Writer<'a>) -> Self {
        Self {
            writer,
            names: Name::none(),
        }
    }
}

macro_rules! fields {
    ($($kind:ident)+) => {$(
        impl $kind for Fields<'_, '_> {
            type Ok = ();
            type Error = Refused;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Done {
                self.names = self.names.and(Name::of(name));
                if let Some(tape) = &mut self.writer.tape {
                    tape.field(name);
                }
                value.serialize(&mut *self.writer)
            }

            fn skip_field(&mut self, name: &'static str) -> Done {
                Err(self.writer.skipped(name))
            }

            #[inline]
            fn end(self) -> Done {
                self.writer.shape.end(self.names);
                if let Some(tape) = &mut self.writer.tape {
                    tape.end();
                }
                self.writer.limits.leave();
                Ok(())
            }
        }
    )+};
}

fields!(SerializeStruct SerializeStructVariant);
