//! The egress rules of a namespace, by what it declares.

use super::ALLOW_EGRESS;
use super::builder::{FQDN, PolicyBuilder, Side};
use super::edges::{EdgeEnd, ONE_SIDED, ProviderAnswer, answer, names_namespace};
use super::peers::{pods_of_namespaces, rule};
use super::ranges::{EGRESS_ANY, everywhere_together};
use crate::diagnostic::Diagnostic;
use crate::document::Spanned;
use crate::netpol;
use crate::netpol::Rule;
use crate::source::Span;
use crate::spec::leaf::{Host, Name};
use crate::spec::tenant::{PeerSpec, PortRule};
use crate::tenancy::model::{OnCluster, Tenant};

static EGRESS: Side = Side {
    field: "egress",
    preposition: "to",
    policy: ALLOW_EGRESS,
    everywhere: &EGRESS_ANY,
};

/// The egress rules of the builder's namespace, in the order of what it declares.
pub(super) fn rules(builder: &mut PolicyBuilder<'_, '_>) -> Vec<Rule> {
    let declared = builder.namespace.declared.egress.as_deref();
    let declared = declared.unwrap_or_default();

    if let Some(peer) = everywhere_together(declared) {
        let message = "these networks together are most addresses there are";
        builder.require_waiver(
            EGRESS.everywhere,
            EGRESS.policy,
            peer.span,
            message,
            "name fewer networks",
        );
    }

    let mut rules = Vec::new();
    for peer in declared {
        let peers = peers(builder, peer);
        if !peers.is_empty() {
            rules.push(rule(peers, &ports(builder, peer)));
        }
    }

    rules
}

fn peers<'a>(
    builder: &mut PolicyBuilder<'_, 'a>,
    peer: &'a Spanned<PeerSpec>,
) -> Vec<netpol::Peer> {
    if let Some(fqdn) = &peer.fqdn {
        report_host_name(builder, fqdn);
        return Vec::new();
    }

    if let Some(cidr) = &peer.cidr {
        return builder.network(cidr, &EGRESS).into_iter().collect();
    }
    if let Some(name) = &peer.platform {
        return builder.endpoint(name);
    }
    let Some(name) = &peer.tenant else {
        return Vec::new();
    };

    let reached = match builder.peer_tenant(name, peer, &EGRESS) {
        Some(provider) => admitting_namespaces(builder, provider, name, peer),
        None => builder.previously_reached(name),
    };

    builder.reaches.extend(reached.iter().cloned());

    pods_of_namespaces(reached.iter().map(String::as_str))
        .into_iter()
        .collect()
}

/// The ports of a rule: those that the peer names, or those of the endpoint that it names.
fn ports(builder: &PolicyBuilder<'_, '_>, peer: &PeerSpec) -> Vec<PortRule> {
    if let Some(ports) = &peer.ports {
        return ports.iter().map(|port| port.value.clone()).collect();
    }

    let endpoint = peer
        .platform
        .as_ref()
        .and_then(|name| builder.index.endpoint(name));
    endpoint
        .and_then(|(endpoint, _)| endpoint.ports.clone())
        .unwrap_or_default()
}

fn report_host_name(builder: &mut PolicyBuilder<'_, '_>, fqdn: &Spanned<Host>) {
    let cluster = builder.index.cluster;
    let plugin = cluster
        .cni
        .as_ref()
        .map_or("its network plugin", |cni| cni.name.as_str());
    let message = format!(
        "{plugin} on `{}` is given no rule for host names",
        cluster.name.value
    );

    builder.report(
        Diagnostic::new(&FQDN, fqdn.span, message)
            .label("a NetworkPolicy knows addresses only")
            .fix("name the networks by cidr, or go through a platform endpoint"),
    );
}

/// The provider's namespaces that let this namespace in. Without any, the edge is one-sided, which
/// is reported.
fn admitting_namespaces<'a>(
    builder: &mut PolicyBuilder<'_, 'a>,
    provider: &Tenant,
    name: &Spanned<Name>,
    peer: &'a Spanned<PeerSpec>,
) -> Vec<String> {
    let Some(on) = provider.on(builder.index.at) else {
        return Vec::new();
    };
    if let Some(wanted) = &peer.namespace
        && !has_namespace(on, wanted)
    {
        builder.report_unknown_namespace(wanted, on, &format!("`{}`", name.value));
        return Vec::new();
    }

    let end = EdgeEnd {
        tenant: builder.tenant,
        namespace: builder.namespace,
        peer,
    };

    let mut admitting = Vec::new();
    let mut other_ports = None;

    for namespace in &on.namespaces {
        if !names_namespace(peer, &namespace.id) {
            continue;
        }
        match answer(namespace, &end) {
            ProviderAnswer::Admitted => admitting.push(namespace.name.clone()),
            ProviderAnswer::OtherPorts(span) => {
                other_ports.get_or_insert(span);
            }
            ProviderAnswer::Absent => {}
        }
    }

    if admitting.is_empty() {
        report_one_sided(builder, provider, peer, other_ports);
    }
    admitting
}

fn has_namespace(on: &OnCluster, id: &str) -> bool {
    on.namespaces.iter().any(|namespace| namespace.id == id)
}

fn report_one_sided(
    builder: &mut PolicyBuilder<'_, '_>,
    provider: &Tenant,
    peer: &Spanned<PeerSpec>,
    other_ports: Option<Span>,
) {
    let (provider_name, consumer) = (&provider.name.value, &builder.tenant.name.value);

    let finding = match other_ports {
        Some(span) => {
            let message = format!("the ports do not meet those that `{provider_name}` lets in");
            Diagnostic::new(&ONE_SIDED, peer.span, message)
                .related(span, "the other half")
                .fix("name a port of the other half")
        }
        None => {
            let message = format!("`{provider_name}` does not let `{consumer}` in");
            let fix = format!(
                "add to {provider_name}: network.ingress: [{{tenant: {consumer}}}], or remove this"
            );
            Diagnostic::new(&ONE_SIDED, peer.span, message)
                .related(provider.name.span, format!("the tenant {provider_name}"))
                .fix(fix)
        }
    };

    builder.report(finding);
}
