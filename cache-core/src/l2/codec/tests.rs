//! What is written comes back; whatever else the bytes are, they are refused, and nothing is misread.

mod hostile;
mod limits;
mod misreadings;
mod refusals;
mod round_trips;
mod types;

use serde::{Serialize, de::DeserializeOwned};

use super::{Codec, CodecError};

fn encode<C: Codec<T>, T>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    C::encode(value, &mut bytes)?;
    Ok(bytes)
}

/// Calls a generic function for each codec, with it as the first type argument.
macro_rules! for_each_codec {
    ($function:ident :: <$($ty:ty),*> ($($argument:expr),*)) => {
        $function::<crate::l2::codec::Postcard, $($ty),*>($($argument),*);
        #[cfg(feature = "json")]
        $function::<crate::l2::codec::Json, $($ty),*>($($argument),*);
        #[cfg(feature = "msgpack")]
        $function::<crate::l2::codec::Msgpack, $($ty),*>($($argument),*);
    };
}
use for_each_codec;

/// What a codec of serde's can carry.
trait Value: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug {}

impl<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug> Value for T {}
