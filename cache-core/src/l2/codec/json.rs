//! JSON.

use serde::{Serialize, de::DeserializeOwned};

use super::{Codec, CodecError, Json, nesting::Nested};

// Else the compiler would list what the user never wrote.
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    const NAME: &'static str = "json";

    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(serde_json::to_writer(bytes, value)?)
    }

    fn decode(bytes: &[u8]) -> Result<T, CodecError> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let value = T::deserialize(Nested::new(&mut json, bytes))?;
        json.end()?;
        Ok(value)
    }
}
