//! The answer whether a subject may do something, always with its reasons.

use super::refusal::{refusal, undefined_elsewhere, undefined_roles};
use super::{AccessQuestion, Answer, Word, can, can_within};
use crate::diagnostic::Diagnostic;
use crate::graph::builtin::is_kubernetes_own;
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, InputKind};
use crate::isolation::escalation::{Directory, Doubt, DoubtKind, Identities, Target, doubts};
use crate::isolation::{MAX_NAMES, Step};
use crate::value::Text;
use std::collections::BTreeMap;

/// Most steps of an answer that is not known.
pub const MAX_REASONS: usize = 5;

/// Answers whether a subject may do something.
///
/// A `no` has the nearest grants as its steps, and the conditions that it rests on. Its summary says
/// what is missing. With `direct`, only what is granted to the subject and its implicit groups counts.
pub fn answer(
    cluster: &Cluster,
    subject: &Subject,
    question: &AccessQuestion<'_>,
    direct: bool,
) -> Answer {
    if let Some(chain) = can(cluster, subject, question, direct) {
        return Answer::new(Word::Yes, String::new(), chain.steps);
    }
    if !cluster.unread_inputs.is_empty() {
        let steps = first_steps(unread_steps(&cluster.unread_inputs).collect());
        let summary = "nothing that was read allows it, and not everything could be read";
        return Answer::new(Word::Unknown, summary.to_owned(), steps);
    }

    let open = match direct {
        true => Open::direct(cluster, subject, question),
        false => Open::new(cluster, subject, question),
    };
    if !open.questions.is_empty() {
        let steps = first_steps(open.questions);
        let summary = "the inputs do not say what these give";
        return Answer::new(Word::Unknown, summary.to_owned(), steps);
    }

    let refusal = refusal(cluster, subject, question);
    let mut steps = refusal.nearest;
    steps.extend(open.conditions);
    Answer::new(Word::No, refusal.summary, steps)
}

/// A step for each input that could not be read, with what mends it.
pub(in crate::isolation) fn unread_steps(unread: &[Diagnostic]) -> impl Iterator<Item = Step> {
    let step = |finding: &Diagnostic| {
        let text = match finding.fix.as_str() {
            "" => finding.message.clone(),
            fix => format!("{} (fix: {fix})", finding.message),
        };
        Step::new(finding.span, text)
    };
    unread.iter().map(step)
}

/// The first few steps; the last says how many more there are.
pub(in crate::isolation) fn first_steps(mut steps: Vec<Step>) -> Vec<Step> {
    let more = steps.len().saturating_sub(MAX_REASONS);
    steps.truncate(MAX_REASONS);
    if let (1.., Some(last)) = (more, steps.last_mut()) {
        last.text = format!(
            "{}; and {more} more, which `tenantry prove` lists",
            last.text
        );
    }
    steps
}

/// What a `no` leaves open.
#[derive(Default)]
struct Open {
    /// Ways that the inputs show, and whose rights they do not say.
    questions: Vec<Step>,
    /// Ways that are open only if an assumption does not hold.
    conditions: Vec<Step>,
}

impl Open {
    fn direct(cluster: &Cluster, subject: &Subject, question: &AccessQuestion<'_>) -> Self {
        Self {
            questions: undefined_roles(cluster, subject, question.namespace())
                .into_iter()
                .chain(may_be_controller(cluster, subject))
                .collect(),
            conditions: Vec::new(),
        }
    }

    /// Looks at each identity that a subject can take. What Kubernetes' own subjects do with their
    /// rights is Kubernetes', so that of those only the roles count that no input holds.
    fn new(cluster: &Cluster, subject: &Subject, question: &AccessQuestion<'_>) -> Self {
        let directory = Directory::new(cluster);
        let mut accounts = AccountsThatMay::new(&directory, question);
        let mut open = Self::default();
        match is_kubernetes_own(subject) {
            true => open.questions = accounts.lacking_roles(subject),
            false => open.follow(&mut accounts, subject),
        }

        open.conditions.truncate(MAX_NAMES);
        open.conditions
            .extend(by_repository(&directory, subject, question));
        open
    }

    /// Adds what each identity of a subject leaves open.
    fn follow(&mut self, accounts: &mut AccountsThatMay<'_>, subject: &Subject) {
        let directory = accounts.directory;
        let mut identities = Identities::new(directory, subject);
        while let Some((identity, grants)) = identities.next_identity() {
            let mut undefined = accounts.lacking_roles(&identity.subject);
            let cluster = directory.powers().cluster();
            undefined.extend(may_be_controller(cluster, &identity.subject));
            if !undefined.is_empty() {
                self.questions.extend(identity.steps.clone());
                self.questions.extend(undefined);
            }

            for Doubt { step, kind } in doubts(directory.powers(), &identity.subject, &grants) {
                let rests_on = match kind {
                    DoubtKind::Shown => {
                        self.questions.extend(identity.steps.clone());
                        self.questions.push(step);
                        continue;
                    }
                    DoubtKind::IfOperator => "operators",
                    DoubtKind::OfNode => "nodes",
                };
                self.conditions.push(conditional(rests_on, step));
            }
            identities.follow(&identity, &grants);
        }
    }
}

/// The service accounts that may do what is asked, each namespace looked at once.
struct AccountsThatMay<'a> {
    directory: &'a Directory<'a>,
    question: &'a AccessQuestion<'a>,
    /// By namespace: the first of its accounts.
    known: BTreeMap<Text, Option<Subject>>,
}

impl<'a> AccountsThatMay<'a> {
    const fn new(directory: &'a Directory<'a>, question: &'a AccessQuestion<'a>) -> Self {
        Self {
            directory,
            question,
            known: BTreeMap::new(),
        }
    }

    /// The bindings of a subject to roles that no input holds, and that may let it do what is asked.
    fn lacking_roles(&mut self, subject: &Subject) -> Vec<Step> {
        let Self {
            directory,
            question,
            known,
        } = self;
        let may = |home: &Text| {
            let account = known.entry(home.clone());
            let account = account.or_insert_with(|| account_that_may(directory, home, question));
            account.clone()
        };

        let cluster = directory.powers().cluster();
        let mut undefined = undefined_roles(cluster, subject, question.namespace());
        undefined.extend(undefined_elsewhere(cluster, subject, question, may));
        undefined
    }
}

/// Says that a subject may be the account of a controller whose roles are not built in: one of the
/// cloud, or of another minor version of Kubernetes. Only a snapshot of RBAC has them. `None`
/// for an account that an input makes or binds: the inputs show its roles.
fn may_be_controller(cluster: &Cluster, subject: &Subject) -> Option<Step> {
    let Subject::ServiceAccount(namespace, name) = subject else {
        return None;
    };
    if cluster.closed_world || namespace != "kube-system" || name == "default" {
        return None;
    }
    let mut accounts = cluster.facts.accounts.iter().map(|one| &one.id);
    let is_made = accounts.any(|id| id.namespace == *namespace && id.name == *name);
    if is_made || cluster.rbac.bindings_of(subject).next().is_some() {
        return None;
    }

    let mut bindings = cluster.rbac.bindings.iter();
    let own = bindings.find(|binding| binding.origin.input == InputKind::Builtin)?;
    let text = format!(
        "{subject} may be a controller of the cloud, or of another version of Kubernetes, whose roles no \
         input holds: give a snapshot of the roles and bindings of the cluster"
    );
    Some(Step::new(own.origin.span, text))
}

/// The first service account of a namespace that may do what is asked.
fn account_that_may(
    directory: &Directory<'_>,
    home: &Text,
    question: &AccessQuestion<'_>,
) -> Option<Subject> {
    let accounts = directory.subjects(&Target::AccountsOf(home.clone()));
    let may = |account: &Subject| can_within(directory, account, question).is_some();
    accounts.into_iter().find(may)
}

/// Says of a way that the answer rests on it.
fn conditional(rests_on: &str, step: Step) -> Step {
    Step {
        text: format!("this rests on {rests_on}: {}", step.text),
        ..step
    }
}

/// The accounts that apply what the tenants of a subject write, and that may do what is asked: whether
/// the subject writes the repository, no input says.
fn by_repository(
    directory: &Directory<'_>,
    subject: &Subject,
    question: &AccessQuestion<'_>,
) -> Vec<Step> {
    if matches!(subject, Subject::ServiceAccount(..)) {
        return Vec::new();
    }
    let cluster = directory.powers().cluster();
    let tenants: Vec<u32> = cluster.holders(subject).collect();
    let appliers = cluster.facts.gitops.appliers.iter().enumerate();

    let written = appliers.filter(|(at, _)| {
        let writers = cluster.principals().writers(*at);
        writers.iter().any(|writer| tenants.contains(writer))
    });
    let may = written.filter_map(|(_, applier)| {
        let account = cluster.applies_as(applier);
        can_within(directory, &account, question)?;
        let text = format!(
            "this holds if {subject} does not write the source of {}, which applies as {account}: it \
             may",
            applier.id.called()
        );
        Some(Step::new(applier.origin.span, text))
    });
    may.take(MAX_NAMES).collect()
}
