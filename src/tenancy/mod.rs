//! All specs together → tenants with every default filled in and every reference resolved.
//!
//! What one tenant says is resolved on its own, in parallel; then what concerns several: names,
//! edges, claims, sums.

pub mod claims;
mod merge;
pub mod model;
mod names;
mod network;
mod prior;
mod profile;
mod quota;
mod subjects;
mod tenant;
mod namespace;
mod sync;
mod standing;
mod waivers;

pub use claims::{CLAIMED_TWICE, SHARED_SUBJECT};
pub use names::{
    DERIVED_NAME, METADATA_NOT_ALLOWED, MetadataField, RESERVED_METADATA, RESERVED_NAME,
    controller_reads, reserved,
};
pub use namespace::{FLOOR_EXTERNAL, POD_SECURITY};
pub use network::{
    CLUSTER_RANGE, DEFAULT_DENY, EGRESS_ANY, FQDN, INGRESS_ANY, ISOLATION_NONE, NO_SHARED_CLUSTER,
    ONE_SIDED, RANGE_UNDECLARED, UNKNOWN_PEER,
};
pub use prior::{ClaimKey, ClaimKind, Prior};
pub use profile::{CEILING, ENFORCED, UNKNOWN_PROFILE};
pub use quota::{INCONSISTENT, OVER_CAPACITY, OVER_PROMISED, OVER_TENANT, WITHOUT_DEFAULTS};
pub use standing::{Reason, Standing, Standings};
pub use subjects::{CATALOGUE, CLUSTER_ADMIN, UNKNOWN_ROLE, WILDCARD_ROLE, role_object};
pub use sync::SYNC;
pub use tenant::{
    DUPLICATE_TENANT, FLUX_CREATE_TENANT, INCOMPLETE, PARAMETERS, ResolveContext, Resolved,
    UNKNOWN_CLUSTER,
};
pub use waivers::{DANGLING, DEFAULT_MAX_DAYS, EXPIRED, EXPIRING, NOT_APPROVED, Permits, UNUSED};

use crate::diagnostic::{Diagnostic, Level, Rule, Scope, rule};
use crate::source::SourceMap;
use crate::spec::leaf::Day;
use crate::spec::{FleetDoc, ProfileDoc, Specs, TenantDoc, one_of_these};
use indexmap::IndexSet;
use model::Tenant;
use std::collections::{BTreeMap, BTreeSet};
use waivers::Waivers;

rule! {
    /// This version of tenantry may not render this fleet.
    /// ## Fix
    /// Install a version that fleet.requiredVersion allows.
    pub static REQUIRED_VERSION = "tenancy/required-version", Error;
}
rule! {
    /// The fleet says something that contradicts itself: two clusters or roles of one name, a role
    /// of the catalogue's name, a defaultProfile that does not exist, a schema that is none.
    pub static FLEET = "tenancy/fleet", Error;
}
rule! {
    /// A checkout that the fleet names as a source was not given: its tenants are held.
    /// ## Fix
    /// Give it: `--source NAME=DIR`.
    pub static SOURCE_NOT_GIVEN = "tenancy/source-not-given", Note;
}
rule! {
    /// A checkout defines a tenant that it may not define.
    pub static SOURCE_FOREIGN_TENANT = "tenancy/source-foreign-tenant", Error;
}

/// What a run is told from outside.
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
    /// Tenants that may go: once their file is gone, nobody knows them any more.
    pub leaving: Vec<String>,
}

/// Who exists, whether they can be read in this run or not.
#[derive(Debug)]
pub struct KnownTenants<'a> {
    /// Tenants that are read.
    read: IndexSet<&'a str>,
    /// Tenants that exist, but cannot be read.
    absent: &'a BTreeSet<String>,
    /// What earlier runs left.
    prior: &'a Prior<'a>,
}

impl KnownTenants<'_> {
    /// Whether a tenant of this name exists.
    pub fn has(&self, name: &str) -> bool {
        self.read.contains(name) || self.absent.contains(name) || self.prior.knows(name)
    }
}

/// The fleet's tenants.
#[derive(Debug, Default)]
pub struct Tenancy {
    /// Tenants without an error of their own, by name.
    pub tenants: Vec<Tenant>,
    /// Tenants of sources that were not given.
    pub absent: BTreeSet<String>,
    /// What is permitted of what only objects show.
    pub permits: Permits,
    /// How many waivers are in use, by tenant, of those that have one in use.
    pub waivers_used: BTreeMap<String, usize>,
}

/// Rules that a Waiver can name.
pub static WAIVABLE: [&Rule; 10] = [
    &CLUSTER_ADMIN,
    &WILDCARD_ROLE,
    &EGRESS_ANY,
    &CLUSTER_RANGE,
    &INGRESS_ANY,
    &ISOLATION_NONE,
    &FLOOR_EXTERNAL,
    &FLUX_CREATE_TENANT,
    &POD_SECURITY,
    &MANIFEST_FLOOR,
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

/// What every tenant of a fleet is resolved with, of the documents that all share; nothing where a
/// fault of the fleet's own stops it.
pub fn resolve_context<'a>(
    fleet: &'a FleetDoc,
    specs: &'a Specs,
    builtin: &'a BTreeMap<String, ProfileDoc>,
    context: &Context,
    out: &mut Vec<Diagnostic>,
) -> Option<ResolveContext<'a>> {
    let before = out.len();
    check_fleet(fleet, context, out);
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
    let waivers = Waivers::new(&specs.waivers, &rules, &WAIVABLE, now, out);

    Some(ResolveContext {
        fleet,
        profiles,
        waivers,
        parameters,
        keep_merged: context.keep_merged,
    })
}

/// Joins tenants that were resolved each by itself: `docs` are theirs. `prior` is what earlier runs
/// left; `failed` are findings of earlier stages: whom they name exists, but cannot be read. `out`
/// is what was found of what all share: a tenant whose waiver is wrong has an error.
#[expect(
    clippy::too_many_arguments,
    reason = "the tenants, and all that they are held against"
)]
pub fn join(
    resolve_context: &ResolveContext<'_>,
    docs: &[TenantDoc],
    resolved: Vec<Resolved<'_>>,
    sources: &SourceMap,
    context: &Context,
    prior: &Prior<'_>,
    failed: &[Diagnostic],
    mut out: Vec<Diagnostic>,
) -> (Tenancy, Vec<Diagnostic>) {
    let ResolveContext { fleet, waivers, .. } = resolve_context;
    let absent = out_of_reach(docs, fleet, context, failed, &mut out);
    let read: IndexSet<&str> = docs.iter().map(|t| t.name.value.as_str()).collect();
    let known = KnownTenants {
        read,
        absent: &absent,
        prior,
    };

    // A file that cannot be read may hold any tenant.
    let unreadable = failed
        .iter()
        .any(|d| d.level == Level::Error && matches!(d.scope, Scope::File(_)));
    waivers.dangling(|name| unreadable || known.has(name), &mut out);

    let single = tenant::unique(docs, fleet, sources, prior, &mut out);
    let mut tenants = Vec::with_capacity(resolved.len());

    for (one, _) in resolved
        .into_iter()
        .zip(single)
        .filter(|(_, single)| *single)
    {
        one.used.count();
        out.extend(one.findings);
        tenants.extend(one.tenant);
    }

    tenants.sort_by(|a: &Tenant, b| a.name.value.cmp(&b.name.value));

    // A tenant with an error keeps its last files: its edges are those of the lock, not those it
    // asks for now.
    let broken = failing(&out);
    let clusters: Vec<String> = fleet
        .spec
        .clusters
        .iter()
        .map(|c| c.name.value.to_string())
        .collect();

    let (plan, claimed_twice) = rayon::join(
        || network::plan(&tenants, &fleet.spec, waivers, &known, &broken),
        || claims::check(&tenants, fleet, &clusters, prior, &context.leaving),
    );

    out.extend(plan.assign(&mut tenants));
    out.extend(claimed_twice);
    tenant::capacity(&tenants, &fleet.spec, &mut out);
    let failing: BTreeSet<String> = failing(&out);
    let is_resolved = |name: &str| {
        tenants
            .binary_search_by(|t| t.name.value.as_str().cmp(name))
            .is_ok()
    };

    let permits = waivers.permits_for(&[&MANIFEST_FLOOR, &CLUSTER_ADMIN]);
    let mut unused = Vec::new();
    waivers.unused(
        |name| is_resolved(name) && !failing.contains(name),
        &mut unused,
    );

    out.extend(unused);

    let used = tenants
        .iter()
        .map(|t| (t.name.value.clone(), waivers.used(&t.name.value)));
    let waivers_used = used.filter(|(_, count)| *count > 0).collect();
    tenants.retain(|t| !failing.contains(&t.name.value));

    (
        Tenancy {
            tenants,
            permits,
            absent,
            waivers_used,
        },
        out,
    )
}

/// The tenants that have an error.
pub fn failing(findings: &[Diagnostic]) -> BTreeSet<String> {
    let of = |d: &Diagnostic| match &d.scope {
        Scope::Tenant(name) if d.level == Level::Error => Some(name.clone()),
        _ => None,
    };
    findings.iter().filter_map(of).collect()
}

/// Tenants that exist, but cannot be read in this run.
fn out_of_reach(
    docs: &[TenantDoc],
    fleet: &FleetDoc,
    context: &Context,
    failed: &[Diagnostic],
    out: &mut Vec<Diagnostic>,
) -> BTreeSet<String> {
    let mut names = failing(failed);
    for source in fleet.spec.sources.iter().flatten() {
        if context.sources.iter().any(|s| s == source.name.as_str()) {
            continue;
        }
        let held: Vec<&str> = source.tenants.iter().map(|n| n.as_str()).collect();
        names.extend(held.iter().map(|n| (*n).to_owned()));
        let message = format!(
            "the source `{}` was not given: {} held",
            source.name.value,
            held.join(", ")
        );
        out.push(
            Diagnostic::new(&SOURCE_NOT_GIVEN, source.name.span, message)
                .fix(format!("give it: --source {}=DIR", source.name.value)),
        );
    }

    for tenant in docs {
        names.remove(&tenant.name.value);
    }
    names
}

fn check_fleet(fleet: &FleetDoc, context: &Context, out: &mut Vec<Diagnostic>) {
    let mut fault = |rule, span, message: String, fix: &str| {
        out.push(
            Diagnostic::new(rule, span, message)
                .fix(fix)
                .scope(Scope::Fleet),
        );
    };

    if let Some(wanted) = &fleet.spec.required_version
        && let (Ok(requirement), Ok(version)) = (
            semver::VersionReq::parse(wanted),
            semver::Version::parse(&context.version),
        )
        && !requirement.matches(&version)
    {
        let message = format!(
            "this is tenantry {version}, the fleet wants {}",
            wanted.value
        );
        fault(
            &REQUIRED_VERSION,
            wanted.span,
            message,
            "install a version that it allows",
        );
    }

    if fleet.spec.clusters.is_empty() {
        fault(
            &FLEET,
            fleet.name.span,
            "the fleet has no cluster".into(),
            "add one to spec.clusters",
        );
    }

    let mut seen: BTreeMap<&str, crate::source::Span> = BTreeMap::new();
    for cluster in &fleet.spec.clusters {
        if let Some(first) = seen.insert(cluster.name.as_str(), cluster.name.span) {
            let message = format!("two clusters are called `{}`", cluster.name.value);
            out.push(
                Diagnostic::new(&FLEET, cluster.name.span, message)
                    .related(first, "the first")
                    .fix("rename one")
                    .scope(Scope::Fleet),
            );
        }

        let mut names = BTreeSet::new();
        for endpoint in cluster.endpoints.iter().flatten() {
            if !names.insert(endpoint.name.as_str()) {
                let message = format!(
                    "two endpoints of `{}` are called `{}`",
                    cluster.name.value, endpoint.name.value
                );
                out.push(
                    Diagnostic::new(&FLEET, endpoint.name.span, message)
                        .fix("rename one")
                        .scope(Scope::Fleet),
                );
            }
            if endpoint.namespace.is_none() && endpoint.cidrs.is_none() {
                let message = format!(
                    "the endpoint `{}` names neither a namespace nor networks",
                    endpoint.name.value
                );
                out.push(
                    Diagnostic::new(&FLEET, endpoint.name.span, message)
                        .fix("add namespace or cidrs")
                        .scope(Scope::Fleet),
                );
            }
        }
    }

    subjects::check_roles(&fleet.spec, out);
}
