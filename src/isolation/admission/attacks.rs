//! What the admission policies of a cluster say to attacks.
//!
//! A request of an attack stands for every object that its author may write. A policy stops it if
//! it denies the request whatever is written. If the answer depends on the object, some objects are
//! tried. One that passes shows that the attack is open; otherwise the answer is not known.

use crate::graph::admission::{AdmissionAnswer, AdmissionReview, RequesterClass, RequesterReads};
use crate::graph::rbac::{PolicyRule, Subject};
use crate::graph::request::{AdmissionRequest, Requester};
use crate::graph::{ACCOUNTS_OF, Cluster};
use crate::kube::ObjectId;
use crate::source::Span;
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

/// What the admission policies say to all attacks that rules allow.
#[derive(Clone, Debug)]
pub enum PolicyVerdict {
    /// No policy denies this attack. The text follows a subject.
    Open(String),
    /// No attack is known to be open, and the answer to this one is not known.
    Unknown(UndecidedAttack),
    /// These policies deny every attack, whatever the requester writes.
    Denied(Vec<Text>),
}

/// An attack to which the answer of an admission policy is not known.
#[derive(Clone, Debug)]
pub struct UndecidedAttack {
    /// What is done, as a predicate that follows a subject.
    pub attack: String,
    /// The policy.
    pub policy: Text,
    /// The expression or the object that is not understood.
    pub span: Span,
    /// Why the answer is not known.
    pub reason: String,
}

/// Requests, one after the other, by which a subject does something.
pub struct Attack {
    /// What is done, as a predicate that follows a subject.
    pub description: String,
    /// The requests. Every field that the requester may choose is open.
    pub requests: Vec<AdmissionRequest>,
    /// Choices of those fields to try, each made when it is tried.
    pub attempts: Box<dyn Iterator<Item = Attempt>>,
}

/// The requests of an attack with every field chosen.
pub struct Attempt {
    /// What is done, as a predicate that follows a subject.
    pub description: String,
    /// The requests.
    pub requests: Vec<AdmissionRequest>,
}

/// A subject that has some rules in a namespace.
pub struct Attacker<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The subject.
    pub subject: &'a Subject,
    /// The rules.
    pub rules: &'a [PolicyRule],
    /// The role that has them; `None` if they come from several, of which a review is asked once.
    pub role: Option<&'a ObjectId>,
}

/// Returns the name and the groups of a user that a subject stands for.
///
/// A group stands for a user of whom only the group is known.
pub fn as_user(subject: &Subject) -> (String, Vec<String>) {
    let texts = |groups: Vec<Text>| groups.iter().map(ToString::to_string).collect();
    match subject {
        Subject::User(name) => (name.to_string(), texts(subject.implicit_groups())),
        Subject::ServiceAccount(namespace, name) => (
            format!("system:serviceaccount:{namespace}:{name}"),
            texts(subject.implicit_groups()),
        ),
        // One of its service accounts, whichever it is.
        Subject::Group(name) if name.starts_with(ACCOUNTS_OF) => {
            let namespace = name.trim_start_matches(ACCOUNTS_OF);
            as_user(&Subject::ServiceAccount(namespace.into(), "default".into()))
        }
        Subject::Group(name) if name == "system:unauthenticated" => {
            ("system:anonymous".into(), vec![name.to_string()])
        }
        Subject::Group(name) => (
            format!("somebody in {name}"),
            vec![name.to_string(), "system:authenticated".to_owned()],
        ),
    }
}

/// Whether the user of [`as_user`] is the subject itself or any member of a group.
pub fn requester(subject: &Subject) -> Requester {
    match subject {
        Subject::Group(name) if name.starts_with("system:") => Requester::Anyone,
        Subject::Group(_) => Requester::Member,
        _ => Requester::One,
    }
}

/// How many times policies are evaluated for all questions about a cluster, beside those of each
/// question. A policy is evaluated some hundred times for an attacker that no earlier policy stops, so
/// that only very many policies that apply to everything come to the end of it.
const EVALUATIONS: usize = 400_000;

/// The same for questions about one subject, of which there may be many.
const EVALUATIONS_OF_ONE: usize = 20_000;

/// How many times policies are evaluated for each question, whatever the others took: no subject hides
/// by its number what is found of another.
const EVALUATIONS_PER_QUESTION: usize = 125;

/// The admission policies of a cluster. Attackers that no policy can tell apart are asked about
/// once.
pub struct AttackReview<'c> {
    cluster: &'c Cluster,
    policies: AdmissionReview<'c>,
    reads: RequesterReads,
    known: BTreeMap<Question, PolicyVerdict>,
}

/// What decides about the attacks on something.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Question {
    namespace: Text,
    role: Option<ObjectId>,
    attacker: RequesterClass,
    /// What is attacked.
    target: &'static str,
}

impl<'c> AttackReview<'c> {
    /// The policies of a cluster, which are asked about all its attackers.
    pub fn new(cluster: &'c Cluster) -> Self {
        Self::with_limit(cluster, EVALUATIONS)
    }

    /// The policies of a cluster, which are asked about one attacker.
    pub fn of_one(cluster: &'c Cluster) -> Self {
        Self::with_limit(cluster, EVALUATIONS_OF_ONE)
    }

    fn with_limit(cluster: &'c Cluster, evaluations: usize) -> Self {
        Self {
            cluster,
            policies: AdmissionReview::with_limit(cluster, evaluations),
            reads: RequesterReads::of(&cluster.facts),
            known: BTreeMap::new(),
        }
    }

    /// The cluster.
    pub const fn cluster(&self) -> &'c Cluster {
        self.cluster
    }

    /// What the policies say to all attacks of an attacker on something. `attacks` are those that its
    /// role allows, or one that no policy is asked about.
    pub fn verdict(
        &mut self,
        attacker: &Attacker<'_>,
        target: &'static str,
        attacks: impl FnOnce(&Cluster) -> Result<Vec<Attack>, String>,
    ) -> PolicyVerdict {
        let (name, groups) = as_user(attacker.subject);
        let question = Question {
            namespace: attacker.namespace.into(),
            role: attacker.role.cloned(),
            attacker: self
                .reads
                .class(&name, &groups, requester(attacker.subject)),
            target,
        };
        if let Some(verdict) = self.known.get(&question) {
            return verdict.clone();
        }

        self.policies.grant(EVALUATIONS_PER_QUESTION);
        let verdict = match attacks(self.cluster) {
            Ok(attacks) => ask(&self.policies, attacks),
            Err(unasked) => PolicyVerdict::Open(unasked),
        };
        self.known.insert(question, verdict.clone());
        verdict
    }
}

/// Why a denial that rests on uncertain parts does not count.
const NOT_SURE: &str = "it seems to deny it, by what is not certain: what the server fills in, \
                        parameters, an error, a selector";

/// Returns what the policies say to attacks. They stop an attack if they deny one of its requests,
/// whatever is written in it.
///
/// Only the certain parts of a policy count for such a denial. An attempt is evaluated as a whole.
fn ask(review: &AdmissionReview<'_>, attacks: Vec<Attack>) -> PolicyVerdict {
    if attacks.is_empty() {
        return PolicyVerdict::Open("goes a way that no policy was asked about".into());
    }
    let mut denied_by = BTreeSet::new();
    let mut undecided = None;

    for mut attack in attacks {
        let mut requests = attack.requests.iter();
        if let Some(policy) = requests.find_map(|request| review.surely_denied(request)) {
            denied_by.insert(policy);
            continue;
        }

        let answer = attack
            .requests
            .iter()
            .map(|request| review.admits(request))
            .find(|answer| *answer != AdmissionAnswer::Allowed);
        let (policy, span, reason) = match answer {
            None | Some(AdmissionAnswer::Allowed) => {
                return PolicyVerdict::Open(attack.description);
            }
            Some(AdmissionAnswer::Denied(policy, span)) => (policy, span, NOT_SURE.to_owned()),
            Some(AdmissionAnswer::Unknown(policy, span, reason)) => (policy, span, reason),
        };

        if review.is_exhausted() {
            undecided.get_or_insert(UndecidedAttack {
                attack: attack.description,
                policy,
                span,
                reason,
            });
            break;
        }

        let passes = |attempt: &Attempt| {
            let mut requests = attempt.requests.iter();
            requests.all(|request| review.admits(request) == AdmissionAnswer::Allowed)
        };
        if let Some(attempt) = attack.attempts.find(passes) {
            return PolicyVerdict::Open(attempt.description);
        }

        undecided.get_or_insert(UndecidedAttack {
            attack: attack.description,
            policy,
            span,
            reason,
        });
    }

    match undecided {
        Some(undecided) => PolicyVerdict::Unknown(undecided),
        None => PolicyVerdict::Denied(denied_by.into_iter().collect()),
    }
}
