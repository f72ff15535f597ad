//! Chains as a flowchart of Mermaid, which GitHub, GitLab and most wikis draw.
//!
//! Every text stands in quotes, and each character that Mermaid, Markdown or HTML could read as
//! more than itself is an entity code: no name can end a text, begin a statement or hold a link.
//!
//! Source: mermaid.js.org/syntax/flowchart.html ("Special characters that break syntax", "Entity
//! codes to escape characters"), mermaid.js.org/config/directives.html; docs.github.com, "Creating
//! diagrams".

mod connections;

use super::findings::{FindingState, ReportedFinding, TenantsAtEnd};
use super::{is_deceptive, plural};
use crate::graph::rbac::Subject;
use crate::isolation::{ChainNode, Step, Verdict};
use crate::plain::without_credentials;
use crate::source::SourceMap;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

/// Most edges that are drawn. Source: mermaid.js.org/config/schema-docs/config.html, `maxEdges`.
const MAX_EDGES: usize = 500;

/// Most bytes of nodes and edges, under the 50,000 of `maxTextSize` of the same page.
const MAX_BYTES: usize = 45_000;

/// A node of a picture.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Vertex {
    /// Something that a chain leads through.
    Node(ChainNode),
    /// The tenants at an end of a chain.
    Tenants(TenantsAtEnd),
    /// A place in a file, if it is not known what stands there.
    Place(String),
    /// What is asked for.
    Goal(String),
    /// An end of a connection that is no object of the inputs.
    End(String),
}

impl Vertex {
    /// A user, a group or a service account.
    pub fn principal(subject: &Subject) -> Self {
        Self::Node(ChainNode::Principal(subject.clone()))
    }

    /// The tenants at an end of a chain.
    pub fn tenants(tenants: &TenantsAtEnd) -> Self {
        match tenants {
            TenantsAtEnd::One(name) => Self::Node(ChainNode::Tenant(name.clone())),
            other => Self::Tenants(other.clone()),
        }
    }

    /// What is asked for, as a phrase.
    pub fn goal(asked: &str) -> Self {
        Self::Goal(asked.to_owned())
    }

    fn label(&self) -> String {
        match self {
            Self::Node(ChainNode::Tenant(name)) => format!("tenant {name}"),
            Self::Node(ChainNode::Principal(subject)) => subject.to_string(),
            Self::Node(ChainNode::Object(id)) => id.called(),
            Self::Tenants(tenants) => tenants.phrase(),
            Self::Place(text) | Self::Goal(text) | Self::End(text) => text.clone(),
        }
    }

    /// The brackets that make its shape.
    fn shape(&self) -> [&'static str; 2] {
        match self {
            Self::Node(ChainNode::Principal(_)) => ["([", "])"],
            Self::Node(ChainNode::Tenant(_)) | Self::Tenants(_) => ["[/", "/]"],
            Self::Goal(_) => ["{{", "}}"],
            Self::Place(_) | Self::End(_) => ["[", "]"],
            Self::Node(ChainNode::Object(id)) => match id.kind.as_str() {
                "Role" | "ClusterRole" => ["[[", "]]"],
                "Namespace" => ["[(", ")]"],
                "Pod" => ["(", ")"],
                _ => ["[", "]"],
            },
        }
    }
}

/// How a line between two nodes is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    /// It leads on.
    Arrow,
    /// It is blocked: a cross at its end.
    Blocked,
    /// It is not known whether it leads on: dots.
    Unknown,
}

impl Line {
    const fn drawn(self) -> &'static str {
        match self {
            Self::Arrow => "-->",
            Self::Blocked => "--x",
            Self::Unknown => "-.->",
        }
    }
}

/// A line between two nodes, by their numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: usize,
    to: usize,
    label: String,
    line: Line,
}

/// A line of a chain, and the node that it leads to.
#[derive(Clone, Debug)]
struct Hop {
    label: String,
    line: Line,
    to: Vertex,
}

impl Hop {
    fn arrow(label: impl Into<String>, to: Vertex) -> Self {
        Self {
            label: label.into(),
            line: Line::Arrow,
            to,
        }
    }

    /// The lines of a step: its text stands at the last one.
    fn through(step: &Step, nodes: Vec<Vertex>) -> Vec<Self> {
        let last = nodes.len().saturating_sub(1);
        let hop = |(at, node)| {
            let label = if at == last { step.text.as_str() } else { "" };
            Self::arrow(label, node)
        };
        nodes.into_iter().enumerate().map(hop).collect()
    }
}

/// A picture of chains: equal nodes of one cluster are one node.
#[derive(Debug)]
pub struct Flowchart<'a> {
    sources: &'a SourceMap,
    clusters: Vec<String>,
    /// The cluster of the chains that are added, by its number.
    current: usize,
    /// The cluster of each node, by its number, and the node.
    vertices: Vec<(usize, Vertex)>,
    index: HashMap<(usize, Vertex), usize>,
    edges: Vec<Edge>,
    known: BTreeSet<Edge>,
    bytes: usize,
    left_out: usize,
}

impl<'a> Flowchart<'a> {
    /// An empty picture.
    pub fn new(sources: &'a SourceMap) -> Self {
        Self {
            sources,
            clusters: vec![String::new()],
            current: 0,
            vertices: Vec::new(),
            index: HashMap::new(),
            edges: Vec::new(),
            known: BTreeSet::new(),
            bytes: 0,
            left_out: 0,
        }
    }

    /// Says of which cluster the chains are that follow.
    pub fn cluster(&mut self, name: &str) {
        let known = self.clusters.iter().position(|known| known == name);
        self.current = known.unwrap_or(self.clusters.len());
        if known.is_none() {
            self.clusters.push(name.to_owned());
        }
    }

    /// Adds a chain. It is left out and counted if the picture would get larger than is drawn.
    pub fn add(&mut self, start: Vertex, steps: &[Step], end: Vertex, last_label: &str) {
        let mut path = Vec::new();
        for step in steps {
            let place = || vec![Vertex::Place(self.sources.locate(step.span))];
            let nodes = match step.nodes.is_empty() {
                true => place(),
                false => nodes_of(step),
            };
            path.extend(Hop::through(step, nodes));
        }
        path.push(Hop::arrow(last_label, end));
        self.draw(start, path);
    }

    /// Draws a chain that fits.
    fn draw(&mut self, start: Vertex, path: Vec<Hop>) {
        let bytes =
            |label: &str, node: &Vertex| escaped(label).len() + escaped(&node.label()).len();
        let all = path.iter().map(|hop| bytes(&hop.label, &hop.to) + 40);
        let bytes = all.sum::<usize>() + bytes("", &start) + 40;
        if self.edges.len() + path.len() >= MAX_EDGES || self.bytes + bytes > MAX_BYTES {
            self.left_out += 1;
            return;
        }

        let mut from = self.number(start);
        for Hop { label, line, to } in path {
            let to = self.number(to);
            let edge = Edge {
                from,
                to,
                label,
                line,
            };
            if self.known.insert(edge.clone()) {
                self.bytes += escaped(&edge.label).len() + 20;
                self.edges.push(edge);
            }
            from = to;
        }
    }

    /// The number of a node; it is a new one unless it is there already.
    fn number(&mut self, vertex: Vertex) -> usize {
        let key = (self.current, vertex);
        if let Some(known) = self.index.get(&key) {
            return *known;
        }
        let at = self.vertices.len();
        self.bytes += escaped(&key.1.label()).len() + 20;
        self.vertices.push(key.clone());
        self.index.insert(key, at);
        at
    }

    /// The text of the picture, ended by a newline.
    pub fn text(&self) -> String {
        let mut out = String::from("flowchart LR\n");
        let of_cluster = |cluster: usize| {
            let all = self.vertices.iter().enumerate();
            all.filter(move |(_, (at, _))| *at == cluster)
        };
        let shown: Vec<usize> = (0..self.clusters.len())
            .filter(|cluster| of_cluster(*cluster).next().is_some())
            .collect();

        for cluster in &shown {
            let name = escaped(&self.clusters[*cluster]);
            if shown.len() > 1 {
                let _ = writeln!(out, "  subgraph c{cluster}[\"{name}\"]");
            }
            for (at, (_, vertex)) in of_cluster(*cluster) {
                let ([open, close], label) = (vertex.shape(), escaped(&vertex.label()));
                let _ = writeln!(out, "  n{at}{open}\"{label}\"{close}");
            }
            if shown.len() > 1 {
                out.push_str("  end\n");
            }
        }

        for edge in &self.edges {
            let (from, to, line) = (edge.from, edge.to, edge.line.drawn());
            let _ = match edge.label.is_empty() {
                true => writeln!(out, "  n{from} {line} n{to}"),
                false => writeln!(out, "  n{from} {line}|\"{}\"| n{to}", escaped(&edge.label)),
            };
        }
        if self.left_out > 0 {
            let more = plural(self.left_out, "more chain");
            let _ = writeln!(out, "  more[\"{more} not drawn\"]");
        }
        out
    }
}

/// What a step leads through.
fn nodes_of(step: &Step) -> Vec<Vertex> {
    step.nodes.iter().cloned().map(Vertex::Node).collect()
}

/// The ways that findings of a proof describe, from the tenant that gains to the one that is reached.
/// Those that are known before are left out.
pub fn mermaid_of_proof(sources: &SourceMap, findings: &[ReportedFinding]) -> String {
    let is_drawn = |finding: &&ReportedFinding| {
        finding.verdict == Some(Verdict::Refuted) && finding.state != FindingState::Known
    };

    let mut chart = Flowchart::new(sources);
    for finding in findings.iter().filter(is_drawn) {
        let clusters: Vec<&str> = finding.clusters.iter().map(String::as_str).collect();
        chart.cluster(&clusters.join(", "));

        let [start, end] = finding.ends.each_ref();
        let (start, end) = (Vertex::tenants(start), Vertex::tenants(end));
        chart.add(start, &finding.chain, end, finding.diagnostic.rule.id);
    }
    chart.text()
}

/// A text between quotes. Letters, digits and spaces stand for themselves, and so do `/`, `,` and a
/// `-` between two of them; everything else is an entity code in decimal. No credential is in it.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    for c in without_credentials(text.trim()).chars() {
        let c = if is_deceptive(c) { '\u{fffd}' } else { c };
        let is_joined = c == '-' && before.is_ascii_alphanumeric();
        if c.is_ascii_alphanumeric() || c == ' ' && before != ' ' || is_joined || "/,".contains(c) {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Flowchart, Vertex, escaped};
    use crate::source::SourceMap;

    #[test]
    fn a_chain_stands_under_its_own_cluster_in_any_order() {
        let sources = SourceMap::default();
        let mut chart = Flowchart::new(&sources);
        for (cluster, start) in [("east", "a"), ("west", "b"), ("east", "c"), ("east", "a")] {
            chart.cluster(cluster);
            chart.add(Vertex::goal(start), &[], Vertex::goal("goal"), "");
        }
        let expected = "flowchart LR\n  \
            subgraph c1[\"east\"]\n  \
            n0{{\"a\"}}\n  n1{{\"goal\"}}\n  n4{{\"c\"}}\n  end\n  \
            subgraph c2[\"west\"]\n  \
            n2{{\"b\"}}\n  n3{{\"goal\"}}\n  end\n  \
            n0 --> n1\n  n2 --> n3\n  n4 --> n1\n";
        assert_eq!(chart.text(), expected);
    }

    #[test]
    fn a_text_holds_no_character_that_means_more_than_itself() {
        for hostile in [
            "\"]; click n0 href \"https://evil.example\"",
            "`**bold**` [x](https://evil.example)",
            "</text><script>alert(1)</script>",
            "%%{init: {\"securityLevel\": \"loose\"}}%%",
            "#quot;&quot;&#34;",
            "a\nn9 --> n0\r\nsubgraph x",
            "1. one - two *three* _four_ www.evil.example fa:fa-ban a@b.example $$x$$ \\n",
        ] {
            let text = escaped(hostile);
            let mut rest = text.clone();
            while let Some(at) = rest.find('#') {
                let end = rest[at..].find(';').expect("the end of a code") + at;
                let code = &rest[at + 1..end];
                assert!(code.chars().all(|c| c.is_ascii_digit()), "{text}");
                rest.replace_range(at..=end, "");
            }
            let is_plain = |c: char| c.is_ascii_alphanumeric() || " /,-".contains(c);
            assert!(rest.chars().all(is_plain), "{text}");
        }
        assert_eq!(escaped("RoleBinding a/x-y"), "RoleBinding a/x-y");
        assert_eq!(escaped("- a"), "#45; a");
    }
}
