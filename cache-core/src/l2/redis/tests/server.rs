//! A private `redis-server` for one test, and one that only pretends.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio, id},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// A server that ends with its test.
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) directory: PathBuf,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Server {
    pub(super) fn start(arguments: &[&str]) -> Self {
        let mut server = Self::absent(arguments);
        server.run();
        server
    }

    /// One that is not started yet.
    pub(super) fn absent(arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = env::temp_dir().join(format!("cache-core-redis-{}-{count}", id()));
        fs::create_dir_all(&directory).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            port: port.local_addr().unwrap().port(),
            directory,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            process: None,
        }
    }

    pub(super) fn run(&mut self) {
        let binary = env::var("REDIS_SERVER_BIN").unwrap_or_else(|_| "redis-server".into());
        let process = Command::new(binary)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--protected-mode", "no"])
            .args(["--loglevel", "warning"])
            .arg("--dir")
            .arg(&self.directory)
            .arg("--unixsocket")
            .arg(self.socket())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("`redis-server` is installed, or `REDIS_SERVER_BIN` names one");
        self.process = Some(process);
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(5),
                "no server came up"
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(super) fn stop(&self) {
        self.signal("-STOP");
    }

    pub(super) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("it runs").id().to_string();
        let status = Command::new("kill").args([signal, &process]).status();
        assert!(status.unwrap().success());
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    /// A command by hand, over a connection of its own; the reply as text.
    pub(super) fn command(&self, words: &[&str]) -> String {
        self.commands(&[words]).remove(0)
    }

    pub(super) fn command_as(&self, password: &str, words: &[&str]) -> String {
        self.commands(&[&["AUTH", password], words]).remove(1)
    }

    fn commands(&self, commands: &[&[&str]]) -> Vec<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let replies = commands.iter().map(|words| {
            let mut command = format!("*{}\r\n", words.len());
            for word in *words {
                command += &bulk(word);
            }
            stream.write_all(command.as_bytes()).unwrap();
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some(length) = line.strip_prefix('$') else {
                return line.trim_end().into();
            };
            let mut text = vec![0; length.trim_end().parse().unwrap_or(0)];
            reader.read_exact(&mut text).unwrap();
            String::from_utf8(text).unwrap()
        });
        replies.collect()
    }

    /// How often a command was called.
    pub(super) fn calls(&self, command: &str) -> u64 {
        let stats = self.command(&["INFO", "commandstats"]);
        let prefix = format!("cmdstat_{command}:calls=");
        stats
            .lines()
            .find_map(|line| line.strip_prefix(&prefix)?.split(',').next()?.parse().ok())
            .unwrap_or(0)
    }

    /// How many connections have a name.
    pub(super) fn connections(&self, name: &str) -> usize {
        let list = self.command(&["CLIENT", "LIST"]);
        let name = format!(" name={name} ");
        list.lines().filter(|line| line.contains(&name)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Answers commands as `reply` says, for as long as the test runs. Gives the port.
pub(super) fn pretend(reply: fn(&[String]) -> String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || converse(&stream, reply));
        }
    });
    port
}

/// What a server says that is new enough, to all that the handshake asks.
pub(super) fn recent(command: &[String]) -> String {
    match command[0].as_str() {
        "INFO" => bulk("redis_version:7.2.0\r\n"),
        "TIME" => format!("*2\r\n{}{}", bulk("1700000000"), bulk("0")),
        _ => "+OK\r\n".into(),
    }
}

pub(super) fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn converse(mut stream: &TcpStream, reply: fn(&[String]) -> String) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = || {
        let mut line = String::new();
        let count = reader.read_line(&mut line).ok()?;
        (count > 0).then(|| line.trim_end().to_owned())
    };
    loop {
        let count: usize = line()?.strip_prefix('*')?.parse().ok()?;
        let mut command = Vec::new();
        for _ in 0..count {
            line()?;
            command.push(line()?);
        }
        stream.write_all(reply(&command).as_bytes()).ok()?;
    }
}
