//! What a proof says tenant by tenant, and threat by threat: as tables for people, and as JSON.

use super::{plain, plural};
use crate::isolation::matrix::{Matrix, Relation};
use crate::isolation::threats::ThreatAnswer;
use crate::value::Text;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Most classes that a table has room for; more are listed pair by pair.
const MAX_CLASSES: usize = 26;

/// Most pairs of classes that are listed for people.
const MAX_PAIRS: usize = 300;

/// What `prove` is asked for besides verdicts, for one cluster.
#[derive(Debug, Default)]
pub struct Tables {
    /// Who reaches whom.
    pub matrix: Option<Matrix>,
    /// The threats.
    pub threats: Option<Vec<ThreatAnswer>>,
}

/// The name of a class in a table: A, B … Z, AA.
fn label(mut at: usize) -> String {
    let mut label = String::new();
    loop {
        label.insert(0, char::from(b'A' + (at % 26) as u8));
        if at < 26 {
            return label;
        }
        at = at / 26 - 1;
    }
}

fn members(tenants: &[Text]) -> String {
    // A backtick would end the block of code in Markdown.
    let plain = |name: &Text| plain(name).replace('`', "\u{fffd}");
    let shown: Vec<String> = tenants.iter().take(3).map(plain).collect();
    match tenants.len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn named(how: &BTreeSet<Relation>) -> String {
    how.iter().map(|r| r.name()).collect::<Vec<_>>().join(", ")
}

/// Who reaches whom, as a table of classes.
pub fn matrix_text(matrix: &Matrix) -> String {
    let mut out = format!(
        "{}: who reaches whom, by tenants that are alike\n",
        plain(&matrix.cluster)
    );

    if !matrix.everywhere.is_empty() {
        let _ = writeln!(out, "  everybody, everybody: {}", named(&matrix.everywhere));
    }

    let pairs = matrix.cells.keys();
    let linked: BTreeSet<usize> = pairs.flat_map(|(from, to)| [*from, *to]).collect();
    for at in 0..matrix.classes.len() {
        out.push_str(&class_line(matrix, at, linked.contains(&at)));
    }

    match linked.len() {
        0 => {}
        1..=MAX_CLASSES => out.push_str(&cells_table(matrix, &linked)),
        _ => out.push_str(&cells_list(matrix)),
    }
    out
}

/// The line of a class: its tenants, and what holds towards all other tenants.
fn class_line(matrix: &Matrix, at: usize, is_linked: bool) -> String {
    let class = &matrix.classes[at];
    let mut notes = Vec::new();

    if !class.reaches_all.is_empty() {
        notes.push(format!("reaches everybody ({})", named(&class.reaches_all)));
    }
    if !class.reached_by_all.is_empty() {
        let by = named(&class.reached_by_all);
        notes.push(format!("everybody reaches it ({by})"));
    }
    if notes.is_empty() && !is_linked {
        notes.push("apart from all others".to_owned());
    }

    let notes = match notes.is_empty() {
        true => String::new(),
        false => format!(": {}", notes.join("; ")),
    };

    let count = plural(class.tenants.len(), "tenant");
    let names = members(&class.tenants);
    format!("  {:3} {count}: {names}{notes}\n", label(at))
}

/// The pairs of classes, one a line: for more classes than a table has room for.
fn cells_list(matrix: &Matrix) -> String {
    let mut out = String::new();
    for ((from, to), relations) in matrix.cells.iter().take(MAX_PAIRS) {
        let (from, to) = (label(*from), label(*to));
        let _ = writeln!(out, "  {from} to {to}: {}", named(relations));
    }

    let more = matrix.cells.len().saturating_sub(MAX_PAIRS);
    if more > 0 {
        let _ = writeln!(out, "  … and {more} more: --format json has all");
    }
    out
}

/// The table of the linked classes, with a letter for each relation, and its legend.
fn cells_table(matrix: &Matrix, linked: &BTreeSet<usize>) -> String {
    let widest = matrix.cells.values().map(BTreeSet::len).max();
    let width = widest.unwrap_or(1).max(2);
    let row = |cells: &mut dyn Iterator<Item = String>| {
        let padded = cells.map(|cell| format!(" {cell:>width$}"));
        padded.collect::<String>()
    };

    let mut out = String::new();
    let head = row(&mut linked.iter().map(|at| label(*at)));
    let _ = writeln!(out, "  from, to {head}");

    for from in linked {
        let letters = |to: &usize| match matrix.cells.get(&(*from, *to)) {
            Some(relations) => relations.iter().map(|relation| relation.letter()).collect(),
            None => ".".to_owned(),
        };
        let cells = row(&mut linked.iter().map(letters));
        let _ = writeln!(out, "  {:>8} {cells}", label(*from));
    }

    let used: BTreeSet<&Relation> = matrix.cells.values().flatten().collect();
    let legend = used
        .iter()
        .map(|relation| format!("{} {}", relation.letter(), relation.name()));
    let _ = writeln!(out, "  {}", legend.collect::<Vec<_>>().join(", "));
    out
}

fn evidence(answer: &ThreatAnswer) -> String {
    if answer.assumptions.is_empty() {
        let found = answer.evidence.iter().filter(|(_, count)| **count > 0);
        let found: Vec<String> = found
            .map(|(rule, count)| format!("{rule} ({count})"))
            .collect();
        return found.join(", ");
    }
    let names: BTreeSet<&str> = answer.assumptions.iter().map(|a| a.name).collect();
    format!("if {}", names.into_iter().collect::<Vec<_>>().join(" and "))
}

/// The threats, by the system that names them, with what is said of each.
pub fn threats_text(cluster: &str, answers: &[ThreatAnswer]) -> String {
    let mut out = format!("{}: threats, by who names them\n", plain(cluster));
    let mut system = "";
    let width = answers
        .iter()
        .map(|a| a.threat.text.len())
        .max()
        .unwrap_or(0);

    for answer in answers {
        if answer.threat.system != system {
            system = answer.threat.system;
            let _ = writeln!(out, "  {system}: a tenant …");
        }
        let line = format!(
            "    {:8} {:width$}  {}",
            answer.verdict.name(),
            answer.threat.text,
            evidence(answer)
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }

    out
}

/// Both tables of a cluster as Markdown.
pub fn markdown(cluster: &str, tables: &Tables) -> String {
    let mut out = String::new();
    if let Some(matrix) = &tables.matrix {
        let _ = write!(
            out,
            "\n<details><summary>{cluster}: who reaches whom</summary>\n\n```\n{}```\n\n</details>\n",
            matrix_text(matrix)
        );
    }

    if let Some(answers) = &tables.threats {
        let _ = write!(
            out,
            "\n<details><summary>{cluster}: threats</summary>\n\n| named by | a tenant … | verdict | evidence |\n|---|---|---|---|\n"
        );
        for answer in answers {
            let (system, text) = (answer.threat.system, answer.threat.text);
            let _ = writeln!(
                out,
                "| {system} | {text} | {} | {} |",
                answer.verdict.name(),
                evidence(answer)
            );
        }
        out.push_str("\n</details>\n");
    }

    out
}

/// Both tables for programs.
#[derive(Debug, Serialize)]
pub struct TablesReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    matrix: Option<MatrixReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threats: Option<Vec<ThreatReport<'a>>>,
}

#[derive(Debug, Serialize)]
struct MatrixReport<'a> {
    everywhere: Vec<&'static str>,
    classes: Vec<ClassReport<'a>>,
    cells: Vec<CellReport>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClassReport<'a> {
    tenants: &'a [Text],
    reaches_all: Vec<&'static str>,
    reached_by_all: Vec<&'static str>,
}

/// `from` and `to` are indices of classes; of one class, they are others of it.
#[derive(Debug, Serialize)]
struct CellReport {
    from: usize,
    to: usize,
    by: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct ThreatReport<'a> {
    system: &'static str,
    threat: &'static str,
    verdict: &'static str,
    evidence: &'a BTreeMap<&'static str, usize>,
    assumptions: BTreeMap<&'a str, &'a str>,
}

impl Tables {
    /// The tables for programs.
    pub fn report(&self) -> TablesReport<'_> {
        let names = |how: &BTreeSet<Relation>| how.iter().map(|r| r.name()).collect();
        let matrix = self.matrix.as_ref().map(|matrix| MatrixReport {
            everywhere: names(&matrix.everywhere),
            classes: matrix
                .classes
                .iter()
                .map(|c| ClassReport {
                    tenants: &c.tenants,
                    reaches_all: names(&c.reaches_all),
                    reached_by_all: names(&c.reached_by_all),
                })
                .collect(),
            cells: matrix
                .cells
                .iter()
                .map(|((from, to), how)| CellReport {
                    from: *from,
                    to: *to,
                    by: how.iter().map(|r| r.name()).collect(),
                })
                .collect(),
        });

        let threats = self.threats.as_ref().map(|answers| {
            answers
                .iter()
                .map(|a| ThreatReport {
                    system: a.threat.system,
                    threat: a.threat.text,
                    verdict: a.verdict.name(),
                    evidence: &a.evidence,
                    assumptions: a
                        .assumptions
                        .iter()
                        .map(|x| (x.name, x.text.as_str()))
                        .collect(),
                })
                .collect()
        });

        TablesReport { matrix, threats }
    }
}
