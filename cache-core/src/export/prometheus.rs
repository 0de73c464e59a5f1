//! The text that Prometheus scrapes:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>, version 0.0.4.

use std::fmt::Write;

use super::table::{Kind, Labels, Row, Scrape, Unit, metrics};
use crate::cache::Cache;

impl Cache {
    /// What this cache did and holds, as text that Prometheus scrapes: `Content-Type: text/plain; version=0.0.4`.
    ///
    /// Each metric has the label `cache_namespace`, and those of a function have `cache_function`; none has a key.
    /// [`guide::metrics`](crate::guide::metrics) lists them, says how to serve this, and has a dashboard. The
    /// [namespace](crate::CacheBuilder::namespace) tells the caches of one process apart. Serve each cache under a path
    /// of its own, also if their namespaces differ, as a text has each metric once.
    ///
    /// ```
    /// # use cache_core::{Cache, cached};
    /// # #[cached(ttl = 1m)]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// square(7).await;
    /// let text = Cache::current().prometheus();
    /// assert!(text.contains("\ncache_loads_total{cache_namespace=\"cache\",cache_function="));
    /// # }
    /// ```
    #[must_use]
    pub fn prometheus(&self) -> String {
        text(&Scrape::of(self))
    }
}

fn text(taken: &Scrape) -> String {
    let mut text = String::new();
    for rows in metrics() {
        let (mut series, name) = (String::new(), rows[0].prometheus_name());
        for row in rows {
            taken.each(row, |labels, number| {
                series.push_str(&name);
                write_labels(&mut series, labels);
                write_number(&mut series, row.unit, number);
            });
        }
        if !series.is_empty() {
            let kind = match rows[0].kind {
                Kind::Counter => "counter",
                Kind::UpDown | Kind::Gauge => "gauge",
            };
            let help = rows[0].description;
            // Writing to a string cannot fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{series}");
        }
    }
    text
}

fn write_labels(text: &mut String, labels: Labels<'_>) {
    let mut before = '{';
    for (key, value) in labels.iter() {
        text.push(before);
        text.push_str(&key.replace('.', "_"));
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
        before = ',';
    }
    text.push_str("} ");
}

fn write_number(text: &mut String, unit: Unit, number: u64) {
    // Writing to a string cannot fail.
    let _ = match unit {
        Unit::Seconds => writeln!(text, "{}", unit.of_number(number)),
        Unit::Of(_) | Unit::Bytes | Unit::Flag => writeln!(text, "{number}"),
    };
}

impl Row {
    /// The name by Prometheus' conventions, as OpenTelemetry's collector would make it too.
    pub(super) fn prometheus_name(&self) -> String {
        let unit = match self.unit {
            Unit::Of(_) | Unit::Flag => "",
            Unit::Bytes => "_bytes",
            Unit::Seconds => "_seconds",
        };
        let total = match self.kind {
            Kind::Counter => "_total",
            Kind::UpDown | Kind::Gauge => "",
        };
        format!("{}{unit}{total}", self.name.replace('.', "_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn called(cache: &Cache) {
        use crate::cached;
        #[cached(ttl = 1h, name = "single")]
        async fn single(n: u64) -> u64 {
            n
        }
        #[cached(ttl = 1h, name = "twins")]
        async fn one(n: u64) -> u64 {
            n
        }
        #[cached(ttl = 1h, name = "twins")]
        async fn other(n: u8) -> u8 {
            n
        }
        let calls = async {
            single(1).await;
            one(1).await;
            other(1).await;
        };
        Cache::scope(cache.clone(), calls).await;
    }

    #[tokio::test]
    async fn values_of_labels_are_escaped_and_twins_are_one_series() {
        let cache = Cache::builder().namespace(r#"s"h\p"#).build().await;
        let cache = cache.expect("the defaults are valid");
        called(&cache).await;
        let text = cache.prometheus();
        let loads = text
            .lines()
            .filter(|it| it.starts_with("cache_loads_total"));
        let loads: Vec<_> = loads.collect();
        assert_eq!(
            loads,
            [
                r#"cache_loads_total{cache_namespace="s\"h\\p",cache_function="single"} 1"#,
                r#"cache_loads_total{cache_namespace="s\"h\\p",cache_function="twins"} 2"#,
            ]
        );
        assert!(!text.contains("cache_redis_connected"), "it has no Redis");
        assert_eq!(text.matches("# TYPE cache_redis_reads_total").count(), 1);
    }

    #[test]
    fn times_are_in_seconds() {
        let mut text = String::new();
        write_number(&mut text, Unit::Seconds, 1_500_000_000);
        write_number(&mut text, Unit::Bytes, u64::MAX);
        assert_eq!(text, "1.5\n18446744073709551615\n");
    }
}
