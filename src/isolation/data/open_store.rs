use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::Finding;

rule! {
    /// A ClusterSecretStore that every namespace may use.
    ///
    /// ## Why it matters
    /// Its credentials read every tenant's secrets, and whoever may create an ExternalSecret names which to fetch.
    ///
    /// ## Example
    /// ```yaml
    /// kind: ClusterSecretStore
    /// spec: {provider: {vault: {path: secret}}}
    /// ```
    ///
    /// ## Fix
    /// `spec.conditions` with the namespaces that may use it; better, a SecretStore in each.
    ///
    /// ## References
    /// external-secrets.io/latest/guides/multi-tenancy; ISO 27001 A.8.3; SOC 2 CC6.1
    pub static OPEN_STORE = "data/open-secret-store", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for store in cluster.facts.stores.iter().filter(|s| s.id.kind == "ClusterSecretStore" && !s.conditions) {
        let message =
            format!("{} may be used from every namespace: its credentials are every tenant's", store.id.called());
        out.push(
            Finding::refuted(&OPEN_STORE, store.origin.place, message)
                .step(store.origin.place, "no spec.conditions: an ExternalSecret of any namespace may name it")
                .fix("say spec.conditions, or make a SecretStore in each namespace"),
        );
    }
}
