//! The rules of the peers that a namespace declares, in either direction.

use super::builder::{FQDN, PolicyBuilder, Side};
use super::peers::{pods_of_namespaces, rule};
use super::ranges::everywhere_together;
use super::{egress, ingress};
use crate::diagnostic::Diagnostic;
use crate::document::Spanned;
use crate::netpol::{Direction, Peer, Rule};
use crate::spec::leaf::Host;
use crate::spec::tenant::{PeerSpec, PortRule};

/// The rules of one direction of the builder's namespace, in the order of what it declares.
pub(super) fn rules(builder: &mut PolicyBuilder<'_, '_>, side: &Side) -> Vec<Rule> {
    let declared = match side.direction {
        Direction::Egress => &builder.namespace.declared.egress,
        Direction::Ingress => &builder.namespace.declared.ingress,
    };
    let declared = declared.as_deref().unwrap_or_default();

    if let Some(peer) = everywhere_together(declared) {
        let message = "these networks together are most addresses there are";
        builder.require_waiver(
            side.everywhere,
            side.policy,
            peer.span,
            message,
            "name fewer networks",
        );
    }

    let mut rules = Vec::new();
    for peer in declared {
        let peers = peers(builder, peer, side);
        if !peers.is_empty() {
            rules.push(rule(peers, &ports(builder, peer, side)));
        }
    }

    rules
}

fn peers<'a>(
    builder: &mut PolicyBuilder<'_, 'a>,
    peer: &'a Spanned<PeerSpec>,
    side: &Side,
) -> Vec<Peer> {
    if let Some(fqdn) = &peer.fqdn {
        report_host_name(builder, fqdn, side);
        return Vec::new();
    }
    if let Some(cidr) = &peer.cidr {
        return builder.network(cidr, side).into_iter().collect();
    }
    if let Some(name) = &peer.platform {
        return builder.endpoint(name);
    }
    let Some(name) = &peer.tenant else {
        return Vec::new();
    };

    let namespaces = match side.direction {
        Direction::Egress => egress::reached_namespaces(builder, name, peer),
        Direction::Ingress => ingress::consuming_namespaces(builder, name, peer),
    };
    pods_of_namespaces(namespaces.iter().map(String::as_str))
        .into_iter()
        .collect()
}

/// The ports of a rule: those that the peer names; for egress to an endpoint, else those of the
/// endpoint.
fn ports(builder: &PolicyBuilder<'_, '_>, peer: &PeerSpec, side: &Side) -> Vec<PortRule> {
    if let Some(ports) = &peer.ports {
        return ports.iter().map(|port| port.value.clone()).collect();
    }

    let endpoint = match (side.direction, &peer.platform) {
        (Direction::Egress, Some(name)) => builder.index.endpoint(name),
        _ => None,
    };
    endpoint
        .and_then(|(endpoint, _)| endpoint.ports.clone())
        .unwrap_or_default()
}

fn report_host_name(builder: &mut PolicyBuilder<'_, '_>, fqdn: &Spanned<Host>, side: &Side) {
    let finding = match side.direction {
        Direction::Egress => {
            let cluster = builder.index.cluster;
            let plugin = cluster
                .cni
                .as_ref()
                .map_or("its network plugin", |cni| cni.name.as_str());
            let message = format!(
                "`fqdn` cannot be enforced on `{}`: {plugin} is given no rule for host names",
                cluster.name.value
            );
            Diagnostic::new(&FQDN, fqdn.span, message)
                .label("a NetworkPolicy knows addresses only")
                .fix("name the networks by cidr, or go through a platform endpoint")
        }
        Direction::Ingress => {
            let message = "a host name says nothing about who connects";
            Diagnostic::new(&FQDN, fqdn.span, message).fix("name the networks by cidr")
        }
    };

    builder.report(finding);
}
