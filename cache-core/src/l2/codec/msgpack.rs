//! `MessagePack`, behind the shape of what it says.

use rmp_serde::decode::Error;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Codec, CodecError, Msgpack, Written, nesting::Nested};

// Else the compiler would list what the user never wrote.
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Codec<T> for Msgpack {
    const NAME: &'static str = "msgpack";

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        Written::begin(value, false, bytes)?;
        Ok(rmp_serde::encode::write_named(bytes, value)?)
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        let (written, bytes) = Written::split(bytes, false)?;
        let mut msgpack = rmp_serde::Deserializer::from_read_ref(bytes);
        let value = T::deserialize(Nested::new(&mut msgpack, bytes))?;
        // It does not say how much is left; that nothing is shows when one more value is asked for.
        match <()>::deserialize(&mut msgpack) {
            Err(Error::InvalidMarkerRead(_)) => written.check(value),
            _ => Err("bytes are left over behind the value".into()),
        }
    }
}
