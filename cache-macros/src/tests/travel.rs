use super::{refused_options, refused_with};
use crate::features::Features;

const ITEM: &str = "async fn user(id: u64) -> User {}";

#[test]
fn a_codec_is_a_word_of_ours_or_the_path_of_a_type() {
    for codec in [
        "postcard",
        "json",
        "msgpack",
        "Own",
        "codecs::Own",
        "codecs::own",
        "::codecs::Own",
        "Sealed::<Own, 4>",
        "<Self as Shop>::Codec",
    ] {
        let refused = refused_options(&format!("ttl = 5m, codec = {codec}"));
        assert!(refused.is_empty(), "{refused:?}");
    }
}

#[test]
fn a_misspelt_codec_is_refused_with_the_one_that_is_meant() {
    for (codec, meant) in [
        ("jsn", "json"),
        ("postcrad", "postcard"),
        ("messagepack", "msgpack"),
        ("msgpck", "msgpack"),
        ("r#json", "json"),
    ] {
        assert_eq!(
            refused_options(&format!("ttl = 5m, codec = {codec}")),
            [format!(
                "{codec}: unknown codec `{codec}`, did you mean `{meant}`?"
            )]
        );
    }
}

#[test]
fn an_unknown_codec_is_refused_with_those_there_are() {
    for codec in ["bincode", "cbor", "serde_json", "own"] {
        assert_eq!(
            refused_options(&format!("ttl = 5m, codec = {codec}")),
            [format!(
                "{codec}: unknown codec `{codec}`, there are `postcard`, `json`, `msgpack`; one of your own is the \
                 path of a type, as in `codec = codecs::Own`"
            )]
        );
    }
}

#[test]
fn a_codec_of_another_form_is_refused_with_the_form() {
    for codec in ["\"json\"", "5", "json()", "|value| value", "[json]"] {
        assert_eq!(
            refused_options(&format!("ttl = 5m, codec = {codec}")),
            [format!(
                "{codec}: `codec` is written `codec = postcard`, `codec = json`, `codec = msgpack`, or \
                 `codec = path::to::Own`"
            )]
        );
    }
}

#[test]
fn a_codec_behind_a_feature_says_which() {
    for (codec, features) in [
        ("json", Features::only(&["msgpack", "lz4"])),
        ("msgpack", Features::only(&["json"])),
    ] {
        assert_eq!(
            refused_with(features, &format!("ttl = 5m, codec = {codec}"), ITEM),
            [format!(
                "{codec}: `codec = {codec}` needs the feature `{codec}` of `cache-core`: write `cache-core = {{ .., \
                 features = [\"{codec}\"] }}`"
            )]
        );
    }
    for (codec, features) in [
        ("postcard", Features::only(&[])),
        ("codecs::Own", Features::only(&[])),
        ("json", Features::only(&["json"])),
        ("msgpack", Features::only(&["msgpack"])),
    ] {
        let refused = refused_with(features, &format!("ttl = 5m, codec = {codec}"), ITEM);
        assert!(refused.is_empty(), "{refused:?}");
    }
}

#[test]
fn compression_is_behind_either_of_two_features() {
    let options = "ttl = 5m, compress = 4KiB";
    assert_eq!(
        refused_with(Features::only(&["json"]), options, ITEM),
        [
            "compress: `compress` needs the feature `lz4` or `zstd` of `cache-core`: write `cache-core = { .., \
             features = [\"lz4\"] }`"
        ]
    );
    assert!(refused_with(Features::only(&["lz4"]), options, ITEM).is_empty());
    assert!(refused_with(Features::only(&["zstd"]), options, ITEM).is_empty());
}

#[test]
fn what_never_travels_has_neither_codec_nor_compression() {
    for (option, name) in [
        ("codec = json", "codec"),
        ("codec = postcard", "codec"),
        ("codec = codecs::Own", "codec"),
        ("compress = 4KiB", "compress"),
    ] {
        let options = format!("ttl = 5m, tiers = memory, {option}");
        assert_eq!(
            refused_with(Features::only(&[]), &options, ITEM),
            [format!(
                "{name}: `{name}` is for the shared tier, and `tiers = memory` keeps nothing there: remove one of them"
            )]
        );
    }
}

#[test]
fn a_size_is_bytes_or_has_a_unit() {
    for size in [
        "1",
        "4096",
        "4_096",
        "0x1000",
        "4KiB",
        "1MiB",
        "4095MiB",
        "4294967295",
    ] {
        let refused = refused_options(&format!("ttl = 5m, compress = {size}"));
        assert!(refused.is_empty(), "{refused:?}");
    }
}

#[test]
fn an_unknown_unit_of_size_is_refused_with_the_one_that_is_meant() {
    for (size, unit, meant) in [
        ("4KB", "KB", "4KiB"),
        ("4k", "k", "4KiB"),
        ("4_096kib", "kib", "4096KiB"),
        ("1MB", "MB", "1MiB"),
        ("64B", "B", "64"),
    ] {
        assert_eq!(
            refused_options(&format!("ttl = 5m, compress = {size}")),
            [format!(
                "{size}: unknown unit `{unit}` in `{size}`, did you mean `{meant}`?"
            )]
        );
    }
    for (size, unit) in [("1GiB", "GiB"), ("4096usize", "usize"), ("5s", "s")] {
        assert_eq!(
            refused_options(&format!("ttl = 5m, compress = {size}")),
            [format!(
                "{size}: unknown unit `{unit}` in `{size}`, a size is written `4096`, `4KiB` or `1MiB`"
            )]
        );
    }
}

#[test]
fn sizes_have_limits() {
    for size in ["0", "0KiB"] {
        assert_eq!(
            refused_options(&format!("ttl = 5m, compress = {size}")),
            [format!(
                "{size}: write the least size worth compressing, such as `4KiB`"
            )]
        );
    }
    for size in ["4096MiB", "4294967296", "99999999999999999999KiB"] {
        assert_eq!(
            refused_options(&format!("ttl = 5m, compress = {size}")),
            [format!(
                "{size}: `{size}` is too large, the largest is 4294967295 bytes"
            )]
        );
    }
}

#[test]
fn what_is_no_size_is_refused_with_what_to_write() {
    let form = "`compress = 4KiB`, the least size that is compressed";
    for value in [
        "true",
        "\"4k\"",
        "1.5",
        "-1",
        "4 * 1024",
        "LIMIT",
        "|value| 4",
    ] {
        assert_eq!(
            refused_options(&format!("ttl = 5m, compress = {value}")),
            [format!("{value}: `compress` is written {form}")]
        );
    }
    assert_eq!(
        refused_options("ttl = 5m, compress"),
        [format!("compress: `compress` needs a value: write {form}")]
    );
    for name in ["lz4", "zstd"] {
        assert_eq!(
            refused_options(&format!("ttl = 5m, compress = {name}")),
            [format!(
                "{name}: `{name}` is chosen by the feature of that name of `cache-core`: write {form}"
            )]
        );
    }
}
