use super::tamper::PolicyVerdict;
use super::{Findings, own_grants, pods, rests_on};
use crate::diagnostic::rule;
use crate::graph::rbac::{Binding, Role, Subject};
use crate::graph::{Cluster, Owner};
use crate::isolation::Finding;
use crate::isolation::capability::{BECOME_ACCOUNT, Capability};
use crate::value::Text;
use std::collections::BTreeMap;

rule! {
    /// A tenant that may create pods has a namespace that no Pod Security level is enforced in.
    ///
    /// ## What it finds
    /// A tenant's namespace whose label `pod-security.kubernetes.io/enforce` is missing,
    /// `privileged` or misspelt, and in which somebody of the tenant may create pods. Where
    /// ValidatingAdmissionPolicies are bound to deny, pods that ask for their node are asked of
    /// them: where each is denied there is no finding, and the verdict rests on the policies.
    ///
    /// ## Why it matters
    /// A privileged pod is the node: every other tenant's pods, their secrets and service accounts
    /// on it.
    ///
    /// ## Example
    /// ```yaml
    /// kind: Namespace
    /// metadata: {name: payments, labels: {pod-security.kubernetes.io/enforce: privileged}}
    /// ```
    ///
    /// ## Fix
    /// `pod-security.kubernetes.io/enforce: restricted`, or `baseline`.
    ///
    /// ## References
    /// kubernetes.io/docs/concepts/security/pod-security-standards; CIS 5.2; NSA "Pod security";
    /// MTB "block privileged containers", "block use of host path"; PCI DSS 2.2; ISO 27001 A.8.9
    pub static POD_SECURITY_NOT_ENFORCED = "admission/pod-security-not-enforced", Error;
}

/// The label that decides.
pub const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// A container that is added to a pod.
static ADDED: Capability = Capability {
    description: "adds containers",
    grants: &[("", &["pods/ephemeralcontainers"], &["update", "patch"])],
};

/// Whether Pod Security refuses a pod of a namespace that asks for the node.
pub fn refused(cluster: &Cluster, namespace: &str) -> bool {
    let namespace = cluster
        .namespace(namespace)
        .map(|at| &cluster.namespaces[at as usize]);
    matches!(
        namespace.and_then(|n| n.labels.get(ENFORCE)),
        Some("baseline" | "restricted")
    )
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    type Grant<'a> = (&'a Binding, &'a Role, &'a Subject);
    let mut creators: BTreeMap<&Text, Vec<Grant<'_>>> = BTreeMap::new();
    let guarded = cluster.guarded();

    for (_, binding, role, subjects) in own_grants(cluster) {
        let makes = |p: &&Capability| p.of(&role.rules).is_some();
        if [
            &BECOME_ACCOUNT[0],
            &BECOME_ACCOUNT[4],
            &ADDED,
            &pods::OTHER_MAKERS,
        ]
        .iter()
        .any(makes)
        {
            let grants = creators.entry(&binding.id.namespace).or_default();
            grants.extend(subjects.into_iter().map(|s| (binding, role, s)));
        }
    }

    for namespace in &cluster.namespaces {
        let Owner::Tenant(tenant) = namespace.owner else {
            continue;
        };
        let level = namespace.labels.get(ENFORCE);
        if matches!(level, Some("baseline" | "restricted")) {
            continue;
        }
        let Some(grants) = creators.get(&namespace.name) else {
            continue;
        };
        let mut worst: Option<(&Grant<'_>, Option<PolicyVerdict>)> = None;

        for grant in grants {
            let (_, role, subject) = grant;
            let stand =
                guarded.then(|| pods::stand(cluster, &namespace.name, subject, &role.rules));
            match stand {
                Some(PolicyVerdict::Denied(policies)) => rests_on(out, &policies),
                Some(PolicyVerdict::Unknown(..)) => drop(worst.get_or_insert((grant, stand))),
                _ => {
                    worst = Some((grant, stand));
                    break;
                }
            }
        }

        let Some(((binding, _, subject), stand)) = worst else {
            continue;
        };
        let tenant = &cluster.tenants[tenant as usize];
        let span = namespace.origin.map_or(tenant.span, |o| o.span);
        let how = level.map_or_else(
            || "enforces no Pod Security level".to_owned(),
            |l| format!("enforces the Pod Security level `{l}`"),
        );

        let step = format!("{} lets {subject} create pods", binding.id.called());
        let finding = match (namespace.origin, &stand) {
            // Its labels are not among the inputs.
            (None, _) => Finding::unknown(
                &POD_SECURITY_NOT_ENFORCED,
                span,
                format!(
                    "the labels of `{}` of tenant `{}` are not among the inputs: whether it runs privileged pods is not known",
                    namespace.name, tenant.name
                ),
            ),
            (_, Some(PolicyVerdict::Unknown(_, policy, _, why))) => Finding::unknown(
                &POD_SECURITY_NOT_ENFORCED,
                span,
                format!(
                    "whether tenant `{}` may run privileged pods in `{}`, which {how}, is for ValidatingAdmissionPolicy \
                     `{policy}` to say, and not known: {why}",
                    tenant.name, namespace.name
                ),
            ),
            _ => Finding::refuted(
                &POD_SECURITY_NOT_ENFORCED,
                span,
                format!(
                    "tenant `{}` may run privileged pods in `{}`, which {how}",
                    tenant.name, namespace.name
                ),
            ),
        };

        let finding = finding
            .by(&tenant.name)
            .step(binding.origin.span, step)
            .step(
                span,
                format!(
                    "`{}` {how}: a privileged pod is the node it runs on",
                    namespace.name
                ),
            );

        let finding = match stand {
            Some(PolicyVerdict::Open(way)) => finding.step(
                binding.origin.span,
                format!("{subject} {way}, and no admission policy denies it"),
            ),
            Some(PolicyVerdict::Unknown(way, policy, at, _)) => {
                finding.step(at, format!("{subject} {way}: `{policy}` decides"))
            }
            _ => finding,
        };

        out.push(finding.fix(format!("label the namespace {ENFORCE}: restricted")));
    }
}
