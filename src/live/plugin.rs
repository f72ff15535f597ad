//! Whether something in the cluster enforces network policies.

use super::found::Found;
use super::rules::NOT_ENFORCED;
use super::wanted::Wanted;
use crate::diagnostic::{Diagnostic, Level, Scope};
use crate::value::Text;

/// CRDs by which a plugin that enforces is told.
const DEFINITIONS: [(&str, &str); 2] = [
    ("globalnetworkpolicies.crd.projectcalico.org", "calico"),
    ("ciliumnetworkpolicies.cilium.io", "cilium"),
];

/// What is said where neither is there, word for word as operators know it.
pub const NEITHER: &str = "FAIL: Tenant Isolation requires Calico or Cilium FQDN-policy support.\n\
                           Found neither CRD. Either install one of those CNIs, or set\n\
                           tenant.isolationEnabled=false.";

/// Names of DaemonSets of plugins, what each is, and whether it enforces NetworkPolicies.
const PLUGINS: [(&str, &str, Option<bool>); 14] = [
    ("calico-node", "calico", Some(true)),
    ("canal", "calico", Some(true)),
    ("cilium", "cilium", Some(true)),
    ("antrea-agent", "antrea", Some(true)),
    ("ovnkube-node", "ovn-kubernetes", Some(true)),
    ("kube-ovn-cni", "kube-ovn", Some(true)),
    ("azure-npm", "azure-npm", Some(true)),
    // Only where the part that does is switched on, which its arguments say.
    ("aws-node", "aws-vpc-cni", None),
    ("kindnet", "kindnet", None),
    ("kube-router", "kube-router", None),
    ("weave-net", "weave-net", None),
    ("kube-flannel", "flannel", Some(false)),
    ("kube-flannel-ds", "flannel", Some(false)),
    ("bridge-cni", "bridge", Some(false)),
];

/// The plugin that a CRD tells of.
pub fn named_by_definition(name: &str) -> Option<&'static str> {
    DEFINITIONS
        .iter()
        .find(|(definition, _)| *definition == name)
        .map(|(_, plugin)| *plugin)
}

/// The plugin that a DaemonSet is of.
pub fn named_by_daemon_set(name: &str) -> Option<&'static str> {
    PLUGINS
        .iter()
        .find(|(daemon_set, ..)| *daemon_set == name)
        .map(|(_, plugin, _)| *plugin)
}

/// What is known of the cluster's plugin, by the names of its CRDs and DaemonSets (namespace,
/// name).
pub fn check(wanted: &Wanted, definitions: &[Text], daemon_sets: &[(Text, Text)]) -> Vec<Found> {
    let by_definition: Vec<&str> = definitions
        .iter()
        .filter_map(|d| named_by_definition(d))
        .collect();
    let running: Vec<&(&str, &str, Option<bool>)> = PLUGINS
        .iter()
        .filter(|(name, ..)| daemon_sets.iter().any(|(_, n)| n == name))
        .collect();
    let mut all = Vec::new();
    let mut push = |level: Level, message: String, fix: &str, show: &str| {
        let diagnostic = Diagnostic::new(&NOT_ENFORCED, wanted.span, message)
            .level(level)
            .fix(fix)
            .scope(Scope::Fleet);
        all.push(Found {
            diagnostic,
            tenant: None,
            object: String::new(),
            show: wanted.here(show),
            since: Text::default(),
        });
    };
    let daemons = "kubectl get daemonsets -A";
    // Another plugin beside one that enforces (flannel below Calico is Canal) is not what enforces.
    let enforces = !by_definition.is_empty()
        || running
            .iter()
            .any(|(_, _, enforces)| *enforces == Some(true));
    if !enforces {
        match running.first() {
            Some((name, plugin, Some(false))) => push(
                Level::Error,
                format!(
                    "the network plugin is {plugin} (DaemonSet {name}), which does not enforce what was rendered: all pods reach all pods"
                ),
                "install Calico or Cilium beside it or in its place",
                daemons,
            ),
            Some((name, plugin, _)) => push(
                Level::Warning,
                format!(
                    "the network plugin is {plugin} (DaemonSet {name}), which enforces network policies only where that is switched on"
                ),
                "see its arguments, and try it: a pod behind default-deny must not be reached",
                daemons,
            ),
            None => push(
                Level::Error,
                NEITHER.replace('\n', " "),
                "install a plugin that enforces NetworkPolicies",
                "kubectl get crd globalnetworkpolicies.crd.projectcalico.org ciliumnetworkpolicies.cilium.io",
            ),
        }
    }
    if let Some(declared) = &wanted.plugin {
        let mut found: Vec<&str> = by_definition
            .iter()
            .copied()
            .chain(running.iter().map(|(_, p, _)| *p))
            .collect();
        found.sort_unstable();
        found.dedup();
        if !found.is_empty() && !found.contains(&declared.as_str()) {
            push(
                Level::Error,
                format!(
                    "the fleet says that `{declared}` is the network plugin; the cluster has {}",
                    found.join(", ")
                ),
                "correct the cluster's `cni`, by which policies are rendered and proven",
                daemons,
            );
        }
    }
    all
}
