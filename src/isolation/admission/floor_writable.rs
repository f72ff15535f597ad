use super::{Findings, own_grants};
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::rbac::{Binding, Role, Subject};
use crate::isolation::power::Power;
use crate::isolation::{Finding, some};
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// A tenant may change what holds it in its own namespace.
    ///
    /// ## What it finds
    /// A role that is bound to a tenant's own people or service accounts in its own namespace, and that lets them write
    /// NetworkPolicies, quotas, limits, bindings, or the Namespace itself. A role that does so for many tenants is one
    /// finding.
    ///
    /// ## Why it matters
    /// Policies add up: one that allows everything opens the namespace, whatever stands beside it. A quota that its tenant
    /// edits is none. Whoever labels the Namespace chooses its Pod Security level, and whom others' selectors take it for.
    /// Kubernetes' own `admin` and `edit` write NetworkPolicies.
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
    /// Bind a role that leaves the floor out (tenantry's `owner`); or a policy at admission that denies it.
    ///
    /// ## References
    /// projectcapsule/capsule#649; CVE-2022-46167; MTB "block modification of resource quotas", "block multitenant
    /// resources"; CIS 5.3.2; ISO 27001 A.8.2
    pub static FLOOR_WRITABLE = "admission/floor-writable", Error;
}

const CHANGE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const ALTER: &[&str] = &["update", "patch", "delete"];

/// What the floor is made of, and what a tenant that writes it can do.
static FLOOR: [Power; 8] = [
    Power {
        says: "NetworkPolicies",
        asks: &[
            ("networking.k8s.io", &["networkpolicies"], CHANGE),
            ("cilium.io", &["ciliumnetworkpolicies"], CHANGE),
            ("crd.projectcalico.org", &["networkpolicies"], CHANGE),
            ("projectcalico.org", &["networkpolicies"], CHANGE),
            ("crd.antrea.io", &["networkpolicies", "annotations"], CHANGE),
            ("security.istio.io", &["authorizationpolicies"], CHANGE),
            ("k8s.cni.cncf.io", &["network-attachment-definitions"], CHANGE),
            ("k8s.ovn.org", &["egressfirewalls", "userdefinednetworks"], CHANGE),
            ("cilium.io", &["ciliumendpoints", "ciliumenvoyconfigs", "ciliumlocalredirectpolicies"], CHANGE),
        ],
    },
    Power { says: "ResourceQuotas", asks: &[("", &["resourcequotas"], CHANGE)] },
    Power { says: "LimitRanges", asks: &[("", &["limitranges"], CHANGE)] },
    Power { says: "the Namespace", asks: &[("", &["namespaces", "namespaces/finalize", "namespaces/status"], ALTER)] },
    Power {
        // CVE-2021-25740, and pods that are taken for another's.
        says: "endpoints and the status of pods and services",
        asks: &[
            ("", &["endpoints", "services/status", "pods/status"], CHANGE),
            ("discovery.k8s.io", &["endpointslices"], CHANGE),
        ],
    },
    Power {
        says: "Argo CD's Applications and projects",
        asks: &[("argoproj.io", &["applications", "applicationsets", "appprojects"], CHANGE)],
    },
    Power { says: "RoleBindings", asks: &[("rbac.authorization.k8s.io", &["rolebindings"], CHANGE)] },
    Power {
        says: "roles beyond its own",
        asks: &[("rbac.authorization.k8s.io", &["roles", "clusterroles"], &["bind", "escalate"])],
    },
];

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    type Bound<'a> = (&'a Role, Vec<&'static str>, &'a Binding, &'a Subject, BTreeSet<&'a str>);
    let mut roles: BTreeMap<&(Text, Text), Bound<'_>> = BTreeMap::new();
    let mut harmless: BTreeSet<&(Text, Text)> = BTreeSet::new();
    for (tenant, binding, role, subject) in own_grants(cluster) {
        if harmless.contains(&binding.role) {
            continue;
        }
        let name = cluster.tenants[tenant as usize].name.as_str();
        if let Some((.., tenants)) = roles.get_mut(&binding.role) {
            tenants.insert(name);
            continue;
        }
        let writes: Vec<&str> = FLOOR.iter().filter(|p| p.of(&role.rules).is_some()).map(|p| p.says).collect();
        if writes.is_empty() {
            harmless.insert(&binding.role);
        } else {
            roles.insert(&binding.role, (role, writes, binding, subject, BTreeSet::from([name])));
        }
    }
    for (role, writes, binding, subject, tenants) in roles.into_values() {
        let what = writes.join(", ");
        let message = match tenants.len() {
            1 => format!(
                "tenant {} writes {what} in its own namespace: {}",
                some(tenants.iter().copied()),
                binding.role_name()
            ),
            many => format!(
                "{many} tenants write {what} in their own namespaces: {} ({})",
                binding.role_name(),
                some(tenants.iter().copied())
            ),
        };
        let rule = FLOOR.iter().find_map(|p| p.of(&role.rules)).and_then(|r| r.place).unwrap_or(role.origin.place);
        let finding = Finding::refuted(&FLOOR_WRITABLE, binding.origin.place, message)
            .step(binding.origin.place, format!("{} binds {subject} to {}", binding.id.called(), binding.role_name()))
            .step(rule, format!("{} lets it write {what}", role.id.called()));
        let finding = match tenants.first().filter(|_| tenants.len() == 1) {
            Some(one) => finding.by(one),
            None => finding,
        };
        out.push(finding.fix("bind a role that leaves the floor out, as tenantry's `owner` does"));
    }
}
