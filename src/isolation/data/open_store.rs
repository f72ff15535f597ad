use super::Findings;
use crate::diagnostic::rule;
use crate::graph::facts::StoreCondition;
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, some};
use std::collections::BTreeSet;

rule! {
    /// A ClusterSecretStore that several tenants may use.
    ///
    /// ## Why it matters
    /// Its credentials read every tenant's secrets, and whoever may create an ExternalSecret names
    /// which to fetch.
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
    for store in cluster
        .facts
        .stores
        .iter()
        .filter(|s| s.id.kind == "ClusterSecretStore")
    {
        let span = store.origin.span;
        let fix = "say spec.conditions of one tenant's namespaces, or make a SecretStore in each namespace";
        let Some(conditions) = &store.conditions else {
            let message = format!(
                "{} may be used from every namespace: its credentials are every tenant's",
                store.id.called()
            );
            let step = "no spec.conditions: an ExternalSecret of any namespace may name it";
            out.push(
                Finding::refuted(&OPEN_STORE, span, message)
                    .step(span, step)
                    .fix(fix),
            );
            continue;
        };

        let mut users: BTreeSet<u32> = BTreeSet::new();
        let mut pattern = false;

        for condition in conditions {
            let found: Vec<u32> = match condition {
                StoreCondition::Names(names) => {
                    names.iter().filter_map(|n| cluster.namespace(n)).collect()
                }
                StoreCondition::Selected(selector) => cluster.select(selector).to_vec(),
                StoreCondition::Pattern => {
                    pattern = true;
                    continue;
                }
            };
            users.extend(found.iter().filter_map(
                |n| match cluster.namespaces[*n as usize].owner {
                    Owner::Tenant(at) => Some(at),
                    Owner::Platform => None,
                },
            ));
        }

        if users.len() > 1 {
            let names = some(
                users
                    .iter()
                    .map(|t| cluster.tenants[*t as usize].name.as_str()),
            );
            let message = format!(
                "{} may be used by {} tenants: {names}",
                store.id.called(),
                users.len()
            );
            out.push(
                Finding::refuted(&OPEN_STORE, span, message)
                    .step(span, "its conditions admit them")
                    .fix(fix),
            );
        } else if pattern {
            let message = format!(
                "whom {} admits by a pattern is not evaluated",
                store.id.called()
            );
            out.push(Finding::unknown(&OPEN_STORE, span, message).fix(fix));
        }
    }
}
