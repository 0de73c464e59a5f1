//! What a member says, on its standard output. Nobody who says something waits for whoever reads it.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    mem, panic,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use super::super::{journal::Line, now};

const EVERY: Duration = Duration::from_millis(50);

#[derive(Clone, Debug, Default)]
pub(super) struct Out(Arc<Mutex<String>>);

impl Out {
    pub(super) fn begin() -> Self {
        let out = Self::default();
        let buffer = Arc::clone(&out.0);
        thread::spawn(move || {
            loop {
                thread::sleep(EVERY);
                let mut said = buffer.lock().unwrap_or_else(PoisonError::into_inner);
                push(&mut said, &Line::Mark { at: now() });
                let saying = mem::take(&mut *said);
                drop(said);
                if io::stdout().write_all(saying.as_bytes()).is_err() {
                    return;
                }
            }
        });
        out
    }

    /// The line is made while no mark can come before it.
    pub(super) fn say(&self, line: impl FnOnce() -> Line) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        push(&mut said, &line());
    }
}

/// Says of each panic where and why it was, also of those that somebody catches.
pub(super) fn say_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        let what = panicked.to_string();
        // Past everything that may be locked, and at once: the process may be about to end.
        let _ = io::stdout().write_all(format!("{}\n", Line::Panicked { what }).as_bytes());
        before(panicked);
    }));
}

fn push(said: &mut String, line: &Line) {
    writeln!(said, "{line}").expect("a `String` takes everything");
}
