//! The network policies of every namespace: what each tenant declares, and the edges between
//! tenants.

mod builder;
mod cluster_index;
mod edges;
mod declared;
mod egress;
mod ingress;
mod peers;
mod ports;
mod ranges;
#[cfg(test)]
mod tests;

pub use builder::{FQDN, UNKNOWN_PEER};
pub use edges::{NO_SHARED_CLUSTER, ONE_SIDED, UNSELECTABLE_LABEL};
pub use ranges::{
    CLUSTER_RANGE, EGRESS_ANY, INGRESS_ANY, RANGE_UNDECLARED, metadata_networks, reserved_networks,
};

use super::KnownTenants;
use super::model::{NamedPolicy, NetworkPolicies, Tenant, TenantNamespace};
use super::waivers::Waivers;
use crate::diagnostic::{Diagnostic, rule};
use crate::netpol::{Dialect, Policy, Rule};
use crate::source::Span;
use crate::spec::fleet::FleetSpec;
use crate::spec::tenant::{Isolation, Network};
use builder::{EdgeMemo, PolicyBuilder};
use cluster_index::{ClusterIndex, given_labels};
use peers::{own_pods, pods_of_namespaces};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

rule! {
    /// A namespace without network isolation.
    ///
    /// ## Why it matters
    /// Every pod of every tenant reaches its pods, and they reach everything.
    /// ## Fix
    /// Set network.isolation to `namespace` or `tenant`, and declare the edges that are needed.
    pub static ISOLATION_NONE = "network/isolation-none", Error;
}

/// The policy that closes a namespace, beside which the others open it.
pub const DEFAULT_DENY: &str = "default-deny";
const ALLOW_DNS: &str = "allow-dns";
const ALLOW_INTRA: &str = "allow-intra";
const ALLOW_EGRESS: &str = "allow-egress";
const ALLOW_INGRESS: &str = "allow-ingress";

/// The policies of every namespace, by cluster and tenant, before the tenants have them.
#[derive(Default)]
pub struct NetworkPlan {
    clusters: Vec<Vec<TenantPolicies>>,
    findings: Vec<Diagnostic>,
}

/// The policies of a tenant's namespaces on a cluster.
#[derive(Default)]
struct TenantPolicies {
    /// By the namespace's index.
    built: Vec<(usize, Built)>,
    /// The first egress to a network.
    egress_to_network: Option<Span>,
    findings: Vec<Diagnostic>,
}

/// The policies of a namespace.
struct Built {
    network: NetworkPolicies,
    /// The namespaces of other tenants that it reaches.
    reaches: Vec<String>,
}

/// Builds the network policies of every namespace. The edges of `broken` tenants are those of their
/// last rendering.
pub fn plan(
    tenants: &[Tenant],
    fleet: &FleetSpec,
    waivers: &Waivers<'_>,
    known: &KnownTenants<'_>,
    broken: &BTreeSet<String>,
) -> NetworkPlan {
    let mut plan = NetworkPlan::default();
    let given_labels = given_labels(fleet);

    for (at, cluster) in fleet.clusters.iter().enumerate() {
        let index = ClusterIndex::new(tenants, at, cluster, &given_labels, broken);
        let mut all: Vec<TenantPolicies> = tenants
            .par_iter()
            .map(|tenant| build_tenant(tenant, &index, waivers, known))
            .collect();

        if let Some(span) = all.iter().find_map(|policies| policies.egress_to_network) {
            plan.findings
                .extend(ranges::undeclared_ranges(cluster, span));
        }
        for policies in &mut all {
            plan.findings.append(&mut policies.findings);
        }
        plan.clusters.push(all);
    }

    plan
}

impl NetworkPlan {
    /// Gives the tenants their policies, and returns the findings. The tenants are those that the
    /// plan was made of, in their order.
    pub fn assign(self, tenants: &mut [Tenant]) -> Vec<Diagnostic> {
        let nothing_declared = Arc::new(Network::default());

        for (at, all) in self.clusters.into_iter().enumerate() {
            tenants
                .par_iter_mut()
                .zip(all)
                .for_each(|(tenant, policies)| {
                    let Some(on) = tenant.on.iter_mut().find(|on| on.cluster == at) else {
                        return;
                    };
                    for namespace in &mut on.namespaces {
                        namespace.declared = Arc::clone(&nothing_declared);
                    }
                    for (namespace, built) in policies.built {
                        on.namespaces[namespace].network = built.network;
                        on.namespaces[namespace].reaches = built.reaches;
                    }
                });
        }

        self.findings
    }
}

/// Builds the policies of a tenant's namespaces on the index's cluster.
fn build_tenant(
    tenant: &Tenant,
    index: &ClusterIndex<'_>,
    waivers: &Waivers<'_>,
    known: &KnownTenants<'_>,
) -> TenantPolicies {
    let mut policies = TenantPolicies::default();
    let Some(on) = tenant.on(index.at) else {
        return policies;
    };

    let mut memo = EdgeMemo::default();
    for (at, namespace) in on.namespaces.iter().enumerate() {
        if !namespace.network.rendered {
            continue;
        }
        let builder = PolicyBuilder {
            index,
            tenant,
            on,
            namespace,
            known,
            waivers: waivers.start_use(),
            reaches: Vec::new(),
            memo: &mut memo,
            findings: &mut policies.findings,
        };

        policies.built.push((at, build(builder)));

        let mut egress = namespace.declared.egress.iter().flatten();
        if let Some(peer) = egress.find(|peer| peer.cidr.is_some()) {
            policies.egress_to_network.get_or_insert(peer.span);
        }
    }

    policies
}

/// Builds the policies of one namespace.
fn build(mut builder: PolicyBuilder<'_, '_>) -> Built {
    let mut policies = isolation(&mut builder);

    let egress = egress::rules(&mut builder);
    if !egress.is_empty() {
        let policy = Policy {
            egress: Some(egress),
            ..Policy::default()
        };
        policies.push(NamedPolicy::new(ALLOW_EGRESS, policy));
    }

    let ingress = ingress::rules(&mut builder);
    if !ingress.is_empty() {
        let policy = Policy {
            ingress: Some(ingress),
            ..Policy::default()
        };
        policies.push(NamedPolicy::new(ALLOW_INGRESS, policy));
    }

    builder.waivers.into_used().count();
    Built {
        network: NetworkPolicies {
            rendered: true,
            dialect: Dialect::default(),
            policies,
        },
        reaches: builder.reaches,
    }
}

/// The policies that keep a namespace apart, before what it declares.
fn isolation(builder: &mut PolicyBuilder<'_, '_>) -> Vec<NamedPolicy> {
    let namespace = builder.namespace;
    let declared = namespace.declared.isolation.as_ref();

    let inner_peer = match declared.map_or(Isolation::Namespace, |isolation| isolation.value) {
        Isolation::Namespace => Some(own_pods()),
        Isolation::Tenant => {
            let own = builder.on.namespaces.iter();
            pods_of_namespaces(own.map(|namespace| namespace.name.as_str()))
        }
        Isolation::None => {
            report_no_isolation(builder, namespace);
            return vec![NamedPolicy::new(
                DEFAULT_DENY,
                both_ways(&[Rule::default()]),
            )];
        }
    };

    let within = Rule {
        peers: inner_peer.into_iter().collect(),
        ..Rule::default()
    };

    vec![
        NamedPolicy::new(DEFAULT_DENY, both_ways(&[])),
        NamedPolicy {
            name: ALLOW_DNS,
            policy: Arc::clone(&builder.index.dns),
        },
        NamedPolicy::new(ALLOW_INTRA, both_ways(&[within])),
    ]
}

/// A policy of every pod with the same rules in both directions.
fn both_ways(rules: &[Rule]) -> Policy {
    Policy {
        ingress: Some(rules.to_vec()),
        egress: Some(rules.to_vec()),
        ..Policy::default()
    }
}

fn report_no_isolation(builder: &mut PolicyBuilder<'_, '_>, namespace: &TenantNamespace) {
    let declared = namespace.declared.isolation.as_ref();
    builder.require_waiver(
        &ISOLATION_NONE,
        DEFAULT_DENY,
        declared.map_or(namespace.span, |isolation| isolation.span),
        "the namespace has no network isolation",
        "isolate it",
    );
}
