//! The hosts that tenants' verbatim objects serve: claims like those in specs.

use super::manifests::TenantManifests;
use crate::diagnostic::Diagnostic;
use crate::document::Spanned;
use crate::host::{self, HostIndex, HostPattern, HostUse, Levels, NamedHost};
use crate::kube::ObjectId;
use crate::source::{SourceMap, Span};
use crate::spec::leaf;
use crate::tenancy::model::Tenant;
use crate::tenancy::{self, CLAIMED_TWICE, ClaimKey, Prior, Tenancy};
use std::collections::BTreeSet;

/// Owners of one host that are looked at: enough to tell who else has it.
const MOST_OWNERS: usize = 256;

/// The owner of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claimant<'a> {
    /// The tenant of this index.
    Tenant(usize),
    /// A tenant that cannot be read in this run.
    Held(&'a str),
}

/// A claim on some hosts, by a spec or by an object.
#[derive(Debug)]
struct HostClaim<'a> {
    claimant: Claimant<'a>,
    pattern: HostPattern,
    /// Where it is claimed; `None` for a tenant that cannot be read.
    span: Option<Span>,
    /// The object that serves it; `None` for a claim of a spec.
    object: Option<ObjectId>,
}

impl HostClaim<'_> {
    /// The host as a record keeps it; `None` for a regular expression and the like.
    fn recorded(&self) -> Option<leaf::HostPattern> {
        leaf::HostPattern::try_from(self.pattern.to_string()).ok()
    }
}

/// Reports the hosts of verbatim objects that another tenant has, or that are names of the cluster
/// itself, and adds the others to the hosts that each tenant claims.
///
/// A wildcard of a spec stands for every name below it, since it does not say by which API it is
/// served. One of an object stands for what its API says. `prior` is what the last run left: a
/// tenant that had a host keeps it, and only the newcomer errs. Of two newcomers, the claim of a spec
/// stays. Two objects that both are new, or were both there, are for the proof to report.
pub fn claim_hosts(
    tenancy: &mut Tenancy,
    manifests: &TenantManifests,
    sources: &SourceMap,
    prior: &Prior<'_>,
    out: &mut Vec<Diagnostic>,
) {
    let mut claims = Vec::new();
    for (index, tenant) in tenancy.tenants.iter().enumerate() {
        for (id, named) in hosts_of(manifests, tenant, sources) {
            let span = named.span.unwrap_or(tenant.name.span);
            if is_of_the_cluster(&named.pattern, tenant) {
                let message = format!(
                    "`{id}` takes the host `{}`, a name of the cluster's own DNS",
                    named.pattern
                );
                out.push(
                    Diagnostic::new(&CLAIMED_TWICE, span, message)
                        .fix("take a host name of the tenant's own")
                        .tenant(&tenant.name.value),
                );
            } else if is_claim(&named) {
                out.extend(over_ceilings(&id, &named.pattern, span, tenant));
                claims.push(HostClaim {
                    claimant: Claimant::Tenant(index),
                    pattern: named.pattern,
                    span: Some(span),
                    object: Some(id),
                });
            }
        }
    }
    if claims.is_empty() {
        return;
    }

    report_conflicts(tenancy, &claims, prior, out);
    for claim in claims {
        if let Claimant::Tenant(index) = claim.claimant {
            add_claim(&mut tenancy.tenants[index], &claim);
        }
    }
}

/// The hosts that a tenant's verbatim objects name, each with its object.
fn hosts_of<'m>(
    manifests: &'m TenantManifests,
    tenant: &Tenant,
    sources: &SourceMap,
) -> Vec<(ObjectId, NamedHost<'m>)> {
    let mut found = Vec::new();
    for document in manifests.documents(tenant, sources) {
        let Ok(id) = ObjectId::of(&document.root) else {
            continue;
        };
        let fields = host::named(&id, &document.root).into_iter().flatten();
        let annotations = host::named_by_annotations(&document.root);
        found.extend(fields.chain(annotations).map(|named| (id.clone(), named)));
    }
    found
}

/// Whether an object takes the requests, the certificates or the addresses of a host. A name without
/// a dot is that of a Service in a mesh.
fn is_claim(named: &NamedHost<'_>) -> bool {
    match &named.used {
        HostUse::Serves
        | HostUse::Redirects
        | HostUse::Listens
        | HostUse::Certifies
        | HostUse::Resolves => true,
        HostUse::Mesh { diverts, .. } => *diverts && named.pattern.to_string().contains('.'),
        HostUse::Governs => false,
    }
}

/// Whether a host is a name of the cluster itself that the tenant may not serve. The names of Services
/// in the tenant's own namespaces are its own, as in the certificate of a webhook.
fn is_of_the_cluster(pattern: &HostPattern, tenant: &Tenant) -> bool {
    let name: &str = match pattern {
        HostPattern::Name(name) | HostPattern::Below { domain: name, .. } => name,
        HostPattern::Regex(_) | HostPattern::Rest | HostPattern::Unread(_) => return false,
    };
    if !host::is_in_cluster(name) {
        return false;
    }
    !host::service_namespace(name).is_some_and(|namespace| tenant.has_namespace(namespace))
}

/// Reports a host of an object that is over a ceiling of its tenant's profile. Names of Services in the
/// tenant's namespaces, short ones too, are not bounded: certificates hold them.
fn over_ceilings(
    id: &ObjectId,
    pattern: &HostPattern,
    span: Span,
    tenant: &Tenant,
) -> Option<Diagnostic> {
    let is_of_service = match pattern {
        HostPattern::Name(name) => {
            let short = name.split_once('.');
            host::is_in_cluster(name)
                || short.is_none_or(|(_, namespace)| tenant.has_namespace(namespace))
        }
        HostPattern::Below { domain, .. } => host::is_in_cluster(domain),
        HostPattern::Regex(_) | HostPattern::Rest | HostPattern::Unread(_) => false,
    };
    let mut ceilings = tenant.host_ceilings.iter();
    let ceiling = ceilings
        .find(|bounds| !bounds.iter().any(|bound| pattern.is_within(bound)))
        .filter(|_| !is_of_service)?;

    let bound = ceiling
        .first()
        .map_or(tenant.profile_span, |first| first.span);
    let message = format!("the host {pattern} of `{id}` is not within the ceiling's");
    let finding = tenancy::over_ceiling(span, bound, message);
    Some(
        finding
            .fix("name a host within the ceiling, or take another profile")
            .tenant(&tenant.name.value),
    )
}

/// The hosts that specs claim, and those of tenants that cannot be read now.
fn other_claims<'a>(tenancy: &Tenancy, held: &[(&'a str, &'a str)]) -> Vec<HostClaim<'a>> {
    let of_specs = tenancy.tenants.iter().enumerate().flat_map(|(at, tenant)| {
        tenant.hosts.iter().map(move |host| HostClaim {
            claimant: Claimant::Tenant(at),
            pattern: HostPattern::parse(host.value.as_str(), Levels::Many),
            span: Some(host.span),
            object: None,
        })
    });
    let of_held = held.iter().map(|(host, holder)| HostClaim {
        claimant: Claimant::Held(holder),
        pattern: HostPattern::parse(host, Levels::Many),
        span: None,
        object: None,
    });
    of_specs.chain(of_held).collect()
}

/// Reports each verbatim host that somebody else has too.
fn report_conflicts<'a>(
    tenancy: &'a Tenancy,
    verbatim: &'a [HostClaim<'a>],
    prior: &'a Prior<'_>,
    out: &mut Vec<Diagnostic>,
) {
    let readable: BTreeSet<&str> = tenancy
        .tenants
        .iter()
        .map(|tenant| tenant.name.value.as_str())
        .collect();
    let held = prior.hosts_of(|holder| !readable.contains(holder));
    let others = other_claims(tenancy, &held);

    let mut index: HostIndex<'_, Claimant<'_>, HostClaim<'_>> = HostIndex::default();
    for claim in others.iter().chain(verbatim) {
        index.add(claim.claimant, &claim.pattern, claim);
    }

    let name_of = |claimant: Claimant<'a>| match claimant {
        Claimant::Tenant(at) => tenancy.tenants[at].name.value.as_str(),
        Claimant::Held(name) => name,
    };
    index.each_conflict(MOST_OWNERS, &mut |owners| {
        // What specs claim alone is compared where they are linked.
        if owners.iter().all(|(_, claim)| claim.object.is_none()) {
            return;
        }
        let had_it: Vec<bool> = owners
            .iter()
            .map(|(claimant, claim)| has_it_already(prior, claim, name_of(*claimant)))
            .collect();
        for (at, (claimant, claim)) in owners.iter().enumerate() {
            // What two tenants serve since before they were adopted is for the proof to say.
            let takes_from = |(other, (_, theirs)): (usize, &(Claimant<'_>, &HostClaim<'_>))| {
                let is_stated = theirs.object.is_none() && claim.object.is_some();
                other != at && (is_stated || (had_it[other] && claim.recorded().is_some()))
            };
            let victim = owners.iter().enumerate().position(takes_from);
            if let (false, Some(victim)) = (had_it[at], victim) {
                let (other, theirs) = owners[victim];
                let (own, other) = (name_of(*claimant), name_of(other));
                out.extend(conflict(claim, own, theirs, other));
            }
        }
    });
}

/// Whether the last run left a host to the tenant that claims it.
fn has_it_already(prior: &Prior<'_>, claim: &HostClaim<'_>, tenant: &str) -> bool {
    let text = format!("host/{}", claim.pattern);
    prior
        .holders(&ClaimKey::of(&text))
        .any(|holder| holder == tenant)
}

fn conflict(
    claim: &HostClaim<'_>,
    tenant: &str,
    theirs: &HostClaim<'_>,
    other: &str,
) -> Option<Diagnostic> {
    let host = &claim.pattern;
    let by_pattern = match theirs.pattern == *host {
        true => String::new(),
        false => format!(" by `{}`", theirs.pattern),
    };
    let message = match &claim.object {
        Some(id) => format!("`{id}` takes the host `{host}`, which `{other}` has{by_pattern}"),
        None => format!("the host `{host}` is served by `{other}` too{by_pattern}"),
    };

    let finding = Diagnostic::new(&CLAIMED_TWICE, claim.span?, message)
        .fix("one of the two gives it up")
        .tenant(tenant);
    Some(match theirs.span {
        Some(span) => finding.related(span, format!("`{other}` has it here")),
        None => finding,
    })
}

/// Adds a host that a verbatim object names to those that its tenant claims, so that the record of
/// its file keeps it.
fn add_claim(tenant: &mut Tenant, claim: &HostClaim<'_>) {
    let Some(host) = claim.recorded() else {
        return;
    };
    if tenant.hosts.iter().all(|known| known.value != host) {
        let span = claim.span.unwrap_or(tenant.name.span);
        tenant.hosts.push(Spanned::new(host, span));
    }
}
