//! Edges between tenants. An edge has two ends: the consumer's egress, and the provider's ingress
//! or offer. Nothing is opened unless both are declared.

use crate::diagnostic::rule;
use crate::source::Span;
use crate::spec::tenant::{PeerSpec, PortRule, PortSpec, ProtocolSpec, Provision};
use crate::tenancy::model::{Tenant, TenantNamespace};

rule! {
    /// An offer selects tenants by a label that the platform gives to none.
    ///
    /// ## Why it matters
    /// Nobody can use the offer. Labels in a tenant's `metadata.labels` do not count: the tenant
    /// writes them itself, and could take any offer by them.
    /// ## Fix
    /// Add the label to the fleet's `tenantLabels`, with the tenants that have it.
    pub static UNSELECTABLE_LABEL = "network/unselectable-label", Warning;
}

rule! {
    /// One tenant declares an edge, the other does not.
    ///
    /// ## Why it matters
    /// An edge between tenants exists only when both want it: the consumer's `egress: [{tenant}]`
    /// and the provider's `ingress: [{tenant}]` or a matching `provides`. Either alone opens
    /// nothing. The tenant is rendered without it, so that neither side can keep the other from
    /// closing the edge. The finding stands in the file that changed since the last render.
    /// ## Fix
    /// Have the other tenant declare its half, or remove this one.
    pub static ONE_SIDED = "network/one-sided-edge", Error;
}
rule! {
    /// An edge between tenants that are on no cluster together.
    pub static NO_SHARED_CLUSTER = "network/no-shared-cluster", Error;
}

/// The consumer's end of an edge: an egress peer that names a tenant.
#[derive(Clone, Copy)]
pub(super) struct EdgeEnd<'a> {
    /// The consumer.
    pub tenant: &'a Tenant,
    /// The consumer's namespace.
    pub namespace: &'a TenantNamespace,
    /// The declared peer.
    pub peer: &'a PeerSpec,
}

impl EdgeEnd<'_> {
    /// Whether it asks for a namespace of the provider, by the namespace's name in its tenant.
    pub fn asks_for(&self, provider_namespace: &str) -> bool {
        names_namespace(self.peer, provider_namespace)
    }
}

/// The answer of a provider's namespace to a consumer's end of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProviderAnswer {
    /// It lets the consumer in on a port that the consumer asks for.
    Admitted,
    /// It lets the consumer in, but on other ports. The span is the first ingress or offer.
    OtherPorts(Span),
    /// It does not let the consumer in.
    Absent,
}

/// The answer of a provider's namespace to a consumer's end: by an ingress that names the consumer,
/// or by an offer.
pub(super) fn answer(provider: &TenantNamespace, end: &EdgeEnd<'_>) -> ProviderAnswer {
    let declared = &provider.declared;

    let ingress = declared.ingress.iter().flatten().filter(|peer| {
        let names_consumer = peer
            .tenant
            .as_ref()
            .is_some_and(|name| name.as_str() == end.tenant.name.value);
        names_consumer && names_namespace(peer, &end.namespace.id)
    });

    let ingress = ingress.map(|peer| (peer.span, ports_of(peer)));

    let offers = declared
        .provides
        .iter()
        .flatten()
        .filter(|offer| is_offered_in(offer, provider) && is_offered_to(offer, end.tenant));

    let offers = offers.map(|offer| (offer.span, Some(vec![offered_port(offer)])));

    let asked = ports_of(end.peer);
    let mut other_ports = None;

    for (span, ports) in ingress.chain(offers) {
        if ports_meet(asked.as_deref(), ports.as_deref()) {
            return ProviderAnswer::Admitted;
        }
        other_ports.get_or_insert(span);
    }

    other_ports.map_or(ProviderAnswer::Absent, ProviderAnswer::OtherPorts)
}

/// Whether a consumer's end takes up an offer of a provider's namespace.
pub(super) fn takes_up(end: &EdgeEnd<'_>, offer: &Provision, provider_namespace: &str) -> bool {
    is_offered_to(offer, end.tenant)
        && end.asks_for(provider_namespace)
        && ports_meet(ports_of(end.peer).as_deref(), Some(&[offered_port(offer)]))
}

/// The port of an offer, as a rule has it.
pub(super) fn offered_port(offer: &Provision) -> PortRule {
    PortRule {
        port: offer.port.clone(),
        end_port: None,
        protocol: offer.protocol,
    }
}

/// Whether an offer is made in a namespace of its tenant.
pub(super) fn is_offered_in(offer: &Provision, namespace: &TenantNamespace) -> bool {
    offer
        .namespace
        .as_ref()
        .is_none_or(|wanted| wanted.as_str() == namespace.id)
}

/// Whether a peer names a namespace of its tenant; a peer without one names them all.
pub(super) fn names_namespace(peer: &PeerSpec, id: &str) -> bool {
    peer.namespace
        .as_ref()
        .is_none_or(|wanted| wanted.as_str() == id)
}

/// Whether an offer is made to a tenant.
fn is_offered_to(offer: &Provision, tenant: &Tenant) -> bool {
    let to_any = offer.to.any.as_ref().is_some_and(|any| any.value);

    to_any
        || offer.to.tenant_selector.as_ref().is_some_and(|selector| {
            selector.match_labels.iter().all(|(key, wanted)| {
                tenant
                    .platform_labels
                    .get(key.as_str())
                    .is_some_and(|label| label == wanted.as_str())
            })
        })
}

fn ports_of(peer: &PeerSpec) -> Option<Vec<PortRule>> {
    let ports = peer.ports.as_ref()?;
    Some(ports.iter().map(|port| port.value.clone()).collect())
}

/// Whether the ports of two halves of an edge have one in common.
pub(super) fn share_a_port(left: &PeerSpec, right: &PeerSpec) -> bool {
    ports_meet(ports_of(left).as_deref(), ports_of(right).as_deref())
}

/// Whether two lists of ports have one in common. `None` means all ports; a name meets the same
/// name, and any number.
fn ports_meet(left: Option<&[PortRule]>, right: Option<&[PortRule]>) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        return true;
    };
    left.iter()
        .any(|port| right.iter().any(|other| port_meets(port, other)))
}

fn port_meets(left: &PortRule, right: &PortRule) -> bool {
    let protocol = |rule: &PortRule| rule.protocol.unwrap_or(ProtocolSpec::Tcp);
    let range = |rule: &PortRule| match &rule.port {
        PortSpec::Number(first) => Some((*first, rule.end_port.unwrap_or(*first))),
        PortSpec::Name(_) => None,
    };

    if protocol(left) != protocol(right) {
        return false;
    }

    match (range(left), range(right)) {
        (Some((first, last)), Some((other_first, other_last))) => {
            first <= other_last && other_first <= last
        }
        (None, None) => left.port == right.port,
        _ => true,
    }
}
