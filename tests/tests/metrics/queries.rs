//! What a dashboard asks for.

use std::collections::BTreeSet;

/// The names in a query, and its labels: those of selectors and of what is summed by.
pub(crate) fn asked_for(query: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut names, mut labels) = (BTreeSet::new(), BTreeSet::new());
    let (mut word, mut in_braces, mut in_by, mut in_text) = (String::new(), false, false, false);
    for c in query.chars().chain([' ']) {
        if c == '"' {
            in_text = !in_text;
        } else if !in_text && (c.is_ascii_alphanumeric() || c == '_') {
            word.push(c);
            continue;
        }
        let ended = std::mem::take(&mut word);
        if ended.starts_with("cache_") || in_braces && !ended.is_empty() || ended == "instance" {
            let kind = if in_braces || in_by {
                &mut labels
            } else {
                &mut names
            };
            kind.insert(ended.clone());
        }
        match c {
            '(' => in_by = ended == "by" || query.contains(" by (") && in_by,
            ')' => in_by = false,
            '{' if !in_text => in_braces = true,
            '}' if !in_text => in_braces = false,
            ' ' if ended == "by" => in_by = true,
            _ => {}
        }
    }
    (names, labels)
}

#[test]
fn names_and_labels_of_a_query_are_told_apart() {
    let query = r#"sum by (cache_function) (rate(cache_a_total{cache_b=~"$x", cache_c="d"}[5m])) / sum(cache_e)"#;
    let set = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    let labels = set(&["cache_b", "cache_c", "cache_function"]);
    assert_eq!(
        asked_for(query),
        (set(&["cache_a_total", "cache_e"]), labels)
    );
}
