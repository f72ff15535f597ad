//! The rights that verifying needs: what is listed, and nothing else.

use super::listing::{Purpose, all_read, is_secret};
use crate::value::{Text, Value, list, map};
use std::collections::{BTreeMap, BTreeSet};

/// The name of the ClusterRole.
pub const ROLE: &str = "tenantry-verify";

/// The plural of a kind, as Kubernetes makes it.
fn plural(kind: &str) -> String {
    let name = kind.to_lowercase();
    if kind == "NetworkAttachmentDefinition" {
        return "network-attachment-definitions".to_owned();
    }
    match name.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if name.ends_with('s') || name.ends_with('x') || name.ends_with("ch") => {
            format!("{name}es")
        }
        _ => format!("{name}s"),
    }
}

/// A ClusterRole by which what is read, and kinds that are rendered besides, may be listed, and
/// access be asked about.
pub fn role(rendered: impl IntoIterator<Item = (Text, Text)>) -> Value {
    let mut groups: BTreeMap<Text, BTreeSet<String>> = BTreeMap::new();
    let rendered: Vec<(Text, Text)> = rendered.into_iter().collect();
    let read = all_read(Purpose::Prove).map(|(group, kind)| (Text::from(group), Text::from(kind)));
    for (group, kind) in read
        .chain(rendered)
        .filter(|(group, kind)| !is_secret(group, kind))
    {
        groups.entry(group).or_default().insert(if kind == "*" {
            "*".to_owned()
        } else {
            plural(&kind)
        });
    }
    let rule = |groups: Vec<Value>, resources: Vec<Value>, verb: &str| {
        map! { "apiGroups" => groups, "resources" => resources, "verbs" => vec![Value::from(verb)] }
    };
    let mut rules: Vec<Value> = Vec::new();
    for (group, resources) in groups {
        let resources = match resources.contains("*") {
            true => list!["*"],
            false => resources
                .into_iter()
                .map(Value::from)
                .collect::<Vec<_>>()
                .into(),
        };
        rules.push(rule(vec![group.into()], resources.items().to_vec(), "list"));
    }
    rules.push(rule(
        vec!["authorization.k8s.io".into()],
        vec!["subjectaccessreviews".into()],
        "create",
    ));
    map! {
        "apiVersion" => "rbac.authorization.k8s.io/v1",
        "kind" => "ClusterRole",
        "metadata" => map! { "name" => ROLE },
        "rules" => rules,
    }
}
