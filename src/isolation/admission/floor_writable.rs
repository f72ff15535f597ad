use super::attacks::{AttackReview, Attacker, PolicyVerdict};
use super::{Findings, own_grants, rests_on, tamper};
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::rbac::{Binding, Role, Subject};
use crate::isolation::capability::{Permission, WRITE, giving};
use crate::isolation::grade::{HeldRules, Place};
use crate::isolation::{Finding, some};
use crate::kube::RBAC;
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// A tenant may change the floor of its own namespace.
    ///
    /// ## What it finds
    /// A role that is bound to a tenant's own people or service accounts in its own namespace, and
    /// that lets them write NetworkPolicies, quotas, limits, bindings, or the Namespace itself. A
    /// role that does so for many tenants is one finding.
    ///
    /// If ValidatingAdmissionPolicies are bound to deny, their CEL is evaluated for each way to
    /// remove, weaken, relabel, freeze or evade the floor. A way that no policy denies is a finding.
    /// A way that is denied or not, depending on what the tenant writes, has no answer. If the
    /// policies deny every way whatever the tenant writes, the verdict depends on them.
    ///
    /// ## Why it matters
    /// Policies add up: one that allows everything opens the namespace, whatever the others say. A
    /// quota that its tenant edits limits nothing. A subject that labels the Namespace chooses its
    /// Pod Security level, and the selectors of others that match it. Kubernetes' own `admin` and
    /// `edit` write NetworkPolicies.
    ///
    /// ## Fix
    /// Bind a role that leaves the floor out, as tenantry's `owner` does; or add an admission policy
    /// that denies the change.
    ///
    /// ## References
    /// projectcapsule/capsule#649; CVE-2022-46167; MTB "block modification of resource quotas",
    /// "block multitenant resources"; CIS 5.3.2; ISO 27001 A.8.2
    pub static FLOOR_WRITABLE = "admission/floor-writable", Error;
}

const CHANGE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const ALTER: &[&str] = &["update", "patch", "delete"];

/// A part of the floor, or of what keeps it in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum FloorPart {
    ArgoApplications,
    LimitRanges,
    NetworkPolicies,
    ResourceQuotas,
    RoleBindings,
    Endpoints,
    Roles,
    Namespace,
}

impl FloorPart {
    const fn name(self) -> &'static str {
        match self {
            Self::ArgoApplications => "Argo CD's Applications",
            Self::LimitRanges => "LimitRanges",
            Self::NetworkPolicies => "NetworkPolicies",
            Self::ResourceQuotas => "ResourceQuotas",
            Self::RoleBindings => "RoleBindings",
            Self::Endpoints => "endpoints and the status of pods and services",
            Self::Roles => "roles beyond its own",
            Self::Namespace => "the Namespace",
        }
    }
}

/// The permissions that change a part of the floor.
struct FloorAccess {
    part: FloorPart,
    permissions: &'static [Permission],
}

/// Every part of the floor, in the order of reports.
static FLOOR: [FloorAccess; 8] = [
    FloorAccess {
        part: FloorPart::NetworkPolicies,
        permissions: &[
            Permission::new("networking.k8s.io", &["networkpolicies"], CHANGE),
            Permission::new("cilium.io", &["ciliumnetworkpolicies"], CHANGE),
            Permission::new("crd.projectcalico.org", &["networkpolicies"], CHANGE),
            Permission::new("projectcalico.org", &["networkpolicies"], CHANGE),
            Permission::new("crd.antrea.io", &["networkpolicies", "annotations"], CHANGE),
            Permission::new(
                "k8s.cni.cncf.io",
                &["network-attachment-definitions"],
                CHANGE,
            ),
            Permission::new("k8s.ovn.org", &["userdefinednetworks"], CHANGE),
            // A policy of EKS, and what its network plugin enforces.
            Permission::new(
                "networking.k8s.aws",
                &["applicationnetworkpolicies", "policyendpoints"],
                CHANGE,
            ),
            Permission::new(
                "cilium.io",
                &[
                    "ciliumendpoints",
                    "ciliumenvoyconfigs",
                    "ciliumlocalredirectpolicies",
                ],
                CHANGE,
            ),
        ],
    },
    // The status of a quota holds what it has counted. A subject that empties it has no quota until
    // the next count.
    FloorAccess {
        part: FloorPart::ResourceQuotas,
        permissions: &[Permission::new(
            "",
            &["resourcequotas", "resourcequotas/status"],
            CHANGE,
        )],
    },
    FloorAccess {
        part: FloorPart::LimitRanges,
        permissions: &[Permission::new("", &["limitranges"], CHANGE)],
    },
    FloorAccess {
        part: FloorPart::Namespace,
        permissions: &[Permission::new(
            "",
            &["namespaces", "namespaces/finalize", "namespaces/status"],
            ALTER,
        )],
    },
    // CVE-2021-25740, and pods that pass for another's.
    FloorAccess {
        part: FloorPart::Endpoints,
        permissions: &[
            Permission::new("", &["endpoints", "services/status", "pods/status"], CHANGE),
            Permission::new("discovery.k8s.io", &["endpointslices"], CHANGE),
        ],
    },
    FloorAccess {
        part: FloorPart::ArgoApplications,
        permissions: &[Permission::new(
            "argoproj.io",
            &["applications", "applicationsets"],
            CHANGE,
        )],
    },
    FloorAccess {
        part: FloorPart::RoleBindings,
        permissions: &[Permission::new(RBAC, &["rolebindings"], CHANGE)],
    },
    FloorAccess {
        part: FloorPart::Roles,
        permissions: &[Permission::new(RBAC, &["roles"], &["escalate"])],
    },
];

/// What `escalate` needs: a Role to write it into. `bind` needs bindings, which are a part of the
/// floor themselves.
const WRITE_ROLES: Permission = Permission::new(RBAC, &["roles"], WRITE);

pub(super) fn check(cluster: &Cluster, review: &mut AttackReview<'_>, out: &mut Findings<'_>) {
    let mut parts_by_role: BTreeMap<&(Text, Text), Vec<&FloorAccess>> = BTreeMap::new();
    let mut found: BTreeMap<FindingKey<'_>, WritableFloor<'_>> = BTreeMap::new();
    let guarded = cluster.has_denying_policies();

    for (tenant, binding, role, subjects) in own_grants(cluster) {
        let parts = parts_by_role
            .entry(&binding.role)
            .or_insert_with(|| writable_parts(role));
        let parts = effective(cluster, binding, role, subjects[0], parts);
        if parts.is_empty() {
            continue;
        }

        let grant = Grant {
            tenant: cluster.tenants[tenant as usize].name.as_str(),
            binding,
            role,
        };
        if !guarded {
            let parts = parts.iter().map(|access| access.part).collect();
            grant.add(&mut found, subjects[0], parts, None);
            continue;
        }
        for subject in subjects {
            let attacker = Attacker {
                namespace: &binding.id.namespace,
                subject,
                rules: &role.rules,
                role: Some(&role.id),
            };
            for (verdict, parts) in verdicts(review, &attacker, &parts, out) {
                grant.add(&mut found, subject, parts, Some(verdict));
            }
        }
    }

    for (key, floor) in found {
        out.push(floor.finding(&key.parts));
    }
}

/// The parts of the floor that a role changes.
fn writable_parts(role: &Role) -> Vec<&'static FloorAccess> {
    let writable = |access: &&FloorAccess| giving(access.permissions, &role.rules).is_some();
    FLOOR.iter().filter(writable).collect()
}

/// The parts that a role changes in the namespace where it is bound: not with half of a power, and
/// not the Namespace of another name.
fn effective(
    cluster: &Cluster,
    binding: &Binding,
    role: &Role,
    subject: &Subject,
    parts: &[&'static FloorAccess],
) -> Vec<&'static FloorAccess> {
    let namespace = &binding.id.namespace;
    let changes = |access: &&&FloorAccess| match access.part {
        FloorPart::Roles => {
            let place = Place::of(cluster, namespace);
            HeldRules::new(cluster, subject, place).has(&WRITE_ROLES)
        }
        FloorPart::Namespace => role.rules.iter().any(|rule| {
            let here = rule.names.is_empty() || rule.names.contains(namespace);
            here && giving(access.permissions, std::slice::from_ref(rule)).is_some()
        }),
        _ => true,
    };
    parts.iter().filter(changes).copied().collect()
}

/// The parts that the admission policies do not keep an attacker from changing: with an attack that
/// no policy denies, and with one to which the answer is not known.
fn verdicts(
    review: &mut AttackReview<'_>,
    attacker: &Attacker<'_>,
    parts: &[&FloorAccess],
    out: &mut Findings<'_>,
) -> Vec<(PolicyVerdict, Vec<FloorPart>)> {
    let mut open: Option<(PolicyVerdict, Vec<FloorPart>)> = None;
    let mut unknown: Option<(PolicyVerdict, Vec<FloorPart>)> = None;

    for access in parts {
        let verdict = tamper::verdict(review, attacker, access.part.name(), access.permissions);
        let group = match &verdict {
            PolicyVerdict::Denied(policies) => {
                rests_on(out, policies);
                continue;
            }
            PolicyVerdict::Open(_) => &mut open,
            PolicyVerdict::Unknown(_) => &mut unknown,
        };
        // The first attack of a group stands for all.
        let (_, parts) = group.get_or_insert((verdict, Vec::new()));
        parts.push(access.part);
    }

    open.into_iter().chain(unknown).collect()
}

/// A binding that gives a tenant a role in its own namespace.
struct Grant<'a> {
    tenant: &'a str,
    binding: &'a Binding,
    role: &'a Role,
}

impl<'a> Grant<'a> {
    /// Adds what a subject of the grant can change to the findings.
    fn add(
        &self,
        found: &mut BTreeMap<FindingKey<'a>, WritableFloor<'a>>,
        subject: &'a Subject,
        parts: Vec<FloorPart>,
        verdict: Option<PolicyVerdict>,
    ) {
        let key = FindingKey {
            role: &self.binding.role,
            parts,
            known: !matches!(verdict, Some(PolicyVerdict::Unknown(_))),
        };
        let floor = found.entry(key).or_insert(WritableFloor {
            role: self.role,
            binding: self.binding,
            subject,
            tenants: BTreeSet::new(),
            verdict,
        });
        floor.tenants.insert(self.tenant);
    }
}

/// What makes findings one: the role, the parts of the floor, and whether the answer is known.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct FindingKey<'a> {
    role: &'a (Text, Text),
    parts: Vec<FloorPart>,
    known: bool,
}

/// A role by which tenants can change their floor.
struct WritableFloor<'a> {
    role: &'a Role,
    /// The first binding of the role, and its subject.
    binding: &'a Binding,
    subject: &'a Subject,
    tenants: BTreeSet<&'a str>,
    /// What the admission policies say; `None` if no policy is bound to deny.
    verdict: Option<PolicyVerdict>,
}

impl WritableFloor<'_> {
    fn finding(self, parts: &[FloorPart]) -> Finding {
        let (binding, subject) = (self.binding, self.subject);
        let span = binding.origin.span;
        let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
        let names = names.join(", ");

        let message = self.message(&names);
        let finding = match &self.verdict {
            Some(PolicyVerdict::Unknown(_)) => Finding::unknown(&FLOOR_WRITABLE, span, message),
            _ => Finding::refuted(&FLOOR_WRITABLE, span, message),
        };

        let mut written = FLOOR.iter().filter(|access| parts.contains(&access.part));
        let rule = written.find_map(|access| giving(access.permissions, &self.role.rules));
        let (rule_span, role) = self.role.cite(rule, binding);
        let binds = format!(
            "{} binds {subject} to {}",
            binding.id.called(),
            binding.role_name()
        );
        let finding = finding
            .step(span, binds)
            .step(rule_span, format!("{role} lets it write {names}"));

        let finding = match &self.verdict {
            Some(PolicyVerdict::Open(attack)) => finding.step(
                span,
                format!("{subject} {attack}, and no admission policy denies it"),
            ),
            Some(PolicyVerdict::Unknown(undecided)) => finding.step(
                undecided.span,
                format!(
                    "{subject} {}; whether ValidatingAdmissionPolicy `{}` denies it is not known: {}",
                    undecided.attack, undecided.policy, undecided.reason
                ),
            ),
            Some(PolicyVerdict::Denied(_)) | None => finding,
        };

        let only = self.tenants.first().filter(|_| self.tenants.len() == 1);
        let finding = match only {
            Some(tenant) => finding.by(tenant),
            None => finding,
        };
        finding.fix("bind a role that leaves the floor out, as tenantry's `owner` does")
    }

    fn message(&self, parts: &str) -> String {
        let tenants = some(self.tenants.iter().copied());
        let role = self.binding.role_name();
        match self.tenants.len() {
            1 => format!("tenant {tenants} writes {parts} in its own namespace: {role}"),
            many => {
                format!("{many} tenants write {parts} in their own namespaces: {role} ({tenants})")
            }
        }
    }
}
