//! Network plugins, by the names of what they install, and whether they enforce NetworkPolicies.

/// A CRD of a plugin that enforces NetworkPolicies.
#[derive(Debug)]
pub struct PluginDefinition {
    /// The name of the CRD.
    pub definition: &'static str,
    /// The name of the plugin.
    pub plugin: &'static str,
}

/// The CRDs of plugins.
pub const DEFINITIONS: [PluginDefinition; 2] = [
    PluginDefinition {
        definition: "globalnetworkpolicies.crd.projectcalico.org",
        plugin: "calico",
    },
    PluginDefinition {
        definition: "ciliumnetworkpolicies.cilium.io",
        plugin: "cilium",
    },
];

/// Whether a plugin enforces NetworkPolicies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// In every installation.
    Always,
    /// Only if its arguments switch it on.
    IfConfigured,
    /// In no installation.
    Never,
}

/// A DaemonSet of a plugin.
#[derive(Debug)]
pub struct PluginDaemonSet {
    /// The name of the DaemonSet.
    pub daemon_set: &'static str,
    /// The name of the plugin.
    pub plugin: &'static str,
    /// Whether the plugin enforces NetworkPolicies.
    pub enforcement: Enforcement,
}

impl PluginDaemonSet {
    const fn new(daemon_set: &'static str, plugin: &'static str, enforcement: Enforcement) -> Self {
        Self {
            daemon_set,
            plugin,
            enforcement,
        }
    }
}

/// The DaemonSets of plugins.
pub static DAEMON_SETS: [PluginDaemonSet; 14] = [
    PluginDaemonSet::new("calico-node", "calico", Enforcement::Always),
    PluginDaemonSet::new("canal", "calico", Enforcement::Always),
    PluginDaemonSet::new("cilium", "cilium", Enforcement::Always),
    PluginDaemonSet::new("antrea-agent", "antrea", Enforcement::Always),
    PluginDaemonSet::new("ovnkube-node", "ovn-kubernetes", Enforcement::Always),
    PluginDaemonSet::new("kube-ovn-cni", "kube-ovn", Enforcement::Always),
    PluginDaemonSet::new("azure-npm", "azure-npm", Enforcement::Always),
    PluginDaemonSet::new("aws-node", "aws-vpc-cni", Enforcement::IfConfigured),
    PluginDaemonSet::new("kindnet", "kindnet", Enforcement::IfConfigured),
    PluginDaemonSet::new("kube-router", "kube-router", Enforcement::IfConfigured),
    PluginDaemonSet::new("weave-net", "weave-net", Enforcement::IfConfigured),
    PluginDaemonSet::new("kube-flannel", "flannel", Enforcement::Never),
    PluginDaemonSet::new("kube-flannel-ds", "flannel", Enforcement::Never),
    PluginDaemonSet::new("bridge-cni", "bridge", Enforcement::Never),
];

/// The DaemonSet of a plugin with a name.
pub fn find_daemon_set(name: &str) -> Option<&'static PluginDaemonSet> {
    DAEMON_SETS.iter().find(|known| known.daemon_set == name)
}

/// A DaemonSet of the plugin with a name.
pub fn find(plugin: &str) -> Option<&'static PluginDaemonSet> {
    DAEMON_SETS.iter().find(|known| known.plugin == plugin)
}
