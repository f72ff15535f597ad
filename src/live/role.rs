//! The rights that verifying needs: what is listed, and nothing else.

use super::listing::{all_read, is_secret};
use crate::kube::kinds;
use crate::value::{Text, Value, list, map};
use std::collections::{BTreeMap, BTreeSet};

/// The name of the ClusterRole.
pub const ROLE: &str = "tenantry-verify";

/// A ClusterRole by which what is read, and kinds that are rendered besides, may be listed, and
/// access be asked about.
pub fn role(rendered: impl IntoIterator<Item = (Text, Text)>) -> Value {
    let mut groups: BTreeMap<Text, BTreeSet<String>> = BTreeMap::new();
    for (group, resource) in all_read() {
        groups
            .entry(group.into())
            .or_default()
            .insert(resource.to_owned());
    }

    for (group, kind) in rendered {
        if !is_secret(&group, &kind) {
            let resource = kinds::plural(&group, &kind);
            groups.entry(group).or_default().insert(resource);
        }
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
