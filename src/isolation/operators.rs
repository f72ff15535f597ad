//! The kinds that act as their operator: who may write one may have what the operator does.
//!
//! One table ([`OPERATOR_KINDS`]). A row says what a tenant gains by writing an object in its own namespace, how the
//! inputs show whether the operator lets it, and where that is documented. Kinds that act in their
//! own namespace alone (Tekton, Argo Workflows, KubeVirt, databases) have no row.

mod table;

pub use self::table::OPERATOR_KINDS;

use crate::graph::operator::Operator;
use crate::graph::rbac::PolicyRule;
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, Owner};
use crate::isolation::capability::WRITE;
use crate::isolation::grade;
use crate::source::Span;

/// Kinds of one operator, by which a tenant reaches beyond its own namespaces.
#[derive(Debug)]
pub struct OperatorKind {
    /// The API group; `*.` at its start stands for every group with this suffix.
    pub group: &'static str,
    /// The resources whose writing is enough, as in rules of RBAC; `*` stands for all.
    pub resources: &'static [&'static str],
    /// The kinds of which an object in a tenant's namespace is a way by itself. For other kinds it
    /// depends on what the object says.
    pub kinds: &'static [&'static str],
    /// The operator.
    pub operator: &'static str,
    /// What it does for whoever writes one, as a predicate.
    pub gains: &'static str,
    /// How the inputs show whether it lets a tenant do so.
    pub shown: Shown,
    /// What closes it, as a clause of a fix.
    pub closed_by: &'static str,
    /// Where that is documented.
    pub source: &'static str,
}

/// How the inputs show whether an operator is open.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// Not at all: it rests on an assumption.
    Never,
    /// It is open if it runs: as one of these programs, or with one of these service accounts bound in
    /// the whole cluster.
    Running {
        /// The programs.
        programs: &'static [&'static str],
        /// The names of the accounts.
        accounts: &'static [&'static str],
    },
    /// It is open if it runs without a flag.
    ClosedByFlag {
        /// The programs.
        programs: &'static [&'static str],
        /// The flag, without dashes.
        flag: &'static str,
    },
    /// It is closed if Flux's controller is shown with this flag; `gitops/lockdown` is about one that
    /// is shown without.
    FluxFlag {
        /// The controller.
        controller: &'static str,
        /// The flag, without dashes.
        flag: &'static str,
    },
    /// It is open if the cluster has an object of this kind of the same group, and closed otherwise.
    WithObject(&'static str),
    /// It is closed if each Prometheus, or agent like it, refuses that monitors name its files.
    ScraperDenies,
    /// It is closed unless it runs with a flag.
    OpenedByFlag {
        /// The programs.
        programs: &'static [&'static str],
        /// The flag, without dashes.
        flag: &'static str,
        /// A value of the flag that opens it.
        value: &'static str,
    },
}

/// Whether the inputs show an operator open.
#[derive(Clone, Copy, Debug)]
pub enum OperatorState {
    /// It is open: where that is shown, and how.
    Open(Span, &'static str),
    /// It is closed.
    Closed,
    /// The inputs do not show it.
    Unknown,
}

impl OperatorKind {
    /// The resources of the row that a rule lets a subject write. `wild` counts rules for every group.
    pub fn written_by(&self, rule: &PolicyRule, wild: bool) -> Vec<&'static str> {
        let groups = rule.groups.iter();
        let named = groups.filter(|group| self.is_of(group) || wild && *group == "*");
        if named.count() == 0 {
            return Vec::new();
        }

        let writes = |resource: &str| {
            let (name, sub) = resource.split_once('/').unwrap_or((resource, ""));
            let matches = rule
                .resources
                .iter()
                .any(|of_rule| match of_rule.split_once('/') {
                    _ if of_rule == "*" || resource == "*" => true,
                    None => sub.is_empty() && of_rule == name,
                    Some((own, of_sub)) => {
                        (own == "*" || own == name) && of_sub == sub && !sub.is_empty()
                    }
                });
            matches
                && WRITE
                    .iter()
                    .any(|verb| rule.verbs.iter().any(|v| v == "*" || v == verb))
        };
        let resources = self.resources.iter().copied();
        resources.filter(|resource| writes(resource)).collect()
    }

    /// Whether a group is of the row.
    pub fn is_of(&self, group: &str) -> bool {
        match self.group.strip_prefix('*') {
            Some(suffix) => group.ends_with(suffix),
            None => group == self.group,
        }
    }

    /// The place of a controller of Flux that the inputs show without the flag of the row.
    fn shown_without_flag(&self, cluster: &Cluster) -> Option<Span> {
        let Shown::FluxFlag { controller, flag } = self.shown else {
            return None;
        };
        let started = cluster.started(controller);
        let mut held = started.iter().filter(|one| one.is_held());
        let open = held.find(|one| one.set(flag).is_none())?;
        Some(open.controller.origin.span)
    }

    /// Whether the inputs show the operator open.
    fn state(&self, cluster: &Cluster) -> OperatorState {
        match self.shown {
            Shown::Never => OperatorState::Unknown,
            Shown::Running { programs, accounts } => running(cluster, programs, accounts),
            Shown::ScraperDenies => {
                let of_group = cluster.facts.scrapers.iter();
                let mut scrapers = of_group
                    .filter(|(object, _)| self.is_of(&object.id.group))
                    .peekable();
                if scrapers.peek().is_none() {
                    return OperatorState::Unknown;
                }
                let open = scrapers.find(|(_, denies)| !denies);
                open.map_or(OperatorState::Closed, |(object, _)| {
                    OperatorState::Open(
                        object.origin.span,
                        "it does not refuse that monitors name its files",
                    )
                })
            }
            Shown::FluxFlag { controller, flag } => {
                let started = cluster.started(controller);
                let all_set = started.iter().all(|one| one.set(flag).is_some());
                match !started.is_empty() && all_set {
                    true => OperatorState::Closed,
                    false => OperatorState::Unknown,
                }
            }
            Shown::WithObject(kind) => {
                let mut objects = cluster.facts.objects.iter();
                let found =
                    objects.find(|object| object.id.kind == kind && self.is_of(&object.id.group));
                found.map_or(OperatorState::Closed, |object| {
                    OperatorState::Open(object.origin.span, "it is there")
                })
            }
            Shown::ClosedByFlag { programs, flag } => {
                let mut state = OperatorState::Unknown;
                for operator in operators(cluster, programs) {
                    let value = operator.flag(flag).map(|(value, _)| value);
                    match value {
                        None | Some("" | "false" | "f" | "0") => {
                            return OperatorState::Open(
                                operator.origin.span,
                                "it runs without the flag",
                            );
                        }
                        Some(_) => state = OperatorState::Closed,
                    }
                }
                state
            }
            Shown::OpenedByFlag {
                programs,
                flag,
                value,
            } => {
                let mut state = OperatorState::Unknown;
                for operator in operators(cluster, programs) {
                    let mut set = operator.args.iter();
                    let opening = format!("--{flag}={value}");
                    if set.any(|(arg, _)| *arg == opening) {
                        return OperatorState::Open(operator.origin.span, "it runs with the flag");
                    }
                    state = OperatorState::Closed;
                }
                state
            }
        }
    }
}

/// Whether the inputs show each operator of the table open.
pub struct OperatorStates(Vec<OperatorState>);

impl OperatorStates {
    /// Looks for every operator once.
    pub fn new(cluster: &Cluster) -> Self {
        let rows = OPERATOR_KINDS.iter();
        Self(rows.map(|row| row.state(cluster)).collect())
    }

    /// The same, but a controller of Flux that is shown without its flag is open.
    pub fn with_controllers(cluster: &Cluster) -> Self {
        let state = |row: &OperatorKind| match row.state(cluster) {
            OperatorState::Unknown => row
                .shown_without_flag(cluster)
                .map_or(OperatorState::Unknown, |span| {
                    OperatorState::Open(span, "it runs without the flag")
                }),
            known => known,
        };
        Self(OPERATOR_KINDS.iter().map(state).collect())
    }

    /// The state of the operator of a row.
    pub fn of(&self, row: &OperatorKind) -> OperatorState {
        let mut rows = OPERATOR_KINDS.iter().zip(&self.0);
        let found = rows.find(|(other, _)| std::ptr::eq(*other, row));
        found.map_or(OperatorState::Unknown, |(_, state)| *state)
    }
}

/// The workloads of the platform that run one of some programs.
fn operators<'a>(
    cluster: &'a Cluster,
    programs: &'a [&'static str],
) -> impl Iterator<Item = &'a Operator> {
    cluster.facts.operators.iter().filter(move |operator| {
        programs.contains(&operator.program)
            && cluster.owner(&operator.id.namespace) == Owner::Platform
    })
}

/// Whether one of some programs runs, or one of some accounts is bound in the whole cluster.
fn running(cluster: &Cluster, programs: &[&'static str], accounts: &[&str]) -> OperatorState {
    if let Some(operator) = operators(cluster, programs).next() {
        return OperatorState::Open(operator.origin.span, "it runs");
    }

    let powerful = cluster.rbac.bindings.iter().find(|binding| {
        let is_account = |subject: &&Subject| match subject {
            Subject::ServiceAccount(_, name) => accounts.contains(&name.as_str()),
            Subject::User(_) | Subject::Group(_) => false,
        };
        let mut subjects = binding.subjects.iter().map(|(subject, _)| subject);
        let (Some(account), Some(role)) = (subjects.find(is_account), cluster.rbac.role(binding))
        else {
            return false;
        };
        binding.id.namespace.is_empty() && grade::is_full(cluster, account, &role.rules)
    });
    powerful.map_or(OperatorState::Unknown, |binding| {
        OperatorState::Open(
            binding.origin.span,
            "its account is bound in the whole cluster",
        )
    })
}

/// The rows of which some rules let a subject write a resource, each with the resources and the rule.
/// A rule for every group and every resource is left to [`writes_every_kind`].
pub fn written(
    rules: &[PolicyRule],
    wild: bool,
) -> Vec<(&'static OperatorKind, Vec<&'static str>, &PolicyRule)> {
    let mut found = Vec::new();
    for row in OPERATOR_KINDS {
        let given = rules.iter().find_map(|rule| {
            let resources = row.written_by(rule, wild);
            (!resources.is_empty()).then_some((resources, rule))
        });
        found.extend(given.map(|(resources, rule)| (row, resources, rule)));
    }
    found
}

/// Whether some rules let a subject write every kind of its namespace.
pub fn writes_every_kind(rules: &[PolicyRule]) -> bool {
    rules.iter().any(|rule| {
        rule.groups.iter().any(|group| group == "*")
            && rule.resources.iter().any(|resource| resource == "*")
            && rule
                .verbs
                .iter()
                .any(|verb| verb == "*" || WRITE.contains(&verb.as_str()))
    })
}

/// The row by which an object in a tenant's namespace is a way by itself.
pub fn acting(group: &str, kind: &str) -> Option<&'static OperatorKind> {
    OPERATOR_KINDS
        .iter()
        .find(|row| row.kinds.contains(&kind) && row.is_of(group))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::operator::PROGRAMS;
    use crate::graph::rbac::RuleFields;

    #[test]
    fn each_row_says_everything() {
        for row in OPERATOR_KINDS {
            let texts = [row.operator, row.gains, row.closed_by, row.source];
            assert!(texts.iter().all(|text| !text.is_empty()), "{}", row.group);
            assert!(!row.resources.is_empty(), "{}", row.group);
        }
    }

    #[test]
    fn each_program_is_read() {
        for row in OPERATOR_KINDS {
            let programs = match row.shown {
                Shown::Never
                | Shown::ScraperDenies
                | Shown::FluxFlag { .. }
                | Shown::WithObject(_) => &[][..],
                Shown::Running { programs, .. }
                | Shown::ClosedByFlag { programs, .. }
                | Shown::OpenedByFlag { programs, .. } => programs,
            };
            for program in programs {
                assert!(PROGRAMS.contains(program), "{program}");
            }
        }
    }

    #[test]
    fn every_row_needs_a_write_of_its_own_group() {
        for row in OPERATOR_KINDS {
            let group = row.group.replace("*.", "example.");
            for resource in row.resources {
                let resource = if *resource == "*" { "things" } else { resource };
                let rule = |verb: &str, group: &str| {
                    PolicyRule::from(RuleFields {
                        verbs: vec![verb.into()],
                        groups: vec![group.into()],
                        resources: vec![resource.into()],
                        ..RuleFields::default()
                    })
                };
                assert!(
                    !row.written_by(&rule("patch", &group), false).is_empty(),
                    "{group}"
                );
                assert!(
                    row.written_by(&rule("list", &group), false).is_empty(),
                    "{group}"
                );
                assert!(
                    row.written_by(&rule("create", "example.org"), false)
                        .is_empty()
                );
                assert!(row.written_by(&rule("create", "*"), false).is_empty());
                assert!(!row.written_by(&rule("create", "*"), true).is_empty());
            }
        }
    }
}
