//! `MessagePack`.

use serde::{Serialize, de::DeserializeOwned};

use super::{Codec, CodecError, Msgpack, nesting::Nested};

impl<T: Serialize + DeserializeOwned> Codec<T> for Msgpack {
    const NAME: &'static str = "msgpack";

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(rmp_serde::encode::write_named(bytes, value)?)
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        let mut left = bytes;
        let mut msgpack = rmp_serde::Deserializer::new(&mut left);
        let value = T::deserialize(Nested::new(&mut msgpack, bytes))?;
        if !left.is_empty() {
            return Err(format!("{} bytes are left over", left.len()).into());
        }
        Ok(value)
    }
}
