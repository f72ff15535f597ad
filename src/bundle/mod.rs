//! Tenant × templates → Kubernetes objects, each with its origin, each checked before anything is
//! written.

mod builtin;
mod durations;
mod floor;
mod sops;
mod unappliable;
mod through_controller;
mod definitions;
mod manifests;
mod hosts;
mod called_names;
mod file_keys;
pub mod object;
pub mod schemas;
mod render;
mod template;
mod templates;

pub use builtin::{builtin_profiles, builtin_templates};
pub use called_names::check_called_names;
pub use definitions::{
    CustomDefinitions, DEFINITION, DEFINITION_NOT_READ, DefinitionFault, DefinitionFile,
};
pub use file_keys::claim_keys;
pub use floor::FLOOR_MISSING;
pub use hosts::claim_hosts;
pub use manifests::{
    LastRendered, MANIFEST, MANIFEST_NOT_ALLOWED, MANIFEST_REFUSED, NamedManifest, PODS_REFUSED,
    TenantManifests, reaches_out, read_otherwise, wanted,
};
pub use object::{ObjectForm, ObjectSet, ObjectText, RenderedObject};
pub use render::render;
pub use schemas::prepare;
pub use template::{EXPRESSION, LIMIT, SYNTAX, Template, UNDEFINED};
pub use templates::Templates;
pub use through_controller::{ControllerReach, through_controller};

use crate::diagnostic::rule;
use crate::kube::ObjectId;
use crate::tenancy::role_object;

rule! {
    /// A template yields something that is no object, or one that its Kubernetes schema refuses.
    ///
    /// ## Why it matters
    /// The API server would refuse it after the commit, and with it everything else of its
    /// Kustomization.
    pub static OBJECT_INVALID = "bundle/object-invalid", Error;
}
rule! {
    /// A template yields an object of a kind, name or namespace that the tenant may not have.
    ///
    /// ## What it finds
    /// Objects of the cluster other than the tenant's Namespaces, objects in another tenant's or
    /// the platform's namespace, and objects in Flux's namespace whose name does not begin with
    /// `sync.TENANT.`.
    pub static OBJECT_NOT_ALLOWED = "bundle/object-not-allowed", Error;
}
rule! {
    /// Two templates, or a template and a verbatim manifest, define one object.
    pub static DUPLICATE_OBJECT = "bundle/duplicate-object", Error;
}
rule! {
    /// A template stands where none is used.
    /// ## Fix
    /// Move it to templates/cluster, templates/tenant, templates/namespace or templates/sync.
    pub static TEMPLATE_MISPLACED = "bundle/template-misplaced", Error;
}
rule! {
    /// An object of a kind that the cluster, by its `apis`, does not have.
    ///
    /// ## Why it matters
    /// Its late part fails until the CRD is there. The floor, which is applied apart, does not wait
    /// for it.
    /// ## Fix
    /// Add the kind to the cluster's apis once its CRD is installed, or leave the object out there.
    pub static KIND_NOT_DECLARED = "bundle/kind-not-declared", Warning;
}
rule! {
    /// Something that a tenant requires is not among the inputs.
    pub static REQUIRED = "bundle/required-missing", Error;
}

/// Sixteen hexadecimal digits of a digest: enough to tell inputs apart.
pub fn short(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex().as_str()[..16].to_owned()
}

/// A tenant's objects on a cluster.
#[derive(Debug)]
pub struct TenantBundle<T> {
    /// The tenant's name.
    pub tenant: String,
    /// The tenant's index in the tenancy.
    pub index: usize,
    /// Objects of kinds that every cluster has.
    pub core: ObjectSet<T>,
    /// Objects of kinds that the cluster may lack. They are applied after the core, so that they
    /// cannot hold it up.
    pub deferred: ObjectSet<T>,
    /// Objects of verbatim files that are applied apart from the floor, as an account of the
    /// tenant.
    pub manifests: ObjectSet<T>,
}

impl<T: ObjectForm> TenantBundle<T> {
    /// The identities of the tenant's objects.
    pub fn ids(&self) -> impl Iterator<Item = &ObjectId> {
        let floor = self.core.ids().chain(self.deferred.ids());
        floor.chain(self.manifests.ids())
    }
}

/// A cluster's objects.
#[derive(Debug)]
pub struct ClusterBundle<T> {
    /// The cluster's index in the fleet.
    pub cluster: usize,
    /// The objects that are rendered once for each cluster.
    pub platform: ObjectSet<T>,
    /// Each tenant's, by name.
    pub tenants: Vec<TenantBundle<T>>,
}

impl<T: ObjectForm> ClusterBundle<T> {
    /// The identities of the cluster's objects.
    pub fn ids(&self) -> impl Iterator<Item = &ObjectId> {
        self.platform
            .ids()
            .chain(self.tenants.iter().flat_map(TenantBundle::ids))
    }
}

/// The ClusterRoles that stand for roles, for documentation and tests.
pub fn catalogue_objects() -> Vec<String> {
    crate::tenancy::CATALOGUE
        .iter()
        .map(|role| role_object(role))
        .collect()
}

/// What to do about a fault of an object. If it hangs on the minor of Kubernetes, the fleet may name a
/// wrong one.
fn fix_of_version(mut fix: String, hangs_on_minor: bool) -> String {
    if hangs_on_minor {
        fix.push_str(
            "; or, if the cluster runs another version, write it into `kubernetes` of the cluster",
        );
    }
    fix
}
