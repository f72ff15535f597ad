//! The platform's own endpoints in a cluster's network, as the fleet declares them.

use crate::document::Spanned;
use crate::kube::labels::Labels;
use crate::spec::fleet::ClusterSpec;
use crate::spec::leaf::{Cidr, LabelKey, LabelValue};
use crate::tenancy::metadata_networks;
use crate::value::Text;
use ipnet::IpNet;

/// Networks and servers of the platform. A list is empty if its networks are not declared.
#[derive(Clone, Debug)]
pub struct PlatformEndpoints {
    /// The networks of the nodes.
    pub nodes: Vec<IpNet>,
    /// The networks of the Services.
    pub services: Vec<IpNet>,
    /// The addresses of the API server.
    pub api_server: Vec<IpNet>,
    /// The addresses of the metadata service of the cluster's cloud.
    pub metadata: Vec<IpNet>,
    /// The pods that serve DNS.
    pub dns: DnsPods,
}

/// The pods that serve a cluster's DNS.
#[derive(Clone, Debug)]
pub struct DnsPods {
    /// Their namespace.
    pub namespace: Text,
    /// Their labels.
    pub labels: Labels,
    /// Whether the fleet declares them.
    pub is_declared: bool,
}

/// Those of a cluster that declares none.
impl Default for PlatformEndpoints {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            services: Vec::new(),
            api_server: Vec::new(),
            metadata: metadata_networks(None),
            dns: DnsPods::default(),
        }
    }
}

/// The pods that kubeadm and most distributions install.
///
/// Source: kubernetes/kubernetes `cluster/addons/dns`.
impl Default for DnsPods {
    fn default() -> Self {
        Self {
            namespace: "kube-system".into(),
            labels: Labels::new([("k8s-app".into(), "kube-dns".into())]),
            is_declared: false,
        }
    }
}

impl PlatformEndpoints {
    /// Those of a cluster of a fleet.
    pub fn of(cluster: &ClusterSpec) -> Self {
        let networks = |declared: &Option<Vec<Spanned<Cidr>>>| -> Vec<IpNet> {
            let declared = declared.iter().flatten();
            declared
                .filter_map(|cidr| cidr.as_str().parse().ok())
                .collect()
        };

        Self {
            nodes: networks(&cluster.node_cidrs),
            services: networks(&cluster.service_cidrs),
            api_server: networks(&cluster.api_server),
            metadata: metadata_networks(Some(cluster)),
            dns: DnsPods::of(cluster),
        }
    }
}

impl DnsPods {
    fn of(cluster: &ClusterSpec) -> Self {
        let usual = Self::default();
        let dns = cluster.dns.as_ref();
        let namespace = dns.and_then(|dns| dns.namespace.as_ref());
        let labels = dns.and_then(|dns| dns.pod_labels.as_ref());
        let pair = |(key, value): (&LabelKey, &LabelValue)| -> (Text, Text) {
            (key.as_str().into(), value.as_str().into())
        };

        Self {
            namespace: namespace.map_or(usual.namespace, |name| name.as_str().into()),
            labels: labels.map_or(usual.labels, |labels| Labels::new(labels.iter().map(pair))),
            is_declared: dns.is_some(),
        }
    }
}
