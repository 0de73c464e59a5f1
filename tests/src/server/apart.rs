//! A network of their own for servers, where packets can be lost without a word: nobody is refused, and no connection ends.

use std::{
    net::Ipv4Addr,
    process::{self, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// Nobody's: what is sent there is thrown away by whoever gets it.
const NOBODY: &str = "02:00:00:00:00:63";
const HERE: &str = "02:00:00:00:00:01";
const THERE: &str = "02:00:00:00:00:02";

/// A network namespace, and a line to it.
#[derive(Debug)]
pub(super) struct Apart {
    name: String,
    /// The ends of the line.
    here: String,
    there: String,
    subnet: u32,
}

impl Apart {
    /// # Errors
    ///
    /// Why there can be none: mostly as only root may make one.
    pub(super) fn new() -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (process, number) = (process::id(), NEXT.fetch_add(1, Relaxed));
        let name = format!("apart-{process}-{number}");
        run(&["netns", "add", &name])?;
        let apart = Self {
            name,
            here: format!("ap{process}-{number}"),
            there: format!("aq{process}-{number}"),
            // Those of 10.0.0.0/8 with four addresses each.
            subnet: 0x0A00_0000 + ((process * 16 + number) % 0x3F_0000 + 0x1_0000) * 4,
        };
        apart.connect()?;
        Ok(apart)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    fn connect(&self) -> Result<(), String> {
        let Self {
            name, here, there, ..
        } = self;
        let ends = [
            &["link", "add", here, "address", HERE][..],
            &["type", "veth", "peer", "name", there, "address", THERE],
            &["netns", name],
        ];
        run(&ends.concat())?;
        let own = format!("{}/30", self.own());
        let address = format!("{}/30", self.address());
        run(&["addr", "add", &own, "dev", here])?;
        run(&["-n", name, "addr", "add", &address, "dev", there])?;
        run(&["link", "set", here, "up"])?;
        run(&["-n", name, "link", "set", there, "up"])?;
        // By which those in it reach each other.
        run(&["-n", name, "link", "set", "lo", "up"])?;
        self.pass()
    }

    fn own(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.subnet + 1)
    }

    /// Of whoever is in it.
    pub(super) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.subnet + 2)
    }

    /// A program that is to run in it, in the process that is started.
    pub(super) fn command(&self, program: &std::ffi::OsStr) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// All packets are lost, in both directions.
    pub(super) fn lose(&self) -> Result<(), String> {
        self.send_to(NOBODY, NOBODY)
    }

    pub(super) fn pass(&self) -> Result<(), String> {
        self.send_to(THERE, HERE)
    }

    fn send_to(&self, there: &str, here: &str) -> Result<(), String> {
        let Self { name, .. } = self;
        let (address, own) = (self.address().to_string(), self.own().to_string());
        let neighbour = ["neigh", "replace", &address, "lladdr", there];
        run(&[&neighbour, &["nud", "permanent", "dev", &self.here][..]].concat())?;
        let neighbour = ["-n", name, "neigh", "replace", &own, "lladdr", here];
        run(&[&neighbour, &["nud", "permanent", "dev", &self.there][..]].concat())
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // The line ends with it.
        let _ = run(&["netns", "del", &self.name]);
    }
}

fn run(arguments: &[&str]) -> Result<(), String> {
    let ended = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`ip` does not start: {error}"))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    Err(format!("`ip {}`: {}", arguments.join(" "), said.trim()))
}
