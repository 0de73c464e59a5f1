//! What somebody says who is no Redis, or one that lies; and what is called meanwhile.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use cache_core::{cached, invalidates};

use crate::{Random, rows::RowChanged};

/// Any reply, so deep at most.
fn reply(random: &Random, depth: usize, to: &mut Vec<u8>) {
    const TEXTS: [&str; 8] = [
        "",
        "OK",
        "role:master\r\nmaster_replid:0000\r\n",
        "redis_version:1.0",
        "!7 a,b",
        "18446744073709551616",
        "-1",
        "\u{0}\u{7}é",
    ];
    let text = random.one_of(&TEXTS);
    let line = text.replace(['\r', '\n'], " ");
    let add = |to: &mut Vec<u8>, it: &str| to.extend_from_slice(it.as_bytes());
    match random.below(if depth == 0 { 9 } else { 13 }) {
        0 => add(to, &format!("+{line}\r\n")),
        1 => add(
            to,
            &format!(
                "-{} {line}\r\n",
                random.one_of(&["ERR", "MOVED", "ASK", "NOSCRIPT", "LOADING", ""])
            ),
        ),
        2 => add(
            to,
            &format!(":{}\r\n", random.one_of(&[i64::MIN, -1, 0, 1, i64::MAX])),
        ),
        3 => add(to, "$-1\r\n"),
        4 => add(to, "_\r\n"),
        5 => add(
            to,
            random.one_of(&[
                "#t\r\n",
                ",nan\r\n",
                ",-inf\r\n",
                "(12345678901234567890123\r\n",
                "=4\r\ntxt:\r\n",
            ]),
        ),
        6 | 7 => add(to, &format!("${}\r\n{text}\r\n", text.len())),
        8 => {
            let bytes = vec![b'x'; random.below(200_000)];
            add(to, &format!("${}\r\n", bytes.len()));
            to.extend_from_slice(&bytes);
            add(to, "\r\n");
        }
        kind => {
            let count = random.below(5);
            let (sign, items) = match kind {
                9 => ('*', count),
                10 => ('~', count),
                11 => ('%', 2 * count),
                _ => ('>', count.max(1)),
            };
            add(
                to,
                &format!(
                    "{sign}{count}\r\n",
                    count = if kind == 12 { items } else { count }
                ),
            );
            for _ in 0..items {
                reply(random, depth - 1, to);
            }
        }
    }
}

/// What somebody may say in place of a reply, or before it: any reply, bytes that are none, lengths that nobody has, and
/// messages that nobody asked for.
#[must_use]
pub fn anything(random: &Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    match random.below(10) {
        0 => bytes.extend((0..random.below(300)).map(|_| byte(random))),
        // Lengths that are not there.
        1 => bytes.extend_from_slice(
            random
                .one_of(&[
                    "$9999999999\r\nx",
                    "*2147483647\r\n",
                    "*-7\r\n",
                    "$-9\r\n",
                    "%999999999\r\n",
                    ">4294967296\r\n",
                ])
                .as_bytes(),
        ),
        // Deeper than a stack.
        2 => bytes.extend("*1\r\n".repeat(100_000).bytes()),
        3 => {
            // A message, as if it had been published.
            let text = random.one_of(&[
                "RowChanged:1 7 a b",
                "RowChanged:1 ! a b",
                "RowChanged:x",
                " ",
                "a b c d\n\n",
                "RowChanged:1 99999999999999999999 a b",
            ]);
            let channel = "untrusted:b";
            let message = format!(
                ">3\r\n$7\r\nmessage\r\n${}\r\n{channel}\r\n${}\r\n{text}\r\n",
                channel.len(),
                text.len()
            );
            bytes.extend_from_slice(message.as_bytes());
        }
        _ => reply(random, 4, &mut bytes),
    }
    bytes
}

fn byte(random: &Random) -> u8 {
    u8::try_from(random.below(256)).unwrap_or_default()
}

/// The most memory that this process has had, in kB; zero where nobody says.
#[must_use]
pub fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|it| it.trim().strip_suffix(" kB")?.trim().parse().ok());
    kilobytes.unwrap_or(0)
}

/// Somebody between a client and a server, who passes on what the client says, and what the server answers mostly.
#[derive(Clone, Debug, Default)]
pub struct Between {
    /// The port of the server.
    pub behind: Arc<AtomicU16>,
    /// Nothing else is said than the server says.
    pub is_honest: Arc<AtomicBool>,
    /// How often something else was.
    pub lies: Arc<AtomicUsize>,
}

impl Between {
    /// One that is honest at first.
    #[must_use]
    pub fn of(server: u16) -> Self {
        let between = Self::default();
        between.behind.store(server, Relaxed);
        between.is_honest.store(true, Relaxed);
        between
    }

    /// Listens; gives on which port. One of so many answers, or more of them, becomes what `lie` makes of it.
    ///
    /// # Panics
    ///
    /// When there is no port.
    #[must_use]
    pub fn listen(&self, every: usize, lie: fn(&Random, &mut Vec<u8>)) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it has one").port();
        let between = self.clone();
        thread::spawn(move || {
            for (seed, client) in (0..).zip(listener.incoming().map_while(Result::ok)) {
                let behind = between.behind.load(Relaxed);
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, behind)) else {
                    continue;
                };
                let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else {
                    continue;
                };
                thread::spawn(move || pass(from, to, |_| ()));
                let between = between.clone();
                thread::spawn(move || {
                    let random = Random::of_seed(seed);
                    let mut left = random.below(3 * every);
                    pass(server, client, |answer| {
                        if between.is_honest.load(Relaxed) {
                            return;
                        }
                        left = left.saturating_sub(1);
                        if left == 0 {
                            between.lies.fetch_add(1, Relaxed);
                            left = 1 + random.below(every);
                            lie(&random, answer);
                        }
                    });
                });
            }
        });
        port
    }
}

/// Says anything before an answer, and not all of both now and then.
pub fn add_anything(random: &Random, answer: &mut Vec<u8>) {
    let before = anything(random);
    answer.splice(..0, before);
    if random.below(3) == 0 {
        answer.truncate(random.below(answer.len() + 1));
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut change: impl FnMut(&mut Vec<u8>)) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut said = buffer[..count].to_vec();
        change(&mut said);
        if to.write_all(&said).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// A row, which says which one it is.
#[cached(ttl = 1h, invalidate_on = RowChanged { id })]
pub async fn row(id: u64) -> String {
    format!("row {id}")
}

/// The same, in Redis alone.
#[cached(ttl = 1h, tiers = redis)]
pub async fn far(id: u64) -> String {
    format!("far {id}")
}

/// Changes nothing, and says that it does.
#[invalidates(RowChanged { id })]
pub async fn change(id: u64) {}
