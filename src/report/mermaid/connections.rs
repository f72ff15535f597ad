//! Connections as a flowchart: both ends, and the policies that decide each direction.

use super::{Flowchart, Hop, Line, Vertex, nodes_of};
use crate::isolation::connection::{Connection, EndName};
use crate::isolation::question::Word;
use crate::isolation::{ChainNode, Step};

impl Vertex {
    /// An end of a connection.
    fn end(name: &EndName) -> Self {
        match name {
            EndName::Object(id) => Self::Node(ChainNode::from(id)),
            EndName::Phrase(phrase) => Self::End(phrase.clone()),
        }
    }
}

impl Flowchart<'_> {
    /// Adds a connection. One that is open leads through the policies that let it out and in. One that
    /// is blocked has a line for each policy that blocks it, with a cross at its end.
    pub fn add_connection(&mut self, connection: &Connection) {
        let answer = &connection.answer;
        let (deciding, remarks): (Vec<&Step>, Vec<&Step>) =
            answer.steps.iter().partition(|step| !step.nodes.is_empty());
        let until_stop = deciding.iter().take_while(|step| !step.stops);
        let passed = until_stop.flat_map(|step| Hop::through(step, nodes_of(step)));
        let passed: Vec<Hop> = passed.collect();
        let last = last_hop(connection, &remarks);

        let stops = deciding.iter().filter(|step| step.stops);
        let mut paths: Vec<Vec<Hop>> = stops
            .map(|step| [&passed[..], &Hop::through(step, nodes_of(step))].concat())
            .collect();
        if paths.is_empty() {
            paths.push(passed);
        }
        for mut path in paths {
            path.push(last.clone());
            self.draw(Vertex::end(&connection.from), path);
        }
    }
}

/// The line to the end that receives, with what the answer rests on.
fn last_hop(connection: &Connection, remarks: &[&Step]) -> Hop {
    let answer = &connection.answer;
    let mut texts = vec![answer.summary.as_str()];
    texts.extend(remarks.iter().map(|step| step.text.as_str()));
    texts.retain(|text| !text.is_empty());
    texts.dedup();

    Hop {
        label: texts.join("; "),
        line: match answer.word {
            Word::Yes => Line::Arrow,
            Word::No => Line::Blocked,
            Word::Unknown => Line::Unknown,
        },
        to: Vertex::end(&connection.to),
    }
}
