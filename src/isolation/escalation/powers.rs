//! Powers beyond RBAC's own by which an identity acts as others: objects that an engine or an operator
//! applies with rights of its own, and control of the nodes that run the pods.
//!
//! Source: fluxcd.io/flux/components/kustomize/kustomizations (sourceRef, serviceAccountName),
//! argo-cd.readthedocs.io/en/stable/operator-manual/security, the table of operators, and
//! kubernetes.io/docs/concepts/security/rbac-good-practices.

use super::held::{HeldGrants, HeldRule, Level, Reach};
use super::people::{Members, members};
use crate::graph::gitops::{Applier, Reference, SourceRef};
use crate::graph::pod_security::PodSecurityConfiguration;
use crate::graph::rbac::{PolicyRule, Subject};
use crate::graph::{Cluster, MASTERS};
use crate::isolation::admission::Shown;
use crate::isolation::capability::{CREATE_PODS, Capability, Permission, WRITE};
use crate::isolation::operators::{
    OPERATOR_KINDS, OperatorKind, OperatorState, OperatorStates, writes_every_kind,
};
use crate::kube::kinds;
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

/// Whom a power lets an identity act as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    /// Every service account.
    Accounts,
    /// Every service account that pods run as, whose tokens nodes hold.
    PodAccounts,
    /// One subject.
    One(Subject),
}

/// A power that a grant gives.
#[derive(Clone, Debug)]
pub struct Power {
    /// The index of the grant.
    pub grant: usize,
    /// Whom the identity acts as by it.
    pub whom: Whom,
    /// What it does, as a predicate.
    pub what: String,
}

/// What decides which powers a right gives, looked up once for a cluster.
pub struct Powers<'a> {
    cluster: &'a Cluster,
    /// The sources from which an engine applies, by namespace.
    sources: BTreeMap<Text, Vec<AppliedSource<'a>>>,
    /// The namespaces of Argo CD's application controllers.
    argo_cds: Vec<&'a Text>,
    states: OperatorStates,
    members: Members<'a>,
    /// The rows of operators that the inputs show open, and that apply as administrators.
    administrators: Vec<&'static OperatorKind>,
}

/// A source, and the objects that apply what it holds.
struct AppliedSource<'a> {
    reference: SourceRef,
    /// Whether the inputs hold it.
    is_present: bool,
    /// Each with the subject that it applies as.
    appliers: Vec<(&'a Applier, Subject)>,
}

/// The service account with which Argo CD applies.
pub const ARGO_CD_ACCOUNT: &str = "argocd-application-controller";

/// Groups of kinds whose operator applies them as an administrator of the cluster, where it is open.
///
/// Source: the sources of the rows of these groups in the table of operators.
const APPLIED_BY_ADMINISTRATORS: [&str; 8] = [
    "core.oam.dev",
    "fluxcd.controlplane.io",
    "gitops.kluctl.io",
    "helm.cattle.io",
    "helm.fluxcd.io",
    "helm.toolkit.fluxcd.io",
    "kustomize.toolkit.fluxcd.io",
    "operators.coreos.com",
];

/// Whether the operator of a row applies its objects as an administrator.
pub fn acts_as_administrator(row: &OperatorKind) -> bool {
    APPLIED_BY_ADMINISTRATORS.contains(&row.group)
}

const ADMISSION: &str = "admissionregistration.k8s.io";

const REACH_KUBELET: Permission = Permission::new("", &["nodes/proxy"], &["get", "create"]);
const WRITE_WEBHOOKS: Permission =
    Permission::new(ADMISSION, &["mutatingwebhookconfigurations"], WRITE);
const CHANGE_POLICIES: Permission = Permission::new(
    ADMISSION,
    &["mutatingadmissionpolicies"],
    &["update", "patch"],
);
const CREATE_POLICIES: Permission =
    Permission::new(ADMISSION, &["mutatingadmissionpolicies"], &["create"]);
const BIND_POLICIES: Permission =
    Permission::new(ADMISSION, &["mutatingadmissionpolicybindings"], WRITE);
const CREATE_VOLUMES: Permission = Permission::new("", &["persistentvolumes"], &["create"]);
const CLAIM_VOLUMES: Permission = Permission::new("", &["persistentvolumeclaims"], &["create"]);
const RELABEL_NAMESPACES: Permission = Permission::new("", &["namespaces"], &["update", "patch"]);
const WRITE_APPLICATIONS: Permission = Permission::new(
    "argoproj.io",
    &["applications", "applicationsets", "appprojects"],
    WRITE,
);

impl<'a> Powers<'a> {
    /// Looks the powers of a cluster up.
    pub fn new(cluster: &'a Cluster) -> Self {
        let bound = cluster.rbac.subjects().filter_map(|subject| match subject {
            Subject::ServiceAccount(namespace, name) if name == ARGO_CD_ACCOUNT => Some(namespace),
            _ => None,
        });
        let mut powers = Self {
            cluster,
            sources: applied_sources(cluster),
            argo_cds: bound.collect(),
            states: OperatorStates::with_controllers(cluster),
            members: members(cluster),
            administrators: Vec::new(),
        };
        let is_open = |row: &&OperatorKind| {
            acts_as_administrator(row) && matches!(powers.state(row), OperatorState::Open(..))
        };
        powers.administrators = OPERATOR_KINDS.iter().filter(is_open).collect();
        powers
    }

    /// Whether a right in one namespace may be a power over others, so that a part of the cluster does
    /// not tell what somebody may do there.
    pub fn leave_namespaces(&self) -> bool {
        let is_open = |row: &OperatorKind| matches!(self.state(row), OperatorState::Open(..));
        let elsewhere = |source: &AppliedSource<'_>| {
            let home = &source.reference.namespace;
            source
                .appliers
                .iter()
                .any(|(one, _)| one.id.namespace != *home)
        };
        let exempts = |configuration: &PodSecurityConfiguration| {
            let PodSecurityConfiguration {
                namespaces,
                usernames,
                runtime_classes,
                ..
            } = configuration;
            ![namespaces, usernames, runtime_classes]
                .iter()
                .all(|names| names.is_empty())
        };
        !self.cluster.facts.hooks.is_empty()
            || self.cluster.facts.pod_security.iter().any(exempts)
            || OPERATOR_KINDS.iter().any(is_open)
            || self.sources.values().flatten().any(elsewhere)
    }

    /// What objects say of each person.
    pub const fn members(&self) -> &Members<'a> {
        &self.members
    }

    /// The cluster.
    pub const fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// Whether the inputs show the operator of a row open. A controller of Flux that is shown without
    /// its flag is open.
    pub fn state(&self, row: &OperatorKind) -> OperatorState {
        self.states.of(row)
    }

    /// The powers that some grants give.
    pub fn of(&self, subject: &Subject, grants: &HeldGrants<'_>) -> Vec<Power> {
        let levels = grants.levels();
        let mut all = Vec::new();
        for level in &levels {
            for held in &level.rules {
                self.by_sources(held, level.reach, &mut all);
                self.by_operators(held, &mut all);
                self.by_argo_cd(held, level.reach, &mut all);
            }
        }

        if let Some(cluster) = levels.iter().find(|level| level.reach == Reach::Cluster) {
            by_nodes(cluster, &levels, &mut all);
        }
        by_relabelling(&levels, &mut all);
        by_own_pods(self.cluster, subject, grants, &mut all);
        let mut seen = BTreeSet::new();
        all.retain(|power| seen.insert(power.whom.clone()));
        all
    }

    /// By the source of what an engine applies.
    fn by_sources(&self, held: &HeldRule<'_>, reach: Reach<'_>, all: &mut Vec<Power>) {
        let is_group = |group: &Text| group == "*" || group.starts_with("source.");
        if !held.rule.groups.iter().any(is_group) {
            return;
        }
        let sources = match reach {
            Reach::Namespace(name) => self.sources.get(&Text::from(name)).into_iter(),
            Reach::Cluster | Reach::EveryNamespace => {
                let every = self.sources.values().flatten();
                return every.for_each(|source| self.by_source(held, source, all));
            }
        };
        sources
            .flatten()
            .for_each(|source| self.by_source(held, source, all));
    }

    /// Adds whom a rule lets an identity act as by a source.
    fn by_source(&self, held: &HeldRule<'_>, source: &AppliedSource<'_>, all: &mut Vec<Power>) {
        if !source.is_written_by(held.rule) {
            return;
        }
        let SourceRef {
            kind,
            namespace,
            name,
        } = &source.reference;
        for (applier, account) in &source.appliers {
            let called = applier.id.called();
            all.push(Power {
                grant: held.grant,
                whom: Whom::One(account.clone()),
                what: format!("writes {kind} {namespace}/{name}, from which {called} applies"),
            });
        }
    }

    /// By a kind that an open operator applies as an administrator.
    fn by_operators(&self, held: &HeldRule<'_>, all: &mut Vec<Power>) {
        let is_wild = writes_every_kind(std::slice::from_ref(held.rule));
        for row in &self.administrators {
            let resources = row.written_by(held.rule, is_wild);
            if !resources.is_empty() {
                all.push(Power {
                    grant: held.grant,
                    whom: Whom::One(Subject::Group(MASTERS.into())),
                    what: format!(
                        "writes {} ({}), and {} {}",
                        resources.join(", "),
                        row.group,
                        row.operator,
                        row.gains
                    ),
                });
            }
        }
    }

    /// By applications and projects in Argo CD's own namespace.
    fn by_argo_cd(&self, held: &HeldRule<'_>, reach: Reach<'_>, all: &mut Vec<Power>) {
        if !WRITE_APPLICATIONS.is_given_by(held.rule) {
            return;
        }
        for namespace in self.argo_cds.iter().filter(|home| reach.holds(home)) {
            let account = Subject::ServiceAccount((*namespace).clone(), ARGO_CD_ACCOUNT.into());
            all.push(Power {
                grant: held.grant,
                whom: Whom::One(account),
                what: format!("writes applications of Argo CD in `{namespace}`"),
            });
        }
    }
}

impl AppliedSource<'_> {
    /// Whether a rule lets a subject decide what the source holds.
    fn is_written_by(&self, rule: &PolicyRule) -> bool {
        let SourceRef { kind, name, .. } = &self.reference;
        if !rule.names.is_empty() && !rule.names.contains(name) {
            return false;
        }
        let group = match kind.as_str() {
            "ArtifactGenerator" => "source.extensions.fluxcd.io",
            _ => "source.toolkit.fluxcd.io",
        };
        let resource = kinds::plural(group, kind);
        let may = |verb: &str| rule.touches(verb, group, &resource);
        may("update") || may("patch") || !self.is_present && may("create")
    }
}

/// The sources from which an engine applies, and their parts, by namespace.
fn applied_sources(cluster: &Cluster) -> BTreeMap<Text, Vec<AppliedSource<'_>>> {
    let gitops = &cluster.facts.gitops;
    let mut parts: BTreeMap<SourceRef, Vec<SourceRef>> = BTreeMap::new();
    for source in &gitops.sources {
        let reference = source.reference();
        for made in &source.makes {
            parts
                .entry(made.clone())
                .or_default()
                .push(reference.clone());
        }
        let own = parts.entry(reference).or_default();
        own.extend(source.parts.iter().cloned());
    }

    let mut appliers: BTreeMap<SourceRef, Vec<(&Applier, Subject)>> = BTreeMap::new();
    for applier in gitops
        .appliers
        .iter()
        .filter(|one| one.kube_config.is_none())
    {
        let mut found = BTreeSet::new();
        let mut open: Vec<SourceRef> = applier.sources.iter().map(Reference::source).collect();
        while let Some(source) = open.pop() {
            if found.insert(source.clone()) {
                open.extend(parts.get(&source).into_iter().flatten().cloned());
            }
        }
        let account = cluster.applies_as(applier);
        for source in found {
            let own = appliers.entry(source).or_default();
            own.push((applier, account.clone()));
        }
    }

    let mut all: BTreeMap<Text, Vec<AppliedSource<'_>>> = BTreeMap::new();
    for (reference, appliers) in appliers {
        let home = all.entry(reference.namespace.clone()).or_default();
        home.push(AppliedSource {
            is_present: parts.contains_key(&reference),
            reference,
            appliers,
        });
    }
    all
}

/// By control of the nodes, or of each pod that is created.
fn by_nodes(cluster: &Level<'_>, levels: &[Level<'_>], all: &mut Vec<Power>) {
    let mut add = |held: Option<&HeldRule<'_>>, whom: Whom, what: &str| {
        all.extend(held.map(|held| Power {
            grant: held.grant,
            whom,
            what: what.to_owned(),
        }));
    };

    add(
        cluster.giving(&REACH_KUBELET),
        Whom::PodAccounts,
        "runs commands in every pod by its node (nodes/proxy)",
    );
    add(
        cluster.giving(&WRITE_WEBHOOKS),
        Whom::Accounts,
        "changes each pod that is created (mutatingwebhookconfigurations)",
    );
    let creates = cluster.giving(&CREATE_POLICIES);
    let creates = creates.filter(|_| cluster.giving(&BIND_POLICIES).is_some());
    add(
        cluster.giving(&CHANGE_POLICIES).or(creates),
        Whom::Accounts,
        "changes each pod that is created (mutatingadmissionpolicies)",
    );

    let makes_pods = |level: &Level<'_>| gives(&CREATE_PODS, level);
    let claims = |level: &Level<'_>| makes_pods(level) && level.giving(&CLAIM_VOLUMES).is_some();
    if levels.iter().any(claims) {
        add(
            cluster.giving(&CREATE_VOLUMES),
            Whom::PodAccounts,
            "mounts folders of nodes with the tokens of their pods (persistentvolumes)",
        );
    }
}

/// By pods in a namespace where nothing keeps them from their node.
fn by_own_pods(
    cluster: &Cluster,
    subject: &Subject,
    grants: &HeldGrants<'_>,
    all: &mut Vec<Power>,
) {
    let ways = grants.node_ways(cluster, subject).iter();
    let mut open = ways.filter(|way| way.pods.shown == Shown::Open);
    all.extend(open.next().map(|way| Power {
        grant: way.grant,
        whom: Whom::PodAccounts,
        what: way.pods.what.clone(),
    }));
}

/// By a namespace that one may relabel and run pods in. A request about a Namespace is in that
/// namespace, so that a RoleBinding there grants it.
///
/// Source: k8s.io/apiserver/pkg/endpoints/request, RequestInfo of `/api/v1/namespaces/NAME`.
fn by_relabelling(levels: &[Level<'_>], all: &mut Vec<Power>) {
    let makes_pods = levels.iter().filter(|level| gives(&CREATE_PODS, level));
    let relabels = makes_pods.into_iter().find_map(|level| {
        level.rules.iter().find(|held| {
            let names = &held.rule.names;
            let is_named = names.is_empty() || names.iter().any(|name| level.reach.holds(name));
            is_named && RELABEL_NAMESPACES.is_given_by(held.rule)
        })
    });
    all.extend(relabels.map(|held| {
        Power {
        grant: held.grant,
        whom: Whom::PodAccounts,
        what: "takes Pod Security off a namespace and runs a privileged pod on a node (namespaces)"
            .to_owned(),
    }
    }));
}

fn gives(capability: &Capability, level: &Level<'_>) -> bool {
    let mut rules = level.rules.iter();
    rules.any(|held| {
        capability
            .given_by(std::slice::from_ref(held.rule))
            .is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_of_administrators_is_one_of_the_table() {
        for group in APPLIED_BY_ADMINISTRATORS {
            assert!(
                OPERATOR_KINDS.iter().any(|row| row.group == group),
                "{group}"
            );
        }
    }
}
