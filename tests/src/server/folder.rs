//! A folder for each server.

use std::{
    env, fs,
    io::{self, ErrorKind},
    path::PathBuf,
    process,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

pub(super) fn new() -> io::Result<PathBuf> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    loop {
        let number = NEXT.fetch_add(1, Relaxed);
        let folder = env::temp_dir().join(format!("redis-{}-{number}", process::id()));
        match fs::create_dir(&folder) {
            // It was left by an earlier process of this id.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            created => return created.map(|()| folder),
        }
    }
}
