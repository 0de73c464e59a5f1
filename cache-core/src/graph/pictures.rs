//! The graph as sources of pictures. No lines of the source are in them: a picture that is kept beside the program changes
//! only with the graph.

use super::{Direction, Graph, KnownEvent, Link};

impl Graph {
    /// The graph as a flowchart of [Mermaid](https://mermaid.js.org/syntax/flowchart.html), which many viewers of
    /// Markdown draw: from functions that emit to events to functions that listen. If a function names only the first
    /// fields, its arrow shows them. An event that leads nowhere has a dashed frame.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        let Drawing { nodes, arrows } = self.drawing();
        let mut lines = vec!["flowchart LR".to_owned()];
        lines.extend(nodes.iter().map(|node| {
            let (id, label) = (&node.id, in_mermaid(node.label));
            if node.is_event {
                format!("    {id}([\"{label}\"])")
            } else {
                format!("    {id}[\"{label}\"]")
            }
        }));
        lines.extend(arrows.iter().map(|arrow| {
            let line = if arrow.is_dashed { "-.->" } else { "-->" };
            let label = arrow
                .label
                .map(|label| format!("|\"{}\"|", in_mermaid(label)));
            let label = label.unwrap_or_default();
            format!("    {} {line}{label} {}", arrow.from, arrow.to)
        }));
        let dashed = nodes.iter().filter(|node| node.is_dashed);
        lines.extend(dashed.map(|node| format!("    style {} stroke-dasharray: 4", node.id)));
        lines.join("\n") + "\n"
    }

    /// The graph in the language of [Graphviz](https://graphviz.org/doc/info/lang.html), for `dot -Tsvg`. It shows what
    /// [`to_mermaid`](Self::to_mermaid) shows.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let Drawing { nodes, arrows } = self.drawing();
        let mut lines = vec!["digraph events {".to_owned(), "    rankdir=LR;".to_owned()];
        lines.extend(nodes.iter().map(|node| {
            let shape = if node.is_event { "ellipse" } else { "box" };
            let style = if node.is_dashed { ", style=dashed" } else { "" };
            let label = in_dot(node.label);
            format!("    {} [label=\"{label}\", shape={shape}{style}];", node.id)
        }));
        lines.extend(arrows.iter().map(|arrow| {
            let style = if arrow.is_dashed {
                " [style=dashed]"
            } else {
                ""
            };
            let label = arrow
                .label
                .map(|label| format!(" [label=\"{}\"]", in_dot(label)));
            let label = label.unwrap_or_default();
            format!("    {} -> {}{label}{style};", arrow.from, arrow.to)
        }));
        lines.push("}".to_owned());
        lines.join("\n") + "\n"
    }

    fn drawing(&self) -> Drawing<'_> {
        let mut functions: Vec<_> = self.links.iter().map(Link::function).collect();
        functions.sort_unstable();
        functions.dedup();
        let nodes = functions.iter().enumerate().map(|(index, label)| Node {
            id: format!("f{index}"),
            label,
            is_event: false,
            is_dashed: false,
        });
        let mut drawing = Drawing {
            nodes: nodes.collect(),
            arrows: Vec::new(),
        };
        for (index, event) in self.events.iter().enumerate() {
            let id = drawing.event(format!("e{index}"), event.name, self.is_orphan(event));
            let links = self
                .links
                .iter()
                .filter(|link| link.event == Some(event.name));
            for link in links {
                drawing.link(&id, link, &functions);
            }
            if event.is_used_elsewhere {
                self.draw_others(event, &id, &mut drawing);
            }
        }
        let unknown = self.links.iter().filter(|link| link.event.is_none());
        for (index, link) in unknown.enumerate() {
            let id = drawing.event(format!("u{index}"), &link.pattern, true);
            drawing.link(&id, link, &functions);
        }
        drawing
    }

    /// What other programs do with an event, as far as nobody does it here.
    fn draw_others(&self, event: &KnownEvent, id: &str, drawing: &mut Drawing<'_>) {
        for (direction, others) in [
            (Direction::Emits, "emitters"),
            (Direction::Listens, "listeners"),
        ] {
            if self.of(Some(event.name), direction).next().is_some() {
                continue;
            }
            let others = drawing.others(format!("{id}{others}"));
            drawing.arrow(direction, others, id.to_owned(), None, true);
        }
    }
}

struct Drawing<'a> {
    nodes: Vec<Node<'a>>,
    arrows: Vec<Arrow<'a>>,
}

struct Node<'a> {
    id: String,
    label: &'a str,
    is_event: bool,
    is_dashed: bool,
}

#[derive(PartialEq)]
struct Arrow<'a> {
    from: String,
    to: String,
    label: Option<&'a str>,
    is_dashed: bool,
}

impl<'a> Drawing<'a> {
    fn event(&mut self, id: String, label: &'a str, is_dashed: bool) -> String {
        self.nodes.push(Node {
            id: id.clone(),
            label,
            is_event: true,
            is_dashed,
        });
        id
    }

    fn others(&mut self, id: String) -> String {
        self.nodes.push(Node {
            id: id.clone(),
            label: "other programs",
            is_event: false,
            is_dashed: true,
        });
        id
    }

    fn link(&mut self, event: &str, link: &'a Link, functions: &[&str]) {
        if let Ok(index) = functions.binary_search(&link.function()) {
            let function = format!("f{index}");
            self.arrow(
                link.direction,
                function,
                event.to_owned(),
                link.prefix(),
                false,
            );
        }
    }

    /// What a function names twice in one way is one arrow.
    fn arrow(
        &mut self,
        direction: Direction,
        function: String,
        event: String,
        label: Option<&'a str>,
        is_dashed: bool,
    ) {
        let (from, to) = match direction {
            Direction::Emits => (function, event),
            Direction::Listens => (event, function),
        };
        let arrow = Arrow {
            from,
            to,
            label,
            is_dashed,
        };
        if !self.arrows.contains(&arrow) {
            self.arrows.push(arrow);
        }
    }
}

/// Text between quotes in Mermaid, which knows characters by their numbers.
fn in_mermaid(text: &str) -> String {
    let escaped = |c: char| {
        if c.is_control() || "\"#&;<>\\`".contains(c) {
            format!("#{};", u32::from(c))
        } else {
            c.to_string()
        }
    };
    text.chars().map(escaped).collect()
}

/// Text between quotes in DOT, which has the entities of HTML also there.
fn in_dot(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() || c == '&' => format!("&#{};", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(escaped).collect()
}
