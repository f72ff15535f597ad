//! Annotations of tenants' Ingresses that reach into the controller, if it lets them.

use super::Findings;
use crate::graph::Cluster;
use crate::host::{IngressPower, splits};
use crate::isolation::assumptions::CONTROLLER_CONFIGURATION;
use crate::isolation::tenant_of;
use crate::tenancy::{forbidden_name, namespace_of_short_name};

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for annotation in &cluster.facts.ingress_annotations {
        let Some((_, tenant)) = tenant_of(cluster, &annotation.id.namespace) else {
            continue;
        };
        let Some(gain) = gain(cluster, tenant, &annotation.power) else {
            continue;
        };
        let key = annotation.key.rsplit('/').next().unwrap_or_default();
        let called = annotation.id.called();
        let verb = match annotation.power {
            IngressPower::Snippet => "ignores",
            _ => "refuses",
        };
        let text = format!(
            "the ingress controller {verb} {key} of {called}, by which tenant `{tenant}` {gain}"
        );
        out.assume_about(&CONTROLLER_CONFIGURATION, text);
    }
}

/// What a tenant gains by an annotation, as a predicate; `None` if no more than is its own.
fn gain(cluster: &Cluster, tenant: &str, power: &IngressPower) -> Option<String> {
    let owner = |namespace: &str| tenant_of(cluster, namespace).map(|(_, name)| name.as_str());
    let is_own = |namespace: &str| owner(namespace) == Some(tenant);
    match power {
        IngressPower::Snippet => Some("reads every Secret that the controller reads".to_owned()),
        IngressPower::Uses(namespace, _) if is_own(namespace) => None,
        IngressPower::Uses(namespace, object) => Some(format!(
            "uses `{namespace}/{object}` of {}",
            cluster.owner_name(cluster.owner(namespace))
        )),
        IngressPower::UsesJoined(joined) => {
            let owners: Vec<&str> = splits(joined).filter_map(|(home, _)| owner(home)).collect();
            let is_own_alone = !owners.is_empty() && owners.iter().all(|owner| *owner == tenant);
            (!is_own_alone).then(|| format!("uses `{joined}` of another namespace"))
        }
        IngressPower::Calls(host) => {
            let short = namespace_of_short_name(host);
            let other = short.and_then(|namespace| owner(&namespace));
            let reason = forbidden_name(host, &is_own).map(str::to_owned);
            let reason = reason.or_else(|| {
                let other = other.filter(|other| *other != tenant)?;
                Some(format!("a Service of tenant `{other}`"))
            })?;
            Some(format!("makes it call `{host}`, {reason}"))
        }
    }
}
