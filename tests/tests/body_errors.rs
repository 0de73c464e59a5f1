//! What the compiler says to the body of a cached function is what it says to that of the plain one.
//!
//! Each case of `ui/body` is compiled with its attribute and with one of the same length that does nothing. It is a
//! crate of its own, as the compiler stops at the first phase that finds a mistake.

#[path = "body_errors/compiled.rs"]
mod compiled;

use std::{collections::BTreeSet, sync::LazyLock};

use serde_json::{Value, json};

use self::compiled::{Form, Said};

static SAID: LazyLock<Said> = LazyLock::new(compiled::all);

#[rustversion::attr(
    not(stable(1.95)),
    ignore = "what is known to differ is that of Rust 1.95"
)]
#[test]
fn errors_in_the_body_are_those_of_the_plain_function() {
    compare("errors");
}

#[rustversion::attr(
    not(stable(1.95)),
    ignore = "what is known to differ is that of Rust 1.95"
)]
#[test]
fn warnings_in_the_body_are_those_of_the_plain_function() {
    compare("warnings");
}

/// How much a case that differs has in common with the plain function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Common {
    /// As many messages, with the same levels and codes, and each starts where the plain one does.
    Places,
    /// Only what the reason says.
    Less,
}

struct Difference {
    why: &'static str,
    common: Common,
    cases: &'static [&'static str],
}

/// What is known to read differently. All else is the same to the letter, and what no longer differs is to go.
const DIFFERENCES: &[Difference] = &[
    Difference {
        why: "the body is an `async` block: the compiler says so, and has a note about what it returns where a \
              function has a label",
        common: Common::Places,
        cases: &[
            "errors/asks_an_option_in_a_result",
            "errors/asks_without_a_result",
            "errors/breaks_out_of_nothing",
            "errors/ends_in_another_type",
            "errors/ends_in_another_type_in_a_result",
            "errors/forgets_to_await",
            "errors/has_a_value_where_there_is_none",
            "errors/has_branches_of_two_types",
            "errors/holds_two_mistakes",
            "errors/returns_another_type_early",
            "errors/returns_nothing_early",
        ],
    },
    Difference {
        why: "the body captures `self` and what it moves: the compiler does not propose to clone it",
        common: Common::Places,
        cases: &[
            "errors/changes_self",
            "errors/moves_in_a_loop",
            "errors/moves_out_of_a_reference",
            "errors/moves_out_of_self",
            "errors/moves_out_of_self_detached",
            "errors/uses_a_moved_value",
        ],
    },
    Difference {
        why: "the body borrows a copy of what the argument refers to",
        common: Common::Less,
        cases: &["errors/lends_a_reference_to_a_thread"],
    },
    Difference {
        why: "what is parsed once more is reported once more, at braces that are not the same to the compiler",
        common: Common::Less,
        cases: &["errors/ends_in_a_dot"],
    },
    Difference {
        why: "the pattern is taken apart in the body, and its value has a label",
        common: Common::Places,
        cases: &["errors/takes_a_pattern_apart_wrongly"],
    },
    Difference {
        why: "an attribute sees a comment for documentation as an attribute",
        common: Common::Places,
        cases: &["warnings/unused_doc_comment"],
    },
    Difference {
        why: "the key reads the argument",
        common: Common::Less,
        cases: &["warnings/unused_assignment_of_an_argument"],
    },
];

fn compare(kind: &str) {
    let mut faults = Vec::new();
    let mut differing = BTreeSet::new();
    for ((of, case, form), said) in SAID.iter().filter(|((of, ..), _)| of == kind) {
        let name = format!("{kind}/{case}");
        let plain = &SAID[&(of.clone(), case.clone(), Form::Plain)];
        assert!(
            !plain.is_empty(),
            "the compiler has nothing to say to {name}.rs"
        );
        if plain == said {
            continue;
        }
        let known = DIFFERENCES
            .iter()
            .find(|known| known.cases.contains(&&*name));
        let is_known = known
            .is_some_and(|known| known.common == Common::Less || places(plain) == places(said));
        if !is_known {
            faults.push(format!(
                "{name}.rs, {form:?}:\n{}\n--- but plain:\n{}",
                text(said),
                text(plain)
            ));
        }
        differing.insert(name);
    }
    let known = DIFFERENCES
        .iter()
        .flat_map(|known| known.cases)
        .filter(|name| name.starts_with(kind));
    for name in known.filter(|name| !differing.contains(**name)) {
        let why = DIFFERENCES
            .iter()
            .find(|known| known.cases.contains(name))
            .map(|known| known.why);
        faults.push(format!("{name}.rs no longer differs though {why:?}"));
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n\n{}",
        faults.len(),
        faults.join("\n\n")
    );
}

/// The level, the code and the start of each message.
fn places(said: &[Value]) -> Vec<Value> {
    let located = said.iter().filter(|message| message["spans"] != json!([]));
    let place = |message: &Value| {
        let spans = message["spans"].as_array().cloned().unwrap_or_default();
        let primary = spans
            .iter()
            .find(|span| span["is_primary"] == true)
            .cloned()
            .unwrap_or_default();
        json!([
            message["level"],
            message["code"],
            primary["line_start"],
            primary["column_start"]
        ])
    };
    located.map(place).collect()
}

fn text(said: &[Value]) -> String {
    let rendered = said
        .iter()
        .map(|message| message["rendered"].as_str().unwrap_or_default());
    rendered.collect::<Vec<_>>().join("\n")
}
