//! A drawing of the play: what the databases had to do, and how long customers waited, moment by moment.

mod panel;

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use self::panel::{Panel, Points};
use crate::{
    report::Act,
    samples::{Sample, percentile},
    side::{Queries, Side},
};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 540.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
/// Where the panels begin, from top to bottom, and how high each is.
const TOPS: [f64; 3] = [106.0, 256.0, 406.0];
const PANEL: f64 = 110.0;

/// How many points a line has.
const POINTS: u32 = 60;

/// Colours that tell the two apart on light and on dark ground, by hue and by lightness; one line is dashed as well.
const STYLE: &str = "
  text { font: 12px system-ui, sans-serif; fill: #24292f }
  .ground { fill: #ffffff }
  .band { fill: #f1f3f5 }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .title { font-weight: 600 }
  .quiet { fill: #57606a }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round }
  .with { stroke: #0969da }
  .without { stroke: #bc4c00; stroke-dasharray: 5 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .ground { fill: #0d1117 }
    .band { fill: #161b22 }
    .grid { stroke: #30363d }
    .quiet { fill: #8d96a0 }
    .with { stroke: #58a6ff }
    .without { stroke: #f0883e }
  }
";

/// The acts as bands, and in them a line for each side.
pub(crate) fn draw(acts: &[Act], sides: [&Side; 2]) -> String {
    let (Some(first), Some(last)) = (acts.first(), acts.last()) else {
        return String::new();
    };
    let time = Time {
        begin: first.from,
        length: last.to - first.from,
    };
    let queries = sides.map(|side| time.rates(&side.queries()));
    let samples = sides.map(|side| side.samples_from(0));
    let half = samples.each_ref().map(|all| time.waits(all, 50));
    let most = samples.each_ref().map(|all| time.waits(all, 99));
    let names = sides.map(|side| side.name);
    let bands = acts.iter().map(|act| Band {
        name: act.name,
        from: time.share(act.from),
        to: time.share(act.to),
    });
    svg(&bands.collect::<Vec<_>>(), names, [&queries, &half, &most])
}

/// An act, as parts of the whole.
#[derive(Debug)]
struct Band {
    name: &'static str,
    from: f64,
    to: f64,
}

fn svg(bands: &[Band], names: [&str; 2], [queries, half, most]: [&[Points; 2]; 3]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-label=\"database queries a second and latencies of a shop, with the cache and without it, over six acts\">\n\
         <style>{STYLE}</style>\n<rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>\n"
    );
    for band in bands.iter().step_by(2) {
        draw_band(&mut svg, band);
    }
    for (number, band) in bands.iter().enumerate() {
        draw_name(&mut svg, number, band);
    }
    let panels = [
        Panel::linear("database queries a second", TOPS[0], queries),
        Panel::logarithmic(
            "half of the customers waited no longer than, in ms",
            TOPS[1],
            half,
        ),
        Panel::logarithmic(
            "99 % of the customers waited no longer than, in ms",
            TOPS[2],
            most,
        ),
    ];
    for panel in &panels {
        panel.draw(&mut svg);
    }
    draw_legend(&mut svg, names);
    svg.push_str("</svg>\n");
    svg
}

/// Every other act, so that the next one begins visibly.
fn draw_band(svg: &mut String, band: &Band) {
    let (left, right) = (x(band.from), x(band.to));
    line(
        svg,
        format_args!(
            "<rect class=\"band\" x=\"{left:.1}\" y=\"44\" width=\"{:.1}\" height=\"{:.1}\"/>",
            right - left,
            TOPS[2] + PANEL - 44.0
        ),
    );
}

fn draw_name(svg: &mut String, number: usize, band: &Band) {
    // Names of short acts would run into each other.
    let y = if number.is_multiple_of(2) { 56.0 } else { 70.0 };
    let middle = f64::midpoint(x(band.from), x(band.to));
    line(
        svg,
        format_args!(
            "<text class=\"quiet\" x=\"{middle:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>",
            band.name
        ),
    );
}

fn draw_legend(svg: &mut String, names: [&str; 2]) {
    for (name, (class, left)) in names
        .iter()
        .zip([("with", LEFT), ("without", LEFT + 150.0)])
    {
        line(
            svg,
            format_args!("<path class=\"line {class}\" d=\"M{left} 24h28\"/>"),
        );
        line(
            svg,
            format_args!(
                "<text x=\"{}\" y=\"28\">{name} the cache</text>",
                left + 36.0
            ),
        );
    }
}

fn line(svg: &mut String, what: std::fmt::Arguments<'_>) {
    writeln!(svg, "{what}").expect("text takes what is written");
}

/// Where a part of the whole is, from left to right.
fn x(share: f64) -> f64 {
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

/// The time that is drawn.
#[derive(Clone, Copy, Debug)]
struct Time {
    begin: Instant,
    length: Duration,
}

impl Time {
    fn share(self, at: Instant) -> f64 {
        at.saturating_duration_since(self.begin)
            .div_duration_f64(self.length)
    }

    /// The middle of each part, and what is so from its begin to its end.
    fn parts(self, value: impl Fn(Instant, Instant) -> Option<f64>) -> Points {
        let part = self.length / POINTS;
        let points = (0..POINTS).filter_map(|n| {
            let from = self.begin + part * n;
            let value = value(from, from + part)?;
            Some(((f64::from(n) + 0.5) / f64::from(POINTS), value))
        });
        points.collect()
    }

    /// Queries a second.
    fn rates(self, queries: &[Queries]) -> Points {
        self.parts(|from, to| {
            let (before, after) = (total(queries, from)?, total(queries, to)?);
            Some((after - before) / (to - from).as_secs_f64())
        })
    }

    /// How long so many in a hundred of those who came in a part waited at most, in milliseconds: none where nobody came.
    fn waits(self, samples: &[Sample], percent: usize) -> Points {
        self.parts(|from, to| {
            let customers = samples
                .iter()
                .filter(|sample| !sample.is_probe && (from..to).contains(&sample.due));
            let mut waits: Vec<Duration> = customers.map(|sample| sample.latency).collect();
            waits.sort_unstable();
            (!waits.is_empty()).then(|| percentile(&waits, percent).as_secs_f64() * 1_000.0)
        })
    }
}

/// How many queries had run by then, on a straight line between the two times that somebody looked.
fn total(queries: &[Queries], at: Instant) -> Option<f64> {
    let next = queries.partition_point(|look| look.at < at);
    let (before, after) = (queries.get(next.checked_sub(1)?)?, queries.get(next)?);
    let share = (at - before.at).div_duration_f64(after.at - before.at);
    let number = |look: &Queries| u32::try_from(look.total).map(f64::from).ok();
    let (before, after) = (number(before)?, number(after)?);
    Some(before + share * (after - before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn queries_between_two_looks_are_spread_evenly() {
        let begin = Instant::now();
        let look = |after, total| Queries {
            at: begin + ms(after),
            total,
        };
        let queries = [look(0, 0), look(600, 60), look(6_001, 60)];
        let time = Time {
            begin: begin + ms(1),
            length: ms(6_000),
        };
        let rates = time.rates(&queries);
        assert_eq!(rates.len(), POINTS as usize);
        assert!((99.0..101.0).contains(&rates[0].1), "{rates:?}");
        assert!(rates[59].1 < f64::EPSILON, "{rates:?}");
    }

    #[test]
    fn a_drawing_has_both_lines_in_both_panels() {
        let points = vec![(0.25, 10.0), (0.75, 2_000.0)];
        let both = [points.clone(), points];
        let band = Band {
            name: "an act",
            from: 0.0,
            to: 1.0,
        };
        let svg = svg(&[band], ["with", "without"], [&both; 3]);
        assert_eq!(
            svg.matches("class=\"line with\"").count(),
            4,
            "a legend too"
        );
        assert_eq!(svg.matches("class=\"line without\"").count(), 4);
        assert!(svg.contains("an act") && !svg.contains("NaN"), "{svg}");
    }
}
