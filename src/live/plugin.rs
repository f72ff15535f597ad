//! Whether something in the cluster enforces network policies.

use super::desired::Desired;
use super::finding::LiveFinding;
use super::rules::NOT_ENFORCED;
use crate::diagnostic::Level;
use crate::kube::network_plugin::{
    DAEMON_SETS, DEFINITIONS, Enforcement, PluginDaemonSet, find_daemon_set,
};
use crate::value::Text;

/// Returns the plugin that a CRD belongs to.
pub fn named_by_definition(name: &str) -> Option<&'static str> {
    let known = DEFINITIONS.iter().find(|known| known.definition == name)?;
    Some(known.plugin)
}

/// Returns the plugin that a DaemonSet belongs to.
pub fn named_by_daemon_set(name: &str) -> Option<&'static str> {
    find_daemon_set(name).map(|known| known.plugin)
}

/// The command that lists the DaemonSets of plugins.
const LIST_DAEMON_SETS: &str = "kubectl get daemonsets -A";

/// Reports a cluster that does not enforce network policies, or has another plugin than declared. It
/// is judged by the names of its CRDs and DaemonSets.
pub fn check(wanted: &Desired, definitions: &[Text], daemon_sets: &[Text]) -> Vec<LiveFinding> {
    let by_definition: Vec<&'static str> = definitions
        .iter()
        .filter_map(|name| named_by_definition(name))
        .collect();

    let running: Vec<&PluginDaemonSet> = DAEMON_SETS
        .iter()
        .filter(|known| daemon_sets.iter().any(|name| name == known.daemon_set))
        .collect();

    // A plugin beside one that enforces does no harm: flannel below Calico is Canal.
    let enforces = !by_definition.is_empty()
        || running
            .iter()
            .any(|known| known.enforcement == Enforcement::Always);

    let mut all = Vec::new();
    if !enforces {
        all.push(not_enforced(wanted, running.first().copied()));
    }

    let running = running.iter().map(|known| known.plugin);
    let mut plugins: Vec<&str> = by_definition.into_iter().chain(running).collect();
    plugins.sort_unstable();
    plugins.dedup();
    all.extend(other_plugin(wanted, &plugins));
    all
}

/// The finding about a cluster in which no plugin is sure to enforce NetworkPolicies.
fn not_enforced(wanted: &Desired, running: Option<&PluginDaemonSet>) -> LiveFinding {
    let Some(PluginDaemonSet {
        daemon_set,
        plugin,
        enforcement,
    }) = running
    else {
        return no_plugin(wanted);
    };

    let show = wanted.here(LIST_DAEMON_SETS);
    let found = |message: String| LiveFinding::new(wanted, &NOT_ENFORCED, message).with_show(show);
    let named = format!("the network plugin is {plugin} (DaemonSet {daemon_set}), which");

    match enforcement {
        Enforcement::Never => found(format!(
            "{named} does not enforce NetworkPolicies: all pods reach all pods"
        ))
        .with_level(Level::Error)
        .with_fix(
            "install Calico or Cilium beside it or in its place, and name it in the fleet: \
             `cni.name` of the cluster",
        ),
        Enforcement::IfConfigured | Enforcement::Always => found(format!(
            "{named} enforces NetworkPolicies only if its arguments say so"
        ))
        .with_level(Level::Warning)
        .with_fix(
            "read the arguments of the DaemonSet, and try it: no connection may reach a pod \
             that `default-deny` selects",
        ),
    }
}

/// The finding about a cluster without a known plugin.
fn no_plugin(wanted: &Desired) -> LiveFinding {
    let message = "no network plugin that enforces NetworkPolicies was found: neither Calico's CRD \
                   globalnetworkpolicies.crd.projectcalico.org, nor Cilium's CRD \
                   ciliumnetworkpolicies.cilium.io, nor a DaemonSet of another known plugin";
    let show = "kubectl get crd globalnetworkpolicies.crd.projectcalico.org \
                ciliumnetworkpolicies.cilium.io";

    LiveFinding::new(wanted, &NOT_ENFORCED, message)
        .with_level(Level::Error)
        .with_show(wanted.here(show))
        .with_fix(
            "install Calico, Cilium or another plugin that enforces NetworkPolicies, and name it \
             in the fleet: `cni.name` of the cluster",
        )
}

/// The finding about a cluster that has other plugins than the fleet declares.
fn other_plugin(wanted: &Desired, plugins: &[&str]) -> Option<LiveFinding> {
    let declared = wanted.plugin.as_ref()?;
    if plugins.is_empty() || plugins.contains(&declared.as_str()) {
        return None;
    }

    let message = format!(
        "the fleet says that `{declared}` is the network plugin; the cluster has {}",
        plugins.join(", ")
    );
    let found = LiveFinding::new(wanted, &NOT_ENFORCED, message)
        .with_level(Level::Error)
        .with_show(wanted.here(LIST_DAEMON_SETS))
        .with_fix(
            "name the plugin that runs in the fleet: `cni.name` of the cluster, by which policies \
             are rendered and proven",
        );
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;
    use crate::source::{SourceId, Span};

    fn found(definitions: &[&str], daemon_sets: &[&str]) -> Vec<Diagnostic> {
        let wanted = Desired::nothing("prod", Span::file(SourceId(0)));
        let definitions: Vec<Text> = definitions.iter().map(|name| (*name).into()).collect();
        let daemon_sets: Vec<Text> = daemon_sets.iter().map(|name| (*name).into()).collect();
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
        for plugin in DEFINITIONS {
            let message = &all[0].message;
            assert!(message.contains(plugin.definition), "{message}");
        }
        assert!(all[0].fix.contains("`cni.name` of the cluster"));
    }

    #[test]
    fn a_plugin_that_enforces_is_no_finding() {
        for plugin in DEFINITIONS {
            assert_eq!(found(&[plugin.definition], &["kube-flannel-ds"]), []);
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
