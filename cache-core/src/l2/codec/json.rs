//! JSON, behind the shape of what it says.

use serde::{Serialize, de::DeserializeOwned};

use super::{Codec, CodecError, Json, Written, nesting::Nested};

// Else the compiler would list what the user never wrote.
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    const NAME: &'static str = "json";

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        Written::begin(value, true, bytes)?;
        Ok(serde_json::to_writer(bytes, value)?)
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        let (written, bytes) = Written::split(bytes, true)?;
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let value = T::deserialize(Nested::new(&mut json, bytes))?;
        json.end()?;
        written.check(value)
    }
}
