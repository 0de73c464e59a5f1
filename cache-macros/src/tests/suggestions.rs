use crate::suggest::{instead, nearest};

#[test]
fn slips_of_the_keyboard_are_near() {
    let known = ["ttl", "tiers", "version", "max_concurrent_loads"];
    assert_eq!(nearest("tll", known), Some("ttl"));
    assert_eq!(nearest("tier", known), Some("tiers"));
    assert_eq!(nearest("verison", known), Some("version"));
    assert_eq!(
        nearest("max_concurent_load", known),
        Some("max_concurrent_loads")
    );
}

#[test]
fn one_slip_is_one_step() {
    // Words of four characters: two steps would be too far.
    let slips = ["skip", "kskip", "sip", "slip", "ksip", "skpi"];
    for slip in slips {
        assert_eq!(nearest(slip, ["skip"]), Some("skip"), "{slip}");
    }
    assert_eq!(nearest("kips", ["skip"]), Some("skip"));
    assert_eq!(nearest("pisk", ["skip"]), None);
    assert_eq!(nearest("", ["skip"]), None);
}

#[test]
fn what_starts_a_word_is_near_where_nothing_else_is() {
    assert_eq!(nearest("t", ["key", "ttl", "tiers"]), Some("ttl"));
    assert_eq!(nearest("comp", ["codec", "compress"]), Some("compress"));
    assert_eq!(nearest("tier", ["tiers_of", "tier_"]), Some("tier_"));
    assert_eq!(nearest("iers", ["tiers_of"]), None);
}

#[test]
fn other_words_are_not_near() {
    assert_eq!(nearest("expire", ["ttl", "tiers"]), None);
    assert_eq!(nearest("id", ["db"]), None);
}

#[test]
fn without_a_near_word_all_are_listed() {
    assert_eq!(
        instead("expire", ["ttl", "tiers"]),
        "there are `ttl`, `tiers`"
    );
    assert_eq!(instead("expire", ["ttl"]), "there is only `ttl`");
    assert_eq!(instead("expire", []), "there are none");
}
