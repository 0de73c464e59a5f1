//! What `strategy`, `soft_timeout` and `timeout` take, and what they refuse.

use super::{refused, refused_options};

/// What is refused of `#[cached(ttl = 5m, ..)]` of a function that may fail.
fn refused_with(options: &str) -> Vec<String> {
    refused_options(&format!("ttl = 5m, {options}"))
}

#[test]
fn every_strategy_is_taken_alone_and_with_those_that_it_goes_with() {
    for options in [
        "strategy = read_through",
        "strategy = refresh_ahead(0.8)",
        "strategy = refresh_ahead(PART)",
        "strategy = early_expiration",
        "strategy = stale_while_revalidate(1m)",
        "strategy = stale_while_revalidate(GRACE)",
        "strategy = stale_if_error(1h)",
        "strategy = stale_if_error(1h, |error| error.is_temporary())",
        "strategy = stale_if_error(1h, DbError::is_temporary)",
        "inherits, strategy = stale_if_error(1h, unproven)",
        "inherits, strategy = stale_if_error(1h, unproven, |_| true)",
        "inherits, strategy = stale_if_invalidated(5s)",
        "strategy = [refresh_ahead(0.8), stale_while_revalidate(1m), stale_if_error(1h)]",
        "strategy = [early_expiration, stale_if_error(1h)], soft_timeout = 50ms, timeout = 2s",
        "timeout = 2s",
    ] {
        assert_eq!(refused_with(options), [""; 0], "{options}");
    }
}

#[test]
fn a_strategy_that_does_not_exist_is_refused_with_those_that_do() {
    for (options, refusal) in [
        (
            "strategy = read_trough",
            "read_trough: unknown strategy `read_trough`, did you mean `read_through`?",
        ),
        (
            "strategy = [stale_if_eror(1h)]",
            "stale_if_eror: unknown strategy `stale_if_eror`, did you mean `stale_if_error`?",
        ),
        (
            "strategy = write_behind",
            "write_behind: unknown strategy `write_behind`, there are `read_through`, `refresh_ahead`, `early_expiration`, \
             `stale_while_revalidate`, `stale_if_error`, `stale_if_invalidated`",
        ),
        (
            "strategy = []",
            "[]: no strategy is named: write `strategy = stale_while_revalidate(1m)`, or remove the option",
        ),
    ] {
        assert_eq!(refused_with(options), [refusal], "{options}");
    }
}

#[test]
fn a_strategy_that_is_not_written_as_it_is_says_how() {
    for (options, refusal) in [
        ("refresh_ahead", "refresh_ahead: write `refresh_ahead(0.8)`"),
        (
            "refresh_ahead(0.8, 0.9)",
            "refresh_ahead: write `refresh_ahead(0.8)`",
        ),
        ("read_through(1m)", "read_through: write `read_through`"),
        (
            "early_expiration(2)",
            "early_expiration: write `early_expiration`",
        ),
        (
            "stale_while_revalidate()",
            "stale_while_revalidate: write `stale_while_revalidate(1m)`",
        ),
        (
            "stale_if_error",
            "stale_if_error: write `stale_if_error(1h)`",
        ),
        (
            "stale_if_error(1h, forever)",
            "forever: after the time comes `unproven`, or for which errors, as in `stale_if_error(1h, |error| \
             error.is_temporary())`",
        ),
    ] {
        let refused = refused_with(&format!("strategy = {options}"));
        if options.contains("forever") {
            // A path may be a function.
            assert_eq!(refused, [""; 0]);
            continue;
        }
        assert_eq!(refused, [refusal], "{options}");
    }
    for part in ["0.0", "1.0", "80", "-0.5"] {
        let refused = refused_with(&format!("strategy = refresh_ahead({part})"));
        assert_eq!(refused.len(), 1, "{part}: {refused:?}");
    }
    assert_eq!(
        refused_with("strategy = stale_while_revalidate(60)"),
        ["60: `stale_while_revalidate = 60` has no unit, write `60s`"]
    );
}

#[test]
fn strategies_that_make_no_sense_together_are_refused() {
    for (options, place) in [
        (
            "strategy = [read_through, stale_if_error(1h)]",
            "read_through",
        ),
        (
            "strategy = [refresh_ahead(0.8), early_expiration]",
            "early_expiration",
        ),
        (
            "strategy = [stale_if_error(1h), stale_if_error(2h)]",
            "stale_if_error",
        ),
        (
            "strategy = [stale_while_revalidate(1h), stale_if_error(1m)]",
            "stale_if_error",
        ),
        (
            "strategy = stale_if_invalidated(5s)",
            "stale_if_invalidated",
        ),
        ("strategy = stale_if_error(1h, unproven)", "unproven"),
        ("strategy = refresh_ahead(0.8), inline", "inline"),
        ("timeout = 2s, inline", "inline"),
        ("soft_timeout = 50ms", "soft_timeout"),
        (
            "strategy = stale_if_error(1h), soft_timeout = 2s, timeout = 2s",
            "soft_timeout",
        ),
        (
            "strategy = refresh_ahead(0.8), tiers = redis",
            "refresh_ahead",
        ),
    ] {
        let refused = refused_with(options);
        assert_eq!(refused.len(), 1, "{options}: {refused:?}");
        assert!(refused[0].starts_with(&format!("{place}: ")), "{refused:?}");
    }
}

#[test]
fn what_a_load_in_the_background_would_borrow_is_refused_at_the_argument() {
    let item = "async fn f(ids: Vec<&str>) -> Result<u64, E> { Ok(1) }";
    assert_eq!(
        refused("ttl = 5m, strategy = stale_while_revalidate(1m)", item),
        [
            "&: `ids` is borrowed, and with `stale_while_revalidate` a load outlives the call: take `&T`, `Arc<T>` or another \
             owned value"
        ]
    );
}
