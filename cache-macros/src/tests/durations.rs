use std::time::Duration;

use syn::Expr;

use super::refused_options;
use crate::duration::Time;

fn literal(text: &str) -> Duration {
    let expr: Expr = syn::parse_str(text).expect("a literal");
    match Time::from_expr(expr, "ttl") {
        Ok(Time::Literal(duration)) => duration,
        Ok(Time::Expr(_)) => panic!("`{text}` was taken for an expression"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn each_unit_has_its_length() {
    assert_eq!(literal("2d"), Duration::from_hours(48));
    assert_eq!(literal("3h"), Duration::from_hours(3));
    assert_eq!(literal("5m"), Duration::from_mins(5));
    assert_eq!(literal("7s"), Duration::from_secs(7));
    assert_eq!(literal("500ms"), Duration::from_millis(500));
    assert_eq!(literal("9us"), Duration::from_micros(9));
}

#[test]
fn units_add_up() {
    assert_eq!(literal("1h30m"), Duration::from_mins(90));
    assert_eq!(
        literal("1d2h3m4s5ms6us"),
        Duration::from_micros(93_784_005_006)
    );
    assert_eq!(literal("10_000ms"), Duration::from_secs(10));
}

#[test]
fn a_number_without_a_unit_is_refused_with_the_unit_to_write() {
    assert_eq!(
        refused_options("ttl = 300"),
        ["300: `ttl = 300` has no unit, write `300s`"]
    );
    assert_eq!(
        refused_options("ttl = 1s, none_ttl = 10"),
        ["10: `none_ttl = 10` has no unit, write `10s`"]
    );
    assert_eq!(
        refused_options("ttl = 5 m"),
        ["5: `ttl = 5` has no unit, write `5s`"]
    );
}

#[test]
fn an_unknown_unit_is_refused_with_the_one_that_is_meant() {
    assert_eq!(
        refused_options("ttl = 5min"),
        ["5min: unknown unit `min` in `5min`, did you mean `m`?"]
    );
    assert_eq!(
        refused_options("ttl = 5sec"),
        ["5sec: unknown unit `sec` in `5sec`, did you mean `s`?"]
    );
    assert_eq!(
        refused_options("ttl = 5millis"),
        ["5millis: unknown unit `millis` in `5millis`, did you mean `ms`?"]
    );
    assert_eq!(
        refused_options("ttl = 5w"),
        ["5w: unknown unit `w` in `5w`, the units are `d`, `h`, `m`, `s`, `ms`, `us`"]
    );
}

#[test]
fn units_out_of_order_are_refused() {
    let why = "write each unit of `30m1h` once, the largest first, as in `1h30m`";
    assert_eq!(refused_options("ttl = 30m1h"), [format!("30m1h: {why}")]);
    let why = "write each unit of `1m1m` once, the largest first, as in `1h30m`";
    assert_eq!(refused_options("ttl = 1m1m"), [format!("1m1m: {why}")]);
}

#[test]
fn no_time_at_all_is_refused() {
    assert_eq!(
        refused_options("ttl = 0s"),
        ["0s: `ttl = 0s` keeps nothing: write a longer duration, or leave the option out"]
    );
}

#[test]
fn fractions_signs_and_quotes_are_refused() {
    assert_eq!(
        refused_options("ttl = 1.5h"),
        ["1.5h: `1.5h` is not a whole number: write it in smaller units, as in `1h30m`"]
    );
    assert_eq!(
        refused_options("ttl = -5s"),
        ["-5s: a duration is not negative: write `ttl = 5m`"]
    );
    assert_eq!(
        refused_options("ttl = \"5m\""),
        ["\"5m\": write `5m` without the quotes"]
    );
    assert_eq!(
        refused_options("ttl = true"),
        ["true: `ttl` takes a duration, as in `ttl = 5m`"]
    );
}

#[test]
fn more_than_a_duration_holds_is_refused() {
    let text = "99999999999999999999d";
    assert_eq!(
        refused_options(&format!("ttl = {text}")),
        [format!("{text}: `{text}` is longer than a duration can be")]
    );
}

#[test]
fn any_expression_is_a_duration() {
    assert!(
        refused_options(
            "ttl = Duration::from_secs(3), none_ttl = SHORT, err_ttl = config.err_ttl()"
        )
        .is_empty()
    );
}

#[test]
fn only_ttl_reads_the_value() {
    assert!(refused_options("ttl = |user| user.left()").is_empty());
    assert_eq!(
        refused_options("ttl = 5m, none_ttl = |user| user.left()"),
        [
            "|user| user.left(): `none_ttl` does not look at values: write a duration, as in `none_ttl = 5m`"
        ]
    );
}
