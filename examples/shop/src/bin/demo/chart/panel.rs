//! One set of axes with a line for each side.

use std::fmt::Write as _;

use super::{LEFT, PANEL, RIGHT, WIDTH, line, x};

/// Shares of the time, and what was so then.
pub(super) type Points = Vec<(f64, f64)>;

/// Points further apart than this are not joined: nobody came in between.
const GAP: f64 = 0.025;

#[derive(Debug)]
pub(super) struct Panel<'a> {
    title: &'static str,
    top: f64,
    lines: &'a [Points; 2],
    ticks: Vec<f64>,
    is_logarithmic: bool,
}

impl<'a> Panel<'a> {
    /// From zero on, with a round number above all values.
    pub(super) fn linear(title: &'static str, top: f64, lines: &'a [Points; 2]) -> Self {
        let step = round_above(highest(lines) / 4.0);
        Self {
            title,
            top,
            lines,
            ticks: [0.0, 1.0, 2.0, 3.0, 4.0].map(|n| n * step).into(),
            is_logarithmic: false,
        }
    }

    /// Powers of ten around all values.
    pub(super) fn logarithmic(title: &'static str, top: f64, lines: &'a [Points; 2]) -> Self {
        let values = lines.iter().flatten().map(|point| point.1);
        let lowest = values.fold(highest(lines), f64::min).max(0.01);
        let (low, high) = (10_f64.powf(lowest.log10().floor()), highest(lines).max(0.1));
        let mut ticks = vec![low];
        while let Some(last) = ticks.last().copied()
            && last < high
        {
            ticks.push(last * 10.0);
        }
        Self {
            title,
            top,
            lines,
            ticks,
            is_logarithmic: true,
        }
    }

    pub(super) fn draw(&self, svg: &mut String) {
        line(
            svg,
            format_args!(
                "<text class=\"title\" x=\"{LEFT}\" y=\"{:.1}\">{}</text>",
                self.top - 8.0,
                self.title
            ),
        );
        for &tick in &self.ticks {
            let y = self.y(tick);
            line(
                svg,
                format_args!(
                    "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{}\"/>\
                     <text class=\"quiet\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
                    WIDTH - RIGHT,
                    LEFT - 8.0,
                    y + 4.0,
                ),
            );
        }
        for (points, class) in self.lines.iter().zip(["with", "without"]) {
            let path = self.path(points);
            line(
                svg,
                format_args!("<path class=\"line {class}\" d=\"{path}\"/>"),
            );
        }
    }

    fn path(&self, points: &Points) -> String {
        let (mut path, mut last) = (String::new(), f64::NEG_INFINITY);
        for &(share, value) in points {
            let how = if share - last > GAP { 'M' } else { 'L' };
            write!(path, "{how}{:.1} {:.1}", x(share), self.y(value))
                .expect("text takes what is written");
            last = share;
        }
        path
    }

    fn y(&self, value: f64) -> f64 {
        let (low, high) = (self.ticks[0], self.ticks[self.ticks.len() - 1]);
        let share = if self.is_logarithmic {
            (value.max(low) / low).log10() / (high / low).log10().max(1.0)
        } else {
            value / high
        };
        self.top + PANEL * (1.0 - share)
    }
}

fn highest(lines: &[Points; 2]) -> f64 {
    let values = lines.iter().flatten().map(|point| point.1);
    values.fold(1.0, f64::max)
}

/// The least of 1, 2, 2.5 and 5 times a power of ten that is not below.
fn round_above(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let round = [1.0, 2.0, 2.5, 5.0, 10.0].map(|n| n * power);
    let above = round.into_iter().find(|round| *round >= value);
    above.unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers_above_all_values() {
        let lines = [vec![(0.5, 730.0)], vec![(0.5, 3.0)]];
        let linear = Panel::linear("", 0.0, &lines);
        assert_eq!(linear.ticks, [0.0, 200.0, 400.0, 600.0, 800.0]);
        let logarithmic = Panel::logarithmic("", 0.0, &lines);
        assert_eq!(logarithmic.ticks, [1.0, 10.0, 100.0, 1_000.0]);
        for (panel, value, y) in [
            (&linear, 0.0, PANEL),
            (&linear, 800.0, 0.0),
            (&logarithmic, 1.0, PANEL),
            (&logarithmic, 10.0, PANEL * 2.0 / 3.0),
        ] {
            assert!((panel.y(value) - y).abs() < 0.01, "{value}");
        }
    }

    #[test]
    fn a_line_is_broken_where_nobody_came() {
        let panel_of = [vec![(0.01, 1.0), (0.02, 1.0), (0.5, 1.0)], Vec::new()];
        let panel = Panel::linear("", 0.0, &panel_of);
        let path = panel.path(&panel_of[0]);
        assert_eq!(
            (path.matches('M').count(), path.matches('L').count()),
            (2, 1)
        );
    }
}
