//! What Prometheus makes of a text, or does not take.

use std::collections::{BTreeMap, BTreeSet};

/// A series: its metric and its labels.
pub(crate) type Series = (String, BTreeMap<String, String>);

pub(crate) fn series_in(line: &str) -> (Series, f64) {
    let (name, rest) = line.split_once('{').unwrap();
    let (labels, number) = rest.rsplit_once("} ").unwrap();
    let labels = labels.split("\",").map(|label| {
        let (key, value) = label.split_once("=\"").unwrap();
        (key.to_owned(), value.trim_end_matches('"').to_owned())
    });
    ((name.to_owned(), labels.collect()), number.parse().unwrap())
}

/// The series of a text, which is as Prometheus wants it.
pub(crate) fn scraped(text: &str) -> BTreeMap<Series, f64> {
    let (mut all, mut metrics) = (BTreeMap::new(), BTreeSet::new());
    let mut metric = ("", "");
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, description) = help.split_once(' ').unwrap();
            assert!(metrics.insert(name), "{name} is there twice");
            assert!(!description.is_empty(), "{name}");
            metric = (name, "");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!((name, ""), metric, "behind its help, and once");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            metric = (name, kind);
        } else {
            let (series, number) = series_in(line);
            assert_eq!(series.0, metric.0, "below its type");
            let is_plain = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(series.0.chars().all(is_plain), "{line}");
            assert_eq!(all.insert(series, number), None, "twice: {line}");
        }
    }
    all
}
