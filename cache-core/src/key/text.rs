//! The text rendering: escapes, punctuation, and where a comma is due. Cold: a hit in L1 never comes here.

use std::fmt::{self, Display, Write};

const UPPER: [char; 16] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
];

/// A key as text, being written.
pub(super) struct Text {
    out: String,
    /// A value ends here, so that another value needs a comma first.
    complete: bool,
}

impl Text {
    /// With room for most keys.
    pub(super) fn new() -> Self {
        Self {
            out: String::with_capacity(64),
            complete: false,
        }
    }

    pub(super) fn finish(self) -> String {
        self.out
    }

    #[cold]
    #[inline(never)]
    pub(super) fn literal(&mut self, text: &str) {
        self.out.push_str(text);
        self.complete = false;
    }

    #[cold]
    #[inline(never)]
    pub(super) fn escaped(&mut self, value: &dyn Display) {
        self.start();
        // Writing to a `String` cannot fail, and an error of `value` itself is its author's.
        let _ = write!(Escaping(&mut self.out), "{value}");
        self.complete = true;
    }

    #[cold]
    #[inline(never)]
    pub(super) fn hex(&mut self, bytes: &[u8]) {
        self.start();
        for &byte in bytes {
            push_hex(&mut self.out, byte, |digit| digit.to_ascii_lowercase());
        }
        self.complete = true;
    }

    /// Starts a value that has parts.
    #[cold]
    #[inline(never)]
    pub(super) fn open(&mut self, mark: &str) {
        self.start();
        self.literal(mark);
    }

    /// Ends a value that has parts.
    #[cold]
    #[inline(never)]
    pub(super) fn close(&mut self, mark: char) {
        self.out.push(mark);
        self.complete = true;
    }

    #[cold]
    #[inline(never)]
    pub(super) fn open_variant(&mut self, name: &str) {
        self.escaped(&name);
        self.literal("(");
    }

    /// Ends a variant; one without fields loses its parentheses.
    #[cold]
    #[inline(never)]
    pub(super) fn close_variant(&mut self) {
        if self.complete {
            self.out.push(')');
        } else {
            self.out.pop();
        }
        self.complete = true;
    }

    fn start(&mut self) {
        if self.complete {
            self.out.push(',');
        }
    }
}

struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-') {
                self.0.push(char::from(byte));
            } else {
                self.0.push('%');
                push_hex(self.0, byte, |digit| digit);
            }
        }
        Ok(())
    }
}

pub(super) fn push_hex(out: &mut String, byte: u8, case: impl Fn(char) -> char) {
    out.push(case(UPPER[usize::from(byte >> 4)]));
    out.push(case(UPPER[usize::from(byte & 0xF)]));
}
