//! The ingress rules of a namespace, by what it declares and offers.

use super::ALLOW_INGRESS;
use super::builder::{PolicyBuilder, Side};
use super::declared;
use super::edges::{
    ONE_SIDED, UNSELECTABLE_LABEL, is_offered_in, names_namespace, offered_port, share_a_port,
    takes_up,
};
use super::peers::{pods_of_namespaces, rule};
use super::ranges::INGRESS_ANY;
use crate::diagnostic::Diagnostic;
use crate::document::Spanned;
use crate::netpol::{Direction, Rule};
use crate::spec::leaf::Name;
use crate::spec::tenant::{PeerSpec, Provision};
use crate::tenancy::model::Tenant;

static INGRESS: Side = Side {
    direction: Direction::Ingress,
    field: "ingress",
    preposition: "from",
    policy: ALLOW_INGRESS,
    everywhere: &INGRESS_ANY,
};

/// The ingress rules of the builder's namespace: those that it declares, then its offers.
pub(super) fn rules(builder: &mut PolicyBuilder<'_, '_>) -> Vec<Rule> {
    let mut rules = declared::rules(builder, &INGRESS);
    let offers = builder.namespace.declared.provides.iter().flatten();
    for offer in offers {
        rules.extend(offer_rule(builder, offer));
    }
    rules
}

/// The namespaces that an ingress peer lets in: those of the consumer that ask for this namespace.
/// Of a held consumer, they are those that reached it before.
pub(super) fn consuming_namespaces(
    builder: &mut PolicyBuilder<'_, '_>,
    name: &Spanned<Name>,
    peer: &Spanned<PeerSpec>,
) -> Vec<String> {
    match builder.peer_tenant(name, peer, &INGRESS) {
        Some(consumer) => asking_namespaces(builder, consumer, peer),
        None => builder.previous_consumers(Some(name)),
    }
}

/// The consumer's namespaces whose egress asks for this namespace.
///
/// The edge is one-sided, which is reported, if the consumer asks for no namespace of the tenant. A
/// consumer that asks for another namespace of the tenant has declared its end.
fn asking_namespaces(
    builder: &mut PolicyBuilder<'_, '_>,
    consumer: &Tenant,
    peer: &Spanned<PeerSpec>,
) -> Vec<String> {
    if consumer.on(builder.index.at).is_none() {
        return Vec::new();
    }

    let index = builder.index;
    let ends = index
        .consumers(&builder.tenant.name.value)
        .iter()
        .filter(|end| end.tenant.name.value == consumer.name.value);

    let declares_its_end = ends.clone().next().is_some();
    if !declares_its_end {
        report_one_sided(builder, consumer, peer);
    }

    ends.filter(|end| {
        names_namespace(peer, &end.namespace.id)
            && end.asks_for(&builder.namespace.id)
            && share_a_port(end.peer, peer)
    })
    .map(|end| end.namespace.name.clone())
    .collect()
}

fn report_one_sided(
    builder: &mut PolicyBuilder<'_, '_>,
    consumer: &Tenant,
    peer: &Spanned<PeerSpec>,
) {
    let (consumer_name, provider) = (&consumer.name.value, &builder.tenant.name.value);
    let message = format!("`{consumer_name}` does not ask for `{provider}`");
    let fix = format!(
        "add to {consumer_name}: network.egress: [{{tenant: {provider}}}], or remove this; \
         `provides` is an offer that stands alone"
    );

    let finding = Diagnostic::new(&ONE_SIDED, peer.span, message)
        .related(consumer.name.span, format!("the tenant {consumer_name}"))
        .fix(fix);
    let closed =
        format!("`{consumer_name}` does not ask for `{provider}`, and `{provider}` lets it in");
    builder.report_dropped(finding, consumer, closed);
}

/// The rule of an offer; `None` if no namespace takes it up.
fn offer_rule(builder: &mut PolicyBuilder<'_, '_>, offer: &Spanned<Provision>) -> Option<Rule> {
    let on = builder.on;
    if let Some(wanted) = &offer.namespace
        && !on.namespaces.iter().any(|own| own.id == wanted.as_str())
    {
        builder.report_unknown_namespace(wanted, on, "the tenant");
    }
    if !is_offered_in(offer, builder.namespace) {
        return None;
    }
    report_unselectable_labels(builder, offer);

    let consumers = consumers(builder, offer);
    let peer = pods_of_namespaces(consumers.iter().map(String::as_str))?;
    Some(rule(vec![peer], &[offered_port(offer)]))
}

/// Reports the labels of an offer's selector that the platform gives to no tenant.
fn report_unselectable_labels(builder: &mut PolicyBuilder<'_, '_>, offer: &Provision) {
    let Some(selector) = &offer.to.tenant_selector else {
        return;
    };
    if builder.index.is_given(selector) {
        return;
    }

    let labels = selector.match_labels.into_iter();
    let labels: Vec<String> = labels
        .map(|(key, value)| format!("`{key}: {value}`"))
        .collect();
    let message = format!(
        "the fleet gives no tenant {}: the port is offered to no tenant",
        labels.join(" and ")
    );
    builder.report(
        Diagnostic::new(&UNSELECTABLE_LABEL, selector.span, message)
            .fix("add the label to the fleet's tenantLabels, or name the tenants in `ingress`"),
    );
}

/// The namespaces that take up an offer, and those of held tenants that did before.
fn consumers(builder: &PolicyBuilder<'_, '_>, offer: &Provision) -> Vec<String> {
    let own_name = &builder.tenant.name.value;

    let taking_it_up = builder
        .index
        .consumers(own_name)
        .iter()
        .filter(|end| end.tenant.name.value != *own_name)
        .filter(|end| takes_up(end, offer, &builder.namespace.id))
        .map(|end| end.namespace.name.clone());
    taking_it_up
        .chain(builder.previous_consumers(None))
        .collect()
}
