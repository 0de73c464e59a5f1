//! What somebody says who is no Redis, or one that lies.

use std::fs;

use crate::Random;

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

/// What somebody may say in place of a reply, or before it: any reply, bytes that are none, lengths that nobody has, and messages
/// that nobody asked for.
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
