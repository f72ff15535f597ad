use super::{Findings, named_tenant};
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::assumptions::PLATFORM_REPOSITORIES;
use crate::isolation::operators::{OperatorState, OperatorStates, acting};
use crate::isolation::{Finding, tenant_of};
use std::cell::LazyCell;
use std::collections::BTreeSet;

rule! {
    /// An object of another engine applies for a tenant with the engine's own account.
    ///
    /// ## What it finds
    /// In a tenant's namespace, objects whose operator acts with more than the tenant has: a
    /// Subscription of Operator Lifecycle Manager, a HelmChart of k3s, an anchor of the hierarchical
    /// namespace controller. In the platform's, a RootSync, a GitRepo of Fleet or an App of Carvel
    /// whose repository is named after a tenant.
    ///
    /// ## Why it matters
    /// The engine is cluster-admin. Whoever writes the repository applies as the engine.
    ///
    /// ## Fix
    /// Install it from a namespace of the platform; apply a tenant's repository with an account of
    /// the tenant's own.
    ///
    /// ## References
    /// olm.operatorframework.io/docs/concepts/crds/subscription;
    /// cloud.google.com/kubernetes-engine/enterprise/config-sync; docs.k3s.io/helm; ISO 27001 A.8.2
    pub static OTHER_ENGINE = "gitops/other-engine", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    // Few clusters have an object that asks for it.
    let states = LazyCell::new(|| OperatorStates::new(cluster));
    for object in &cluster.facts.objects {
        let Some(row) = acting(&object.id.group, &object.id.kind) else {
            continue;
        };
        let Some((_, tenant)) = tenant_of(cluster, &object.id.namespace) else {
            continue;
        };

        let span = object.origin.span;
        let called = object.id.called();
        let message = format!(
            "{called} of tenant `{tenant}`: {} {}",
            row.operator, row.gains
        );
        let finding = match states.of(row) {
            OperatorState::Closed => continue,
            OperatorState::Open(shown_at, shown) => Finding::refuted(&OTHER_ENGINE, span, message)
                .step(span, format!("{called} is in the tenant's namespace"))
                .step(shown_at, format!("{}: {shown}", row.operator)),
            OperatorState::Unknown => Finding::unknown(&OTHER_ENGINE, span, message)
                .step(span, format!("{called} is in the tenant's namespace")),
        };
        out.push(
            finding
                .by(tenant)
                .fix(format!("remove it; or see that {}", row.closed_by)),
        );
    }

    of_platform(cluster, out);
}

/// Finds objects of the platform that apply the repository of a tenant. The others rest on an
/// assumption about their kinds.
fn of_platform(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut kinds: BTreeSet<&str> = BTreeSet::new();
    for sync in &cluster.facts.gitops.others {
        if tenant_of(cluster, &sync.id.namespace).is_some() {
            continue;
        }
        let texts = sync.sources.iter().chain([&sync.id.name]);
        let named = texts.filter_map(|text| named_tenant(cluster, text)).next();
        let Some(tenant) = named else {
            kinds.insert(&sync.id.kind);
            continue;
        };

        let span = sync.origin.span;
        let called = sync.id.called();
        let message = format!(
            "{called} applies what its name says is tenant `{tenant}`'s, with the engine's own account"
        );
        out.push(
            Finding::unknown(&OTHER_ENGINE, span, message)
                .by(tenant)
                .step(span, format!("{called} names `{tenant}`"))
                .fix("apply a tenant's repository with an account of the tenant's own"),
        );
    }

    if !kinds.is_empty() {
        let kinds: Vec<&str> = kinds.into_iter().collect();
        let text = format!(
            "only the platform writes the repositories that its {} objects apply",
            kinds.join(", ")
        );
        out.assume_about(&PLATFORM_REPOSITORIES, text);
    }
}
