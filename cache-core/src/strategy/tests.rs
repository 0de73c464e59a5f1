//! The decision over all combinations of strategies, ages, knowledge and outcomes, against the rules in words.

use super::*;

const SECOND: Nanos = 1_000_000_000;
const CREATED: Nanos = 1_000 * SECOND;
const FRESH_UNTIL: Nanos = CREATED + 100 * SECOND;
const LIFE: Life = Life {
    created: CREATED,
    fresh_until: FRESH_UNTIL,
    kept_until: Nanos::MAX,
    load_time: Duration::from_secs(2),
};

/// Every combination of strategies that can be told apart.
fn strategies() -> Vec<Strategy> {
    let spans = [0, 10, 60].map(Duration::from_secs);
    let mut all = Vec::new();
    for early in [Early::Never, Early::From(0.8), Early::ByChance] {
        for stale_while_revalidate in spans {
            for stale_if_error in spans {
                for serves_unproven in [false, true] {
                    for stale_if_invalidated in spans {
                        all.push(Strategy {
                            early,
                            stale_while_revalidate,
                            stale_if_error,
                            serves_unproven,
                            stale_if_invalidated,
                            ..Strategy::new()
                        });
                    }
                }
            }
        }
    }
    all
}

const KNOWN: [Validity; 4] = [
    Validity::Valid,
    Validity::Unproven,
    Validity::Invalidated {
        ago: Duration::from_secs(5),
    },
    Validity::Invalidated {
        ago: Duration::from_secs(30),
    },
];

/// Ages around every limit.
fn times() -> Vec<Nanos> {
    let limits = [0, 79, 80, 81, 83, 99, 100, 109, 110, 159, 160, 10_000];
    let around = limits.map(|limit| CREATED + limit * SECOND);
    around.into_iter().chain([FRESH_UNTIL - 1]).collect()
}

fn moments(strategy: &Strategy) -> Vec<Moment> {
    let mut all = vec![Moment::Missed];
    for draw in [1.0, 0.5, 1e-9] {
        for is_refreshing in [false, true] {
            for is_throttled in [false, true] {
                all.push(Moment::Read {
                    quiet_until: strategy.quiet_until(&LIFE, 0.0),
                    draw,
                    is_refreshing,
                    is_throttled,
                });
            }
        }
    }
    all
}

fn for_all(mut check: impl FnMut(&Strategy, Validity, Nanos, Moment, Decision)) {
    let mut checked = 0;
    for strategy in strategies() {
        for known in KNOWN {
            for now in times() {
                for moment in moments(&strategy) {
                    let decision = strategy.decide(&LIFE, known, now, moment);
                    check(&strategy, known, now, moment, decision);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 100_000, "{checked}");
}

fn stale_by(now: Nanos) -> Duration {
    Duration::from_nanos(now.saturating_sub(FRESH_UNTIL))
}

#[test]
fn what_an_event_made_void_is_served_only_where_the_function_says_so_and_not_for_longer() {
    for_all(|strategy, known, now, moment, decision| {
        if let Validity::Invalidated { ago } = known
            && decision != Decision::Decline
        {
            assert!(ago < strategy.stale_if_invalidated, "{strategy:?}");
            assert!(now < FRESH_UNTIL, "void and old: {strategy:?}");
            assert!(matches!(moment, Moment::Read { .. }), "{moment:?}");
        }
    });
}

#[test]
fn what_nobody_can_prove_is_served_only_for_an_error_and_where_the_function_says_so() {
    for_all(|strategy, known, now, moment, decision| {
        if known == Validity::Unproven && decision != Decision::Decline {
            assert!(strategy.serves_unproven && stale_by(now) < strategy.stale_if_error);
            assert_eq!(decision, Decision::Serve);
            if let Moment::Read { is_throttled, .. } = moment {
                assert!(is_throttled, "it has to be asked about first");
            }
        }
    });
}

#[test]
fn nothing_is_served_past_every_period() {
    for_all(|strategy, _, now, moment, decision| {
        if now >= FRESH_UNTIL && stale_by(now) >= strategy.grace() {
            assert_eq!(decision, Decision::Decline, "{strategy:?} {moment:?}");
        }
    });
}

#[test]
fn a_fresh_and_valid_value_is_always_served_to_who_reads_it() {
    for_all(|_, known, now, moment, decision| {
        if known == Validity::Valid && now < FRESH_UNTIL && matches!(moment, Moment::Read { .. }) {
            assert_ne!(decision, Decision::Decline);
        }
    });
}

#[test]
fn a_stale_and_valid_value_is_served_by_the_periods_alone() {
    for_all(|strategy, known, now, moment, decision| {
        if known != Validity::Valid || now < FRESH_UNTIL {
            return;
        }
        let stale_by = stale_by(now);
        let expected = match moment {
            Moment::Missed if stale_by < strategy.stale_if_error => Decision::Serve,
            Moment::Missed => Decision::Decline,
            Moment::Read {
                is_refreshing,
                is_throttled,
                ..
            } => {
                if stale_by < strategy.stale_while_revalidate {
                    if is_refreshing || is_throttled {
                        Decision::Serve
                    } else {
                        Decision::ServeAndRefresh
                    }
                } else if is_throttled && stale_by < strategy.stale_if_error {
                    Decision::Serve
                } else {
                    Decision::Decline
                }
            }
        };
        assert_eq!(decision, expected, "{strategy:?} {now} {moment:?}");
    });
}

#[test]
fn one_load_at_a_time_refreshes_a_value_and_none_right_after_a_failure() {
    for_all(|_, known, _, moment, decision| {
        // What failed before an event made it void was the load of something else.
        let is_void = matches!(known, Validity::Invalidated { .. });
        if let Moment::Read {
            is_refreshing,
            is_throttled,
            ..
        } = moment
            && (is_refreshing || is_throttled && !is_void)
        {
            assert_ne!(decision, Decision::ServeAndRefresh);
        }
    });
}

/// They say when a load counts as missed, and nothing of what then becomes of the value.
#[test]
fn time_limits_change_nothing_of_what_is_decided() {
    let limits = [None, Some(Duration::ZERO), Some(Duration::from_secs(1))];
    for_all(|strategy, known, now, moment, decision| {
        for soft_timeout in limits {
            for timeout in limits {
                let limited = Strategy {
                    soft_timeout,
                    timeout,
                    ..*strategy
                };
                let is_limited = soft_timeout.or(timeout).is_some();
                assert_eq!(limited.has_limit(), is_limited);
                assert_eq!(limited.grace(), strategy.grace());
                assert_eq!(limited.decide(&LIFE, known, now, moment), decision);
            }
        }
    });
}

#[test]
fn without_a_strategy_there_is_nothing_but_fresh_and_gone() {
    let strategy = Strategy::new();
    for now in times() {
        for moment in moments(&strategy) {
            let is_served = now < FRESH_UNTIL && matches!(moment, Moment::Read { .. });
            let expected = if is_served {
                Decision::Serve
            } else {
                Decision::Decline
            };
            assert_eq!(
                strategy.decide(&LIFE, Validity::Valid, now, moment),
                expected
            );
        }
    }
}

#[test]
fn refresh_ahead_is_due_from_its_part_of_the_life_on() {
    let strategy = Strategy::new().refresh_ahead(0.8);
    assert_eq!(strategy.quiet_until(&LIFE, 0.0), CREATED + 80 * SECOND);
    assert_eq!(strategy.quiet_until(&LIFE, 1.0), CREATED + 90 * SECOND);
    let read = |quiet_until| Moment::Read {
        quiet_until,
        draw: 1.0,
        is_refreshing: false,
        is_throttled: false,
    };
    let at = |second: u64, spread| {
        let quiet_until = strategy.quiet_until(&LIFE, spread);
        let now = CREATED + second * SECOND;
        strategy.decide(&LIFE, Validity::Valid, now, read(quiet_until))
    };
    assert_eq!(at(79, 0.0), Decision::Serve);
    assert_eq!(at(80, 0.0), Decision::ServeAndRefresh);
    assert_eq!(at(89, 1.0), Decision::Serve);
    assert_eq!(at(90, 1.0), Decision::ServeAndRefresh);
}

#[test]
fn early_expiration_comes_with_the_probability_of_the_paper() {
    // P(expires early) = P(load time * -ln(draw) >= left) = e^(-left / load time).
    let strategy = Strategy::new().early_expiration();
    let draws = 10_000_u32;
    for left in [1, 2, 4, 8] {
        let now = FRESH_UNTIL - left * SECOND;
        let is_early = |draw| expires_early(&LIFE, now, f64::from(draw) / f64::from(draws));
        let early = f64::from(
            (1..=draws)
                .map(|draw| u32::from(is_early(draw)))
                .sum::<u32>(),
        );
        let expected = f64::from(draws) * (-f64::from(u32::try_from(left).unwrap()) / 2.0).exp();
        assert!((early - expected).abs() <= 1.0, "{left}: {early}");
        assert!(strategy.quiet_until(&LIFE, 0.0) <= now);
    }
}

#[test]
fn a_load_that_takes_no_time_never_expires_early() {
    let life = Life {
        load_time: Duration::ZERO,
        ..LIFE
    };
    let strategy = Strategy::new().early_expiration();
    assert_eq!(strategy.quiet_until(&life, 0.5), FRESH_UNTIL);
    assert!(!expires_early(&life, FRESH_UNTIL - 1, f64::MIN_POSITIVE));
}

#[test]
fn nothing_is_served_for_longer_than_redis_said() {
    let life = Life {
        kept_until: FRESH_UNTIL + 5 * SECOND,
        ..LIFE
    };
    for strategy in strategies() {
        for moment in moments(&strategy) {
            let now = FRESH_UNTIL + 5 * SECOND;
            let decision = strategy.decide(&life, Validity::Valid, now, moment);
            assert_eq!(decision, Decision::Decline, "{strategy:?}");
        }
    }
}

/// What the guide draws for a call at this age.
fn drawn(strategy: &Strategy, event: Option<Nanos>, age: Nanos) -> char {
    let life = Life {
        load_time: Duration::from_millis(300),
        ..LIFE
    };
    let now = CREATED + age;
    let known = match event {
        Some(event) if age >= event => Validity::Invalidated {
            ago: Duration::from_nanos(age - event),
        },
        _ => Validity::Valid,
    };
    let read = |draw| {
        let moment = Moment::Read {
            quiet_until: strategy.quiet_until(&life, 0.0),
            draw,
            is_refreshing: false,
            is_throttled: false,
        };
        strategy.decide(&life, known, now, moment)
    };
    let missed = strategy.decide(&life, known, now, Moment::Missed);
    match (read(1.0), read((-39.9_f64).exp()), missed) {
        (Decision::Serve, Decision::Serve, _) => '=',
        (Decision::Serve, Decision::ServeAndRefresh, _) => '?',
        (Decision::ServeAndRefresh, ..) => '~',
        (.., Decision::Serve) => '!',
        _ => '.',
    }
}

#[test]
fn the_picture_in_the_guide_shows_what_is_decided() {
    let (ten, minute) = (Duration::from_secs(10), Duration::from_mins(1));
    let none = Strategy::new();
    let each = [
        (none, None),
        (none.refresh_ahead(0.8), None),
        (none.early_expiration(), None),
        (none.stale_while_revalidate(minute), None),
        (none.stale_if_error(minute), None),
        (
            none.refresh_ahead(0.8)
                .stale_while_revalidate(ten)
                .stale_if_error(minute),
            None,
        ),
        (none.stale_if_invalidated(ten), Some(50 * SECOND)),
    ];
    let guide = include_str!("../../docs/strategies.md");
    let picture = guide.split("```").nth(1).unwrap();
    let lines = picture.lines().filter_map(|line| line.split('|').nth(1));
    let lines: Vec<&str> = lines.collect();
    let expected = each.map(|(strategy, event)| -> String {
        let ages = (0..36).map(|column| column * 5 * SECOND);
        ages.map(|age| drawn(&strategy, event, age)).collect()
    });
    assert_eq!(lines, expected);
}
