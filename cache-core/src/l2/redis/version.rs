//! Whether a server is recent enough, from what it says of itself.

const OLDEST_REDIS: Version = (6, 2);
/// The first with channels that belong to a slot.
const OLDEST_REDIS_OF_A_CLUSTER: Version = (7, 0);
/// The first under that name.
const OLDEST_VALKEY: Version = (7, 2);

type Version = (u32, u32);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Recent,
    /// In words.
    Old(String),
    Unknown,
}

/// Judges by the text of `INFO server`.
pub(super) fn judge(text: &str, is_member: bool) -> Verdict {
    let oldest_redis = if is_member {
        OLDEST_REDIS_OF_A_CLUSTER
    } else {
        OLDEST_REDIS
    };
    // Valkey also gives a version of Redis, of which it is a descendant.
    let (name, found, oldest) = match field(text, "valkey_version") {
        Some(found) => ("Valkey", Some(found), OLDEST_VALKEY),
        None => ("Redis", field(text, "redis_version"), oldest_redis),
    };
    let Some(found) = found.and_then(parse) else {
        return Verdict::Unknown;
    };
    if found >= oldest {
        return Verdict::Recent;
    }
    let ((major, minor), (needed, at_least)) = (found, oldest);
    let purpose = if is_member { " in a cluster" } else { "" };
    Verdict::Old(format!(
        "the server is {name} {major}.{minor}: the cache needs {needed}.{at_least} or later{purpose}"
    ))
}

/// A line of what `INFO` gives, by its name.
pub(super) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

fn parse(text: &str) -> Option<Version> {
    let mut parts = text.trim().split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recent_server_is_taken_and_an_old_one_is_not() {
        assert_eq!(
            judge("# Server\r\nredis_version:6.2.0\r\n", false),
            Verdict::Recent
        );
        assert_eq!(
            judge("redis_version:10.0.1\r\nos:Linux", false),
            Verdict::Recent
        );
        assert!(matches!(
            judge("redis_version:6.0.16", false),
            Verdict::Old(_)
        ));
        assert!(matches!(
            judge("redis_version:6.2.0", true),
            Verdict::Old(_)
        ));
        assert_eq!(judge("redis_version:7.0.0", true), Verdict::Recent);
    }

    #[test]
    fn valkey_goes_by_its_own_version() {
        let valkey = |version| format!("redis_version:7.2.4\r\nvalkey_version:{version}\r\n");
        assert_eq!(judge(&valkey("8.1.0"), false), Verdict::Recent);
        assert!(matches!(judge(&valkey("7.1.9"), false), Verdict::Old(_)));
    }

    #[test]
    fn a_server_that_does_not_tell_is_unknown() {
        for text in ["", "redis_version", "redis_version:7", "redis_version:x.y"] {
            assert_eq!(judge(text, false), Verdict::Unknown, "{text}");
        }
    }
}
