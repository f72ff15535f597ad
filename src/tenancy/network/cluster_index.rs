//! What the policies of every namespace on one cluster are built from.

use super::edges::{Admissions, EdgeEnd, EndsByConsumer};
use super::peers::{dns_policy, endpoint_peers};
use super::ranges::cluster_ranges;
use crate::netpol::{Peer, Policy};
use crate::spec::NameIndex;
use crate::spec::fleet::{ClusterSpec, Endpoint, FleetSpec};
use crate::spec::tenant::{LabelSelector, Network};
use crate::tenancy::fleet::platform_labels;
use crate::tenancy::model::{Tenant, TenantNamespace};
use crate::value::Text;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The tenants of a fleet by name, and the facts of one cluster that all policies there share.
pub(super) struct ClusterIndex<'a> {
    /// The cluster, as the fleet declares it.
    pub cluster: &'a ClusterSpec,
    /// The cluster's index in the fleet.
    pub at: usize,
    /// The policy that allows egress to the cluster's DNS.
    pub dns: Arc<Policy>,
    /// The cluster's own ranges.
    pub ranges: Vec<IpNet>,
    /// The endpoints of the cluster, each with its peers.
    endpoints: Vec<(&'a Endpoint, Vec<Peer>)>,
    /// The tenants whose edges are known in this run.
    by_name: HashMap<&'a str, &'a Tenant>,
    /// The consumers' ends, by the name of the tenant that they ask for.
    consumers: HashMap<&'a str, EndsByConsumer<'a>>,
    /// What namespaces let in, by the address of what they declare.
    admissions: HashMap<usize, Admissions<'a>>,
    /// The names of the tenants whose edges are known in this run.
    names: NameIndex<'a>,
    /// The labels that the platform gives tenants, each set once.
    given_labels: &'a GivenLabels,
}

impl<'a> ClusterIndex<'a> {
    /// Indexes the tenants that are not `broken`: a tenant with an error keeps its last files, and
    /// with them its last edges.
    pub fn new(
        tenants: &'a [Tenant],
        at: usize,
        cluster: &'a ClusterSpec,
        given_labels: &'a GivenLabels,
        broken: &BTreeSet<String>,
    ) -> Self {
        let sound = tenants
            .iter()
            .filter(|tenant| !broken.contains(&tenant.name.value));
        let by_name: HashMap<&str, &Tenant> = sound
            .clone()
            .map(|tenant| (tenant.name.value.as_str(), tenant))
            .collect();

        let mut consumers: HashMap<&str, EndsByConsumer<'_>> = HashMap::new();
        for (provider, end) in sound.clone().flat_map(|tenant| consumer_ends(tenant, at)) {
            let of_provider = consumers.entry(provider).or_default();
            let consumer = end.tenant.name.value.as_str();
            of_provider.entry(consumer).or_default().push(end);
        }

        let on_cluster = sound.filter_map(|tenant| tenant.on(at));
        let declared = on_cluster.flat_map(|on| &on.namespaces);
        let mut admissions = HashMap::new();
        for declared in declared.map(|namespace| &namespace.declared) {
            let admitted = admissions.entry(address(declared));
            admitted.or_insert_with(|| Admissions::new(declared));
        }

        let endpoints = cluster.endpoints.iter().flatten();
        Self {
            cluster,
            at,
            dns: Arc::new(dns_policy(cluster)),
            ranges: cluster_ranges(cluster),
            endpoints: endpoints
                .map(|endpoint| (endpoint, endpoint_peers(endpoint)))
                .collect(),
            names: NameIndex::new(by_name.keys().copied()),
            by_name,
            consumers,
            admissions,
            given_labels,
        }
    }

    /// Whether the platform gives all labels of a selector to a tenant.
    pub fn is_given(&self, selector: &LabelSelector) -> bool {
        let wanted = &selector.match_labels;
        self.given_labels.iter().any(|given| {
            let mut wanted = wanted.into_iter();
            wanted.all(|(key, value)| {
                let label = given.get(key.as_str());
                label.is_some_and(|label| label == value.as_str())
            })
        })
    }

    /// The tenant of a name, if its edges are known in this run.
    pub fn tenant(&self, name: &str) -> Option<&'a Tenant> {
        self.by_name.get(name).copied()
    }

    /// The names of the tenants whose edges are known in this run.
    pub const fn tenant_names(&self) -> &NameIndex<'a> {
        &self.names
    }

    /// The consumers' ends that ask for a tenant, by the consumer.
    pub fn consumers(&self, provider: &str) -> Option<&EndsByConsumer<'a>> {
        self.consumers.get(provider)
    }

    /// What a namespace lets in.
    pub fn admissions(&self, namespace: &TenantNamespace) -> Option<&Admissions<'a>> {
        self.admissions.get(&address(&namespace.declared))
    }

    /// An endpoint of the cluster, and its peers.
    pub fn endpoint(&self, name: &str) -> Option<&(&'a Endpoint, Vec<Peer>)> {
        self.endpoints
            .iter()
            .find(|(endpoint, _)| endpoint.name.as_str() == name)
    }
}

/// The address of what a namespace declares, which namespaces share.
fn address(declared: &Arc<Network>) -> usize {
    Arc::as_ptr(declared).addr()
}

/// The sets of labels that the platform gives tenants.
pub(super) type GivenLabels = BTreeSet<BTreeMap<Text, Text>>;

/// The sets of labels that a fleet gives tenants, each once.
pub(super) fn given_labels(fleet: &FleetSpec) -> GivenLabels {
    let by_tenant = platform_labels(fleet).into_values();
    by_tenant
        .map(|labels| labels.into_iter().collect())
        .collect()
}

/// A tenant's egress to tenants on a cluster, each with the name that it asks for.
fn consumer_ends(tenant: &Tenant, cluster: usize) -> Vec<(&str, EdgeEnd<'_>)> {
    let namespaces = tenant
        .on(cluster)
        .map_or(&[][..], |on| on.namespaces.as_slice());

    let mut ends = Vec::new();
    for namespace in namespaces {
        for peer in namespace.declared.egress.iter().flatten() {
            if let Some(name) = &peer.tenant {
                let end = EdgeEnd {
                    tenant,
                    namespace,
                    peer,
                };
                ends.push((name.as_str(), end));
            }
        }
    }

    ends
}
