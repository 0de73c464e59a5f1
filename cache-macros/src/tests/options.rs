use super::{refused, refused_options, tokens};
use crate::{
    cached,
    features::Features,
    options::{KNOWN, Known, Read},
};

/// How the option is written, the first of its forms.
fn written(known: &Known) -> &'static str {
    known
        .form
        .split('`')
        .nth(1)
        .expect("a form is in backticks")
}

/// The options of functions of one key, as the one of these tests is.
fn of_one_key() -> impl Iterator<Item = &'static Known> {
    KNOWN.iter().filter(|known| known.name != "batch")
}

/// The options with these in them, and `ttl` where it is not among them.
fn with(known: &Known, these: &str) -> String {
    if known.name == "ttl" {
        these.to_owned()
    } else if known.name == "settle" || these.contains("invalidated") {
        format!("ttl = 5m, inherits, {these}")
    } else if known.name == "soft_timeout" {
        format!("ttl = 5m, strategy = stale_if_error(1h), {these}")
    } else {
        format!("ttl = 5m, {these}")
    }
}

/// The forms of the option that its message shows.
fn forms(known: &Known) -> impl Iterator<Item = &'static str> {
    let quoted = known.form.split('`').skip(1).step_by(2);
    quoted.filter(|form| form.starts_with(known.name))
}

#[test]
fn every_form_that_a_message_shows_is_taken() {
    for known in of_one_key() {
        for form in forms(known) {
            let refused = refused_options(&with(known, form));
            assert!(refused.is_empty(), "{form}: {refused:?}");
        }
    }
}

#[test]
fn every_option_is_meant_by_its_misspellings() {
    for known in of_one_key() {
        for misspelt in misspellings(known.name) {
            let option = written(known).replacen(known.name, &misspelt, 1);
            assert_eq!(
                refused_options(&with(known, &option)),
                [format!(
                    "{misspelt}: unknown option `{misspelt}`, did you mean `{}`?",
                    known.name
                )]
            );
        }
    }
}

/// One slip of the keyboard: a letter left out, written twice or before the one it follows.
fn misspellings(name: &str) -> Vec<String> {
    let mut misspellings = vec![name.to_uppercase()];
    for at in 0..name.len() {
        let (before, after) = name.split_at(at);
        let (letter, rest) = after.split_at(1);
        misspellings.push(format!("{before}{rest}"));
        misspellings.push(format!("{before}{letter}{letter}{rest}"));
        if let Some(next) = rest.get(..1).filter(|next| *next != letter) {
            misspellings.push(format!("{before}{next}{letter}{}", &rest[1..]));
        }
    }
    misspellings
}

#[test]
fn every_option_given_twice_is_refused_at_the_second() {
    for known in of_one_key() {
        let once = written(known);
        let options = tokens(&with(known, &format!("{once},\n{once},\n")));
        let item = tokens("async fn user(db: Db, id: u64) -> User {}");
        let mistakes =
            cached::try_expand(options, item, Features::ALL).expect_err("it is given twice");
        let mistakes: Vec<_> = mistakes.into_iter().collect();
        let [mistake] = &mistakes[..] else {
            panic!("{}: {mistakes:?}", known.name);
        };
        assert_eq!(
            mistake.to_string(),
            format!("`{}` is given twice: remove one", known.name)
        );
        let start = mistake.span().start();
        assert_eq!((start.line, start.column), (2, 0), "{}", known.name);
    }
}

#[test]
fn every_option_of_another_shape_says_how_it_is_written() {
    for known in of_one_key() {
        let name = known.name;
        let shapes: &[String] = &match known.read {
            Read::Value(_) => [name.to_owned(), format!("{name} = "), format!("{name}(5)")],
            Read::Names(_) => [
                name.to_owned(),
                format!("{name} = id"),
                format!("{name}(5)"),
            ],
            Read::Flag(_) | Read::Batch(_) => [
                format!("{name} = true"),
                format!("{name}()"),
                format!("{name}(5)"),
            ],
        };
        for shape in shapes {
            let refused = refused_options(&with(known, shape));
            assert_eq!(refused.len(), 1, "{shape}: {refused:?}");
            assert!(
                refused[0].ends_with(&format!("write {}", known.form)),
                "{shape}: {refused:?}"
            );
        }
    }
}

#[test]
fn every_option_is_taken() {
    let all = "ttl = 1h, key = \"user:{id}\", strategy = read_through, tiers = both, none_ttl = 1s, err_ttl = 1s, \
               keep_if = |user| user.is_active, weight = User::weight, max_concurrent_loads = 4, version = 2, \
               name = \"shop::user\", codec = json, compress = 4KiB, inline, cache = db.cache, crate = shop::cache_core,";
    assert!(refused_options(all).is_empty());
    assert!(refused_options("ttl = 5m, skip(db, tenant), detached, tiers = memory").is_empty());
    assert!(refused_options("ttl = 5m, key = ()").is_empty());
    assert!(refused_options("ttl = 5m, key = (tenant, id + 1)").is_empty());
}

#[test]
fn a_misspelt_option_is_one_mistake() {
    assert_eq!(
        refused_options("tll = 5m"),
        ["tll: unknown option `tll`, did you mean `ttl`?"]
    );
}

#[test]
fn an_unknown_option_lists_all() {
    assert_eq!(
        refused_options("ttl = 5m, frobnicate(1, 2)"),
        [
            "frobnicate: unknown option `frobnicate`, there are `ttl`, `key`, `skip`, `invalidate_on`, `inherits`, `fleet`, \
         `settle`, `strategy`, `soft_timeout`, `timeout`, `batch`, `prefetch`, `tiers`, `none_ttl`, `err_ttl`, `keep_if`, `weight`, `max_concurrent_loads`, `version`, `name`, `codec`, `compress`, \
          `inline`, `detached`, `cache`, `crate`"
        ]
    );
}

#[test]
fn ttl_is_required() {
    let why = "`ttl` is missing: write how long an entry is fresh, as in `#[cached(ttl = 5m)]`";
    assert_eq!(refused_options(""), [format!(": {why}")]);
    assert_eq!(refused_options("key = id"), [format!(": {why}")]);
}

#[test]
fn an_option_given_twice_is_refused_at_the_second() {
    assert_eq!(
        refused_options("ttl = 5m, version = 1, version = 2"),
        ["version: `version` is given twice: remove one"]
    );
}

#[test]
fn an_option_without_its_value_is_refused() {
    let form = "`ttl = 5m`, an expression of type `Duration`, or `ttl = |value| ..`";
    assert_eq!(
        refused_options("ttl"),
        [format!("ttl: `ttl` needs a value: write {form}")]
    );
    assert_eq!(
        refused_options("ttl ="),
        [format!("=: `ttl` needs a value: write {form}")]
    );
    assert_eq!(
        refused_options("ttl = , key = id"),
        [format!("=: `ttl` needs a value: write {form}")]
    );
    assert_eq!(
        refused_options("ttl 5m, key = id"),
        [format!("ttl: `ttl` needs a value: write {form}")]
    );
    assert_eq!(
        refused_options("ttl = 5m, skip"),
        ["skip: `skip` needs a list: write `skip(db)`"]
    );
    assert_eq!(
        refused_options("ttl = 5m, skip = db"),
        ["skip: `skip` needs a list: write `skip(db)`"]
    );
}

#[test]
fn a_flag_takes_no_value() {
    assert_eq!(
        refused_options("ttl = 5m, inline = true"),
        ["inline: `inline` takes no value: write `inline`"]
    );
    assert_eq!(
        refused_options("ttl = 5m, detached()"),
        ["detached: `detached` takes no value: write `detached`"]
    );
}

#[test]
fn a_value_of_another_form_is_refused_with_the_form() {
    let cases = [
        (
            "version = \"2\"",
            "\"2\"",
            "`version` is written `version = 2`",
        ),
        ("version = 2u8", "2u8", "`version` is written `version = 2`"),
        (
            "max_concurrent_loads = many",
            "many",
            "`max_concurrent_loads` is written `max_concurrent_loads = 4`",
        ),
        (
            "name = shop",
            "shop",
            "`name` is written `name = \"shop::user\"`",
        ),
        (
            "weight = 5",
            "5",
            "`weight` is written `weight = |value| ..`",
        ),
        (
            "keep_if = |a, b| a",
            "|a, b| a",
            "`keep_if` is written `keep_if = |value| ..`",
        ),
        (
            "tiers = \"redis\"",
            "\"redis\"",
            "`tiers` is written `tiers = both`, `tiers = memory` or `tiers = redis`",
        ),
        (
            "crate = \"shop\"",
            "\"shop\"",
            "`crate` is written `crate = path::to::cache_core`",
        ),
        (
            "skip(db.pool)",
            "(db.pool)",
            "`skip` takes names of arguments: write `skip(db)`",
        ),
    ];
    for (option, place, why) in cases {
        assert_eq!(
            refused_options(&format!("ttl = 5m, {option}")),
            [format!("{place}: {why}")]
        );
    }
}

#[test]
fn numbers_have_limits() {
    assert_eq!(
        refused_options("ttl = 5m, version = 4294967296"),
        ["4294967296: `4294967296` is too large, the largest is 4294967295"]
    );
    assert_eq!(
        refused_options("ttl = 5m, max_concurrent_loads = 0"),
        ["0: no load could ever run: `max_concurrent_loads` is at least 1"]
    );
}

#[test]
fn unknown_tiers_are_refused() {
    assert_eq!(
        refused_options("ttl = 5m, tiers = memroy"),
        ["memroy: unknown tiers `memroy`, did you mean `memory`?"]
    );
    assert_eq!(
        refused_options("ttl = 5m, tiers = disk"),
        ["disk: unknown tiers `disk`, there are `both`, `memory`, `redis`"]
    );
}

#[test]
fn a_name_is_text_that_a_key_can_hold() {
    assert_eq!(
        refused_options("ttl = 5m, name = \"\""),
        ["\"\": a name has at least one character: write `name = \"shop::user\"`"]
    );
    for name in ["a b", "a<b", "a{b", "a}b", "a>b"] {
        let [mistake] = &refused_options(&format!("ttl = 5m, name = \"{name}\""))[..] else {
            panic!("`{name}` was not refused once");
        };
        assert!(mistake.contains("a name has no '"), "{mistake}");
    }
}

#[test]
fn skip_names_arguments() {
    assert_eq!(
        refused_options("ttl = 5m, skip(bd, tennant)"),
        [
            "bd: no argument is called `bd`, did you mean `db`?",
            "tennant: no argument is called `tennant`, did you mean `tenant`?"
        ]
    );
    assert_eq!(
        refused("ttl = 5m, skip(db)", "async fn f() {}"),
        ["db: no argument is called `db`, there are none"]
    );
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    assert_eq!(
        refused_options("ttl = 5m, skip(db), key = id"),
        ["skip: `skip` is about the default key, and there is a `key`: remove one of them"]
    );
    assert_eq!(
        refused_options("ttl = 5m, inline, detached"),
        ["detached: a load is either `inline` or `detached`: remove one of them"]
    );
    assert_eq!(
        refused_options("ttl = 5m, tiers = redis, weight = |user| user.size"),
        [
            "weight: `weight` is for memory, and `tiers = redis` keeps nothing there: remove one of them"
        ]
    );
}

/// The starts of two options that say nothing together, the one first that the mistake is at.
const WRONG_TOGETHER: [(&str, &str, &str); 24] = [
    ("fleet", "tiers = memory", "fleet"),
    ("fleet", "inherits", "fleet"),
    ("codec", "inherits", "codec"),
    ("compress", "inherits", "compress"),
    ("version", "inherits", "version"),
    ("fleet", "invalidate_on = |", "fleet"),
    ("codec", "invalidate_on = |", "codec"),
    ("compress", "invalidate_on = |", "compress"),
    ("version", "invalidate_on = |", "version"),
    ("skip", "key", "skip"),
    ("detached", "inline", "detached"),
    ("weight", "tiers = redis", "weight"),
    ("err_ttl", "tiers = redis", "err_ttl"),
    ("inherits", "tiers = redis", "inherits"),
    ("invalidate_on = |", "tiers = redis", "invalidate_on"),
    ("codec", "tiers = memory", "codec"),
    ("compress", "tiers = memory", "compress"),
    ("version", "tiers = memory", "version"),
    ("inline", "strategy", "inline"),
    ("inline", "timeout", "inline"),
    ("inline", "soft_timeout", "inline"),
    (
        "strategy = stale",
        "tiers = redis",
        "stale_while_revalidate",
    ),
    ("strategy = [", "tiers = redis", "refresh_ahead"),
    ("strategy = stale", "soft_timeout", "soft_timeout"),
];

#[test]
fn any_two_options_are_taken_together_but_those_that_say_nothing() {
    let forms: Vec<_> = of_one_key()
        .flat_map(|known| forms(known).map(move |form| (known, form)))
        .collect();
    let mut refusals = 0;
    for (one, form) in &forms {
        for (_, other) in forms.iter().filter(|(other, _)| other.name != one.name) {
            let mut pair = format!("{form}, {other}");
            // Which events a key determines depends on its parts.
            if pair.contains("invalidate_on") && pair.contains("key =") {
                continue;
            }
            if !pair.starts_with("ttl") && !other.starts_with("ttl") {
                pair = format!("ttl = 5m, {pair}");
            }
            let has_events = pair.contains("inherits") || pair.contains("invalidate_on");
            if pair.contains("settle") && !has_events {
                pair = format!("{pair}, invalidate_on = A {{ .. }}");
            }
            if pair.contains("soft_timeout") && !pair.contains("strategy") {
                // For it there has to be a stale value, which is in memory.
                if pair.contains("tiers = redis") {
                    continue;
                }
                pair = format!("{pair}, strategy = stale_if_error(1h)");
            }
            let is_wrong = |(at, beside, _): &&(&str, &str, &str)| {
                form.starts_with(at) && other.starts_with(beside)
                    || other.starts_with(at) && form.starts_with(beside)
            };
            let places = refused_options(&pair);
            let places: Vec<_> = places
                .iter()
                .filter_map(|mistake| mistake.split(':').next())
                .collect();
            let wrong = WRONG_TOGETHER.iter().find(is_wrong);
            refusals += usize::from(wrong.is_some());
            assert_eq!(
                places,
                Vec::from_iter(wrong.map(|(.., place)| *place)),
                "{pair}"
            );
        }
    }
    // `key` has three forms, `codec` four, `strategy` and `err_ttl` two, and each pair comes in either order.
    assert_eq!(
        refusals,
        2 * (1 + 3 + 1 + 1 + 2 + 1 + 4 + 1 + 1 + 2 + 1 + 1 + 1 + 1 + 1 + 1 + 2 * (1 + 4 + 1 + 1))
    );
}

#[test]
fn a_cache_or_a_time_that_waits_or_leaves_the_function_is_refused_where_it_does() {
    let cases = [
        (
            "ttl = 5m, cache = cache_of(id).await",
            "await: `cache` does not wait: await this before the call, and pass it as an argument",
        ),
        (
            "ttl = if id > 5 { return 3 } else { Duration::MAX }",
            "return: `ttl` always has a value: write that in place of `return`",
        ),
        (
            "ttl = 5m, none_ttl = time_of(id)?",
            "?: `none_ttl` always has a value: leave out `?`, or handle what is not there, as with `unwrap_or_else`",
        ),
    ];
    for (options, mistake) in cases {
        assert_eq!(refused_options(options), [mistake]);
    }
}

#[test]
fn a_key_that_waits_or_leaves_the_function_is_refused_where_it_does() {
    let cases = [
        (
            "(tenant(id).await, id)",
            "await: a key does not wait: await this before the call, and pass it as an argument",
        ),
        (
            "if id > 5 { return 3 } else { id }",
            "return: a key always has a value: write that in place of `return`",
        ),
        (
            "(id.checked_add(1)?)",
            "?: a key always has a value: leave out `?`, or handle what is not there, as with `unwrap_or_else`",
        ),
    ];
    for (key, mistake) in cases {
        assert_eq!(
            refused_options(&format!("ttl = 5m, key = {key}")),
            [mistake]
        );
    }
    for key in [
        "tenant.rows().filter_map(|row| Some(row.first()?.id)).sum()",
        "tenant.rows().map(|row| { return row.id }).sum()",
        "awaited(id)",
    ] {
        let refused = refused_options(&format!("ttl = 5m, key = {key}"));
        assert!(refused.is_empty(), "{key}: {refused:?}");
    }
}

#[test]
fn a_mistake_at_the_end_is_at_the_last_token() {
    for (options, last) in [
        ("ttl = 5m, key = id.", "."),
        ("ttl = 5m, keep_if = |user|", "|"),
        ("ttl = 5m, weight = |user| !", "!"),
        ("ttl = 5m, key = if id", "id"),
    ] {
        let refused = refused_options(options);
        assert!(
            refused.len() == 1 && refused[0].starts_with(&format!("{last}: `")),
            "{options}: {refused:?}"
        );
    }
}

#[test]
fn a_missing_comma_is_one_mistake() {
    assert_eq!(
        refused_options("ttl = 5m key = id"),
        ["key: expected `,` before the next option"]
    );
    assert_eq!(
        refused_options("ttl = 5m 3, key = id"),
        ["3: expected `,` before the next option"]
    );
}

#[test]
fn a_duration_in_two_words_is_refused_as_one() {
    for option in ["ttl = 1h 30m", "ttl = 5m, none_ttl = 1h 30m, version = 2"] {
        assert_eq!(
            refused_options(option),
            ["30m: a duration is one word: write `1h30m`"]
        );
    }
}

#[test]
fn a_key_without_its_parentheses_is_one_mistake() {
    let why = "there is no option `id`: if it is a part of the key, write `key = (.., id)`";
    for option in [
        "key = tenant, id",
        "key = tenant, id, version = 2",
        "key = tenant, id.low",
    ] {
        assert_eq!(
            refused_options(&format!("ttl = 5m, {option}")),
            [format!("id: {why}")]
        );
    }
    assert_eq!(
        refused_options("ttl = 5m, key = tenant, verison = 2"),
        ["verison: unknown option `verison`, did you mean `version`?"]
    );
}

#[test]
fn a_key_that_is_no_text_and_no_expression_of_arguments_is_refused() {
    let why = "this key is the same for all calls: name an argument, as in `key = id`, or write `key = ()` for one entry";
    for key in ["5", "'a'", "true", "b\"user\"", "1.5"] {
        assert_eq!(
            refused_options(&format!("ttl = 5m, key = {key}")),
            [format!("{key}: {why}")]
        );
    }
}

#[test]
fn all_mistakes_are_reported_in_one_go() {
    let refused = refused_options(
        "ttl = 300, kye = id, version = x, keep_if = |a, b| a, nme = \"x\", tiers = (a b), 5",
    );
    assert_eq!(refused.len(), 7, "{refused:#?}");
    assert_eq!(refused[6], "5: expected an option, as in `ttl = 5m`");
}

#[test]
fn what_is_no_option_is_one_mistake() {
    let why = "expected an option, as in `ttl = 5m`";
    assert_eq!(refused_options("5m"), [format!("5m: {why}")]);
    assert_eq!(
        refused_options("\"5m\", ttl = 5m"),
        [format!("\"5m\": {why}")]
    );
    assert_eq!(
        refused_options("ttl = 5m, keys = id, key = id"),
        ["keys: unknown option `keys`, did you mean `key`?"]
    );
}

#[test]
fn a_mistake_in_the_key_is_not_also_a_missing_key() {
    let method = "async fn f(&self, id: u64) {}";
    assert_eq!(refused("ttl = 5m, key = (a b)", method).len(), 1);
    assert_eq!(refused("ttl = 5m, skip(a b)", method).len(), 1);
    assert_eq!(refused("ttl = 5m, kye = id", method).len(), 1);
}
