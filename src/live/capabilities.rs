//! What a cluster has, as the fleet declares it.

use super::listing::ServedKinds;
use super::observe::Observations;
use super::plugin::{named_by_daemon_set, named_by_definition};
use crate::kube::kinds;
use crate::value::{Value, map};
use std::collections::BTreeSet;

/// The fields of a cluster in the fleet that can be read off its server: its version, its network
/// plugin, and the kinds that it has beyond Kubernetes' own and Flux's. `version` is as the server
/// writes it, `v1.36.3`.
pub fn capabilities(
    cluster: &str,
    version: &str,
    served: &ServedKinds,
    batch: &Observations,
) -> Value {
    let minor: Vec<&str> = version
        .trim_start_matches('v')
        .split(['.', '-', '+'])
        .take(2)
        .collect();

    let own = |group: &str| {
        kinds::is_present(group)
            || group.ends_with(".k8s.io")
                && !group.starts_with("gateway.")
                && !group.starts_with("snapshot.")
    };

    let apis: BTreeSet<String> = served
        .kinds
        .iter()
        .filter(|k| k.namespaced && !own(&k.group))
        .map(|k| format!("{}/{}/{}", k.group, k.version, k.kind))
        .collect();

    let mut fields = vec![
        ("name".into(), Value::from(cluster)),
        ("kubernetes".into(), Value::from(minor.join("."))),
    ];

    let definition = batch
        .definitions
        .iter()
        .find_map(|d| named_by_definition(d));

    let daemon_set = || {
        batch
            .daemon_sets
            .iter()
            .find_map(|name| named_by_daemon_set(name))
    };

    if let Some(plugin) = definition.or_else(daemon_set) {
        fields.push(("cni".into(), map! { "name" => plugin }));
    }
    if !apis.is_empty() {
        fields.push((
            "apis".into(),
            apis.into_iter().map(Value::from).collect::<Vec<_>>().into(),
        ));
    }

    Value::from(fields)
}
