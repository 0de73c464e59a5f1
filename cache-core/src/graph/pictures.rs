//! The graph as sources of pictures. They have no lines of the source: one that is kept beside the program changes only with
//! the graph.

use std::collections::BTreeMap;

use super::{Direction, Graph, KnownEvent, Link};

impl Graph {
    /// The graph as a flowchart of [Mermaid](https://mermaid.js.org/syntax/flowchart.html), for Markdown: from the functions that emit to events
    /// to the functions that listen. Where a function names only the first fields they are at its arrow; events that lead
    /// nowhere have a dashed frame.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let mut drawing = String::from("flowchart LR\n");
        for item in self.drawn() {
            drawing += &match item {
                Item::Function { id, label } => format!("    {id}[\"{}\"]\n", in_mermaid(label)),
                Item::Event { id, label, .. } => format!("    {id}([\"{}\"])\n", in_mermaid(label)),
                Item::Arrow {
                    from,
                    to,
                    label: Some(label),
                    ..
                } => format!("    {from} -->|\"{}\"| {to}\n", in_mermaid(label)),
                Item::Arrow {
                    from,
                    to,
                    is_dashed: true,
                    ..
                } => format!("    {from} -.-> {to}\n"),
                Item::Arrow { from, to, .. } => format!("    {from} --> {to}\n"),
            };
        }
        for item in self.drawn() {
            if let Item::Event {
                id,
                is_orphan: true,
                ..
            } = item
            {
                drawing += &format!("    style {id} stroke-dasharray: 4\n");
            }
        }
        drawing
    }

    /// The graph in the language of [Graphviz](https://graphviz.org/doc/info/lang.html), drawn by `dot -Tsvg`. It shows what
    /// [`to_mermaid`](Self::to_mermaid) shows.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut drawing = String::from("digraph events {\n    rankdir=LR;\n");
        for item in self.drawn() {
            drawing += &match item {
                Item::Function { id, label } => {
                    format!("    {id} [shape=box, label=\"{}\"];\n", in_dot(label))
                }
                Item::Event {
                    id,
                    label,
                    is_orphan,
                } => {
                    let style = if is_orphan { ", style=dashed" } else { "" };
                    format!(
                        "    {id} [shape=ellipse, label=\"{}\"{style}];\n",
                        in_dot(label)
                    )
                }
                Item::Arrow {
                    from,
                    to,
                    label: Some(label),
                    ..
                } => format!("    {from} -> {to} [label=\"{}\"];\n", in_dot(label)),
                Item::Arrow {
                    from,
                    to,
                    is_dashed: true,
                    ..
                } => format!("    {from} -> {to} [style=dashed];\n"),
                Item::Arrow { from, to, .. } => format!("    {from} -> {to};\n"),
            };
        }
        drawing + "}\n"
    }

    /// What is to be drawn, each before what leads to it or from it.
    fn drawn(&self) -> Vec<Item<'_>> {
        let mut items = Vec::new();
        let functions: BTreeMap<_, _> = self
            .links
            .iter()
            .map(|link| (link.function(), ()))
            .collect();
        let functions: BTreeMap<_, _> = functions
            .into_keys()
            .enumerate()
            .map(|(index, function)| (function, format!("f{index}")))
            .collect();
        let drawn = functions.iter().map(|(label, id)| Item::Function {
            id: id.clone(),
            label,
        });
        items.extend(drawn);
        let elsewhere = self
            .events
            .iter()
            .any(|event| self.is_half_elsewhere(event));
        if elsewhere {
            items.push(Item::Function {
                id: ELSEWHERE.to_owned(),
                label: "other programs",
            });
        }
        for (index, event) in self.events.iter().enumerate() {
            let id = format!("e{index}");
            items.push(Item::Event {
                id: id.clone(),
                label: event.name,
                is_orphan: self.is_orphan(event),
            });
            self.draw_links(Some(event.name), &id, &functions, &mut items);
            if self.is_half_elsewhere(event) {
                let is_emitted = self.emitters_of(event.name).next().is_some();
                let (from, to) = in_order(is_emitted, id, ELSEWHERE.to_owned());
                items.push(Item::arrow(from, to));
            }
        }
        let unknown = self.links.iter().filter(|link| link.event.is_none());
        for (index, link) in unknown.enumerate() {
            let id = format!("u{index}");
            items.push(Item::Event {
                id: id.clone(),
                label: &link.pattern,
                is_orphan: true,
            });
            draw_link(link, &id, &functions, &mut items);
        }
        items
    }

    fn draw_links<'a>(
        &'a self,
        event: Option<&str>,
        id: &str,
        functions: &BTreeMap<&str, String>,
        items: &mut Vec<Item<'a>>,
    ) {
        let mut links: Vec<_> = self
            .links
            .iter()
            .filter(|link| link.event == event)
            .collect();
        // What one function names twice in one way is one arrow.
        links.dedup_by_key(|link| (link.direction, &link.function, &link.pattern));
        for link in links {
            draw_link(link, id, functions, items);
        }
    }

    /// Whether other programs do what nobody does in this one.
    fn is_half_elsewhere(&self, event: &KnownEvent) -> bool {
        event.is_used_elsewhere && self.is_half_used(event)
    }
}

/// The id of what stands for all other programs.
const ELSEWHERE: &str = "others";

/// A line of a drawing.
enum Item<'a> {
    Function {
        id: String,
        label: &'a str,
    },
    Event {
        id: String,
        label: &'a str,
        is_orphan: bool,
    },
    Arrow {
        from: String,
        to: String,
        label: Option<&'a str>,
        is_dashed: bool,
    },
}

impl Item<'_> {
    /// One that is guessed.
    fn arrow(from: String, to: String) -> Self {
        Self::Arrow {
            from,
            to,
            label: None,
            is_dashed: true,
        }
    }
}

fn draw_link<'a>(
    link: &'a Link,
    event: &str,
    functions: &BTreeMap<&str, String>,
    items: &mut Vec<Item<'a>>,
) {
    let Some(function) = functions.get(link.function()) else {
        return;
    };
    let is_emitted = link.direction == Direction::Emits;
    let (to, from) = in_order(is_emitted, event.to_owned(), function.clone());
    items.push(Item::Arrow {
        from,
        to,
        label: link.prefix(),
        is_dashed: false,
    });
}

/// The two as they are, or turned round.
fn in_order(is_in_order: bool, first: String, second: String) -> (String, String) {
    if is_in_order {
        (first, second)
    } else {
        (second, first)
    }
}

/// Text between quotes in Mermaid, which knows characters by their numbers.
fn in_mermaid(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if c.is_control() || "\"#&;<>\\`".contains(c) {
            escaped += &format!("#{};", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Text between quotes in DOT.
fn in_dot(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            '\n' => escaped += "\\n",
            // It has entities of HTML also between quotes.
            '&' => escaped += "&amp;",
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
