//! Whether the rendered admission policies deny, and which live objects they would refuse.

use super::desired::Desired;
use super::finding::LiveFinding;
use super::listing::ServedKinds;
use super::rules::{POLICY_NOT_DENYING, POLICY_VIOLATED};
use crate::diagnostic::Rule;
use crate::graph::Cluster;
use crate::kube::ObjectId;

const GROUP: &str = "admissionregistration.k8s.io";
const KIND: &str = "ValidatingAdmissionPolicy";

/// Reports the rendered policies that do not deny in a live cluster, and how many live objects each
/// of them would refuse.
pub fn check(wanted: &Desired, cluster: &Cluster, served: &ServedKinds) -> Vec<LiveFinding> {
    let policies = wanted
        .objects
        .iter()
        .filter(|(id, _)| id.group == GROUP && id.kind == KIND);

    let mut all = Vec::new();
    for (id, want) in policies.filter(|(id, _)| is_there_and_allows(cluster, id)) {
        let found = |rule: &'static Rule, message: String| LiveFinding {
            object: id.called(),
            ..LiveFinding::new(wanted, rule, message)
                .at(want.span)
                .with_show(wanted.kubectl("get", id, " -o yaml"))
        };

        let message = format!("{} {}", id.called(), how_it_is_bound(cluster, id));
        let fix = "bind it with validationActions: [Deny]";
        all.push(found(&POLICY_NOT_DENYING, message).with_fix(fix));

        if let Some(message) = would_refuse(wanted, cluster, served, id) {
            let fix = "mend them before the policy denies: they could not be changed any more";
            all.push(found(&POLICY_VIOLATED, message).with_fix(fix));
        }
    }
    all
}

/// Whether a policy is in the cluster, and no binding of it denies.
fn is_there_and_allows(cluster: &Cluster, id: &ObjectId) -> bool {
    let facts = &cluster.facts;
    let is_there = facts
        .admission_policies
        .iter()
        .any(|policy| policy.id.name == id.name);

    let mut bindings = facts.admission_bindings.iter();
    is_there && !bindings.any(|binding| binding.policy == id.name && binding.denies)
}

fn how_it_is_bound(cluster: &Cluster, id: &ObjectId) -> String {
    let bindings: Vec<&str> = cluster
        .facts
        .admission_bindings
        .iter()
        .filter(|binding| binding.policy == id.name)
        .map(|binding| binding.id.name.as_str())
        .collect();

    match bindings.is_empty() {
        true => "is bound by nothing".to_owned(),
        false => format!("is bound by {}, which does not deny", bindings.join(", ")),
    }
}

/// Says how many live objects a policy would refuse; `None` if there are none.
fn would_refuse(
    wanted: &Desired,
    cluster: &Cluster,
    served: &ServedKinds,
    id: &ObjectId,
) -> Option<String> {
    let resource = |id: &ObjectId| {
        let kind = served.find(&id.group, &id.kind, None)?;
        Some((kind.version.clone(), kind.plural.clone()))
    };

    let (refused, unknown) = cluster.violations(&id.name, &wanted.engine_user, &resource);
    if refused.is_empty() && unknown == 0 {
        return None;
    }

    let names: Vec<String> = refused.iter().take(3).map(ObjectId::called).collect();
    let mut message = format!(
        "{} would refuse {} of the objects that are there",
        id.called(),
        refused.len()
    );

    if !names.is_empty() {
        let more = if refused.len() > names.len() {
            " and more"
        } else {
            ""
        };
        message += &format!(": {}{more}", names.join(", "));
    }

    if unknown > 0 {
        message += &format!("; of {unknown} it cannot be told");
    }
    Some(message)
}
