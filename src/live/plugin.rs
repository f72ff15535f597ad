//! Whether something in the cluster enforces network policies.

use super::desired::Desired;
use super::finding::LiveFinding;
use super::rules::NOT_ENFORCED;
use crate::diagnostic::{Diagnostic, Level, Scope};
use crate::value::Text;

/// CRDs by which a plugin that enforces is told.
const DEFINITIONS: [(&str, &str); 2] = [
    ("globalnetworkpolicies.crd.projectcalico.org", "calico"),
    ("ciliumnetworkpolicies.cilium.io", "cilium"),
];

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
pub fn check(
    wanted: &Desired,
    definitions: &[Text],
    daemon_sets: &[(Text, Text)],
) -> Vec<LiveFinding> {
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
        all.push(LiveFinding {
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
                    "the network plugin is {plugin} (DaemonSet {name}), which does not enforce \
                     NetworkPolicies: all pods reach all pods"
                ),
                "install Calico or Cilium beside it or in its place, and name it in the fleet: \
                 `cni.name` of the cluster",
                daemons,
            ),
            Some((name, plugin, _)) => push(
                Level::Warning,
                format!(
                    "the network plugin is {plugin} (DaemonSet {name}), which enforces \
                     NetworkPolicies only if its arguments say so"
                ),
                "read the arguments of the DaemonSet, and try it: no connection may reach a pod \
                 that `default-deny` selects",
                daemons,
            ),
            None => push(
                Level::Error,
                "no network plugin that enforces NetworkPolicies was found: neither Calico's CRD \
                 globalnetworkpolicies.crd.projectcalico.org, nor Cilium's CRD \
                 ciliumnetworkpolicies.cilium.io, nor a DaemonSet of another known plugin"
                    .to_owned(),
                "install Calico, Cilium or another plugin that enforces NetworkPolicies, and name \
                 it in the fleet: `cni.name` of the cluster",
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
                "name the plugin that runs in the fleet: `cni.name` of the cluster, by which \
                 policies are rendered and proven",
                daemons,
            );
        }
    }

    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{SourceId, Span};

    fn found(definitions: &[&str], daemon_sets: &[&str]) -> Vec<Diagnostic> {
        let wanted = Desired::nothing("prod", Span::file(SourceId(0)));
        let definitions: Vec<Text> = definitions.iter().map(|name| (*name).into()).collect();
        let daemon_sets: Vec<(Text, Text)> = daemon_sets
            .iter()
            .map(|name| ("kube-system".into(), (*name).into()))
            .collect();
        check(&wanted, &definitions, &daemon_sets)
            .into_iter()
            .map(|found| found.diagnostic)
            .collect()
    }

    #[test]
    fn without_a_plugin_the_fix_is_in_this_programs_terms() {
        let all = found(&[], &["node-exporter"]);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].level, Level::Error);
        for (definition, _) in DEFINITIONS {
            assert!(all[0].message.contains(definition), "{}", all[0].message);
        }
        assert!(all[0].fix.contains("`cni.name` of the cluster"));
    }

    #[test]
    fn a_plugin_that_enforces_is_no_finding() {
        for (definition, _) in DEFINITIONS {
            assert_eq!(found(&[definition], &["kube-flannel-ds"]), []);
        }
        assert_eq!(found(&[], &["antrea-agent"]), []);
    }

    #[test]
    fn a_plugin_that_may_not_enforce_is_told_by_its_daemon_set() {
        let levels =
            |name: &str| -> Vec<Level> { found(&[], &[name]).iter().map(|d| d.level).collect() };
        assert_eq!(levels("kube-flannel"), [Level::Error]);
        assert_eq!(levels("weave-net"), [Level::Warning]);
    }
}
