//! Whom the peers that a namespace declares stand for, and the faults in them.

use super::cluster_index::ClusterIndex;
use super::edges::{ByNamespace, NO_SHARED_CLUSTER, ProviderAnswers};
use super::peers::network_peer;
use super::ranges::{CLUSTER_RANGE, is_everywhere};
use crate::diagnostic::{Diagnostic, Rule, Scope, rule};
use crate::document::Spanned;
use crate::netpol::{self, Direction};
use crate::source::Span;
use crate::spec::leaf::{Cidr, Name};
use crate::spec::tenant::{PeerSpec, Provision};
use crate::spec::{did_you_mean_or, one_of_these};
use crate::tenancy::KnownTenants;
use crate::tenancy::model::{OnCluster, Tenant, TenantNamespace};
use crate::tenancy::waivers::{Loosening, WaiverUse};
use ipnet::IpNet;
use std::collections::{BTreeSet, HashMap};

rule! {
    /// A peer that is nowhere declared: a tenant, one of its namespaces, or a platform endpoint.
    ///
    /// ## Why it matters
    /// The edge opens nothing. If the other tenant was removed, or does not have the namespace, the
    /// tenant is rendered without the edge. If the name was never right, the tenant is held.
    /// ## Fix
    /// Remove the peer, or take the name that is suggested.
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

/// The direction of a declared peer, with its rule on every address.
pub(super) struct Side {
    /// The direction of the connections.
    pub direction: Direction,
    /// The field of `network`: `egress` or `ingress`.
    pub field: &'static str,
    /// The word after the field in a message: `to` or `from`.
    pub preposition: &'static str,
    /// The policy that holds the rules of this side.
    pub policy: &'static str,
    /// The rule that a network of every address breaks.
    pub everywhere: &'static Rule,
}

/// What was found for the peers and offers that a tenant declares, by their addresses: most of its
/// namespaces share them.
#[derive(Default)]
pub(super) struct EdgeMemo<'a> {
    /// The answers to egress peers.
    pub answers: HashMap<*const PeerSpec, ProviderAnswers<'a>>,
    /// The consumers' namespaces of ingress peers.
    pub let_in: HashMap<*const PeerSpec, ByNamespace<'a, &'a str>>,
    /// The consumers' namespaces of offers.
    pub taking_up: HashMap<*const Provision, ByNamespace<'a, &'a str>>,
    /// The places that have a finding, which would be the same for each namespace.
    pub reported: BTreeSet<Span>,
}

/// Builds the policies of one namespace on one cluster.
pub(super) struct PolicyBuilder<'b, 'a> {
    /// The cluster and the tenants of the fleet.
    pub index: &'b ClusterIndex<'a>,
    /// The tenant of the namespace.
    pub tenant: &'a Tenant,
    /// The tenant on the cluster.
    pub on: &'a OnCluster,
    /// The namespace.
    pub namespace: &'a TenantNamespace,
    /// The tenants that exist, and what earlier runs left.
    pub known: &'b KnownTenants<'b>,
    /// The waivers that the namespace uses.
    pub waivers: WaiverUse<'b>,
    /// The namespaces of other tenants that this one reaches.
    pub reaches: Vec<String>,
    /// What was found for other namespaces of the tenant.
    pub memo: &'b mut EdgeMemo<'a>,
    /// The findings.
    pub findings: &'b mut Vec<Diagnostic>,
}

impl<'a> PolicyBuilder<'_, 'a> {
    /// Reports a fault of the tenant.
    pub fn report(&mut self, finding: Diagnostic) {
        self.findings.push(finding.tenant(&self.tenant.name.value));
    }

    /// Reports a declared peer that opens nothing, because the other tenant does not want it or is
    /// not there. The tenant is rendered without it: otherwise the one could keep the other from
    /// closing an edge.
    ///
    /// If the other tenant's document changed and this one did not, the finding is at the other one,
    /// with `closed` as its message.
    pub fn report_dropped(&mut self, finding: Diagnostic, other: &Tenant, closed: String) {
        let prior = self.known.prior;
        let has_changed = |tenant: &Tenant| prior.has_changed(&tenant.name.value, &tenant.input);
        let (at_fault, finding) = match has_changed(other) && !has_changed(self.tenant) {
            false => (self.tenant, finding),
            true => {
                let moved = Diagnostic::new(finding.rule, other.name.span, closed);
                let moved = moved
                    .related(finding.span, "declared here")
                    .fix(finding.fix);
                (other, moved)
            }
        };

        let scope = Scope::TenantInPart(at_fault.name.value.clone());
        self.findings.push(finding.scope(scope));
    }

    /// Reports a loosening of one of the namespace's policies, unless a waiver permits it.
    pub fn require_waiver(
        &mut self,
        rule: &'static Rule,
        policy: &str,
        span: Span,
        message: &str,
        fix: &str,
    ) {
        let object = format!("NetworkPolicy/{}/{policy}", self.namespace.name);
        let loosening = Loosening {
            rule,
            tenant: &self.tenant.name.value,
            object: &object,
        };

        self.waivers
            .require_waiver(&loosening, span, message, fix, self.findings);
    }

    /// The peer of a declared network, without the cluster's own ranges. Reports a network that
    /// takes a waiver.
    pub fn network(&mut self, cidr: &Spanned<Cidr>, side: &Side) -> Option<netpol::Peer> {
        let toward = format!("{} {}", side.field, side.preposition);
        if is_everywhere(cidr) {
            let message = format!("{toward} every address");
            self.require_waiver(
                side.everywhere,
                side.policy,
                cidr.span,
                &message,
                "name the networks",
            );
        }

        let net: IpNet = cidr.parse().ok()?;
        let ranges = &self.index.ranges;

        if let Some(range) = ranges.iter().find(|range| range.contains(&net)) {
            let message = format!("{toward} {range}, a range of the cluster itself");
            self.require_waiver(
                &CLUSTER_RANGE,
                side.policy,
                cidr.span,
                &message,
                "declare the tenant or the endpoint",
            );
        }

        Some(network_peer(net, ranges))
    }

    /// The peers of a platform endpoint; none if the cluster does not declare it, which is reported.
    pub fn endpoint(&mut self, name: &Spanned<Name>) -> Vec<netpol::Peer> {
        if let Some((_, peers)) = self.index.endpoint(name) {
            return peers.clone();
        }

        let cluster = self.index.cluster;
        if !self.memo.reported.insert(name.span) {
            return Vec::new();
        }
        let known = cluster.endpoints.iter().flatten();
        let fix = did_you_mean_or(name, known.map(|endpoint| endpoint.name.as_str()), || {
            "add it to the cluster's endpoints, or remove this".into()
        });

        let message = format!(
            "the cluster `{}` has no endpoint `{}`",
            cluster.name.value, name.value
        );

        self.report(
            Diagnostic::new(&UNKNOWN_PEER, name.span, message)
                .fix(fix)
                .related(cluster.name.span, "the cluster"),
        );

        Vec::new()
    }

    /// The tenant that a peer names. `None`, and a finding, if there is no such tenant, if it is
    /// this one, or if the two share no cluster. `None` without a finding if the tenant is held. A
    /// tenant whose document was removed is reported, and keeps its edges until it goes.
    pub fn peer_tenant(
        &mut self,
        name: &Spanned<Name>,
        peer: &Spanned<PeerSpec>,
        side: &Side,
    ) -> Option<&'a Tenant> {
        let Some(other) = self.index.tenant(name) else {
            if !self.known.has(name) || self.known.is_removal_pending(name) {
                self.report_unknown_tenant(name, side);
            }
            return None;
        };

        if other.name.value == self.tenant.name.value {
            let message = "a tenant is not its own peer";
            self.report(
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
            let finding = Diagnostic::new(&NO_SHARED_CLUSTER, peer.span, message.clone())
                .related(other.name.span, format!("the tenant {}", name.value))
                .fix("remove it, or place both on one cluster");
            self.report_dropped(finding, other, message);
            return None;
        }

        Some(other)
    }

    fn report_unknown_tenant(&mut self, name: &Spanned<Name>, side: &Side) {
        if !self.memo.reported.insert(name.span) {
            return;
        }
        let names = self.index.tenant_names();
        let fix = names.did_you_mean_or(name, || {
            format!("add the tenant, or remove the {}", side.field)
        });
        let message = format!("there is no tenant `{}`", name.value);

        let finding = Diagnostic::new(&UNKNOWN_PEER, name.span, message).fix(fix);
        let own = &self.tenant.name.value;
        let prior = self.known.prior;
        // The tenant did not write anything wrong: the other one went.
        let is_gone = prior.is_removed(name)
            || self.known.is_removal_pending(name)
            || !prior.has_changed(own, &self.tenant.input);
        match is_gone {
            true => self
                .findings
                .push(finding.scope(Scope::TenantInPart(own.clone()))),
            false => self.report(finding),
        }
    }

    /// Reports a namespace that the other tenant of an edge does not have. The tenant is rendered
    /// without the edge, as if the other one did not want it.
    pub fn report_missing_namespace(
        &mut self,
        wanted: &Spanned<Name>,
        on: &OnCluster,
        other: &Tenant,
    ) {
        if !self.memo.reported.insert(wanted.span) {
            return;
        }
        let hint = one_of_these(wanted, on.namespaces.iter().map(|own| own.id.as_str()));
        let message = format!("`{}` has no namespace `{}`", other.name.value, wanted.value);
        let finding = Diagnostic::new(&UNKNOWN_PEER, wanted.span, message.clone())
            .related(other.name.span, format!("the tenant {}", other.name.value))
            .fix(hint);
        self.report_dropped(finding, other, message);
    }

    /// Reports a namespace that the tenant names as its own and does not have.
    pub fn report_unknown_namespace(&mut self, wanted: &Spanned<Name>, on: &OnCluster) {
        if !self.memo.reported.insert(wanted.span) {
            return;
        }
        let hint = one_of_these(wanted, on.namespaces.iter().map(|other| other.id.as_str()));
        let message = format!("the tenant has no namespace `{}`", wanted.value);

        self.report(Diagnostic::new(&UNKNOWN_PEER, wanted.span, message).fix(hint));
    }

    /// The namespaces of a held tenant that this namespace reached when that tenant was last
    /// rendered.
    pub fn previously_reached(&self, held: &str) -> Vec<String> {
        if self.index.tenant(held).is_some() {
            return Vec::new();
        }

        let cluster = self.index.cluster.name.as_str();
        let this_end = (
            self.tenant.name.value.as_str(),
            self.namespace.name.as_str(),
        );

        self.known
            .prior
            .namespaces(held, cluster)
            .filter(|to| {
                self.known
                    .prior
                    .consumers(cluster, to)
                    .any(|end| end == this_end)
            })
            .map(str::to_owned)
            .collect()
    }

    /// The namespaces of held tenants that reached this namespace when those tenants were last
    /// rendered. With `only`, those of one tenant.
    pub fn previous_consumers(&self, only: Option<&str>) -> Vec<String> {
        let cluster = self.index.cluster.name.as_str();
        let is_held = |tenant: &str| self.index.tenant(tenant).is_none();
        let is_wanted = |tenant: &str| only.is_none_or(|wanted| wanted == tenant);

        self.known
            .prior
            .consumers(cluster, &self.namespace.name)
            .filter(|(tenant, _)| is_held(tenant) && is_wanted(tenant))
            .map(|(_, from)| from.to_owned())
            .collect()
    }
}
