//! Prints what was measured as tables, and whether the goals hold.

use std::fmt;

use crate::harness::{Call, Cost, Role, Scenario};

/// One measured scenario.
pub(crate) struct Report<'a> {
    scenario: &'a Scenario,
    costs: Vec<Cost>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(scenario: &'a Scenario, costs: Vec<Cost>) -> Self {
        Self { scenario, costs }
    }

    fn rows(&self) -> impl Iterator<Item = (Role, &'static str, Cost)> {
        let labels = self.scenario.variants.iter().map(|variant| variant.label);
        labels
            .zip(&self.costs)
            .map(|(label, cost)| (label.role, label.title, *cost))
    }

    fn cpu_of(&self, role: Role) -> Option<f64> {
        self.rows().find(|row| row.0 == role).map(|row| row.2.cpu)
    }

    /// What was hoped for, and what is.
    pub(crate) fn goals(&self) -> Vec<String> {
        let Some(most) = self.scenario.goal else {
            return Vec::new();
        };
        let by_hand = self.cpu_of(Role::ByHand).unwrap_or(f64::NAN);
        let ours = self.rows().filter(|row| row.0 == Role::Ours);
        let slowest = ours.map(|row| row.2.cpu).fold(0.0, f64::max);
        let macros = self.rows().filter(|row| row.0 == Role::Macro);
        let fastest = macros.map(|row| row.2.cpu).fold(f64::INFINITY, f64::min);
        let times = slowest / by_hand;
        let verdict = |holds| if holds { "holds" } else { "DOES NOT HOLD" };
        vec![
            format!(
                "{}: at most {most:.1} x by hand: {} ({times:.2} x)",
                self.scenario.title,
                verdict(times <= most),
            ),
            format!(
                "{}: ahead of every macro with a TTL: {} (the next takes {:.2} x our time)",
                self.scenario.title,
                verdict(slowest < fastest),
                fastest / slowest,
            ),
        ]
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = match self.scenario.call {
            Call::Hit => "hit",
            Call::Miss => "miss",
        };
        let (floor, by_hand) = (self.cpu_of(Role::Floor), self.cpu_of(Role::ByHand));
        writeln!(f, "\n### {}\n", self.scenario.title)?;
        let cpu = format!("ns per {call}");
        writeln!(
            f,
            "| {:<58} | {cpu:>11} | wall ns | x floor | x by hand |",
            ""
        )?;
        writeln!(
            f,
            "|{:-<60}|{:->13}|{:->9}|{:->9}|{:->11}|",
            "", ":", ":", ":", ":"
        )?;
        for (_, title, cost) in self.rows() {
            let times =
                |of: Option<f64>| of.map_or(String::new(), |of| format!("{:.2}", cost.cpu / of));
            writeln!(
                f,
                "| {title:<58} | {:>11.1} | {:>7.1} | {:>7} | {:>9} |",
                cost.cpu,
                cost.wall,
                times(floor),
                times(by_hand),
            )?;
        }
        Ok(())
    }
}
