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
    /// `namespace`: its namespaces are apart from each other. `tenant`: they reach each other.
    /// `none`: no isolation, which takes a waiver of `network/isolation-none`.
    pub isolation: Option<Spanned<Isolation>>,
    /// What it may reach.
    #[schemars(length(max = 512))]
    pub egress: Option<Vec<Spanned<Peer>>>,
    /// What may reach it.
    #[schemars(length(max = 512))]
    pub ingress: Option<Vec<Spanned<Peer>>>,
    /// Ports that other tenants may reach once they declare it.
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
pub struct Peer {
    /// A host name outside the cluster.
    pub fqdn: Option<Spanned<Host>>,
    /// A network. Ranges of the cluster within it are left out, unless it lies within one of them.
    pub cidr: Option<Spanned<Cidr>>,
    /// A tenant, which must declare the other half.
    pub tenant: Option<Spanned<Name>>,
    /// An endpoint of the fleet's clusters.
    pub platform: Option<Spanned<Name>>,
    /// One namespace of the peer tenant, by its name there. All of them when left out.
    pub namespace: Option<Spanned<Name>>,
    /// The ports. All when left out.
    pub ports: Option<Vec<Spanned<PortRule>>>,
}

/// Ports, as in a NetworkPolicy.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortRule {
    /// A number from 1 to 65535, or the name of a container's port.
    pub port: Port,
    /// The last port of a range that begins at a numeric port.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub end_port: Option<u16>,
    /// TCP when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
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
pub enum Port {
    /// From 1 to 65535.
    Number(u16),
    /// The name of a container's port.
    Name(String),
}

impl JsonSchema for Port {
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
    /// The port.
    pub port: Port,
    /// TCP when left out.
    pub protocol: Option<Protocol>,
    /// Whom it is offered to.
    pub to: Audience,
    /// One namespace, by its name in this tenant. All of them when left out.
    pub namespace: Option<Spanned<Name>>,
}

/// Whom a port is offered to. Exactly one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Audience {
    /// Every tenant.
    pub any: Option<Spanned<bool>>,
    /// The tenants with these labels.
    pub tenant_selector: Option<LabelSelector>,
}
