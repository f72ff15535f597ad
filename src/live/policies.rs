//! Whether the admission policies that were rendered deny, and what they would refuse of what is
//! there.

use super::desired::Desired;
use super::finding::LiveFinding;
use super::listing::ServedKinds;
use super::rules::{POLICY_NOT_DENYING, POLICY_VIOLATED};
use crate::diagnostic::{Diagnostic, Rule, Scope};
use crate::graph::Cluster;
use crate::kube::ObjectId;
use crate::value::Text;

const GROUP: &str = "admissionregistration.k8s.io";
const KIND: &str = "ValidatingAdmissionPolicy";

/// What is found of the rendered policies in a live cluster. Of one that does not deny yet, the
/// live objects that it would refuse are counted.
pub fn check(wanted: &Desired, cluster: &Cluster, served: &ServedKinds) -> Vec<LiveFinding> {
    let mut all = Vec::new();
    for (id, want) in wanted
        .objects
        .iter()
        .filter(|(id, _)| id.group == GROUP && id.kind == KIND)
    {
        let facts = &cluster.facts;
        let there = facts.guards.iter().any(|g| g.id.name == id.name);

        if !there
            || facts
                .guard_bindings
                .iter()
                .any(|b| b.policy == id.name && b.denies)
        {
            continue;
        }

        let mut push = |rule: &'static Rule, message: String, fix: String| {
            let diagnostic = Diagnostic::new(rule, want.span, message)
                .fix(fix)
                .scope(Scope::Fleet);
            all.push(LiveFinding {
                diagnostic,
                tenant: None,
                object: id.called(),
                show: wanted.kubectl("get", id, " -o yaml"),
                since: Text::default(),
            });
        };

        let bound: Vec<&str> = facts
            .guard_bindings
            .iter()
            .filter(|b| b.policy == id.name)
            .map(|b| b.id.name.as_str())
            .collect();

        let how = match bound.is_empty() {
            true => "is bound by nothing".to_owned(),
            false => format!("is bound by {}, which does not deny", bound.join(", ")),
        };

        let fix = "bind it with validationActions: [Deny]".to_owned();
        push(&POLICY_NOT_DENYING, format!("{} {how}", id.called()), fix);
        let resource = |id: &ObjectId| {
            let kind = served.find(&id.group, &id.kind, None)?;
            Some((kind.version.clone(), kind.plural.clone()))
        };

        let (refused, unknown) = cluster.violations(&id.name, &wanted.engine_user, &resource);
        if refused.is_empty() && unknown == 0 {
            continue;
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
        push(
            &POLICY_VIOLATED,
            message,
            "mend them before the policy denies: they could not be changed any more".into(),
        );
    }

    all
}
