use super::tamper::{self, PolicyVerdict};
use super::{Findings, own_grants, rests_on};
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::rbac::{Binding, Role, Subject};
use crate::isolation::capability::Capability;
use crate::isolation::{Finding, some};
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// A tenant may change what holds it in its own namespace.
    ///
    /// ## What it finds
    /// A role that is bound to a tenant's own people or service accounts in its own namespace, and
    /// that lets them write NetworkPolicies, quotas, limits, bindings, or the Namespace itself. A
    /// role that does so for many tenants is one finding. Where ValidatingAdmissionPolicies are
    /// bound to deny, each way to remove, weaken, relabel, freeze or sidestep the floor is asked of
    /// them (by CEL): one that none denies is the finding, one that they deny or not by what is
    /// written is a question that stays open, and where each is denied whatever is written the
    /// verdict rests on them.
    ///
    /// ## Why it matters
    /// Policies add up: one that allows everything opens the namespace, whatever stands beside it.
    /// A quota that its tenant edits is none. Whoever labels the Namespace chooses its Pod Security
    /// level, and whom others' selectors take it for. Kubernetes' own `admin` and `edit` write
    /// NetworkPolicies.
    ///
    /// ## Example
    /// ```yaml
    /// kind: RoleBinding
    /// metadata: {name: owners, namespace: payments}
    /// roleRef: {kind: ClusterRole, name: admin}
    /// subjects: [{kind: Group, name: payments-admins}]
    /// ```
    ///
    /// ## Fix
    /// Bind a role that leaves the floor out (tenantry's `owner`); or a policy at admission that
    /// denies it.
    ///
    /// ## References
    /// projectcapsule/capsule#649; CVE-2022-46167; MTB "block modification of resource quotas",
    /// "block multitenant resources"; CIS 5.3.2; ISO 27001 A.8.2
    pub static FLOOR_WRITABLE = "admission/floor-writable", Error;
}

const CHANGE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const ALTER: &[&str] = &["update", "patch", "delete"];

/// What the floor is made of, and what a tenant that writes it can do.
static FLOOR: [Capability; 8] = [
    Capability {
        description: "NetworkPolicies",
        grants: &[
            ("networking.k8s.io", &["networkpolicies"], CHANGE),
            ("cilium.io", &["ciliumnetworkpolicies"], CHANGE),
            ("crd.projectcalico.org", &["networkpolicies"], CHANGE),
            ("projectcalico.org", &["networkpolicies"], CHANGE),
            ("crd.antrea.io", &["networkpolicies", "annotations"], CHANGE),
            ("security.istio.io", &["authorizationpolicies"], CHANGE),
            (
                "k8s.cni.cncf.io",
                &["network-attachment-definitions"],
                CHANGE,
            ),
            (
                "k8s.ovn.org",
                &["egressfirewalls", "userdefinednetworks"],
                CHANGE,
            ),
            (
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
    // What a quota counts is its status: who empties it has no quota until it is counted anew.
    Capability {
        description: "ResourceQuotas",
        grants: &[("", &["resourcequotas", "resourcequotas/status"], CHANGE)],
    },
    Capability {
        description: "LimitRanges",
        grants: &[("", &["limitranges"], CHANGE)],
    },
    Capability {
        description: "the Namespace",
        grants: &[(
            "",
            &["namespaces", "namespaces/finalize", "namespaces/status"],
            ALTER,
        )],
    },
    Capability {
        // CVE-2021-25740, and pods that are taken for another's.
        description: "endpoints and the status of pods and services",
        grants: &[
            ("", &["endpoints", "services/status", "pods/status"], CHANGE),
            ("discovery.k8s.io", &["endpointslices"], CHANGE),
        ],
    },
    Capability {
        description: "Argo CD's Applications and projects",
        grants: &[(
            "argoproj.io",
            &["applications", "applicationsets", "appprojects"],
            CHANGE,
        )],
    },
    Capability {
        description: "RoleBindings",
        grants: &[("rbac.authorization.k8s.io", &["rolebindings"], CHANGE)],
    },
    Capability {
        description: "roles beyond its own",
        grants: &[(
            "rbac.authorization.k8s.io",
            &["roles", "clusterroles"],
            &["bind", "escalate"],
        )],
    },
];

/// What a role lets tenants do to their floor: the first binding of it and its subject, and whose
/// all are.
struct WritableFloor<'a> {
    role: &'a Role,
    binding: &'a Binding,
    subject: &'a Subject,
    tenants: BTreeSet<&'a str>,
    /// Of policies: which way none of them denies, or which of them cannot be told.
    stand: Option<PolicyVerdict>,
}

/// A role, what of the floor it writes, and whether that is known.
type Key<'a> = (&'a (Text, Text), Vec<&'static str>, bool);

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    // What a role writes of the floor, by the role; and who is found with which of it.
    let mut writes: BTreeMap<&(Text, Text), Vec<&Capability>> = BTreeMap::new();
    let mut found: BTreeMap<Key<'_>, WritableFloor<'_>> = BTreeMap::new();
    let guarded = cluster.guarded();

    for (tenant, binding, role, subjects) in own_grants(cluster) {
        let powers = writes.entry(&binding.role).or_insert_with(|| {
            let powers = FLOOR.iter().filter(|p| p.of(&role.rules).is_some());
            powers.collect()
        });

        if powers.is_empty() {
            continue;
        }
        let name = cluster.tenants[tenant as usize].name.as_str();
        let mut add = |says: Vec<&'static str>, subject, stand: Option<PolicyVerdict>| {
            let known = !matches!(stand, Some(PolicyVerdict::Unknown(..)));
            let tenants = BTreeSet::new();
            let entry = found.entry((&binding.role, says, known));
            entry
                .or_insert(WritableFloor {
                    role,
                    binding,
                    subject,
                    tenants,
                    stand,
                })
                .tenants
                .insert(name);
        };

        if !guarded {
            add(
                powers.iter().map(|p| p.description).collect(),
                subjects[0],
                None,
            );
            continue;
        }

        for subject in subjects {
            let (mut open, mut unknown) = ((Vec::new(), None), (Vec::new(), None));
            for power in powers.iter() {
                match tamper::stand(cluster, &binding.id.namespace, subject, &role.rules, power) {
                    PolicyVerdict::Denied(policies) => rests_on(out, &policies),
                    stand @ PolicyVerdict::Open(_) => {
                        open.0.push(power.description);
                        open.1.get_or_insert(stand);
                    }
                    stand @ PolicyVerdict::Unknown(..) => {
                        unknown.0.push(power.description);
                        unknown.1.get_or_insert(stand);
                    }
                }
            }

            for (says, stand) in [open, unknown]
                .into_iter()
                .filter(|(says, _)| !says.is_empty())
            {
                add(says, subject, stand);
            }
        }
    }

    for (
        (_, writes, _),
        WritableFloor {
            role,
            binding,
            subject,
            tenants,
            stand,
        },
    ) in found
    {
        let what = writes.join(", ");
        let whose = match tenants.len() {
            1 => format!(
                "tenant {} writes {what} in its own namespace",
                some(tenants.iter().copied())
            ),
            many => format!("{many} tenants write {what} in their own namespaces"),
        };

        let message = match tenants.len() {
            1 => format!("{whose}: {}", binding.role_name()),
            _ => format!(
                "{whose}: {} ({})",
                binding.role_name(),
                some(tenants.iter().copied())
            ),
        };

        let lets = FLOOR
            .iter()
            .filter(|p| writes.contains(&p.description))
            .find_map(|p| p.of(&role.rules));

        let (rule_span, role_called) = role.cite(lets, binding);
        let finding = match &stand {
            Some(PolicyVerdict::Unknown(..)) => {
                Finding::unknown(&FLOOR_WRITABLE, binding.origin.span, message)
            }
            _ => Finding::refuted(&FLOOR_WRITABLE, binding.origin.span, message),
        };

        let finding = finding
            .step(
                binding.origin.span,
                format!(
                    "{} binds {subject} to {}",
                    binding.id.called(),
                    binding.role_name()
                ),
            )
            .step(rule_span, format!("{role_called} lets it write {what}"));

        let finding = match stand {
            Some(PolicyVerdict::Open(way)) => {
                finding.step(binding.origin.span, format!("{subject} {way}, and no admission policy denies it"))
            }
            Some(PolicyVerdict::Unknown(way, policy, span, why)) => finding.step(
                span,
                format!("{subject} {way}; whether ValidatingAdmissionPolicy `{policy}` denies it is not known: {why}"),
            ),
            _ => finding,
        };

        let finding = match tenants.first().filter(|_| tenants.len() == 1) {
            Some(one) => finding.by(one),
            None => finding,
        };

        out.push(finding.fix("bind a role that leaves the floor out, as tenantry's `owner` does"));
    }
}
