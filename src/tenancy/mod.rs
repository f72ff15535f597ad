//! All specs together → tenants with every default filled in and every reference resolved.
//!
//! Each tenant is resolved alone, in parallel. Then the tenants are linked: names, edges, claims,
//! sums.

mod capacity;
pub mod claims;
mod definitions;
mod recipients;
mod reached_name;
mod fleet;
mod floor;
mod limits;
mod link;
mod merge;
pub mod model;
mod names;
mod network;
mod prior;
mod profile;
mod quota;
mod roles;
mod size;
mod entries;
mod subjects;
mod tenant;
mod placement;
mod platform_namespaces;
mod namespace;
mod pod_security;
mod sync;
mod manifest_unit;
mod standing;
mod waivers;

pub use capacity::{OVER_CAPACITY, OVER_PROMISED};
pub use claims::{CLAIMED_TWICE, SHARED_SUBJECT};
pub use definitions::{DUPLICATE_TENANT, SOURCE_FOREIGN_TENANT};
pub use entries::ENTRY_WITHOUT_EFFECT;
pub use fleet::{FLEET, REQUIRED_VERSION, recipient_owners, shared_recipients};
pub use floor::FloorObject;
pub use limits::{INCONSISTENT, WITHOUT_DEFAULTS};
pub use link::{KnownTenants, Linker, SOURCE_NOT_GIVEN};
pub use manifest_unit::MANIFESTS_KEY;
pub use names::{
    DERIVED_NAME, METADATA_NOT_ALLOWED, MetadataField, RESERVED_METADATA, RESERVED_NAME,
    controller_reads, reserved,
};
pub use namespace::FLOOR_EXTERNAL;
pub use network::{
    CLUSTER_RANGE, DEFAULT_DENY, EGRESS_ANY, FQDN, INGRESS_ANY, ISOLATION_NONE, NO_SHARED_CLUSTER,
    ONE_SIDED, RANGE_UNDECLARED, UNKNOWN_PEER, UNSELECTABLE_LABEL, metadata_networks,
    reserved_networks,
};
pub use placement::UNKNOWN_CLUSTER;
pub use platform_namespaces::{PLATFORM_NAME, PlatformNames, platform_owner, usual_platform};
pub use pod_security::POD_SECURITY;
pub use prior::{ClaimKey, ClaimKind, Prior};
pub use profile::{CEILING, ENFORCED, UNKNOWN_PROFILE, over_ceiling};
pub use quota::{OVER_TENANT, WITHOUT_EFFECT as QUOTA_WITHOUT_EFFECT};
pub use reached_name::{address_of_name, forbidden_name, namespace_of_short_name};
pub use recipients::{RECIPIENT_LISTS, RecipientFault, recipient_of_list};
pub use roles::{
    CATALOGUE, CLUSTER_ADMIN, FLOOR_WRITING, FLOOR_WRITING_ROLE, MANIFESTS_ROLE, RoleLoosening,
    UNKNOWN_ROLE, WILDCARD_ROLE, loosening, role_object,
};
pub use size::TOO_MUCH;
pub use standing::{Reason, Standing, Standings};
pub use subjects::FOREIGN_ACCOUNT;
pub use sync::SYNC;
pub use tenant::{FLUX_CREATE_TENANT, INCOMPLETE, PARAMETERS, ResolveContext, Resolved};
pub use waivers::{
    DANGLING, DEFAULT_MAX_DAYS, EXPIRED, EXPIRING, NOT_APPROVED, Permits, ProofWaiver, UNUSED,
};

use crate::diagnostic::{Diagnostic, Level, Rule, Scope, rule};
use crate::spec::leaf::Day;
use crate::spec::{FleetDoc, ProfileDoc, Specs, one_of_these};
use model::Tenant;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use waivers::Waivers;

/// The settings of a run that come from outside the specs.
#[derive(Debug, Default)]
pub struct Context {
    /// The day that decides about waivers; never in the output.
    pub now: Option<Day>,
    /// The version of this program.
    pub version: String,
    /// Names of the sources that were given.
    pub sources: Vec<String>,
    /// Whether each tenant keeps its merged tree, with the place of each value.
    pub keep_merged: bool,
    /// Tenants that may be removed: without their file they no longer exist.
    pub removable: Vec<String>,
    /// The digest of each tenant's document at the revision that the run is compared with; `None` if
    /// the records say what changed.
    pub inputs: Option<BTreeMap<String, String>>,
}

/// The fleet's tenants.
#[derive(Debug, Default)]
pub struct Tenancy {
    /// Tenants without an error of their own, by name.
    pub tenants: Vec<Tenant>,
    /// Tenants with an error, for what else is wrong with them.
    pub failing: Vec<Tenant>,
    /// Tenants that exist, but could not be read, such as those of sources that were not given.
    pub absent: BTreeSet<String>,
    /// The waivers of other rules than those of the proof. Checked manifests use them too.
    pub permits: Arc<Permits>,
    /// The waivers of rules of the proof.
    pub proof_waivers: Vec<ProofWaiver>,
}

impl Tenancy {
    /// Sets the tenants aside that have an error.
    pub fn set_aside(&mut self, broken: &BTreeSet<String>) {
        let aside = self
            .tenants
            .extract_if(.., |tenant| broken.contains(&tenant.name.value));
        self.failing.extend(aside);
    }
}

/// Rules that a Waiver can name, besides those of the proof.
pub static WAIVABLE: [&Rule; 12] = [
    &CLUSTER_ADMIN,
    &FLOOR_WRITING_ROLE,
    &WILDCARD_ROLE,
    &EGRESS_ANY,
    &CLUSTER_RANGE,
    &INGRESS_ANY,
    &ISOLATION_NONE,
    &FLOOR_EXTERNAL,
    &FLUX_CREATE_TENANT,
    &POD_SECURITY,
    &MANIFEST_FLOOR,
    &THROUGH_CONTROLLER,
];

rule! {
    /// A tenant's verbatim manifests hold an object of a kind that the floor is made of.
    ///
    /// ## Why it matters
    /// NetworkPolicies add up: one that allows everything, beside the floor, is the end of the
    /// floor. Roles, bindings, quotas and limits the same.
    /// ## Fix
    /// Say it in the spec. Only under the profile `adopted`, and with a Waiver, may such objects be
    /// passed through.
    pub static MANIFEST_FLOOR = "bundle/manifest-floor", Error;
}

rule! {
    /// A verbatim object makes an ingress controller serve, configure or reach more than is the
    /// tenant's.
    ///
    /// ## What it finds
    /// Hosts that no tenant can claim: a rule of an Ingress without a host, a `defaultBackend`, a
    /// route without a host at a Gateway of another namespace, `*`, a wildcard of one label
    /// (`*.example`), a regular expression that does not end in a domain, an object that sets
    /// something for every host of its controller.
    ///
    /// Annotations that write configuration of the controller (`…/configuration-snippet`), or that
    /// name a Secret or another object of a namespace that is not the tenant's.
    ///
    /// A Service whose `externalName` is a name of the cluster's DNS in a namespace that is not the
    /// tenant's, also a short one (`web.shop`), or an address of the cluster, a node, the controller
    /// itself or a metadata service; an annotation that makes the controller call such a name, or a host
    /// that the request chooses (`auth-url`, `mirror-target`); `NAMESPACE-NAME@kubernetescrd` that may be
    /// an object of another tenant. A name in a namespace that another tenant took later stays.
    ///
    /// ## Why it matters
    /// One controller serves all tenants, with its own rights. A rule for every host gets the
    /// requests for hosts that another tenant claims later. A snippet reads every Secret that the
    /// controller reads. Through an ExternalName, the controller reaches what NetworkPolicies close
    /// to the tenant.
    ///
    /// ## Fix
    /// Name the hosts; remove the annotation; call the other Service by its own name. If the tenant
    /// has a controller of its own, write a Waiver.
    ///
    /// ## References
    /// CVE-2021-25742; CVE-2021-25740; kubernetes.io/docs/concepts/services-networking/ingress
    pub static THROUGH_CONTROLLER = "bundle/through-controller", Error;
}

/// Checks the documents that all tenants of a fleet share. `None` if a fault of theirs stops the
/// fleet. `proof_rules` are the rules of a later stage that a Waiver can name.
pub fn resolve_context<'a>(
    fleet: &'a FleetDoc,
    specs: &'a Specs,
    builtin: &'a BTreeMap<String, ProfileDoc>,
    context: &Context,
    proof_rules: Vec<&'static Rule>,
    out: &mut Vec<Diagnostic>,
) -> Option<ResolveContext<'a>> {
    let before = out.len();
    fleet::check(fleet, context, out);
    let profiles = profile::resolve(builtin, &specs.profiles, out);
    let parameters = tenant::parameters_checker(fleet, out);

    if let Some(name) = &fleet.spec.default_profile
        && !profiles.contains_key(name.as_str())
    {
        let hint = one_of_these(name, profiles.keys().copied());
        let message = format!("the defaultProfile `{}` is not defined", name.value);
        out.push(
            Diagnostic::new(&UNKNOWN_PROFILE, name.span, message)
                .fix(hint)
                .scope(Scope::Fleet),
        );
    }

    if out[before..].iter().any(Diagnostic::stops_the_fleet) {
        return None;
    }
    let rules = fleet.spec.waivers.clone().unwrap_or_default();
    let now = context.now.unwrap_or(Day::EPOCH);
    let waivable: Vec<&Rule> = WAIVABLE
        .iter()
        .copied()
        .chain(proof_rules.clone())
        .collect();
    let waivers = Waivers::new(&specs.waivers, &rules, &waivable, now, out);

    Some(ResolveContext {
        fleet,
        profiles,
        waivers,
        proof_rules,
        parameters,
        keep_merged: context.keep_merged,
        platform_labels: fleet::platform_labels(&fleet.spec),
    })
}

/// The tenants that have an error.
pub fn failing(findings: &[Diagnostic]) -> BTreeSet<String> {
    let failing = |finding: &Diagnostic| match &finding.scope {
        Scope::Tenant(name) if finding.level == Level::Error => Some(name.clone()),
        _ => None,
    };
    findings.iter().filter_map(failing).collect()
}
