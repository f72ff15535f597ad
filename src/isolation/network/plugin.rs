//! What verdicts assume of the network plugin: that it enforces NetworkPolicies, what its networks
//! select, and that no policy of its own kinds adds to them.

use super::Findings;
use super::paths::{is_on_cilium, meeting_network, pod_networks};
use crate::graph::{Cluster, Owner};
use crate::isolation::assumptions::{
    NETWORKS_SELECT_NO_PODS, NO_OTHER_POLICIES, PLUGIN_ENFORCES, POD_NETWORKS,
};
use crate::kube::network_plugin::{Enforcement, PluginDaemonSet, find, find_daemon_set};
use crate::netpol::addresses::AddressSet;
use crate::netpol::{Direction, Peer};

pub(super) fn assume(cluster: &Cluster, out: &mut Findings<'_>) {
    assume_enforcement(cluster, out);
    assume_networks(cluster, out);
    // If the inputs hold some, the verdict is unknown already.
    if cluster.facts.other_policies.is_empty() && !cluster.lists_every_kind {
        out.assume(&NO_OTHER_POLICIES);
    }
}

fn assume_enforcement(cluster: &Cluster, out: &mut Findings<'_>) {
    let is_platform = |namespace: &str| cluster.owner(namespace) == Owner::Platform;
    let mut idle = cluster.facts.idle_plugins.iter();
    if let Some(plugin) = idle.find(|plugin| is_platform(&plugin.id.namespace)) {
        let text = format!(
            "{}, although {} has `{}`",
            PLUGIN_ENFORCES.text,
            plugin.id.called(),
            plugin.setting
        );
        return out.assume_about(&PLUGIN_ENFORCES, text);
    }

    let workloads = cluster.facts.workloads.iter().filter(|workload| {
        workload.id.kind == "DaemonSet" && cluster.owner(&workload.id.namespace) == Owner::Platform
    });
    let running = workloads.filter_map(|workload| find_daemon_set(&workload.id.name));
    let declared = cluster.plugin.as_deref().and_then(find);
    let shown: Vec<&PluginDaemonSet> = running.chain(declared).collect();
    if shown
        .iter()
        .any(|plugin| plugin.enforcement == Enforcement::Always)
    {
        return;
    }

    let mut idle = shown
        .iter()
        .filter(|plugin| plugin.enforcement == Enforcement::Never);
    match idle.next() {
        None => out.assume(&PLUGIN_ENFORCES),
        Some(PluginDaemonSet { plugin, .. }) => {
            let text = format!(
                "{}, although {plugin}, which the inputs show, enforces none",
                PLUGIN_ENFORCES.text
            );
            out.assume_about(&PLUGIN_ENFORCES, text);
        }
    }
}

/// A network in a rule of a policy means pods only if some have its addresses.
fn assume_networks(cluster: &Cluster, out: &mut Findings<'_>) {
    let rules = cluster.facts.policies.iter().flat_map(|policy| {
        let directions = [Direction::Ingress, Direction::Egress].into_iter();
        directions.filter_map(|direction| policy.spec.rules(direction))
    });
    let peers = rules.flatten().flat_map(|rule| &rule.peers);
    let mut networks = peers.filter_map(|peer| match peer {
        Peer::Block { net, except } => Some(AddressSet::new(net, except)),
        Peer::Pods { .. } => None,
    });

    if is_on_cilium(cluster) {
        let pods = pod_networks(cluster);
        let holds_pods = |network: AddressSet| meeting_network(pods, &network).is_some();
        if networks.any(holds_pods) {
            out.assume(&NETWORKS_SELECT_NO_PODS);
        }
    } else if cluster.pod_networks.is_empty() && networks.next().is_some() {
        out.assume(&POD_NETWORKS);
    }
}
