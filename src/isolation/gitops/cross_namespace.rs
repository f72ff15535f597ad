use super::Findings;
use crate::diagnostic::rule;
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, at, tenant_of};

rule! {
    /// A tenant's Flux object refers to an object of a namespace that is not the tenant's.
    ///
    /// ## What it finds
    /// `sourceRef`, `chartRef` and `dependsOn` of Kustomizations and HelmReleases, `resources` of
    /// Receivers, `eventSources` of Alerts and `imageRepositoryRef` of ImagePolicies in a tenant's
    /// namespace.
    ///
    /// ## Why it matters
    /// A source holds what its credentials could read: another tenant's private repository. Flux
    /// refuses such references only where its controllers run with `--no-cross-namespace-refs`. A
    /// Receiver that names another's objects has them reconciled as often as somebody calls.
    ///
    /// ## Fix
    /// A source of its own in the tenant's namespace.
    ///
    /// ## References
    /// Flux RFC-0001; fluxcd/flux2#2337; fluxcd/notification-controller#1217; ISO 27001 A.8.3; SOC
    /// 2 CC6.1
    pub static CROSS_NAMESPACE = "gitops/cross-namespace-reference", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for sync in &cluster.facts.gitops.referrers {
        let Some((_, tenant)) = tenant_of(cluster, &sync.id.namespace) else {
            continue;
        };
        let home = cluster.owner(&sync.id.namespace);

        for reference in &sync.references {
            let other = cluster.owner(&reference.namespace);
            if reference.namespace == sync.id.namespace || other == home {
                continue;
            }
            let span = at(reference.span, sync.origin);
            let message = format!(
                "{} of tenant `{tenant}` refers to {} `{}` in `{}` of {}",
                sync.id.called(),
                reference.kind,
                reference.name,
                reference.namespace,
                cluster.owner_name(other)
            );

            // What the platform gives to read is often a source for all; what a tenant has is not.
            // `namespace: '*'` of an Alert means all that there are.
            let finding = match other {
                Owner::Tenant(_) => Finding::refuted(&CROSS_NAMESPACE, span, message),
                Owner::Platform if reference.namespace == "*" => {
                    Finding::refuted(&CROSS_NAMESPACE, span, message)
                }
                Owner::Platform => Finding::warning(&CROSS_NAMESPACE, span, message),
            };

            let finding = finding
                .by(tenant)
                .step(span, format!("{} of {}", reference.field, sync.id.called()))
                .through(&sync.id);
            let finding = match tenant_of(cluster, &reference.namespace) {
                Some((_, victim)) => finding.reaching(victim),
                None => finding,
            };

            out.push(
                finding.fix("give the tenant a source of its own, and run Flux with --no-cross-namespace-refs=true"),
            );
        }
    }
}
