//! The unit of a tenant's verbatim files: the account that applies it, and the key that decrypts it.

use super::model::{Deployer, ManifestUnit, TenantNamespace};
use super::roles::MANIFESTS_ROLE;
use super::subjects::bind_deployer;
use super::tenant::TenantDraft;
use crate::delivery::{self, ClusterEngine};
use crate::diagnostic::{Diagnostic, rule};
use crate::spec::fleet::{ClusterSpec, ManifestPlace};
use crate::spec::tenant::TenantSpec;

rule! {
    /// A tenant's verbatim files are encrypted with SOPS, and no key of that tenant alone decrypts
    /// them.
    ///
    /// ## What it finds
    /// A `decryption` whose Secret is not called `TENANT.…`, and files that are encrypted to a
    /// recipient of another tenant: one that the fleet's `tenantRecipients` gives to it, or that its
    /// files name.
    ///
    /// ## Why it matters
    /// kustomize-controller does not check that a file is whole (the MAC of SOPS). With a key that
    /// opens a neighbour's files, a tenant copies the neighbour's ciphertext into a file of its own,
    /// and reads the Secret that Flux makes of it.
    ///
    /// ## Fix
    /// Give each tenant a key of its own, in a Secret `TENANT.NAME` of Flux's namespace. List a
    /// recovery key of the platform in the fleet's `sharedRecipients`. With a lock, the tenant that
    /// has a recipient keeps it, and only the newcomer errs. Recipients are public, so that a tenant
    /// can name one before its owner does: the fleet's `tenantRecipients` says whose it is.
    ///
    /// ## References
    /// fluxcd.io/flux/guides/mozilla-sops
    pub static MANIFESTS_KEY = "gitops/manifests-key", Error;
}

/// What applies a tenant's verbatim files apart from its floor.
#[derive(Default)]
pub(super) struct ManifestsApart {
    /// The account, which is there before the unit is.
    pub(super) account: Option<Deployer>,
    /// The unit.
    pub(super) unit: Option<ManifestUnit>,
}

impl TenantDraft<'_, '_> {
    /// The account that applies a tenant's verbatim files, which it binds to its role, and their unit.
    /// Both are `None` if the tenant has no such files, or if Flux applies them with the floor.
    pub(super) fn manifests_apart(
        &self,
        spec: &TenantSpec,
        cluster: &ClusterSpec,
        namespaces: &mut [TenantNamespace],
        out: &mut Vec<Diagnostic>,
    ) -> ManifestsApart {
        let decryption = self.decryption(spec, out);
        let fleet = &self.resolver.fleet.spec;
        let settled = &cluster.settled;
        let place = settled.manifests;
        // A unit that has lost its last file stays, so that Flux can delete as its account what the
        // file held.
        let has_files = spec
            .manifests
            .as_ref()
            .is_some_and(|files| !files.is_empty())
            || settled.manifest_units.contains(&self.tenant.name.value);
        if !has_files || place == ManifestPlace::Shared || spec.flux_create_tenant().is_some() {
            return ManifestsApart::default();
        }

        let account = Deployer {
            namespace: ClusterEngine::new(fleet, cluster).namespace().to_owned(),
            name: delivery::system_name(&self.tenant.name.value, MANIFESTS_ROLE),
        };
        let cluster_role = super::role_object(MANIFESTS_ROLE);
        bind_deployer(
            &account,
            MANIFESTS_ROLE,
            &cluster_role,
            None,
            false,
            namespaces,
        );
        ManifestsApart {
            account: Some(account),
            unit: (place == ManifestPlace::Own).then_some(ManifestUnit { decryption }),
        }
    }

    /// The Secret with the key of the tenant's files. Reports one that may be another's: in the
    /// engine's namespace lie the platform's Secrets, and the keys of every tenant.
    fn decryption(&self, spec: &TenantSpec, out: &mut Vec<Diagnostic>) -> Option<String> {
        let stated = spec.decryption.as_ref()?;
        let name = stated.value.secret_ref.to_string();
        let prefix = format!("{}.", self.tenant.name.value);
        if !name.starts_with(&prefix) {
            let message = format!("the Secret `{name}` of Flux's namespace is not the tenant's");
            out.push(
                Diagnostic::new(&MANIFESTS_KEY, stated.span, message).fix(format!(
                    "call it {prefix}{name}, with a key of the tenant alone"
                )),
            );
        }
        Some(name)
    }
}
