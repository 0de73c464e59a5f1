//! How values become bytes and back.

/// How the values of a function travel.
pub trait Codec<T> {
    /// Part of every shared key.
    const NAME: &'static str;
    /// Appends the encoding of `value` to `bytes`.
    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
    /// Reads what `encode` wrote.
    fn decode(bytes: &[u8]) -> Result<T, Box<dyn std::error::Error + Send + Sync>>;
}

#[derive(Debug)]
pub struct Postcard;

impl<T: serde::Serialize + serde::de::DeserializeOwned> Codec<T> for Postcard {
    const NAME: &'static str = "postcard";
    fn encode(value: &T, bytes: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        bytes.extend(postcard::to_allocvec(value).map_err(|e| e.to_string())?);
        Ok(())
    }
    fn decode(bytes: &[u8]) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
        Ok(postcard::from_bytes(bytes).map_err(|e| e.to_string())?)
    }
}
