//! Edges between tenants. An edge has two ends: the consumer's egress, and the provider's ingress
//! or offer. Nothing is opened unless both are declared.

use super::ports::PortSet;
use crate::diagnostic::rule;
use crate::document::Spanned;
use crate::source::Span;
use crate::spec::tenant::{Network, PeerSpec, PortRule, Provision};
use crate::tenancy::model::{Tenant, TenantNamespace};
use std::collections::{BTreeMap, BTreeSet, HashMap};

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

/// The namespaces at the other end of what a tenant declares, by its own namespace.
pub(super) struct ByNamespace<'a, T> {
    /// Those of every own namespace.
    of_all: Vec<T>,
    /// Those of one more, by its name within the tenant.
    of_one: HashMap<&'a str, Vec<T>>,
}

impl<T> Default for ByNamespace<'_, T> {
    fn default() -> Self {
        Self {
            of_all: Vec::new(),
            of_one: HashMap::new(),
        }
    }
}

impl<'a, T: Copy + Ord> ByNamespace<'a, T> {
    /// Adds one for an own namespace; for each, if none is named.
    pub fn add(&mut self, own: Option<&'a str>, other: T) {
        match own {
            Some(own) => self.of_one.entry(own).or_default().push(other),
            None => self.of_all.push(other),
        }
    }

    /// Those of an own namespace, in order.
    pub fn of(&self, own: &str) -> Vec<T> {
        let more = self.of_one.get(own).into_iter().flatten();
        let mut all: Vec<T> = self.of_all.iter().chain(more).copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// What a namespace lets in, by whom.
pub(super) struct Admissions<'a> {
    /// The ingress that names a tenant, by its name.
    ingress: HashMap<&'a str, Vec<&'a Spanned<PeerSpec>>>,
    /// The offers of every namespace that declares them.
    offers: Vec<&'a Spanned<Provision>>,
    /// The offers of one namespace, by its name within the tenant.
    offers_in: HashMap<&'a str, Vec<&'a Spanned<Provision>>>,
}

impl<'a> Admissions<'a> {
    /// Those that a network declares.
    pub fn new(declared: &'a Network) -> Self {
        let mut all = Self {
            ingress: HashMap::new(),
            offers: Vec::new(),
            offers_in: HashMap::new(),
        };
        for peer in declared.ingress.iter().flatten() {
            if let Some(name) = &peer.tenant {
                all.ingress.entry(name.as_str()).or_default().push(peer);
            }
        }
        for offer in declared.provides.iter().flatten() {
            match &offer.namespace {
                Some(name) => all.offers_in.entry(name.as_str()).or_default().push(offer),
                None => all.offers.push(offer),
            }
        }
        all
    }
}

/// An ingress or an offer that names a consumer.
#[derive(Clone, Copy)]
struct Way<'a> {
    /// The only namespace of the consumer that it names.
    of: Option<&'a str>,
    /// Whether it is on a port that the consumer asks for.
    is_open: bool,
    span: Span,
}

/// The answers of a provider's namespaces to a consumer's peer.
#[derive(Default)]
pub(super) struct ProviderAnswers<'a> {
    /// The indices of the namespaces that let the consumer in on a port that it asks for.
    pub admitted: ByNamespace<'a, usize>,
    /// The namespaces that let it in on other ports, with the first ingress or offer.
    pub other_ports: ByNamespace<'a, (usize, Span)>,
    /// Whether a namespace was found that is let in nowhere: on other ports, or at all.
    pub reported: [bool; 2],
}

impl<'a> ProviderAnswers<'a> {
    /// The answers of the namespaces that the peer names. `admissions` are those of a namespace.
    pub fn new<'x>(
        namespaces: &[TenantNamespace],
        admissions: impl Fn(&TenantNamespace) -> Option<&'x Admissions<'a>>,
        consumer: &Tenant,
        peer: &PeerSpec,
    ) -> Self
    where
        'a: 'x,
    {
        let mut answers = Self::default();
        let asked = peer.ports.as_ref();
        let asked = asked.map(|ports| PortSet::new(ports.iter().map(|port| &port.value)));
        let meets = |ports: &[Spanned<PortRule>]| match &asked {
            Some(asked) => asked.meets(ports.iter().map(|port| &port.value)),
            None => true,
        };
        let offered = |offer: &&Spanned<Provision>| {
            is_offered_to(offer, consumer).then(|| Way {
                of: None,
                is_open: asked
                    .as_ref()
                    .is_none_or(|asked| asked.meets([&offered_port(offer)])),
                span: offer.span,
            })
        };

        // Namespaces that share what they declare give the same answer, but for offers of one.
        let mut shared: HashMap<*const Admissions<'_>, Vec<Way<'_>>> = HashMap::new();
        for (at, namespace) in namespaces.iter().enumerate() {
            let Some(admits) =
                admissions(namespace).filter(|_| names_namespace(peer, &namespace.id))
            else {
                continue;
            };

            let ways = shared.entry(std::ptr::from_ref(admits)).or_insert_with(|| {
                let ingress = admits.ingress.get(consumer.name.as_str());
                let ingress = ingress.into_iter().flatten().map(|peer| Way {
                    of: peer.namespace.as_ref().map(|name| name.as_str()),
                    is_open: peer.ports.as_deref().is_none_or(meets),
                    span: peer.span,
                });
                simplest(
                    ingress
                        .chain(admits.offers.iter().filter_map(offered))
                        .collect(),
                )
            });

            let own = admits.offers_in.get(namespace.id.as_str());
            let own = own.into_iter().flatten().filter_map(offered);
            for way in ways.iter().copied().chain(own) {
                match way.is_open {
                    true => answers.admitted.add(way.of, at),
                    false => answers.other_ports.add(way.of, (at, way.span)),
                }
            }
        }
        answers
    }
}

/// Some ways without those that say nothing more: of each namespace, and of all, the first that is
/// open, and the first that is not.
fn simplest(ways: Vec<Way<'_>>) -> Vec<Way<'_>> {
    let mut seen = BTreeSet::new();
    let mut ways = ways;
    ways.retain(|way| seen.insert((way.of, way.is_open)));
    ways
}

/// The consumers' ends that ask for a tenant, by the consumer.
pub(super) type EndsByConsumer<'a> = BTreeMap<&'a str, Vec<EdgeEnd<'a>>>;

/// The namespaces of a consumer that an ingress peer lets in, by the provider's namespace. `ends` are
/// those that ask for the provider.
pub(super) fn let_in<'a>(
    ends: &[EdgeEnd<'a>],
    peer: &Spanned<PeerSpec>,
) -> ByNamespace<'a, &'a str> {
    let ends = ends
        .iter()
        .filter(|end| names_namespace(peer, &end.namespace.id));
    let ports = peer.ports.as_deref();
    asking(
        ends,
        ports.map(|ports| ports.iter().map(|port| &port.value)),
    )
}

/// The namespaces of consumers that take up an offer, by the provider's namespace.
pub(super) fn taking_up<'a>(
    consumers: &EndsByConsumer<'a>,
    own_name: &str,
    offer: &Provision,
) -> ByNamespace<'a, &'a str> {
    let consumers = consumers.iter().filter(|(name, ends)| {
        let mut ends = ends.iter();
        **name != own_name
            && ends
                .next()
                .is_some_and(|end| is_offered_to(offer, end.tenant))
    });
    let port = offered_port(offer);
    asking(consumers.flat_map(|(_, ends)| ends), Some([&port]))
}

/// The namespaces of some ends that ask for one of some ports, or for all, by the provider's namespace.
fn asking<'e, 'a: 'e, 'p>(
    ends: impl IntoIterator<Item = &'e EdgeEnd<'a>>,
    ports: Option<impl IntoIterator<Item = &'p PortRule>>,
) -> ByNamespace<'a, &'a str> {
    let ports = ports.map(PortSet::new);
    // Namespaces share what they declare.
    let mut met: HashMap<*const PeerSpec, bool> = HashMap::new();
    let mut all = ByNamespace::default();

    for end in ends {
        let meets = || match (&ports, &end.peer.ports) {
            (Some(ports), Some(asked)) => ports.meets(asked.iter().map(|port| &port.value)),
            _ => true,
        };
        let meets = *met
            .entry(std::ptr::from_ref(end.peer))
            .or_insert_with(meets);
        if meets {
            let wanted = end.peer.namespace.as_ref().map(|name| name.as_str());
            all.add(wanted, end.namespace.name.as_str());
        }
    }
    all
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
