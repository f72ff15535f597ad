use super::{Findings, owned};
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::gitops::Applier;
use crate::isolation::{Finding, some};
use crate::value::Text;
use std::collections::BTreeMap;

rule! {
    /// Syncs of several tenants decrypt with keys of one name.
    ///
    /// ## Why it matters
    /// A key that was copied to two tenants opens what either encrypts: one copies the other's
    /// ciphertext from its repository into its own, and has Flux decrypt it there.
    ///
    /// ## Fix
    /// A key for each tenant; a name for each makes it plain.
    ///
    /// ## References
    /// fluxcd.io/flux/guides/mozilla-sops; ISO 27001 A.8.24
    pub static SHARED_DECRYPTION = "gitops/shared-decryption", Warning;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut keys: BTreeMap<&Text, BTreeMap<&Text, &Applier>> = BTreeMap::new();
    for (sync, tenant) in owned(cluster) {
        if let Some(key) = &sync.decryption {
            keys.entry(key).or_default().insert(tenant, sync);
        }
    }

    for (key, tenants) in keys.into_iter().filter(|(_, t)| t.len() > 1) {
        let Some(first) = tenants.values().next() else {
            continue;
        };
        let names = some(tenants.keys().map(|t| t.as_str()));
        let message = format!(
            "{} tenants decrypt with a Secret `{key}`: {names}; one key in all of them would open all",
            tenants.len()
        );

        let mut finding = Finding::warning(&SHARED_DECRYPTION, first.origin.span, message);
        for sync in tenants.values().take(3) {
            finding = finding
                .step(
                    sync.origin.span,
                    format!("decryption of {}", sync.id.called()),
                )
                .through(&sync.id);
        }

        out.push(finding.fix("give each tenant a key of its own"));
    }
}
