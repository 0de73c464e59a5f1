//! One command and its reply in the protocol of the server (RESP2).

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};

/// Sends a command and gives its reply, an item per line.
pub(super) fn ask(stream: &mut BufReader<impl Read + Write>, parts: &[&str]) -> io::Result<String> {
    let mut command = Vec::new();
    write!(command, "*{}\r\n", parts.len())?;
    for part in parts {
        write!(command, "${}\r\n{part}\r\n", part.len())?;
    }
    stream.get_mut().write_all(&command)?;
    let mut items = Vec::new();
    read(stream, &mut items)?;
    Ok(items.join("\n"))
}

fn read(from: &mut impl BufRead, items: &mut Vec<String>) -> io::Result<()> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line
        .strip_suffix("\r\n")
        .ok_or(io::Error::from(ErrorKind::UnexpectedEof))?;
    let strange = || io::Error::new(ErrorKind::InvalidData, format!("a reply `{line}`"));
    let (kind, rest) = line.split_at_checked(1).ok_or_else(strange)?;
    if matches!(kind, "+" | "-" | ":") {
        items.push(rest.to_owned());
        return Ok(());
    }
    let length: i64 = rest.parse().map_err(|_| strange())?;
    match kind {
        // Nil has a length of -1.
        "$" | "*" if length < 0 => items.push(String::new()),
        "*" => {
            for _ in 0..length {
                read(from, items)?;
            }
        }
        "$" => {
            let mut text = Vec::new();
            let all = length.unsigned_abs() + 2;
            from.take(all).read_to_end(&mut text)?;
            let text = text
                .strip_suffix(b"\r\n")
                .ok_or(io::Error::from(ErrorKind::UnexpectedEof))?;
            items.push(String::from_utf8_lossy(text).into_owned());
        }
        _ => return Err(strange()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(reply: &str) -> io::Result<Vec<String>> {
        let mut items = Vec::new();
        read(&mut reply.as_bytes(), &mut items)?;
        Ok(items)
    }

    #[test]
    fn each_kind_of_reply_is_its_items() {
        for (reply, expected) in [
            ("+OK\r\n", vec!["OK"]),
            ("-ERR no\r\n", vec!["ERR no"]),
            (":-7\r\n", vec!["-7"]),
            ("$4\r\na\r\nb\r\n", vec!["a\r\nb"]),
            ("$0\r\n\r\n", vec![""]),
            ("$-1\r\n", vec![""]),
            ("*-1\r\n", vec![""]),
            ("*0\r\n", vec![]),
            ("*3\r\n$1\r\na\r\n*1\r\n:1\r\n$-1\r\n", vec!["a", "1", ""]),
        ] {
            assert_eq!(items(reply).unwrap(), expected, "{reply}");
        }
    }

    #[test]
    fn a_reply_that_breaks_off_is_an_error() {
        let reply = "*2\r\n$1\r\na\r\n:1\r\n";
        for end in 0..reply.len() {
            assert!(items(&reply[..end]).is_err(), "{end}");
        }
        assert!(items("?\r\n").is_err());
        assert!(items("\r\n").is_err());
    }
}
