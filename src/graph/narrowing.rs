//! Network policies of other kinds that open nothing which NetworkPolicies close.

use crate::document::{TreeValue, View};
use crate::kube::ObjectId;
use crate::kube::labels::{is_true, items, text};

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
            kind.starts_with("Staged") || calico_narrows(kind, spec)
        }
        ("cilium.io", "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy") => {
            cilium_denies(node)
        }
        ("k8s.cni.cncf.io", "NetworkAttachmentDefinition") => adds_no_interface(id, spec),
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

/// Whether a policy of Calico opens nothing to pods.
///
/// `Pass` in a tier before the default one hands on to it, where the NetworkPolicies are. In the
/// default tier it skips them. A global policy before DNAT, or without connection tracking, is for
/// interfaces of nodes alone. A NetworkPolicy of a namespace has neither field, so that the API
/// server drops them.
///
/// Source: docs.tigera.io, "Tiered policy", "Global network policy" and "Network policy".
fn calico_narrows<T: TreeValue>(kind: &str, spec: Option<&T>) -> bool {
    let is_set = |key: &str| is_true(spec.and_then(|spec| spec.member(key)));
    let is_of_nodes = is_set("preDNAT") || is_set("doNotTrack");
    if is_of_nodes && kind == "GlobalNetworkPolicy" {
        return true;
    }
    let tier = text(spec, "tier").unwrap_or_default();
    match tier.as_str() {
        "" | "default" => actions_are(spec, &["Deny", "Log"]),
        _ => actions_are(spec, &["Deny", "Log", "Pass"]),
    }
}

/// Whether a policy of Cilium has no rule that allows. A rule without fields only denies by default,
/// and a policy with a `nodeSelector` is for nodes alone.
///
/// Source: docs.cilium.io, "Ingress Default Deny" and "Host Policies".
fn cilium_denies<T: TreeValue>(node: &T) -> bool {
    let one = node.member("spec").into_iter();
    let specs: Vec<&T> = one.chain(items(node.member("specs"))).collect();
    let is_empty = |rule: &T| match rule.view() {
        View::Map(entries) => entries.is_empty(),
        View::Null => true,
        _ => false,
    };
    let denies = |spec: &&T| {
        ["ingress", "egress", "ingressDeny", "egressDeny"]
            .iter()
            .any(|key| !items(spec.member(key)).is_empty())
    };
    let is_of_nodes = |spec: &&T| {
        spec.member("nodeSelector").is_some() && spec.member("endpointSelector").is_none()
    };

    specs.iter().any(denies)
        && specs
            .iter()
            .all(|spec| is_of_nodes(spec) || rules(Some(*spec)).all(is_empty))
}

/// Whether a network attachment adds no interface to pods: that of Istio's CNI plugin, which
/// OpenShift asks for in each namespace of a mesh.
///
/// Source: istio.io, "OpenShift" (platform prerequisites).
fn adds_no_interface<T: TreeValue>(id: &ObjectId, spec: Option<&T>) -> bool {
    const ISTIO: &str = "istio-cni";
    let config = text(spec, "config").unwrap_or_default();
    if config.trim().is_empty() {
        // Multus takes the configuration of this name from the node.
        return id.name == ISTIO;
    }
    let config: Option<serde_json::Value> = serde_json::from_str(&config).ok();
    config.is_some_and(|config| config.get("type").and_then(|kind| kind.as_str()) == Some(ISTIO))
}
