//! Why a value was not written, or bytes were not read.

use std::fmt;

/// In words.
#[derive(Debug)]
pub(super) struct Refused(Box<str>);

impl Refused {
    #[cold]
    pub(super) fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string().into())
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Not in the value's own words, which may quote it: the log shows why a value is not written.
impl serde::ser::Error for Refused {
    fn custom<T: fmt::Display>(_reason: T) -> Self {
        Self::new("the value's own `Serialize` refuses")
    }
}

impl serde::de::Error for Refused {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(reason)
    }
}

impl From<postcard::Error> for Refused {
    #[cold]
    fn from(error: postcard::Error) -> Self {
        Self::new(format_args!("postcard says: {error}"))
    }
}
