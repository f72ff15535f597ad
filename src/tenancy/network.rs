//! Network edges: both halves of each, and the NetworkPolicy rules that they make.

use super::Known;
use super::model::{NetworkObject, Tenant};
use super::peers::{dns_rules, endpoint_peers, ip_block, namespaces_peer, nothing, rule_of};
use super::waivers::{Loosening, Tally, Waivers};
use crate::diagnostic::{Diagnostic, rule};
use crate::document::Spanned;
use crate::spec::fleet::{Cluster, Endpoint, FleetSpec};
use crate::spec::leaf::Cidr;
use crate::spec::tenant::{Isolation, Network, Peer, Port, PortRule, Protocol, Provision};
use crate::spec::{did_you_mean, one_of_these};
use crate::value::{Value, map};
use ipnet::IpNet;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

rule! {
    /// One tenant declares an edge, the other does not.
    ///
    /// ## Why it matters
    /// An edge between tenants exists only when both want it: the consumer's `egress: [{tenant}]`
    /// and the provider's `ingress: [{tenant}]` or a matching `provides`. Either alone opens
    /// nothing, and is the error of who wrote it.
    /// ## Fix
    /// Have the other tenant declare its half, or remove this one.
    pub static ONE_SIDED = "network/one-sided-edge", Error;
}
rule! {
    /// An edge between tenants that are on no cluster together.
    pub static NO_SHARED_CLUSTER = "network/no-shared-cluster", Error;
}
rule! {
    /// A peer that is nowhere declared: a tenant, one of its namespaces, or a platform endpoint.
    pub static UNKNOWN_PEER = "network/unknown-peer", Error;
}
rule! {
    /// A host name as a peer, on a cluster where nothing enforces it.
    ///
    /// ## Why it matters
    /// A NetworkPolicy knows addresses only. Opening every address instead would promise one thing
    /// and grant another.
    /// ## Fix
    /// Name the networks (`cidr`), or go through a platform endpoint that filters by name.
    pub static FQDN = "network/fqdn-not-enforced", Error;
}
rule! {
    /// Egress to every address: a network larger than a /8 (IPv6: /16).
    ///
    /// ## Why it matters
    /// Data can leave to anywhere. The cluster's own ranges stay closed.
    /// ## Fix
    /// Name the networks, or have a Waiver approved.
    pub static EGRESS_ANY = "network/egress-any", Error;
}
rule! {
    /// Egress to a range of the cluster itself: its pods, Services, nodes, API server or metadata
    /// service.
    ///
    /// ## Why it matters
    /// Behind the metadata service lies the node's cloud identity; behind the pod range, every
    /// other tenant, whatever edges are declared.
    /// ## Fix
    /// Declare the tenant or the platform endpoint instead, or have a Waiver approved.
    pub static CLUSTER_RANGE = "network/cluster-range", Error;
}
rule! {
    /// Ingress from every address: a network larger than a /8 (IPv6: /16).
    ///
    /// ## Why it matters
    /// Whoever reaches a node or a load balancer reaches the pods, other tenants' pods included.
    /// ## Fix
    /// Name the networks, or let the platform's gateway in: `ingress: [{platform: web}]`.
    pub static INGRESS_ANY = "network/ingress-any", Error;
}
rule! {
    /// A namespace without network isolation.
    ///
    /// ## Why it matters
    /// Every pod of every tenant reaches its pods, and they reach everything.
    /// ## Fix
    /// Set network.isolation to `namespace` or `tenant`, and declare the edges that are needed.
    pub static ISOLATION_NONE = "network/isolation-none", Error;
}
rule! {
    /// A cluster does not declare all of its own ranges, and a tenant's egress names a network.
    ///
    /// ## Why it matters
    /// Pod, Service, node and API server ranges are left out of a `cidr` only where they are
    /// declared.
    /// ## Fix
    /// Add podCIDRs, serviceCIDRs, nodeCIDRs and apiServer to the cluster.
    pub static RANGE_UNDECLARED = "network/range-undeclared", Note;
}

/// Addresses of the usual clouds' metadata services, where a cluster declares none.
static METADATA: [&str; 2] = ["169.254.169.254/32", "fd00:ec2::254/128"];

/// A consumer's half of an edge: the tenant, its namespace, what it declares.
type Half<'a> = (usize, usize, &'a Spanned<Peer>);

/// Where tenants are, by name, on one cluster.
struct Index<'a> {
    tenants: &'a [Tenant],
    by_name: HashMap<&'a str, usize>,
    /// For each tenant that is named as an egress peer: who names it, from which namespace.
    consumers: HashMap<&'a str, Vec<Half<'a>>>,
    cluster: usize,
    /// The egress rules for DNS.
    dns: Value,
    /// The peers that each endpoint of the cluster is.
    endpoints: Vec<(&'a Endpoint, Vec<Value>)>,
    /// A peer that is every pod of the namespace.
    own_pods: Value,
    /// The cluster's own ranges.
    excluded: Vec<IpNet>,
}

impl<'a> Index<'a> {
    fn new(
        tenants: &'a [Tenant],
        cluster: usize,
        own: &'a Cluster,
        broken: &BTreeSet<String>,
    ) -> Self {
        let sound = |t: &&'a Tenant| !broken.contains(&t.name.value);
        let sound_ones = || tenants.iter().enumerate().filter(|(_, t)| sound(t));
        let by_name = sound_ones()
            .map(|(i, t)| (t.name.value.as_str(), i))
            .collect();
        let mut consumers: HashMap<&str, Vec<Half<'_>>> = HashMap::new();
        for (t, tenant) in sound_ones() {
            for (n, namespace) in tenant
                .on(cluster)
                .map_or(&[][..], |on| &on.namespaces)
                .iter()
                .enumerate()
            {
                for peer in namespace.declared.egress.iter().flatten() {
                    if let Some(name) = &peer.tenant {
                        consumers
                            .entry(name.as_str())
                            .or_default()
                            .push((t, n, peer));
                    }
                }
            }
        }
        Self {
            tenants,
            by_name,
            consumers,
            cluster,
            dns: dns_rules(own),
            endpoints: own
                .endpoints
                .iter()
                .flatten()
                .map(|e| (e, endpoint_peers(e)))
                .collect(),
            own_pods: map! { "podSelector" => nothing() },
            excluded: excluded(own),
        }
    }
}

/// What became of a tenant's namespaces on a cluster.
#[derive(Default)]
struct Made {
    /// The namespace's index, its rules, and the namespaces of other tenants that it reaches.
    objects: Vec<(usize, NetworkObject, Vec<String>)>,
    /// The first egress to a network.
    named_a_range: Option<crate::source::Span>,
    faults: Vec<Diagnostic>,
}

/// The NetworkPolicy rules of every namespace, by cluster and tenant, before they are laid into the
/// tenants.
#[derive(Default)]
pub struct Plan {
    made: Vec<Vec<Made>>,
    faults: Vec<Diagnostic>,
}

/// Makes the NetworkPolicy rules of every namespace.
pub fn plan(
    tenants: &[Tenant],
    fleet: &FleetSpec,
    waivers: &Waivers<'_>,
    known: &Known<'_>,
    broken: &BTreeSet<String>,
) -> Plan {
    let mut plan = Plan::default();
    for (c, cluster) in fleet.clusters.iter().enumerate() {
        let index = Index::new(tenants, c, cluster, broken);
        let one = |t: usize| {
            let tenant = &tenants[t];
            let mut made = Made::default();
            for (n, namespace) in tenant
                .on(c)
                .map_or(&[][..], |on| &on.namespaces)
                .iter()
                .enumerate()
            {
                if !namespace.network.rendered {
                    continue;
                }
                let mut maker = Maker {
                    index: &index,
                    cluster,
                    fleet,
                    waivers: waivers.tally(),
                    known,
                    tenant,
                    t,
                    n,
                    reaches: Vec::new(),
                    out: &mut made.faults,
                };
                let object = maker.make();
                maker.waivers.into_used().count();
                made.objects.push((n, object, maker.reaches));
                if let Some(peer) = namespace
                    .declared
                    .egress
                    .iter()
                    .flatten()
                    .find(|p| p.cidr.is_some())
                {
                    made.named_a_range.get_or_insert(peer.span);
                }
            }
            made
        };
        let mut all: Vec<Made> = (0..tenants.len()).into_par_iter().map(one).collect();
        if let Some(span) = all.iter().find_map(|made| made.named_a_range) {
            undeclared_ranges(cluster, span, &mut plan.faults);
        }
        plan.faults.extend(
            all.iter_mut()
                .flat_map(|made| std::mem::take(&mut made.faults)),
        );
        plan.made.push(all);
    }
    plan
}

impl Plan {
    /// Lays the rules into the tenants that they were made of, and says what was wrong.
    pub fn lay_in(self, tenants: &mut [Tenant]) -> Vec<Diagnostic> {
        let nothing = Arc::new(Network::default());
        for (c, all) in self.made.into_iter().enumerate() {
            tenants.par_iter_mut().zip(all).for_each(|(tenant, made)| {
                let Some(on) = tenant.on.iter_mut().find(|on| on.cluster == c) else {
                    return;
                };
                on.namespaces
                    .iter_mut()
                    .for_each(|namespace| namespace.declared = Arc::clone(&nothing));
                for (n, object, reaches) in made.objects {
                    on.namespaces[n].network = object;
                    on.namespaces[n].reaches = reaches;
                }
            });
        }
        self.faults
    }
}

fn undeclared_ranges(cluster: &Cluster, span: crate::source::Span, out: &mut Vec<Diagnostic>) {
    let missing: Vec<&str> = [
        ("podCIDRs", cluster.pod_cidrs.is_none()),
        ("serviceCIDRs", cluster.service_cidrs.is_none()),
        ("nodeCIDRs", cluster.node_cidrs.is_none()),
        ("apiServer", cluster.api_server.is_none()),
    ]
    .into_iter()
    .filter_map(|(name, missing)| missing.then_some(name))
    .collect();
    if !missing.is_empty() {
        let message = format!(
            "the cluster `{}` declares no {}",
            cluster.name.value,
            missing.join(", ")
        );
        out.push(
            Diagnostic::new(&RANGE_UNDECLARED, cluster.name.span, message)
                .related(span, "a network that may hold them")
                .fix("add them: they are then left out of every `cidr`"),
        );
    }
}

struct Maker<'m, 'a> {
    index: &'m Index<'a>,
    cluster: &'m Cluster,
    fleet: &'m FleetSpec,
    waivers: Tally<'m>,
    known: &'m Known<'m>,
    tenant: &'a Tenant,
    t: usize,
    n: usize,
    /// Namespaces of other tenants that this one reaches.
    reaches: Vec<String>,
    out: &'m mut Vec<Diagnostic>,
}

impl<'a> Maker<'_, 'a> {
    fn make(&mut self) -> NetworkObject {
        let Some(on) = self.tenant.on(self.index.cluster) else {
            return NetworkObject::default();
        };
        let namespace = &on.namespaces[self.n];
        let isolation = namespace.declared.isolation.as_ref();
        let mut object = NetworkObject {
            rendered: true,
            dns: self.index.dns.clone(),
            ..NetworkObject::default()
        };
        match isolation.map_or(Isolation::Namespace, |i| i.value) {
            Isolation::Namespace => object.intra.push(self.index.own_pods.clone()),
            Isolation::Tenant => {
                let names: Vec<&str> = on.namespaces.iter().map(|n| n.name.as_str()).collect();
                object.intra.push(namespaces_peer(&names));
            }
            Isolation::None => {
                object.dns = Vec::<Value>::new().into();
                object.deny = Some(vec![nothing()]);
                let span = isolation.map_or(namespace.span, |i| i.span);
                self.demand(
                    &ISOLATION_NONE,
                    "default-deny",
                    span,
                    "the namespace has no network isolation",
                    "isolate it",
                );
            }
        }
        for (side, policy, rule) in [
            (&namespace.declared.egress, "allow-egress", &EGRESS_ANY),
            (&namespace.declared.ingress, "allow-ingress", &INGRESS_ANY),
        ] {
            if let Some(peer) = everywhere_together(side.as_deref().unwrap_or_default()) {
                let message = "these networks together are most addresses there are";
                self.demand(rule, policy, peer.span, message, "name fewer networks");
            }
        }
        for peer in namespace.declared.egress.iter().flatten() {
            let to = self.egress_peers(peer);
            if !to.is_empty() {
                let ports = self.ports(peer);
                object.egress.push(rule_of("to", to, &ports));
            }
        }
        for peer in namespace.declared.ingress.iter().flatten() {
            let from = self.ingress_peers(peer);
            if !from.is_empty() {
                let ports = peer
                    .ports
                    .as_ref()
                    .map(|p| p.iter().map(|p| p.value.clone()).collect::<Vec<_>>());
                object
                    .ingress
                    .push(rule_of("from", from, &ports.unwrap_or_default()));
            }
        }
        for offer in namespace.declared.provides.iter().flatten() {
            if let Some(wanted) = &offer.namespace
                && !on.namespaces.iter().any(|n| n.id == wanted.as_str())
            {
                let hint = one_of_these(wanted, on.namespaces.iter().map(|n| n.id.as_str()));
                let message = format!("the tenant has no namespace `{}`", wanted.value);
                self.fault(Diagnostic::new(&UNKNOWN_PEER, wanted.span, message).fix(hint));
            }
            let here = offer
                .namespace
                .as_ref()
                .is_none_or(|n| n.as_str() == namespace.id);
            let names = if here { self.takers(offer) } else { Vec::new() };
            if !names.is_empty() {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let port = PortRule {
                    port: offer.port.clone(),
                    end_port: None,
                    protocol: offer.protocol,
                };
                object
                    .ingress
                    .push(rule_of("from", vec![namespaces_peer(&names)], &[port]));
            }
        }
        object
    }

    fn demand(
        &mut self,
        rule: &'static crate::diagnostic::Rule,
        policy: &str,
        span: crate::source::Span,
        message: &str,
        fix: &str,
    ) {
        let Some(on) = self.tenant.on(self.index.cluster) else {
            return;
        };
        let object = format!("NetworkPolicy/{}/{policy}", on.namespaces[self.n].name);
        self.waivers.demand(
            &Loosening {
                rule,
                tenant: &self.tenant.name.value,
                object: &object,
            },
            span,
            message,
            fix,
            self.out,
        );
    }

    fn fault(&mut self, finding: Diagnostic) {
        self.out.push(finding.tenant(&self.tenant.name.value));
    }

    /// The ports of an egress rule: its own, or those of the endpoint it names.
    fn ports(&self, peer: &Peer) -> Vec<PortRule> {
        if let Some(ports) = &peer.ports {
            return ports.iter().map(|p| p.value.clone()).collect();
        }
        let endpoint = peer
            .platform
            .as_ref()
            .and_then(|name| self.find_endpoint(name));
        endpoint
            .and_then(|(e, _)| e.ports.clone())
            .unwrap_or_default()
    }

    /// The peer that a declared network is; `toward` is "egress to" or "ingress from", and `any`
    /// the rule on every address.
    fn network(
        &mut self,
        cidr: &Spanned<Cidr>,
        any: &'static crate::diagnostic::Rule,
        policy: &str,
        toward: &str,
    ) -> Value {
        if is_everywhere(cidr) {
            let message = format!("{toward} every address");
            self.demand(any, policy, cidr.span, &message, "name the networks");
        }
        let ranges = &self.index.excluded;
        if let Ok(net) = cidr.parse::<IpNet>()
            && let Some(range) = ranges.iter().find(|range| range.contains(&net))
        {
            let message = format!("{toward} {range}, a range of the cluster itself");
            self.demand(
                &CLUSTER_RANGE,
                policy,
                cidr.span,
                &message,
                "declare the tenant or the endpoint",
            );
        }
        map! { "ipBlock" => ip_block(cidr, ranges) }
    }

    fn egress_peers(&mut self, peer: &Spanned<Peer>) -> Vec<Value> {
        if let Some(fqdn) = &peer.fqdn {
            let cni = self
                .cluster
                .cni
                .as_ref()
                .map_or("its network plugin", |c| c.name.as_str());
            let message = format!(
                "{cni} on `{}` is given no rule for host names",
                self.cluster.name.value
            );
            self.fault(
                Diagnostic::new(&FQDN, fqdn.span, message)
                    .label("a NetworkPolicy knows addresses only")
                    .fix("name the networks by cidr, or go through a platform endpoint"),
            );
            return Vec::new();
        }
        if let Some(cidr) = &peer.cidr {
            return vec![self.network(cidr, &EGRESS_ANY, "allow-egress", "egress to")];
        }
        if let Some(name) = &peer.platform {
            return self.endpoint(name);
        }
        let Some(name) = &peer.tenant else {
            return Vec::new();
        };
        let Some(provider) = self.peer_tenant(name, peer, "egress") else {
            return self.remembered(name, true);
        };
        let Some(on) = provider.on(self.index.cluster) else {
            return Vec::new();
        };
        if let Some(wanted) = &peer.namespace
            && !on.namespaces.iter().any(|n| n.id == wanted.as_str())
        {
            let hint = one_of_these(wanted, on.namespaces.iter().map(|n| n.id.as_str()));
            let message = format!("`{}` has no namespace `{}`", name.value, wanted.value);
            self.fault(Diagnostic::new(&UNKNOWN_PEER, wanted.span, message).fix(hint));
            return Vec::new();
        }
        let me = self.tenant;
        let my_id = &me
            .on(self.index.cluster)
            .map_or("", |on| on.namespaces[self.n].id.as_str())
            .to_owned();
        let wanted_ports = peer
            .ports
            .as_ref()
            .map(|p| p.iter().map(|p| &p.value).collect::<Vec<_>>());
        let mut declared = None;
        let mut names = Vec::new();
        for namespace in on
            .namespaces
            .iter()
            .filter(|n| peer.namespace.as_ref().is_none_or(|w| w.as_str() == n.id))
        {
            let by_ingress = namespace.declared.ingress.iter().flatten().any(|half| {
                let me_named = half
                    .tenant
                    .as_ref()
                    .is_some_and(|t| t.as_str() == me.name.value)
                    && half.namespace.as_ref().is_none_or(|n| n.as_str() == my_id);
                if me_named {
                    declared.get_or_insert(half.span);
                }
                let theirs = half
                    .ports
                    .as_ref()
                    .map(|p| p.iter().map(|p| &p.value).collect::<Vec<_>>());
                me_named && ports_meet(wanted_ports.as_deref(), theirs.as_deref())
            });
            let by_offer = namespace.declared.provides.iter().flatten().any(|offer| {
                let for_me = offer_is_for(offer, me)
                    && offer
                        .namespace
                        .as_ref()
                        .is_none_or(|n| n.as_str() == namespace.id);
                if for_me {
                    declared.get_or_insert(offer.span);
                }
                let port = PortRule {
                    port: offer.port.clone(),
                    end_port: None,
                    protocol: offer.protocol,
                };
                for_me && ports_meet(wanted_ports.as_deref(), Some(&[&port]))
            });
            if by_ingress || by_offer {
                names.push(namespace.name.as_str());
            }
        }
        if names.is_empty() {
            let who = &name.value;
            let finding = match declared {
                Some(span) => Diagnostic::new(
                    &ONE_SIDED,
                    peer.span,
                    format!("the ports do not meet those that `{who}` lets in"),
                )
                .related(span, "the other half")
                .fix("name a port of the other half"),
                None => Diagnostic::new(
                    &ONE_SIDED,
                    peer.span,
                    format!("`{who}` does not let `{}` in", me.name.value),
                )
                .related(provider.name.span, format!("the tenant {who}"))
                .fix(format!(
                    "add to {who}: network.ingress: [{{tenant: {}}}], or remove this",
                    me.name.value
                )),
            };
            self.fault(finding);
            return Vec::new();
        }
        self.reaches.extend(names.iter().map(|n| (*n).to_owned()));
        vec![namespaces_peer(&names)]
    }

    fn ingress_peers(&mut self, peer: &'a Spanned<Peer>) -> Vec<Value> {
        if let Some(fqdn) = &peer.fqdn {
            let message = "a host name says nothing about who connects";
            self.fault(Diagnostic::new(&FQDN, fqdn.span, message).fix("name the networks by cidr"));
            return Vec::new();
        }
        if let Some(cidr) = &peer.cidr {
            return vec![self.network(cidr, &INGRESS_ANY, "allow-ingress", "ingress from")];
        }
        if let Some(name) = &peer.platform {
            return self.endpoint(name);
        }
        let Some(name) = &peer.tenant else {
            return Vec::new();
        };
        let Some(consumer) = self.peer_tenant(name, peer, "ingress") else {
            return self.remembered(name, false);
        };
        let Some(on) = consumer.on(self.index.cluster) else {
            return Vec::new();
        };
        let my_id = self
            .tenant
            .on(self.index.cluster)
            .map_or("", |on| on.namespaces[self.n].id.as_str());
        let halves = self
            .index
            .consumers
            .get(self.tenant.name.value.as_str())
            .map_or(&[][..], Vec::as_slice);
        let names: Vec<&str> = halves
            .iter()
            .filter(|(t, n, half)| {
                self.index.tenants[*t].name.value == consumer.name.value
                    && peer
                        .namespace
                        .as_ref()
                        .is_none_or(|w| w.as_str() == on.namespaces[*n].id)
                    && half.namespace.as_ref().is_none_or(|w| w.as_str() == my_id)
            })
            .map(|(_, n, _)| on.namespaces[*n].name.as_str())
            .collect();
        // A consumer that names another of this tenant's namespaces has declared its half all the
        // same.
        let elsewhere = halves
            .iter()
            .any(|(t, ..)| self.index.tenants[*t].name.value == consumer.name.value);
        if names.is_empty() && !elsewhere {
            let (who, me) = (name.value.to_string(), self.tenant.name.value.clone());
            self.fault(
                Diagnostic::new(&ONE_SIDED, peer.span, format!("`{who}` does not ask for `{me}`"))
                    .related(consumer.name.span, format!("the tenant {who}"))
                    .fix(format!("add to {who}: network.egress: [{{tenant: {me}}}], or remove this; `provides` is an offer that stands alone")),
            );
        }
        if names.is_empty() {
            Vec::new()
        } else {
            vec![namespaces_peer(&names)]
        }
    }

    /// The tenant that a peer names, if it can be read and is on this cluster.
    fn peer_tenant(
        &mut self,
        name: &Spanned<crate::spec::leaf::Name>,
        peer: &Spanned<Peer>,
        side: &str,
    ) -> Option<&'a Tenant> {
        let Some(found) = self.index.by_name.get(name.as_str()) else {
            if !self.known.has(name) {
                let names = self.index.tenants.iter().map(|t| t.name.value.as_str());
                let hint = did_you_mean(
                    name,
                    names.filter(|known| self.index.by_name.contains_key(known)),
                );
                let message = format!("there is no tenant `{}`", name.value);
                let fix = if hint.is_empty() {
                    format!("add the tenant, or remove the {side}")
                } else {
                    hint
                };
                self.fault(Diagnostic::new(&UNKNOWN_PEER, name.span, message).fix(fix));
            }
            return None;
        };
        let other = &self.index.tenants[*found];
        if other.name.value == self.tenant.name.value {
            let message = "a tenant is not its own peer";
            self.fault(
                Diagnostic::new(&UNKNOWN_PEER, peer.span, message)
                    .fix("use network.isolation: tenant"),
            );
            return None;
        }
        let shared = other
            .on
            .iter()
            .any(|on| self.tenant.on(on.cluster).is_some());
        if !shared {
            let message = format!(
                "`{}` and `{}` are on no cluster together",
                self.tenant.name.value, name.value
            );
            self.fault(
                Diagnostic::new(&NO_SHARED_CLUSTER, peer.span, message)
                    .related(other.name.span, format!("the tenant {}", name.value))
                    .fix("remove it, or place both on one cluster"),
            );
            return None;
        }
        Some(other)
    }

    /// The other side of an edge to a tenant that is held: the namespaces it had when it was
    /// rendered last.
    fn remembered(&mut self, name: &str, egress: bool) -> Vec<Value> {
        if self.index.by_name.contains_key(name) {
            return Vec::new();
        }
        let Some(me) = self
            .tenant
            .on(self.index.cluster)
            .map(|on| on.namespaces[self.n].name.clone())
        else {
            return Vec::new();
        };
        let cluster = self.cluster.name.as_str();
        let names: Vec<String> = if egress {
            let mine = (self.tenant.name.value.as_str(), me.as_str());
            let reached = |to: &&str| {
                self.known
                    .prior
                    .takers(cluster, to)
                    .any(|taker| taker == mine)
            };
            self.known
                .prior
                .namespaces(name, cluster)
                .filter(reached)
                .map(str::to_owned)
                .collect()
        } else {
            self.takers_of_old(&me, Some(name))
        };
        if egress {
            self.reaches.extend(names.iter().cloned());
        }
        if names.is_empty() {
            Vec::new()
        } else {
            vec![namespaces_peer(
                &names.iter().map(String::as_str).collect::<Vec<_>>(),
            )]
        }
    }

    /// The namespaces of held tenants (or of one) that reached a namespace when they were rendered
    /// last.
    fn takers_of_old(&self, me: &str, only: Option<&str>) -> Vec<String> {
        let takers = self.known.prior.takers(self.cluster.name.as_str(), me);
        let held = |t: &str| !self.index.by_name.contains_key(t) && only.is_none_or(|o| o == t);
        takers
            .filter(|(t, _)| held(t))
            .map(|(_, from)| from.to_owned())
            .collect()
    }

    fn endpoint(&mut self, name: &Spanned<crate::spec::leaf::Name>) -> Vec<Value> {
        let Some((_, peers)) = self.find_endpoint(name) else {
            let known = self
                .cluster
                .endpoints
                .iter()
                .flatten()
                .map(|e| e.name.as_str());
            let hint = did_you_mean(name, known);
            let message = format!(
                "the cluster `{}` has no endpoint `{}`",
                self.cluster.name.value, name.value
            );
            let fix = if hint.is_empty() {
                "add it to the cluster's endpoints, or remove this".into()
            } else {
                hint
            };
            let span = self
                .fleet
                .clusters
                .iter()
                .find(|c| c.name.value == self.cluster.name.value)
                .map(|c| c.name.span);
            let mut finding = Diagnostic::new(&UNKNOWN_PEER, name.span, message).fix(fix);
            if let Some(span) = span {
                finding = finding.related(span, "the cluster");
            }
            self.fault(finding);
            return Vec::new();
        };
        peers.clone()
    }

    /// An endpoint of the cluster, and the peers that it is.
    fn find_endpoint(&self, name: &str) -> Option<&(&'a Endpoint, Vec<Value>)> {
        self.index
            .endpoints
            .iter()
            .find(|(e, _)| e.name.as_str() == name)
    }

    /// The namespaces that take up an offer.
    fn takers(&self, offer: &Spanned<Provision>) -> Vec<String> {
        let my_id = self
            .tenant
            .on(self.index.cluster)
            .map_or("", |on| on.namespaces[self.n].id.as_str());
        let halves = self
            .index
            .consumers
            .get(self.tenant.name.value.as_str())
            .map_or(&[][..], Vec::as_slice);
        let port = PortRule {
            port: offer.port.clone(),
            end_port: None,
            protocol: offer.protocol,
        };
        let mut names: Vec<String> = halves
            .iter()
            .filter(|(t, _, half)| {
                let theirs = half
                    .ports
                    .as_ref()
                    .map(|p| p.iter().map(|p| &p.value).collect::<Vec<_>>());
                *t != self.t
                    && offer_is_for(offer, &self.index.tenants[*t])
                    && half.namespace.as_ref().is_none_or(|w| w.as_str() == my_id)
                    && ports_meet(theirs.as_deref(), Some(&[&port]))
            })
            .filter_map(|(t, n, _)| {
                self.index.tenants[*t]
                    .on(self.index.cluster)
                    .map(|on| on.namespaces[*n].name.clone())
            })
            .collect();
        let me = self
            .tenant
            .on(self.index.cluster)
            .map_or("", |on| on.namespaces[self.n].name.as_str());
        names.extend(self.takers_of_old(me, None));
        names.sort();
        names.dedup();
        names
    }
}

fn offer_is_for(offer: &Provision, tenant: &Tenant) -> bool {
    offer.to.any.as_ref().is_some_and(|a| a.value)
        || offer.to.tenant_selector.as_ref().is_some_and(|s| {
            s.match_labels.iter().all(|(k, v)| {
                tenant
                    .labels
                    .get(k.as_str())
                    .is_some_and(|l| l == v.as_str())
            })
        })
}

/// Whether two lists of ports have one in common. Nothing means all; a name meets the same name,
/// and any number.
fn ports_meet(a: Option<&[&PortRule]>, b: Option<&[&PortRule]>) -> bool {
    let (Some(a), Some(b)) = (a, b) else {
        return true;
    };
    a.iter().any(|x| {
        b.iter().any(|y| {
            let protocol = |p: &PortRule| p.protocol.unwrap_or(Protocol::Tcp);
            let span = |p: &PortRule| match &p.port {
                Port::Number(n) => Some((*n, p.end_port.unwrap_or(*n))),
                Port::Name(_) => None,
            };
            protocol(x) == protocol(y)
                && match (span(x), span(y)) {
                    (Some((a, b)), Some((c, d))) => a <= d && c <= b,
                    (None, None) => x.port == y.port,
                    _ => true,
                }
        })
    })
}

/// The ranges of a cluster that no `cidr` opens unless it lies within one.
fn excluded(cluster: &Cluster) -> Vec<IpNet> {
    let metadata: Vec<&str> = match &cluster.metadata_cidrs {
        Some(declared) => declared.iter().map(|c| c.as_str()).collect(),
        None => METADATA.to_vec(),
    };
    let declared = [
        &cluster.pod_cidrs,
        &cluster.service_cidrs,
        &cluster.node_cidrs,
        &cluster.api_server,
    ];
    declared
        .into_iter()
        .flatten()
        .flatten()
        .map(|c| c.as_str())
        .chain(metadata)
        .filter_map(|c| c.parse().ok())
        .collect()
}

/// Whether a network is so large that it is no network of anybody's: two halves of all addresses
/// are all addresses.
fn is_everywhere(cidr: &str) -> bool {
    match cidr.parse::<IpNet>() {
        Ok(IpNet::V4(net)) => net.prefix_len() < 8,
        Ok(IpNet::V6(net)) => net.prefix_len() < 16,
        Err(_) => false,
    }
}

/// The first of some networks that are no network of anybody's only together: over four /8 (IPv6:
/// /16).
fn everywhere_together(peers: &[Spanned<Peer>]) -> Option<&Spanned<Peer>> {
    let (mut v4, mut v6) = (0u128, 0u128);
    for net in peers
        .iter()
        .filter_map(|p| p.cidr.as_ref()?.parse::<IpNet>().ok())
    {
        match net {
            IpNet::V4(net) if net.prefix_len() >= 8 => v4 += 1 << (32 - net.prefix_len()),
            IpNet::V6(net) if net.prefix_len() >= 16 => v6 += 1 << (128 - net.prefix_len()),
            _ => {}
        }
    }
    (v4 > 4 << 24 || v6 > 4 << 112)
        .then(|| peers.iter().find(|p| p.cidr.is_some()))
        .flatten()
}
