//! The LZ4 block format.

use lz4_flex::block::{compress_into, decompress_into, get_maximum_output_size};

/// Gives more than `most` bytes too: it does not begin where the worst case has no room.
pub(super) fn compress(raw: &[u8], _most: usize) -> Option<Vec<u8>> {
    into(get_maximum_output_size(raw.len()), |out| {
        compress_into(raw, out).ok()
    })
}

/// At most `length` bytes.
pub(super) fn decompress(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    into(length, |out| decompress_into(packed, out).ok())
}

fn into(room: usize, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<Vec<u8>> {
    let mut out = vec![0; room];
    let written = write(&mut out)?;
    out.truncate(written);
    Some(out)
}
