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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::object::InputKind;
    use crate::source::{SourceId, Span};
    use crate::value::{Value, list, map};

    /// The setting that is found in an object.
    fn found([group, kind, name]: [&str; 3], object: &Value) -> Option<String> {
        let id = ObjectId {
            group: group.into(),
            kind: kind.into(),
            namespace: "kube-system".into(),
            name: name.into(),
        };
        let origin = Origin {
            input: InputKind::Manifest,
            span: Span::file(SourceId(0)),
        };
        IdlePlugin::of(&id, object, origin).map(|plugin| plugin.setting)
    }

    fn config_map(name: &str, key: &'static str, value: &str) -> Option<String> {
        let object: Value = map! { "data" => map! { key => value } };
        found(["", "ConfigMap", name], &object)
    }

    fn daemon_set(image: &str, arg: &str) -> Option<String> {
        let container: Value = map! {
            "image" => format!("registry.example.org/{image}:v1"),
            "args" => list![arg],
        };
        let pod: Value = map! { "containers" => list![container] };
        let object: Value = map! { "spec" => map! { "template" => map! { "spec" => pod } } };
        found(["apps", "DaemonSet", "agent"], &object)
    }

    #[test]
    fn each_setting_of_a_config_map_is_found_with_its_value_alone() {
        for row in &CONFIG_MAPS {
            let setting = format!("{}: {}", row.key, row.value);
            assert_eq!(config_map(row.of, row.key, row.value), Some(setting));
            for value in ["default", ""] {
                assert_eq!(config_map(row.of, row.key, value), None, "{}", row.key);
            }
            assert_eq!(config_map("other", row.key, row.value), None, "{}", row.key);
        }
    }

    #[test]
    fn each_flag_of_a_daemon_set_is_found_with_its_value_alone() {
        for row in &FLAGS {
            let arg = format!("--{}={}", row.key, row.value);
            assert_eq!(daemon_set(row.of, &arg), Some(arg.clone()));
            assert_eq!(daemon_set(row.of, &format!("--{}=default", row.key)), None);
            assert_eq!(daemon_set("other", &arg), None, "{arg}");
        }
    }
}
