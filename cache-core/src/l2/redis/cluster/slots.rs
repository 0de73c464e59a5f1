//! In which slot of a cluster a key is, and in which bucket a tag.
//!
//! Tags of one event are in one slot, so that one script changes all that an event bumps, and events share a few slots, each of
//! which has its channel: so whoever listens need not know which events there are. All of it follows from the text of a key:
//! `shop:t:UserChanged:7` is `shop:t:{17}:UserChanged:7` in a cluster, and what is published of it goes through `shop:b:{17}`.

use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64;

/// Slots of every cluster.
pub(super) const SLOTS: usize = 16_384;

/// Enough for tags to be spread over a few dozen primaries.
pub(crate) const BUCKETS: u16 = 64;

/// The slot of each bucket.
static BUCKET_SLOTS: LazyLock<Vec<u16>> = LazyLock::new(|| {
    let slots = (0..BUCKETS).map(|bucket| slot_of(&format!("{{{bucket}}}")));
    slots.collect()
});

/// As <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/> has it: of what is between braces, where
/// there is something, else of all.
pub(crate) fn slot_of(key: &str) -> u16 {
    let part = key.split_once('{').and_then(|(_, rest)| {
        let (part, _) = rest.split_once('}')?;
        (!part.is_empty()).then_some(part)
    });
    crc16(part.unwrap_or(key).as_bytes()) % 16_384
}

/// The bucket of what has this text.
pub(super) fn bucket_of(text: &str) -> u16 {
    u16::try_from(xxh3_64(text.as_bytes()) % u64::from(BUCKETS)).unwrap_or(0)
}

pub(crate) fn slot_of_bucket(bucket: u16) -> u16 {
    BUCKET_SLOTS[usize::from(bucket)]
}

/// The key of a tag in a cluster, made from its ordinary key, and its bucket.
pub(crate) fn key_of_tag(key: &str) -> (String, u16) {
    // Behind the namespace and what kind of key it is.
    let mut colons = key.match_indices(':').map(|(at, _)| at + 1);
    let at = colons.nth(1).unwrap_or(0);
    let (kind, name) = key.split_at(at);
    let event = name.split([':', '/']).next().unwrap_or_default();
    let bucket = bucket_of(event);
    (format!("{kind}{{{bucket}}}:{name}"), bucket)
}

pub(super) fn channel_of(channel: &str, bucket: u16) -> String {
    format!("{channel}:{{{bucket}}}")
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (crc << 8) ^ TABLE[usize::from(crc >> 8) ^ usize::from(*byte)]
    })
}

static TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut place = 0;
    while place < 256 {
        #[allow(clippy::cast_possible_truncation, reason = "it is below 256")]
        let mut crc = (place as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            };
            bit += 1;
        }
        table[place] = crc;
        place += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // What `CLUSTER KEYSLOT` says.
        for (key, slot) in [
            ("123456789", 12_739),
            ("", 0),
            ("foo", 12_182),
            ("{17}", 12_304),
            ("shop:t:{17}:U:7", 12_304),
            ("a{}b", slot_of_whole("a{}b")),
            ("a{b", slot_of_whole("a{b")),
            ("a}{b}c", slot_of_whole("b")),
            ("{{a}}", slot_of_whole("{a")),
        ] {
            assert_eq!(slot_of(key), slot, "{key}");
        }
    }

    fn slot_of_whole(text: &str) -> u16 {
        crc16(text.as_bytes()) % 16_384
    }

    #[test]
    fn a_tag_and_its_channel_are_in_one_slot() {
        for name in [
            "shop:t:UserChanged:7",
            "shop:t:Odd{x}:{y}",
            "shop:t:",
            "s:t:a:{",
        ] {
            let (key, bucket) = key_of_tag(name);
            assert_eq!(slot_of(&key), slot_of_bucket(bucket), "{key}");
            assert_eq!(slot_of(&key), slot_of(&channel_of("shop:b", bucket)));
            assert_eq!(key.replacen(&format!("{{{bucket}}}:"), "", 1), name);
        }
    }

    #[test]
    fn tags_of_one_event_are_in_one_bucket_and_events_are_spread() {
        let bucket = |name: &str| key_of_tag(name).1;
        for name in ["shop:t:E", "shop:t:E/", "shop:t:E:7", "other:t:E/7:8"] {
            assert_eq!(bucket(name), bucket("shop:t:E:"));
        }
        let buckets: std::collections::BTreeSet<_> = (0..1_000)
            .map(|event| bucket(&format!("shop:t:Event{event}:1")))
            .collect();
        assert_eq!(buckets.len(), usize::from(BUCKETS));
    }
}
