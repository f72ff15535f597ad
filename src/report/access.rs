//! Who may do something: the answers of `can`, `reach` and `who-can`, for people, for programs and as
//! a picture.

use super::mermaid::{Flowchart, Vertex};
use super::steps::StepReport;
use super::{numbered_steps, plain, plural, pretty};
use crate::diagnostic::Diagnostic;
use crate::graph::rbac::Subject;
use crate::isolation::question::Answer;
use crate::isolation::some;
use crate::isolation::who_can::{Access, Whose};
use crate::source::{SourceMap, Span};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::Write;

/// Most inputs that could not be read that text lists.
const MAX_UNREAD: usize = 5;

/// The answer of one cluster.
#[derive(Debug)]
pub struct ClusterAccess<'a> {
    /// The name of the cluster.
    pub cluster: &'a str,
    /// Everybody who may do it, in order; Kubernetes' own come last.
    pub subjects: Vec<(Access, Whose<'a>)>,
    /// The subjects of which the inputs do not tell, in order.
    pub undecided: Vec<(Access, Whose<'a>)>,
    /// The inputs that could not be read: others may do it too if there are any.
    pub unread: &'a [Diagnostic],
}

impl ClusterAccess<'_> {
    /// Whether the inputs tell of everybody: all were read, no role is missing, and no tenant's subject
    /// is undecided. Whatever the platform's own accounts do with their rights, they are trusted.
    pub fn is_complete(&self) -> bool {
        let is_told =
            |(access, whose): &(Access, Whose<'_>)| whose.is_of_no_tenant() && !access.lacks_role;
        self.undecided.iter().all(is_told) && self.unread.is_empty()
    }
}

/// An answer of `can` or `reach` for a cluster, with its steps.
pub fn answer_text(sources: &SourceMap, cluster: &str, answer: &Answer) -> String {
    let line = format!("{cluster}: {}", answer.line());
    format!(
        "{}\n{}",
        plain(&line),
        numbered_steps(sources, &answer.steps, 2)
    )
}

/// The answers of all clusters, to be written in each format.
#[derive(Debug)]
pub struct WhoCanReport<'a> {
    /// The texts that places point into.
    pub sources: &'a SourceMap,
    /// What is asked, as a phrase: `` get secrets in `beta` ``.
    pub asked: String,
    /// The answers.
    pub clusters: Vec<ClusterAccess<'a>>,
}

impl WhoCanReport<'_> {
    /// A list for each cluster: whose each subject is, and the steps. Subjects with equal steps stand
    /// together.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for cluster in &self.clusters {
            let name = plain(cluster.cluster);
            let asked = plain(&self.asked);
            let _ = writeln!(out, "{name}: {} can {asked}", counted(&cluster.subjects));

            let all = cluster.subjects.iter();
            let others = all.filter(|(_, whose)| *whose != Whose::Kubernetes);
            for together in with_equal_steps(others) {
                self.add_together(&mut out, &together);
            }
            let all = cluster.subjects.iter();
            for (access, _) in all.filter(|(_, whose)| *whose == Whose::Kubernetes) {
                add_own(&mut out, access);
            }

            if !cluster.undecided.is_empty() {
                let count = plural(cluster.undecided.len(), "subject");
                let _ = writeln!(
                    out,
                    "{name}: unknown for {count}, because the inputs do not say what these give"
                );
            }
            for together in with_equal_steps(cluster.undecided.iter()) {
                self.add_together(&mut out, &together);
            }

            if !cluster.unread.is_empty() {
                let _ = writeln!(
                    out,
                    "{name}: unknown whether others can: not everything could be read"
                );
                for finding in cluster.unread.iter().take(MAX_UNREAD) {
                    let message = plain(&finding.message);
                    let _ = writeln!(out, "  - {message}\n    {}", self.place(finding.span));
                    if !finding.fix.is_empty() {
                        let _ = writeln!(out, "    fix: {}", plain(&finding.fix));
                    }
                }
                let more = cluster.unread.len().saturating_sub(MAX_UNREAD);
                if more > 0 {
                    let _ = writeln!(out, "  - and {more} more, which `tenantry prove` lists");
                }
            }
        }
        out
    }

    fn add_together(&self, out: &mut String, together: &[&(Access, Whose<'_>)]) {
        for (access, whose) in together {
            let subject = plain(&access.subject.to_string());
            let _ = match whose {
                Whose::Everybody(phrase) => writeln!(out, "  {subject}: {phrase}"),
                _ => writeln!(out, "  {subject} ({})", plain(&whose_text(whose))),
            };
        }
        let steps = together.first().map(|(access, _)| &access.chain.steps);
        let steps = steps.map_or(&[][..], Vec::as_slice);
        out.push_str(&numbered_steps(self.sources, steps, 4));
    }

    fn place(&self, span: Span) -> String {
        plain(&self.sources.place(span))
    }

    /// A flowchart of Mermaid: from each subject to what is asked.
    pub fn mermaid(&self) -> String {
        let mut chart = Flowchart::new(self.sources);
        for cluster in &self.clusters {
            chart.cluster(cluster.cluster);
            for (access, _) in &cluster.subjects {
                let start = Vertex::principal(&access.subject);
                chart.add(start, &access.chain.steps, Vertex::goal(&self.asked), "");
            }
        }
        chart.text()
    }

    /// A JSON document, ended by a newline.
    pub fn json(&self) -> String {
        let document = WhoCanDocument {
            schema_version: 1,
            asked: &self.asked,
            clusters: self.clusters.iter().map(|one| self.cluster(one)).collect(),
        };
        pretty(&document)
    }

    fn cluster<'r>(&'r self, cluster: &'r ClusterAccess<'_>) -> ClusterDocument<'r> {
        let unread = cluster.unread.iter();
        ClusterDocument {
            cluster: cluster.cluster,
            is_complete: cluster.is_complete(),
            subjects: self.subjects(&cluster.subjects),
            undecided: self.subjects(&cluster.undecided),
            unread: unread
                .map(|finding| StepReport::of(self.sources, &finding.message, finding.span))
                .collect(),
        }
    }

    fn subjects<'r>(&'r self, all: &'r [(Access, Whose<'_>)]) -> Vec<SubjectDocument<'r>> {
        let all = all.iter();
        all.map(|(access, whose)| self.subject(access, whose))
            .collect()
    }

    fn subject<'r>(&'r self, access: &'r Access, whose: &'r Whose<'_>) -> SubjectDocument<'r> {
        let (kind, namespace, name) = match &access.subject {
            Subject::User(name) => ("User", None, name),
            Subject::Group(name) => ("Group", None, name),
            Subject::ServiceAccount(namespace, name) => {
                ("ServiceAccount", Some(namespace.as_str()), name)
            }
        };
        let (tenants, is_everybody) = match whose {
            Whose::Tenants(tenants) => (&tenants[..], false),
            Whose::Everybody(_) => (&[][..], true),
            Whose::Kubernetes | Whose::Platform => (&[][..], false),
        };
        SubjectDocument {
            kind,
            namespace,
            name,
            tenants,
            is_everybody,
            is_kubernetes: matches!(whose, Whose::Kubernetes),
            is_direct: access.chain.is_direct,
            identities_taken: access.chain.taken,
            steps: access
                .chain
                .steps
                .iter()
                .map(|step| StepReport::of(self.sources, &step.text, step.span))
                .collect(),
        }
    }
}

/// How many subjects there are, as a phrase.
fn counted(subjects: &[(Access, Whose<'_>)]) -> String {
    let own = subjects
        .iter()
        .filter(|(_, whose)| *whose == Whose::Kubernetes);
    match (subjects.len(), own.count()) {
        (0, _) => "no subject".to_owned(),
        (all, 0) => plural(all, "subject"),
        (all, own) => format!("{} ({own} Kubernetes' own)", plural(all, "subject")),
    }
}

/// Adds the line of a subject of Kubernetes' own: its steps are not the user's to change.
fn add_own(out: &mut String, access: &Access) {
    let subject = plain(&access.subject.to_string());
    let how = match access.chain.taken {
        0 => "its own role",
        _ => "acting as others",
    };
    let _ = writeln!(out, "  {subject} (Kubernetes' own): by {how}");
}

/// The subjects by their steps, each set where its first subject stands.
fn with_equal_steps<'r, 'a>(
    subjects: impl Iterator<Item = &'r (Access, Whose<'a>)>,
) -> Vec<Vec<&'r (Access, Whose<'a>)>> {
    let mut known: HashMap<Vec<(Span, &str)>, usize> = HashMap::new();
    let mut all: Vec<Vec<_>> = Vec::new();
    for one in subjects {
        let steps = one.0.chain.steps.iter();
        let key = steps.map(|step| (step.span, step.text.as_str())).collect();
        let at = *known.entry(key).or_insert(all.len());
        match all.get_mut(at) {
            Some(together) => together.push(one),
            None => all.push(vec![one]),
        }
    }
    all
}

/// Whose a subject is, as a phrase.
fn whose_text(whose: &Whose<'_>) -> String {
    match whose {
        Whose::Kubernetes => "Kubernetes' own".to_owned(),
        Whose::Platform => "the platform".to_owned(),
        Whose::Everybody(phrase) => (*phrase).to_owned(),
        Whose::Tenants(tenants) => match &tenants[..] {
            [one] => format!("tenant `{one}`"),
            several => format!("tenants {}", some(several.iter().copied())),
        },
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WhoCanDocument<'a> {
    schema_version: u32,
    asked: &'a str,
    clusters: Vec<ClusterDocument<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterDocument<'a> {
    cluster: &'a str,
    /// Whether the inputs tell of everybody but the platform's own accounts.
    #[serde(rename = "complete")]
    is_complete: bool,
    subjects: Vec<SubjectDocument<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    undecided: Vec<SubjectDocument<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unread: Vec<StepReport<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubjectDocument<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: &'a str,
    /// The tenants that hold it; empty if it is the platform's or everybody's.
    tenants: &'a [&'a str],
    #[serde(rename = "everybody")]
    is_everybody: bool,
    /// Whether it is one of Kubernetes' own controllers or components.
    #[serde(rename = "kubernetes")]
    is_kubernetes: bool,
    #[serde(rename = "direct")]
    is_direct: bool,
    identities_taken: usize,
    steps: Vec<StepReport<'a>>,
}
