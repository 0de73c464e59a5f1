//! What is said to whoever runs a program.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::layer::{Context, Layer};

/// Keeps the lines of one level, and of those that are more urgent.
#[derive(Clone, Debug)]
pub struct Said {
    level: Level,
    has_spans: bool,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Said {
    /// Nothing yet.
    #[must_use]
    pub fn from(level: Level) -> Self {
        Self {
            level,
            has_spans: false,
            lines: Arc::default(),
        }
    }

    /// The same, of every level, and what is said of spans too.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            has_spans: true,
            ..Self::from(Level::TRACE)
        }
    }

    fn keep(&self, record: impl FnOnce(&mut Line)) {
        let mut line = Line(String::new());
        record(&mut line);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line.0);
    }

    /// What was said since the last time this was asked.
    #[must_use]
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Said {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if *event.metadata().level() <= self.level {
            self.keep(|line| event.record(line));
        }
    }

    fn on_new_span(&self, span: &Attributes<'_>, _id: &Id, _context: Context<'_, S>) {
        if self.has_spans {
            self.keep(|line| span.record(line));
        }
    }

    fn on_record(&self, _id: &Id, values: &Record<'_>, _context: Context<'_, S>) {
        if self.has_spans {
            self.keep(|line| values.record(line));
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }
}
