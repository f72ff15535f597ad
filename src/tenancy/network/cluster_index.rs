//! What the policies of every namespace on one cluster are built from.

use super::edges::EdgeEnd;
use super::peers::{dns_policy, endpoint_peers};
use super::ranges::cluster_ranges;
use crate::netpol::{Peer, Policy};
use crate::spec::fleet::{ClusterSpec, Endpoint, FleetSpec};
use crate::spec::tenant::LabelSelector;
use crate::tenancy::fleet::platform_labels;
use crate::tenancy::model::Tenant;
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
    consumers: HashMap<&'a str, Vec<EdgeEnd<'a>>>,
    /// The labels that the platform gives tenants, each set once.
    given_labels: BTreeSet<BTreeMap<Text, Text>>,
}

impl<'a> ClusterIndex<'a> {
    /// Indexes the tenants that are not `broken`: a tenant with an error keeps its last files, and
    /// with them its last edges.
    pub fn new(
        tenants: &'a [Tenant],
        at: usize,
        fleet: &'a FleetSpec,
        broken: &BTreeSet<String>,
    ) -> Self {
        let cluster = &fleet.clusters[at];
        let sound = tenants
            .iter()
            .filter(|tenant| !broken.contains(&tenant.name.value));
        let by_name = sound
            .clone()
            .map(|tenant| (tenant.name.value.as_str(), tenant))
            .collect();

        let mut consumers: HashMap<&str, Vec<EdgeEnd<'_>>> = HashMap::new();
        for (provider, end) in sound.flat_map(|tenant| consumer_ends(tenant, at)) {
            consumers.entry(provider).or_default().push(end);
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
            by_name,
            consumers,
            given_labels: given_labels(fleet),
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
    pub fn tenant_names(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = self.by_name.keys().copied().collect();
        names.sort_unstable();
        names
    }

    /// The consumers' ends that ask for a tenant, in the order of the consumers.
    pub fn consumers(&self, provider: &str) -> &[EdgeEnd<'a>] {
        self.consumers.get(provider).map_or(&[][..], Vec::as_slice)
    }

    /// An endpoint of the cluster, and its peers.
    pub fn endpoint(&self, name: &str) -> Option<&(&'a Endpoint, Vec<Peer>)> {
        self.endpoints
            .iter()
            .find(|(endpoint, _)| endpoint.name.as_str() == name)
    }
}

fn given_labels(fleet: &FleetSpec) -> BTreeSet<BTreeMap<Text, Text>> {
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
