//! Settings by which a network plugin enforces no NetworkPolicies.

use super::object::Origin;
use super::operator::{arguments, flag, image_name};
use crate::document::TreeValue;
use crate::kube::ObjectId;
use crate::kube::labels::{items, text};

/// An object that keeps a network plugin from enforcing NetworkPolicies.
#[derive(Clone, Debug)]
pub struct IdlePlugin {
    /// The object.
    pub id: ObjectId,
    /// The setting: `enable-policy: never`.
    pub setting: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// A setting of a plugin, in a ConfigMap or as a flag.
struct Setting {
    /// The name of the ConfigMap, or the last part of the image's name.
    of: &'static str,
    key: &'static str,
    value: &'static str,
}

const fn setting(of: &'static str, key: &'static str, value: &'static str) -> Setting {
    Setting { of, key, value }
}

/// Source: docs.cilium.io, "Policy Enforcement Modes" and "Policy Audit Mode", and the flags of
/// cilium-agent.
static CONFIG_MAPS: [Setting; 3] = [
    setting("cilium-config", "enable-policy", "never"),
    setting("cilium-config", "policy-audit-mode", "true"),
    setting("cilium-config", "enable-k8s-networkpolicy", "false"),
];

/// Sources: the same; aws/aws-network-policy-agent, README; kube-router.io, `--run-firewall`.
static FLAGS: [Setting; 5] = [
    setting("cilium", "enable-policy", "never"),
    setting("cilium", "policy-audit-mode", "true"),
    setting("cilium", "enable-k8s-networkpolicy", "false"),
    setting("aws-network-policy-agent", "enable-network-policy", "false"),
    setting("kube-router", "run-firewall", "false"),
];

impl IdlePlugin {
    /// Reads a ConfigMap or a DaemonSet; `None` if it keeps no plugin from enforcing policies.
    pub fn of<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Option<Self> {
        let setting = match (&*id.group, &*id.kind) {
            ("", "ConfigMap") => in_config_map(&id.name, node),
            ("apps", "DaemonSet") => in_daemon_set(node),
            _ => None,
        };
        setting.map(|setting| Self {
            id: id.clone(),
            setting,
            origin,
        })
    }
}

fn in_config_map<T: TreeValue>(name: &str, node: &T) -> Option<String> {
    let data = node.member("data");
    let is_set = |setting: &&Setting| {
        setting.of == name && text(data, setting.key).as_deref() == Some(setting.value)
    };
    let found = CONFIG_MAPS.iter().find(is_set)?;
    Some(format!("{}: {}", found.key, found.value))
}

fn in_daemon_set<T: TreeValue>(node: &T) -> Option<String> {
    let pod = node.member("spec")?.member("template")?.member("spec")?;
    items(pod.member("containers"))
        .iter()
        .find_map(|container| {
            let image = image_name(container.member("image")?.text()?);
            let args = arguments(container);
            let is_set = |setting: &&Setting| {
                let given = flag(&args, setting.key).map(|(value, _)| value);
                setting.of == image && given == Some(setting.value)
            };
            let found = FLAGS.iter().find(is_set)?;
            Some(format!("--{}={}", found.key, found.value))
        })
}
