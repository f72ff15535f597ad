//! The egress rules of a namespace, by what it declares.

use super::ALLOW_EGRESS;
use super::builder::{PolicyBuilder, Side};
use super::declared;
use super::edges::{ONE_SIDED, ProviderAnswers};
use super::ranges::EGRESS_ANY;
use crate::diagnostic::Diagnostic;
use crate::document::Spanned;
use crate::netpol::{Direction, Rule};
use crate::source::Span;
use crate::spec::leaf::Name;
use crate::spec::tenant::PeerSpec;
use crate::tenancy::model::{OnCluster, Tenant, TenantNamespace};

static EGRESS: Side = Side {
    direction: Direction::Egress,
    field: "egress",
    preposition: "to",
    policy: ALLOW_EGRESS,
    everywhere: &EGRESS_ANY,
};

/// The egress rules of the builder's namespace, in the order of what it declares.
pub(super) fn rules(builder: &mut PolicyBuilder<'_, '_>) -> Vec<Rule> {
    declared::rules(builder, &EGRESS)
}

/// The namespaces that an egress peer reaches: those of the provider that let this namespace in. Of
/// a held provider, they are those that this namespace reached before.
pub(super) fn reached_namespaces<'a>(
    builder: &mut PolicyBuilder<'_, 'a>,
    name: &Spanned<Name>,
    peer: &'a Spanned<PeerSpec>,
) -> Vec<String> {
    let reached = match builder.peer_tenant(name, peer, &EGRESS) {
        Some(provider) => admitting_namespaces(builder, provider, peer),
        None => builder.previously_reached(name),
    };
    builder.reaches.extend(reached.iter().cloned());
    reached
}

/// The provider's namespaces that let this namespace in. Without any, the edge is one-sided, which
/// is reported.
fn admitting_namespaces<'a>(
    builder: &mut PolicyBuilder<'_, 'a>,
    provider: &'a Tenant,
    peer: &'a Spanned<PeerSpec>,
) -> Vec<String> {
    let Some(on) = provider.on(builder.index.at) else {
        return Vec::new();
    };
    if let Some(wanted) = &peer.namespace
        && !has_namespace(on, wanted)
    {
        builder.report_missing_namespace(wanted, on, provider);
        return Vec::new();
    }

    let key = std::ptr::from_ref::<PeerSpec>(peer);
    let index = builder.index;
    let consumer = builder.tenant;
    let answers = builder.memo.answers.entry(key).or_insert_with(|| {
        let admissions = |namespace: &TenantNamespace| index.admissions(namespace);
        ProviderAnswers::new(&on.namespaces, admissions, consumer, peer)
    });

    let own = &builder.namespace.id;
    let admitting = answers.admitted.of(own);
    if admitting.is_empty() {
        let other_ports = answers.other_ports.of(own).first().map(|(_, span)| *span);
        let reported = &mut answers.reported[usize::from(other_ports.is_some())];
        if !std::mem::replace(reported, true) {
            report_one_sided(builder, provider, peer, other_ports);
        }
    }
    let name = |at: usize| on.namespaces[at].name.clone();
    admitting.into_iter().map(name).collect()
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

    let closed = match other_ports {
        Some(_) => format!(
            "`{provider_name}` lets `{consumer}` in on other ports than those that `{consumer}` asks for"
        ),
        None => {
            format!("`{provider_name}` does not let `{consumer}` in, and `{consumer}` asks for it")
        }
    };
    builder.report_dropped(finding, provider, closed);
}
