use super::Findings;
use crate::diagnostic::rule;
use crate::graph::gitops::Applier;
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, at, tenant_of};

rule! {
    /// A tenant's Kustomization or HelmRelease names no service account.
    ///
    /// ## What it finds
    /// Flux objects in a tenant's namespace without `spec.serviceAccountName`, whatever the
    /// controllers' defaults are. Flux objects of the platform that apply what a tenant writes,
    /// without an account or with the account of one of Flux's controllers. A source in the
    /// platform's namespace is a tenant's if it has the tenant's label, as rendered sources do.
    ///
    /// ## Why it matters
    /// The controller then applies as itself, and it is a cluster-admin: whatever stands in the
    /// tenant's repository.
    ///
    /// ## Fix
    /// `spec.serviceAccountName`, of an account that has a role in the tenant's namespaces only.
    ///
    /// ## References
    /// fluxcd/flux2#1829; Flux RFC-0001; fluxcd.io multi-tenancy lockdown; ISO 27001 A.8.2; SOC 2
    /// CC6.3
    pub static NO_SERVICE_ACCOUNT = "gitops/no-service-account", Error;
}

/// Service accounts of Flux's own controllers: cluster-admins, or readers of every Secret.
///
/// Source: `flux install --export` (ClusterRoleBindings cluster-reconciler and crd-controller), and
/// fluxcd.control-plane.io/operator/install.
const CONTROLLERS: [&str; 9] = [
    "flux-operator",
    "helm-controller",
    "image-automation-controller",
    "image-reflector-controller",
    "kustomize-controller",
    "notification-controller",
    "source-controller",
    "source-watcher",
    "tf-controller",
];

/// How an object applies what a tenant writes with the rights of a controller.
fn as_controller(cluster: &Cluster, sync: &Applier) -> Option<String> {
    match &sync.account {
        None => Some("no serviceAccountName: the controller applies it as a cluster-admin".into()),
        Some(account) => {
            let of_platform = cluster.owner(&sync.id.namespace) == Owner::Platform;
            let is_controller = of_platform && CONTROLLERS.contains(&account.as_str());
            is_controller.then(|| {
                format!("serviceAccountName `{account}` is a controller's: it has its rights")
            })
        }
    }
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for (at, sync) in cluster.facts.gitops.appliers.iter().enumerate() {
        let writers = cluster.principals().writers(at);
        let Some(writer) = writers.first() else {
            continue;
        };
        let Some(rights) = as_controller(cluster, sync) else {
            continue;
        };

        let tenant = &cluster.tenants[*writer as usize].name;
        let finding = match tenant_of(cluster, &sync.id.namespace) {
            Some(_) => of_tenant(sync, tenant),
            // One of the platform's that applies what a tenant writes is the tenant's too.
            None => of_platform(sync, tenant),
        };
        let finding = finding.by_first_of(tenant, writers.iter().copied());
        out.push(finding.step(sync.origin.span, rights).fix(
            "say serviceAccountName, of an account with a role in the tenant's namespaces only",
        ));
    }
}

/// An object in a tenant's namespace.
fn of_tenant(sync: &Applier, tenant: &str) -> Finding {
    let called = sync.id.called();
    let message = format!(
        "{called} of tenant `{tenant}` names no service account: it applies as the controller"
    );
    let writes = format!("tenant `{tenant}` writes what {called} applies");
    Finding::refuted(&NO_SERVICE_ACCOUNT, sync.origin.span, message)
        .step(sync.origin.span, writes)
        .through(&sync.id)
}

/// An object of the platform that applies what a tenant writes.
fn of_platform(sync: &Applier, tenant: &str) -> Finding {
    let called = sync.id.called();
    let message = format!("{called} applies what tenant `{tenant}` writes, as the controller");
    let source = sync.sources.first();
    let span = at(source.and_then(|source| source.span), sync.origin);
    let writes = match source {
        Some(source) => format!(
            "{} of {called} is {} `{}` in `{}`, which tenant `{tenant}` writes",
            source.field, source.kind, source.name, source.namespace
        ),
        None => format!("{called} is tenant `{tenant}`'s by its label"),
    };
    Finding::refuted(&NO_SERVICE_ACCOUNT, span, message)
        .step(span, writes)
        .through(&sync.id)
}
