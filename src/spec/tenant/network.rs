//! The network of a tenant: isolation, and edges to others.

use super::LabelSelector;
use crate::document::Spanned;
use crate::spec::leaf::{Cidr, Host, Name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What may reach a tenant, and what it may reach.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Network {
    /// Which pods reach each other without a declared edge: `namespace` is the pods of one
    /// namespace, `tenant` the pods of all the tenant's namespaces. `none` switches isolation off
    /// and needs a waiver.
    ///
    /// Default: the profile's; `namespace` in all built-in ones.
    /// Renders: the NetworkPolicy `allow-intra`; with `none`, a `default-deny` that allows
    /// everything.
    /// Rules: `network/isolation-none`.
    pub isolation: Option<Spanned<Isolation>>,
    /// What pods of the tenant may reach, besides DNS.
    ///
    /// Default: nothing.
    /// Renders: a rule of the NetworkPolicy `allow-egress`, for each entry.
    /// Rules: `network/egress-any`.
    #[schemars(length(max = 512))]
    pub egress: Option<Vec<Spanned<PeerSpec>>>,
    /// What may reach pods of the tenant.
    ///
    /// Default: nothing.
    /// Renders: a rule of the NetworkPolicy `allow-ingress`, for each entry.
    /// Rules: `network/ingress-any`.
    #[schemars(length(max = 512))]
    pub ingress: Option<Vec<Spanned<PeerSpec>>>,
    /// Ports that other tenants may reach if they declare the tenant in their own `egress`.
    ///
    /// Default: none.
    /// Renders: a rule of the NetworkPolicy `allow-ingress`, for each entry that another tenant
    /// uses.
    #[schemars(length(max = 512))]
    pub provides: Option<Vec<Spanned<Provision>>>,
}

/// Which pods reach each other without being declared.
#[derive(
    Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord,
)]
#[serde(rename_all = "camelCase")]
pub enum Isolation {
    /// Those of one namespace.
    Namespace,
    /// Those of one tenant.
    Tenant,
    /// All.
    None,
}

/// The other side of a connection. Exactly one of fqdn, cidr, tenant and platform.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Peer")]
pub struct PeerSpec {
    /// A host name outside the cluster. It is refused today: a NetworkPolicy knows addresses only.
    /// An entry names one of `fqdn`, `cidr`, `tenant` and `platform`.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `network/fqdn-not-enforced`, `spec/one-of`.
    pub fqdn: Option<Spanned<Host>>,
    /// A network. The ranges of the cluster that lie within it are left out.
    ///
    /// Default: none.
    /// Renders: an `ipBlock` with `except`.
    /// Rules: `network/egress-any`, `network/ingress-any`, `network/cluster-range`,
    /// `network/range-undeclared`, `spec/one-of`.
    pub cidr: Option<Spanned<Cidr>>,
    /// Another tenant, which must declare its half of the edge.
    ///
    /// Default: none.
    /// Renders: a `namespaceSelector` with the names of the other tenant's namespaces.
    /// Rules: `network/one-sided-edge`, `network/no-shared-cluster`, `network/unknown-peer`,
    /// `spec/one-of`.
    pub tenant: Option<Spanned<Name>>,
    /// An endpoint of the cluster, by its name in the fleet.
    ///
    /// Default: none.
    /// Renders: the namespace and pods, or the networks, of the endpoint.
    /// Rules: `network/unknown-peer`, `spec/one-of`.
    pub platform: Option<Spanned<Name>>,
    /// One namespace of the other tenant, by its name there.
    ///
    /// Default: all namespaces of the other tenant.
    /// Renders: a narrower `namespaceSelector`.
    /// Rules: `network/unknown-peer`, `network/one-sided-edge`, `spec/one-of`.
    pub namespace: Option<Spanned<Name>>,
    /// The ports of the other side for egress, and of the tenant for ingress.
    ///
    /// Default: the endpoint's ports for egress to an endpoint that names some; otherwise all
    /// ports.
    /// Renders: `ports` of the rule.
    /// Rules: `network/one-sided-edge`.
    pub ports: Option<Vec<Spanned<PortRule>>>,
}

/// Ports, as in a NetworkPolicy.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortRule {
    /// A number from 1 to 65535, or the name of a container's port.
    ///
    /// Renders: `port` of the rule.
    /// Rules: `network/one-sided-edge`.
    pub port: PortSpec,
    /// The last port of a range that begins at `port`, which must be a number.
    ///
    /// Default: none.
    /// Renders: `endPort` of the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub end_port: Option<u16>,
    /// The transport protocol.
    ///
    /// Default: `TCP`.
    /// Renders: `protocol` of the rule.
    /// Rules: `network/one-sided-edge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<ProtocolSpec>,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "Protocol")]
pub enum ProtocolSpec {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl ProtocolSpec {
    /// The name in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

/// A port: a number, or a name.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum PortSpec {
    /// From 1 to 65535.
    Number(u16),
    /// The name of a container's port.
    Name(String),
}

impl JsonSchema for PortSpec {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Port".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        // IANA service names: at most 15 characters, at least one letter.
        schemars::json_schema!({
            "type": ["integer", "string"], "minimum": 1, "maximum": 65535,
            "pattern": "^([a-z0-9]+-)*[a-z0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$", "maxLength": 15
        })
    }
}

/// A port that a tenant offers to others.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provision {
    /// The port that is offered: a number from 1 to 65535, or the name of a container's port.
    ///
    /// Renders: `port` of the rule.
    /// Rules: `network/one-sided-edge`.
    pub port: PortSpec,
    /// The transport protocol.
    ///
    /// Default: `TCP`.
    /// Renders: `protocol` of the rule.
    pub protocol: Option<ProtocolSpec>,
    /// The tenants that the port is offered to. It names one of `any` and `tenantSelector`.
    ///
    /// Renders: a `namespaceSelector` with the names of the namespaces that use the offer.
    /// Rules: `spec/one-of`.
    pub to: Audience,
    /// One namespace of this tenant that offers the port, by its name in this file.
    ///
    /// Default: all namespaces of the tenant.
    /// Renders: nothing in the other namespaces.
    /// Rules: `network/unknown-peer`.
    pub namespace: Option<Spanned<Name>>,
}

/// Whom a port is offered to. Exactly one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Audience {
    /// Offers the port to every tenant, if true.
    ///
    /// Default: false.
    /// Renders: nothing by itself.
    /// Rules: `spec/one-of`.
    pub any: Option<Spanned<bool>>,
    /// Offers the port to the tenants to which the fleet's `tenantLabels` gives these labels.
    ///
    /// Default: none.
    /// Renders: nothing by itself.
    /// Rules: `spec/one-of`, `network/unselectable-label`.
    pub tenant_selector: Option<Spanned<LabelSelector>>,
}
