//! Answers one question at a time: whether a subject may do something, itself or as an account that
//! it can become.

mod answer;
mod refusal;

pub(super) use answer::MAX_REASONS;
pub use answer::answer;
pub(super) use answer::{first_steps, unread_steps};
pub(super) use refusal::{undefined_elsewhere, undefined_roles};

use super::escalation::{Directory, HeldGrants, Identities};
use super::{Step, at};
use crate::graph::Cluster;
use crate::graph::rbac::{AccessRequest, Grant, Subject};

/// The word of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// The inputs do not tell.
    Unknown,
}

impl Word {
    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// An answer with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The word.
    pub word: Word,
    /// The reason in short; may be empty.
    pub summary: String,
    /// The grants and policies that allow it, or the nearest ones if something is missing. If it is
    /// empty, the summary is the reason.
    pub steps: Vec<Step>,
}

impl Answer {
    /// An answer with its reasons.
    pub const fn new(word: Word, summary: String, steps: Vec<Step>) -> Self {
        Self {
            word,
            summary,
            steps,
        }
    }

    /// The answer on one line: `no: egress of pods of `shop` is blocked`.
    pub fn line(&self) -> String {
        match self.summary.is_empty() {
            true => self.word.name().to_owned(),
            false => format!("{}: {}", self.word.name(), self.summary),
        }
    }
}

/// A request that RBAC is asked about.
#[derive(Clone, Debug)]
pub enum AccessQuestion<'a> {
    /// A request on a resource.
    Resource(AccessRequest<'a>),
    /// A request on a path that belongs to no resource.
    Path {
        /// The HTTP method, in lower case.
        verb: &'a str,
        /// The path.
        path: &'a str,
    },
}

impl AccessQuestion<'_> {
    /// The namespace; empty for the whole cluster.
    pub const fn namespace(&self) -> &str {
        match self {
            Self::Resource(request) => request.namespace,
            Self::Path { .. } => "",
        }
    }

    /// The question as a phrase: ``get secrets in `shop` ``.
    pub fn phrase(&self) -> String {
        let request = match self {
            Self::Path { verb, path } => return format!("{verb} {path}"),
            Self::Resource(request) => request,
        };
        let mut text = format!("{} {}", request.verb, request.resource);
        if !request.group.is_empty() {
            text = format!("{text}.{}", request.group);
        }
        if !request.subresource.is_empty() {
            text = format!("{text}/{}", request.subresource);
        }
        if !request.name.is_empty() {
            text = format!("{text} `{}`", request.name);
        }
        match request.namespace {
            "" => format!("{text} in the whole cluster"),
            namespace => format!("{text} in `{namespace}`"),
        }
    }
}

/// A chain by which a subject may do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessChain {
    /// The steps.
    pub steps: Vec<Step>,
    /// How many identities the subject takes, one by the other.
    pub taken: usize,
    /// Whether a binding grants it to the subject or to an implicit group of it.
    pub is_direct: bool,
}

impl AccessChain {
    pub(super) const fn direct(steps: Vec<Step>) -> Self {
        Self {
            steps,
            taken: 0,
            is_direct: true,
        }
    }
}

/// Returns the chain by which a subject may do something; `None` if it may not.
///
/// With `direct`, only what is granted to the subject and its implicit groups counts. Without, so
/// does what it can come to: the identities that it can take, and the roles that it can give itself.
pub fn can(
    cluster: &Cluster,
    subject: &Subject,
    question: &AccessQuestion<'_>,
    direct: bool,
) -> Option<AccessChain> {
    if let Some(steps) = granted(cluster, subject, question) {
        return Some(AccessChain::direct(steps));
    }
    if direct {
        return None;
    }
    by_identities(&Directory::new(cluster), subject, question)
}

/// The same without `direct`, for several questions about one cluster.
pub(super) fn can_within(
    directory: &Directory<'_>,
    subject: &Subject,
    question: &AccessQuestion<'_>,
) -> Option<AccessChain> {
    let own = granted(directory.powers().cluster(), subject, question);
    own.map(AccessChain::direct)
        .or_else(|| by_identities(directory, subject, question))
}

/// The chain by which a subject may do something as an identity that it can take, the nearest first.
fn by_identities(
    directory: &Directory<'_>,
    subject: &Subject,
    question: &AccessQuestion<'_>,
) -> Option<AccessChain> {
    let cluster = directory.powers().cluster();
    let mut identities = Identities::new(directory, subject);
    while let Some((identity, grants)) = identities.next_identity() {
        if let Some(more) = allowed(cluster, &identity.subject, &grants, question) {
            let mut steps = identity.steps;
            steps.extend(more);
            return Some(AccessChain {
                steps,
                taken: identity.taken,
                is_direct: false,
            });
        }
        identities.follow(&identity, &grants);
    }

    None
}

/// The steps by which a subject may do something as itself: what is granted to it, and what it can
/// grant itself.
pub(super) fn allowed(
    cluster: &Cluster,
    subject: &Subject,
    grants: &HeldGrants<'_>,
    question: &AccessQuestion<'_>,
) -> Option<Vec<Step>> {
    granted(cluster, subject, question).or_else(|| match question {
        AccessQuestion::Resource(request) => grants.allowing(request),
        AccessQuestion::Path { verb, path } => grants.allowing_path(verb, path),
    })
}

/// The steps of a grant to a subject itself or to its implicit groups.
pub(super) fn granted(
    cluster: &Cluster,
    subject: &Subject,
    question: &AccessQuestion<'_>,
) -> Option<Vec<Step>> {
    let subjects = subject.with_groups();
    let grant = match question {
        AccessQuestion::Resource(request) => cluster.rbac.authorize(&subjects, request),
        AccessQuestion::Path { verb, path } => cluster.rbac.authorize_url(&subjects, verb, path),
    };
    grant.map(|grant| grant_steps(&grant).to_vec())
}

/// The steps of a grant: the binding, and the rule of its role.
fn grant_steps(grant: &Grant<'_>) -> [Step; 2] {
    let binding = grant.binding;
    let (subject, span) = grant.subject;
    let (rule_span, role) = grant.role.cite(Some(grant.rule), binding);
    let binds = format!(
        "{} binds {subject} to {}",
        binding.called(),
        binding.role_name()
    );

    [
        Step::new(at(*span, binding.origin), binds).through(&binding.id),
        Step::new(rule_span, format!("{role} allows it")).through(&grant.role.id),
    ]
}
