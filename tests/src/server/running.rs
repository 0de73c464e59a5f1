//! The processes of one server from its start until it is killed.

use std::{
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::apart::Apart;

/// A server that has been started; dropping this kills it.
#[derive(Debug)]
pub(super) struct Running {
    server: Child,
    /// Clears up when this process ends without dropping this: it is aborted or ended from outside, or a
    /// test is still blocked on a thread of its own.
    guard: Child,
}

impl Running {
    pub(super) fn new(server: Child, folder: &Path, apart: Option<&Apart>) -> Self {
        // Its input ends when this process does, however that happens. A signal that ends all processes of a
        // terminal has to leave this one: the server ignores a hang-up.
        const GUARD: &str =
            r#"trap "" HUP INT TERM; read -r _; kill -9 "$1"; rm -rf "$2"; ip netns del "$3""#;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(server.id().to_string())
            .arg(folder)
            .arg(apart.map_or("", Apart::name))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is an `sh`");
        Self { server, guard }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.server)
    }

    /// How it has ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.server.try_wait().expect("it is our child")
    }

    /// False when it has ended by itself.
    pub(super) fn pause(&self) -> bool {
        self.signal(Signal::STOP);
        // A signal takes its time: without the wait the next command could still be answered.
        let what = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let state = waitid(WaitId::Pid(self.pid()), what);
        matches!(state, Ok(Some(state)) if state.stopped())
    }

    pub(super) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        // The id is still that of our child: nobody has waited for it.
        kill_process(self.pid(), signal).expect("our own child takes our signals");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The guard first: once the server is waited for, its id may be that of another process.
        for child in [&mut self.guard, &mut self.server] {
            // It fails only for one that has ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
