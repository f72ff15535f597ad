//! Annotations of tenants' Ingresses that reach into the controller, if it lets them.

use super::Findings;
use crate::graph::Cluster;
use crate::host::{IngressPower, service_namespace, splits};
use crate::isolation::assumptions::CONTROLLER_CONFIGURATION;
use crate::isolation::tenant_of;

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for annotation in &cluster.facts.ingress_annotations {
        let Some((tenant, name)) = tenant_of(cluster, &annotation.id.namespace) else {
            continue;
        };
        let key = annotation.key.rsplit('/').next().unwrap_or_default();
        let called = annotation.id.called();

        match &annotation.power {
            IngressPower::Snippet => out.assume_about(
                &CONTROLLER_CONFIGURATION,
                format!(
                    "the ingress controller ignores {key} of {called}, by which tenant `{name}` \
                     reads every Secret that the controller reads"
                ),
            ),
            IngressPower::Uses(namespace, object) => {
                if tenant_of(cluster, namespace).is_some_and(|(other, _)| other == tenant) {
                    continue;
                }
                out.assume_about(
                    &CONTROLLER_CONFIGURATION,
                    format!(
                        "the ingress controller refuses {key} of {called}, by which tenant \
                         `{name}` uses `{namespace}/{object}` of {}",
                        cluster.owner_name(cluster.owner(namespace))
                    ),
                );
            }
            IngressPower::UsesJoined(joined) => {
                let owners =
                    splits(joined).filter_map(|(namespace, _)| tenant_of(cluster, namespace));
                let mut owners = owners.map(|(other, _)| other);
                if owners.any(|other| other == tenant) {
                    continue;
                }
                out.assume_about(
                    &CONTROLLER_CONFIGURATION,
                    format!(
                        "the ingress controller refuses {key} of {called}, by which tenant \
                         `{name}` uses `{joined}` of another namespace"
                    ),
                );
            }
            IngressPower::Calls(host) => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                let Some(home) = service_namespace(&host) else {
                    continue;
                };
                if tenant_of(cluster, home).is_some_and(|(other, _)| other == tenant) {
                    continue;
                }
                out.assume_about(
                    &CONTROLLER_CONFIGURATION,
                    format!(
                        "the ingress controller refuses {key} of {called}, by which tenant \
                         `{name}` makes it call `{host}` of {}",
                        cluster.owner_name(cluster.owner(home))
                    ),
                );
            }
        }
    }
}
