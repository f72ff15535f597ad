//! The GitOps plane: what applies what, from where, as whom.

mod controller_identity;
mod cross_namespace;
mod foreign_target;
mod kube_config;
mod lockdown;
mod no_service_account;
mod other_engine;
mod second_definition;
mod shared_decryption;
mod unread_kind;

pub use controller_identity::CONTROLLER_IDENTITY;
pub use cross_namespace::CROSS_NAMESPACE;
pub use foreign_target::FOREIGN_TARGET;
pub use kube_config::KUBE_CONFIG;
pub use lockdown::LOCKDOWN;
pub use no_service_account::NO_SERVICE_ACCOUNT;
pub use other_engine::OTHER_ENGINE;
pub use second_definition::SECOND_DEFINITION;
pub use shared_decryption::SHARED_DECRYPTION;
pub use unread_kind::UNREAD_KIND;

use super::assumptions::NO_OTHER_SYNCS;
use super::{Findings, tenant_of};
use crate::delivery::argo;
use crate::graph::Cluster;
use crate::graph::gitops::Applier;
use crate::value::Text;
use std::collections::BTreeSet;

/// Every rule of the plane.
pub fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    assume_syncs(cluster, out);
    no_service_account::check(cluster, out);
    cross_namespace::check(cluster, out);
    foreign_target::check(cluster, out);
    kube_config::check(cluster, out);
    shared_decryption::check(cluster, out);
    lockdown::check(cluster, out);
    second_definition::check(cluster, out);
    unread_kind::check(cluster, out);
    controller_identity::check(cluster, out);
    other_engine::check(cluster, out);
}

/// Whether the inputs show that Flux runs: by a fleet that it delivers, its objects or its controllers.
pub(super) fn shows_flux(cluster: &Cluster) -> bool {
    let gitops = &cluster.facts.gitops;
    cluster.has_fleet
        || !gitops.controllers.is_empty()
        || !gitops.appliers.is_empty()
        || !gitops.referrers.is_empty()
        || !gitops.sources.is_empty()
}

/// Whether the inputs show that Argo CD runs: by its objects, its settings or its namespace.
pub(super) fn shows_argo_cd(cluster: &Cluster) -> bool {
    !cluster.facts.gitops.argo.is_empty()
        || !cluster.facts.argo_policies.is_empty()
        || cluster.namespace(argo::NAMESPACE).is_some()
}

/// Names the engines that the inputs do not show.
fn assume_syncs(cluster: &Cluster, out: &mut Findings<'_>) {
    if cluster.lists_every_kind {
        return;
    }
    let engines = [
        ("Flux", shows_flux(cluster)),
        ("Argo CD", shows_argo_cd(cluster)),
    ];
    let absent: Vec<&str> = engines
        .iter()
        .filter(|(_, is_shown)| !is_shown)
        .map(|(name, _)| *name)
        .collect();
    match absent.is_empty() {
        true => out.assume(&NO_OTHER_SYNCS),
        false => {
            let absent = absent.join(" and ");
            let text = format!(
                "{}; {absent}, which no input shows, applies nothing",
                NO_OTHER_SYNCS.text
            );
            out.assume_about(&NO_OTHER_SYNCS, text);
        }
    }
}

/// The syncs that stand in tenants' namespaces, and whose each is.
fn owned(cluster: &Cluster) -> impl Iterator<Item = (&Applier, &Text)> {
    cluster
        .facts
        .gitops
        .appliers
        .iter()
        .filter_map(|s| Some((s, tenant_of(cluster, &s.id.namespace)?.1)))
}

/// The tenant whose name is a part of an address or a name: `https://git.example/red` and `red-apps` are
/// tenant `red`'s, as far as anything shows.
fn named_tenant<'a>(cluster: &'a Cluster, text: &str) -> Option<&'a Text> {
    let path = text.split_once("://").map_or(text, |(_, rest)| {
        rest.split_once('/').map_or("", |(_, path)| path)
    });
    let parts: BTreeSet<&str> = path
        .split(['/', ':', '.'])
        .flat_map(|part| [part, part.split('-').next().unwrap_or(part)])
        .collect();
    let mut tenants = cluster.tenants.iter();
    let named = tenants.find(|tenant| parts.contains(tenant.name.as_str()));
    named.map(|tenant| &tenant.name)
}
