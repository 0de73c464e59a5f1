//! The truth: a version of each fact, behind a port. It knows when each was written, by whom.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use super::{Life, PATIENCE, evidence::Evidence, life_of, now};

/// A source that members read and write: `read first count`, `write first count id` and, where everybody was told before,
/// `guarded first count id` are answered by the versions of these facts.
#[derive(Clone, Debug)]
pub(super) struct Source {
    state: Arc<State>,
    address: SocketAddr,
}

#[derive(Debug, Default)]
struct State {
    evidence: Mutex<Evidence>,
    trap: Mutex<Option<Trap>>,
}

/// Who knows of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody, before its event.
    Plain,
    /// Everybody, before it was made.
    Guarded,
}

/// Holds the answer back that a write of a life is committed, of something that is written seldom: else the next write
/// would soon make up for it.
#[derive(Debug)]
struct Trap {
    life: Life,
    kind: Kind,
    committed: mpsc::Sender<()>,
    /// Ends when the other end is dropped.
    answer: mpsc::Receiver<()>,
}

impl Source {
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&serving);
                // Whoever hangs up in the middle was killed, or gave up.
                thread::spawn(move || state.serve(stream));
            }
        });
        Ok(Self { state, address })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn evidence(&self) -> MutexGuard<'_, Evidence> {
        lock(&self.state.evidence)
    }

    /// Waits until a life has committed a write, and does something before it can know.
    pub(super) fn between_commit_and_answer(&self, life: Life, kind: Kind, act: impl FnOnce()) {
        let (committed, is_committed) = mpsc::channel();
        let (answered, answer) = mpsc::channel();
        *lock(&self.state.trap) = Some(Trap {
            life,
            kind,
            committed,
            answer,
        });
        let caught = is_committed.recv_timeout(PATIENCE);
        assert!(
            caught.is_ok(),
            "life {life} makes no {kind:?} write of what is written seldom"
        );
        act();
        drop(answered);
    }
}

impl State {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut answers = stream.try_clone()?;
        for line in BufReader::new(stream).lines() {
            let versions = self.answer(&line?);
            let versions: Vec<_> = versions.iter().map(ToString::to_string).collect();
            answers.write_all(format!("{}\n", versions.join(" ")).as_bytes())?;
        }
        Ok(())
    }

    fn answer(&self, line: &str) -> Vec<u32> {
        let mut words = line.split(' ');
        let kind = match words.next() {
            Some("write") => Some(Kind::Plain),
            Some("guarded") => Some(Kind::Guarded),
            _ => None,
        };
        let mut number = || -> Option<u64> { words.next()?.parse().ok() };
        let mut index = || {
            number()
                .and_then(|it| usize::try_from(it).ok())
                .unwrap_or(0)
        };
        let (first, count) = (index(), index());
        if let Some((write, kind)) = number().zip(kind) {
            let mut evidence = lock(&self.evidence);
            // While it is locked: nobody reads what is written before it is, or what is not once it is.
            let at = now();
            let is_seldom = count == 1 && evidence.is_seldom(first, at);
            evidence.write(write, first, count, at);
            if kind == Kind::Guarded {
                evidence.guard(write, at);
            }
            drop(evidence);
            if is_seldom {
                self.fall_into_trap(life_of(write), kind);
            }
        }
        lock(&self.evidence).versions(first, count)
    }

    fn fall_into_trap(&self, life: Life, kind: Kind) {
        let is_meant = |trap: &mut Trap| trap.life == life && trap.kind == kind;
        let trap = lock(&self.trap).take_if(is_meant);
        if let Some(trap) = trap {
            let _ = trap.committed.send(());
            let _ = trap.answer.recv();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
