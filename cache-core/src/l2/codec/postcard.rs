//! Postcard, made safe to read: it does not describe itself, and would give another shape of a type, or
//! a type whose serde implementations do not mirror each other, a value that was never written.
//!
//! So behind postcard's bytes come eight that say what writing asked for ([`shape`]), and a value counts
//! only if reading it asked for the same, in the same order and under the same names.

mod limits;
mod names;
mod reader;
mod refused;
mod shape;
mod writer;

use serde::{Serialize, de::DeserializeOwned};

use super::{Codec, CodecError, Postcard};
use names::Names;
use reader::{Reader, Reading};
use refused::Refused;
use writer::Writer;

// Else the compiler would list what the user never wrote.
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Codec<T> for Postcard {
    const NAME: &'static str = "postcard";

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut writer = Writer::new(bytes);
        value.serialize(&mut writer)?;
        Ok(writer.finish()?)
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        let Some((bytes, shape)) = bytes.split_last_chunk() else {
            return Err(Refused::new("the bytes are too few").into());
        };
        let (mut value, mut reading) = read::<T>(bytes, &Names::default())?;
        if reading.is_unsure {
            (value, reading) = read(bytes, &names(&value)?)?;
        }
        if reading.shape == *shape && !reading.is_unsure {
            return Ok(value);
        }
        Err(Refused::new(
            "the value was written by another shape of this type, or by a `Serialize` that the \
             `Deserialize` does not mirror: if this goes on, write `codec = json`",
        )
        .into())
    }
}

fn read<'de, T: DeserializeOwned>(
    bytes: &'de [u8],
    names: &'de Names,
) -> Result<(T, Reading), Refused> {
    let mut reader = Reader::new(bytes, names);
    let value = T::deserialize(&mut reader)?;
    Ok((value, reader.finish()?))
}

/// What the parts of a value are called, which may not be the value that was written: a value is read a
/// second time with these names, and then they are right or it is refused.
fn names<T: Serialize>(value: &T) -> Result<Names, Refused> {
    let mut bytes = Vec::new();
    let mut writer = Writer::noting_names(&mut bytes);
    value.serialize(&mut writer)?;
    writer.into_names()
}
