//! Prints what was measured as tables, and whether the goals hold.

use std::fmt;

use crate::harness::{Call, Cost, Label, Role, Scenario};

/// One measured scenario.
pub(crate) struct Report<'a> {
    scenario: &'a Scenario,
    costs: Vec<Cost>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(scenario: &'a Scenario, costs: Vec<Cost>) -> Self {
        Self { scenario, costs }
    }

    fn rows(&self) -> impl Iterator<Item = (Label, Cost)> {
        let labels = self.scenario.variants.iter().map(|variant| variant.label);
        labels.zip(self.costs.iter().copied())
    }

    fn nanos_of(&self, role: Role) -> impl Iterator<Item = f64> {
        let rows = self.rows().filter(move |(label, _)| label.role == role);
        rows.map(|(_, cost)| self.scenario.nanos_of(cost))
    }

    /// What was aimed at, and what is.
    pub(crate) fn goals(&self) -> Vec<String> {
        let (Some(most), Some(by_hand)) = (self.scenario.goal, self.nanos_of(Role::ByHand).next())
        else {
            return Vec::new();
        };
        let slowest = self.nanos_of(Role::Ours).fold(0.0, f64::max);
        let fastest = self.nanos_of(Role::Macro).fold(f64::INFINITY, f64::min);
        let goal = |aim: &str, holds: bool, fact: String| {
            let verdict = if holds { "holds" } else { "DOES NOT HOLD" };
            format!("{}: {aim}: {verdict} ({fact})", self.scenario.id)
        };
        let times = slowest / by_hand;
        vec![
            goal(
                &format!("at most {most:.1} x by hand"),
                times <= most,
                format!("{times:.2} x"),
            ),
            goal(
                "ahead of every other macro with a TTL",
                slowest < fastest,
                format!("the next takes {:.2} x our time", fastest / slowest),
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
        let floor = self.nanos_of(Role::Floor).next();
        let by_hand = self.nanos_of(Role::ByHand).next();
        let Scenario { id, title, .. } = self.scenario;
        let cpu = format!("CPU ns / {call}");
        writeln!(f, "### {id}: {title}\n")?;
        writeln!(
            f,
            "| {:<54} | {cpu:>13} | wall ns | x floor | x by hand |",
            ""
        )?;
        writeln!(f, "|:{:-<55}|{0:->14}:|{0:->8}:|{0:->8}:|{0:->10}:|", "")?;
        for (label, cost) in self.rows() {
            let nanos = self.scenario.nanos_of(cost);
            let times =
                |of: Option<f64>| of.map_or(String::new(), |of| format!("{:.2}", nanos / of));
            writeln!(
                f,
                "| {:<54} | {:>13.1} | {:>7.1} | {:>7} | {:>9} |",
                label.title,
                cost.cpu,
                cost.wall,
                times(floor),
                times(by_hand),
            )?;
        }
        Ok(())
    }
}
