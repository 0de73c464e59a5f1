//! A member as a process: started, stopped, killed, and heard until its end.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{Life, journal::Line, member::Orders, source::Source};

/// A member that runs. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) life: Life,
    child: Child,
    hearing: Option<JoinHandle<()>>,
}

impl Process {
    pub(super) fn start(program: &Path, orders: &Orders, source: &Source) -> Self {
        let life = orders.life;
        let mut child = Command::new(program)
            .arg("member")
            .args(orders.arguments())
            // It ends when this does.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("`{}` does not start: {error}", program.display()));
        let said = child.stdout.take().expect("it is piped");
        let source = source.clone();
        let hearing = thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                // The last line of one that was killed may be half a line.
                if let Some(line) = Line::parse(&line) {
                    source.evidence().hear(life, line);
                }
            }
        });
        Self {
            life,
            child,
            hearing: Some(hearing),
        }
    }

    /// Has it write no more.
    pub(super) fn quiet(&mut self) {
        self.order("quiet");
    }

    /// Has it write again.
    pub(super) fn write(&mut self) {
        self.order("write");
    }

    fn order(&mut self, order: &str) {
        let orders = self.child.stdin.as_mut().expect("it is piped");
        writeln!(orders, "{order}").expect("it listens");
    }

    pub(super) fn stop(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        // The id is still that of our child: nobody has waited for it.
        let sent = kill_process(Pid::from_child(&self.child), signal);
        sent.expect("our own child takes our signals");
    }

    /// Ends it at once, and hears what it has said.
    pub(super) fn kill(&mut self) {
        // It fails only for one that has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(hearing) = self.hearing.take() {
            hearing.join().expect("it does not panic");
        }
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
