//! The ingress rules of a namespace, by what it declares and offers.

use super::ALLOW_INGRESS;
use super::builder::{PolicyBuilder, Side};
use super::declared;
use super::edges::{
    ByNamespace, ONE_SIDED, UNSELECTABLE_LABEL, is_offered_in, let_in as let_in_by, offered_port,
    taking_up,
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

    let ends = builder.index.consumers(&builder.tenant.name.value);
    let ends = ends.and_then(|all| all.get(consumer.name.value.as_str()));
    let key = std::ptr::from_ref::<PeerSpec>(peer);
    let is_new = !builder.memo.let_in.contains_key(&key);
    // A consumer that asks for another namespace of the tenant has declared its end.
    if is_new && ends.is_none() {
        report_one_sided(builder, consumer, peer);
    }

    let ends = ends.map_or(&[][..], Vec::as_slice);
    let let_in = builder.memo.let_in.entry(key);
    let let_in = let_in.or_insert_with(|| let_in_by(ends, peer));
    names(let_in, &builder.namespace.id)
}

/// The names of the namespaces at the other end.
fn names(ends: &ByNamespace<'_, &str>, own: &str) -> Vec<String> {
    ends.of(own).into_iter().map(str::to_owned).collect()
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
        builder.report_unknown_namespace(wanted, on);
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
fn consumers(builder: &mut PolicyBuilder<'_, '_>, offer: &Provision) -> Vec<String> {
    let own_name = builder.tenant.name.value.as_str();
    let index = builder.index;

    let key = std::ptr::from_ref(offer);
    let taking_up = builder.memo.taking_up.entry(key).or_insert_with(|| {
        let consumers = index.consumers(own_name);
        consumers.map_or_else(ByNamespace::default, |all| taking_up(all, own_name, offer))
    });
    let mut all = names(taking_up, &builder.namespace.id);
    all.extend(builder.previous_consumers(None));
    all
}
