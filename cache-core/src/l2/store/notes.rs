//! A listener for tests, that notes what it is told.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::{Lineage, Listener};
use crate::{clock::Nanos, lock::Mutex};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Heard(String),
    Overheard(String),
    Connected(Lineage),
    Fenced(Nanos, Lineage),
    Lost,
    Misled,
}

use Told::{Connected, Fenced, Heard, Lost, Misled, Overheard};

/// Notes what it is told, and how often that a server can be asked again.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<Told>>, AtomicUsize);

impl Listener for Notes {
    fn heard(&self, message: &[u8]) {
        let message = String::from_utf8_lossy(message).into_owned();
        self.0.lock().push(Heard(message));
    }

    fn overheard(&self, message: &[u8]) {
        let message = String::from_utf8_lossy(message).into_owned();
        self.0.lock().push(Overheard(message));
    }

    fn connected(&self, lineage: Lineage) {
        self.0.lock().push(Connected(lineage));
    }

    fn fenced(&self, sent: Nanos, lineage: Lineage) {
        self.0.lock().push(Fenced(sent, lineage));
    }

    fn lost(&self) {
        self.0.lock().push(Lost);
    }

    fn reached(&self) {
        self.1.fetch_add(1, Relaxed);
    }

    fn misled(&self) {
        self.0.lock().push(Misled);
    }
}

impl Notes {
    pub(crate) fn all(&self) -> Vec<Told> {
        self.0.lock().clone()
    }

    pub(crate) fn times_reached(&self) -> usize {
        self.1.load(Relaxed)
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        let messages = self.all().into_iter().filter_map(|told| match told {
            Heard(message) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    /// How its connections came and went.
    pub(crate) fn changes(&self) -> Vec<Told> {
        let mut changes = self.all();
        changes.retain(|told| matches!(told, Connected(_) | Lost));
        changes
    }

    /// The newest proof; zero without one.
    pub(crate) fn fence(&self) -> Nanos {
        let fences = self.all().into_iter().filter_map(|told| match told {
            Fenced(sent, _) => Some(sent),
            _ => None,
        });
        fences.max().unwrap_or(0)
    }
}
