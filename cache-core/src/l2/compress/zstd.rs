//! Zstandard frames. What it works with is kept, one of each for a thread: making it costs more than using it. A thread
//! keeps up to 0.6 MB to compress and 0.1 MB to decompress.

use std::{cell::RefCell, io, thread::LocalKey};

use ::zstd::{
    bulk::{Compressor, Decompressor},
    zstd_safe::find_frame_compressed_size,
};

/// The fastest of the ordinary levels.
const LEVEL: i32 = 1;

type Kept<C> = RefCell<Option<C>>;

thread_local! {
    static COMPRESSOR: Kept<Compressor<'static>> = const { RefCell::new(None) };
    static DECOMPRESSOR: Kept<Decompressor<'static>> = const { RefCell::new(None) };
}

/// Nothing where it would take more than `most` bytes.
pub(super) fn compress(raw: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut packed = Vec::with_capacity(most);
    with(
        &COMPRESSOR,
        || Compressor::new(LEVEL),
        |compressor| compressor.compress_to_buffer(raw, &mut packed),
    )?;
    Some(packed)
}

/// At most `length` bytes.
pub(super) fn decompress(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    // It would take several frames in a row, and skip those that hold no data.
    if find_frame_compressed_size(packed).ok()? != packed.len() {
        return None;
    }
    let mut raw = Vec::with_capacity(length);
    with(&DECOMPRESSOR, Decompressor::new, |decompressor| {
        decompressor.decompress_to_buffer(packed, &mut raw)
    })?;
    Some(raw)
}

/// Nothing where it fails, and in a thread that is at its end.
fn with<C>(
    kept: &'static LocalKey<Kept<C>>,
    new: impl FnOnce() -> io::Result<C>,
    run: impl FnOnce(&mut C) -> io::Result<usize>,
) -> Option<usize> {
    kept.try_with(|kept| {
        let kept = &mut *kept.borrow_mut();
        let context = match kept {
            Some(context) => context,
            None => kept.insert(new().ok()?),
        };
        run(context).ok()
    })
    .ok()?
}
