//! Network policies of other kinds that open nothing which NetworkPolicies close.

use crate::document::{TreeValue, View};
use crate::kube::ObjectId;
use crate::kube::labels::{items, text};

/// Whether a policy of another kind only takes connections away, or has no effect.
///
/// Sources: istio.io, "Authorization Policy" (a mesh refuses what reaches it); docs.tigera.io,
/// "Staged network policies"; docs.cilium.io, "Deny Policies"; network-policy-api.sigs.k8s.io (a
/// baseline applies to pods that no NetworkPolicy selects); antrea.io, "Antrea Network Policy";
/// ovn-kubernetes.io, "EgressFirewall" (beside NetworkPolicies, not instead of them).
pub fn only_narrows<T: TreeValue>(id: &ObjectId, node: &T) -> bool {
    let spec = node.member("spec");
    match (&*id.group, &*id.kind) {
        ("security.istio.io", "AuthorizationPolicy") => true,
        ("k8s.ovn.org", "EgressFirewall") | ("network.openshift.io", "EgressNetworkPolicy") => true,
        ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy") => has_rules(spec),
        ("policy.networking.k8s.io", "ClusterNetworkPolicy")
            if text(spec, "tier").as_deref() == Some("Baseline") =>
        {
            has_rules(spec)
        }
        ("policy.networking.k8s.io", _) => actions_are(spec, &["Deny", "Pass"]),
        ("crd.antrea.io" | "controlplane.antrea.io", _) => {
            actions_are(spec, &["Drop", "Reject", "Pass"])
        }
        ("projectcalico.org" | "crd.projectcalico.org", kind) => {
            // A staged policy is only counted, and never enforced.
            kind.starts_with("Staged") || actions_are(spec, &["Deny", "Log"])
        }
        ("cilium.io", "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy") => {
            cilium_denies(node)
        }
        _ => false,
    }
}

/// The rules of a policy in both directions.
fn rules<T: TreeValue>(spec: Option<&T>) -> impl Iterator<Item = &T> {
    let list = |key: &str| items(spec.and_then(|spec| spec.member(key)));
    list("ingress").iter().chain(list("egress"))
}

fn has_rules<T: TreeValue>(spec: Option<&T>) -> bool {
    rules(spec).next().is_some()
}

/// Whether a policy has rules, and each has one of some actions.
fn actions_are<T: TreeValue>(spec: Option<&T>, actions: &[&str]) -> bool {
    has_rules(spec)
        && rules(spec).all(|rule| {
            let action = text(Some(rule), "action");
            action.is_some_and(|action| actions.contains(&action.as_str()))
        })
}

/// Whether a policy of Cilium has rules that deny, and none that allow.
fn cilium_denies<T: TreeValue>(node: &T) -> bool {
    let one = node.member("spec").into_iter();
    let specs: Vec<&T> = one.chain(items(node.member("specs"))).collect();
    let is_empty = |rule: &T| match rule.view() {
        View::Map(entries) => entries.is_empty(),
        View::Null => true,
        _ => false,
    };
    let denies = |spec: &&T| {
        ["ingressDeny", "egressDeny"]
            .iter()
            .any(|key| !items(spec.member(key)).is_empty())
    };

    specs.iter().any(denies) && specs.iter().all(|spec| rules(Some(*spec)).all(is_empty))
}
