//! Things that only one tenant may have: namespaces, hosts, UUIDs, and the users and groups that
//! are bound in its namespaces.

use super::model::Tenant;
use super::{ClaimKey, ClaimKind, Prior};
use crate::diagnostic::{Diagnostic, rule};
use crate::source::Span;
use crate::spec::FleetDoc;
use indexmap::{IndexMap, IndexSet};
use std::collections::{BTreeSet, HashMap};

rule! {
    /// Two tenants claim one namespace, host or UUID.
    ///
    /// ## What it finds
    /// Hosts of `allow.ingressHosts` and of verbatim objects: Ingresses, routes, Gateways, certificates,
    /// DNS records. A wildcard of a spec holds every name below it; one of an object holds what its API
    /// says. Names of the cluster's own DNS belong to the namespaces that they name.
    ///
    /// ## Why it matters
    /// Each would hold the other's keys. A host claimed twice sends one tenant's traffic, and its
    /// cookies, to the other.
    /// ## Fix
    /// One of the two gives it up. With a lock, the tenant that has it keeps it, and only the
    /// newcomer errs.
    pub static CLAIMED_TWICE = "tenancy/claimed-twice", Error;
}
rule! {
    /// A user or group belongs to several tenants, and the fleet does not say that it may.
    ///
    /// ## Why it matters
    /// Whoever is in the group is a bridge between the tenants. Where that is meant,
    /// fleet.sharedSubjects says so, and the group counts as one principal.
    /// ## Fix
    /// Use a group for each tenant, or add it to fleet.sharedSubjects.
    pub static SHARED_SUBJECT = "tenancy/shared-subject", Error;
}

/// One tenant's claim on a thing.
#[derive(Clone, Copy)]
struct TenantClaim<'a> {
    tenant: &'a Tenant,
    span: Span,
}

/// Everything that a tenant claims, each thing once, in order.
pub fn of<'a>(tenant: &'a Tenant, clusters: &'a [String]) -> Vec<(ClaimKey<'a>, Span)> {
    let mut out = Vec::with_capacity(8);
    if let Some(uuid) = &tenant.uuid {
        out.push((
            ClaimKey {
                kind: ClaimKind::Uuid,
                on: "",
                name: &uuid.value,
            },
            uuid.span,
        ));
    }

    for on in &tenant.on {
        let things = on.namespaces.iter().map(|namespace| {
            (
                ClaimKey::namespace(&clusters[on.cluster], &namespace.name),
                namespace.span,
            )
        });
        out.extend(things);
    }

    out.extend(tenant.hosts.iter().map(|host| {
        (
            ClaimKey {
                kind: ClaimKind::Host,
                on: "",
                name: host.value.as_str(),
            },
            host.span,
        )
    }));

    out.extend(tenant.file_keys.iter().map(|key| {
        (
            ClaimKey {
                kind: ClaimKind::FileKey,
                on: "",
                name: &key.value,
            },
            key.span,
        )
    }));

    out.extend(
        tenant
            .principals
            .iter()
            .map(|principal| (ClaimKey::of(&principal.value), principal.span)),
    );

    out.sort_unstable();
    out.dedup_by(|a, b| a.0 == b.0);
    out
}

/// The users and groups that may belong to several tenants, as `group/NAME` and `user/NAME`.
pub fn shared(fleet: &FleetDoc) -> BTreeSet<String> {
    let subjects = fleet.spec.shared_subjects.iter().flatten();
    subjects
        .filter_map(|subject| {
            let group = subject
                .group
                .as_ref()
                .map(|group| format!("group/{}", group.as_str()));
            group.or_else(|| {
                subject
                    .user
                    .as_ref()
                    .map(|user| format!("user/{}", user.as_str()))
            })
        })
        .collect()
}

/// The claims on each thing, in the order of the tenants.
type Claims<'a> = IndexMap<ClaimKey<'a>, Vec<TenantClaim<'a>>>;

/// Reports what is claimed twice. `removable` are tenants that may go.
pub fn check(
    tenants: &[Tenant],
    fleet: &FleetDoc,
    clusters: &[String],
    prior: &Prior<'_>,
    removable: &[String],
) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let shared = shared(fleet);
    let shared: BTreeSet<ClaimKey<'_>> = shared.iter().map(|text| ClaimKey::of(text)).collect();
    let names: IndexSet<&str> = tenants
        .iter()
        .map(|tenant| tenant.name.value.as_str())
        .collect();
    let gone =
        |holder: &str| !names.contains(holder) && removable.iter().all(|name| name != holder);

    let mut all = Claims::new();
    for tenant in tenants {
        for (thing, span) in of(tenant, clusters) {
            all.entry(thing)
                .or_default()
                .push(TenantClaim { tenant, span });
        }
    }

    met_by_held(&all, &prior.hosts_of(gone), &mut out);
    held_by_others(&all, &shared, &names, prior, removable, &mut out);

    for (thing, claims) in all
        .iter()
        .filter(|(thing, claims)| claims.len() > 1 && !shared.contains(thing))
    {
        report(thing, claims, prior, &mut out);
    }

    overlapping_hosts(&all, prior, &mut out);
    out
}

/// The hosts among all claims.
fn hosts<'c, 'a>(
    all: &'c Claims<'a>,
) -> impl Iterator<Item = (&'c ClaimKey<'a>, &'c Vec<TenantClaim<'a>>)> {
    all.iter()
        .filter(|(thing, _)| thing.kind == ClaimKind::Host)
}

/// Hosts that meet one of a tenant that cannot be read now. Hosts are looked up by their names and
/// by the wildcards that hold them: linear.
fn met_by_held(all: &Claims<'_>, held_hosts: &[(&str, &str)], out: &mut Vec<Diagnostic>) {
    let mut wildcards: HashMap<&str, (&str, &str)> = HashMap::new();
    let mut below: HashMap<&str, (&str, &str)> = HashMap::new();
    for (host, holder) in held_hosts {
        let of_domain = match host.strip_prefix("*.") {
            Some(domain) => wildcards.entry(domain),
            None => match host.split_once('.') {
                Some((_, domain)) => below.entry(domain),
                None => continue,
            },
        };
        of_domain.or_insert((host, holder));
    }

    for (thing, claims) in hosts(all) {
        let host = thing.name;
        let other = match host.strip_prefix("*.") {
            Some(domain) => below.get(domain),
            None => host
                .split_once('.')
                .and_then(|(_, domain)| wildcards.get(domain)),
        };
        let Some((theirs, holder)) = other else {
            continue;
        };
        for claim in claims {
            let message = format!(
                "the host `{host}` meets `{theirs}` of `{holder}`, which cannot be read now"
            );
            out.push(
                Diagnostic::new(&CLAIMED_TWICE, claim.span, message)
                    .fix(format!("mend {holder} first"))
                    .tenant(&claim.tenant.name.value),
            );
        }
    }
}

/// What the lock gives to another tenant: one that cannot be read now, or, for a namespace, one
/// that still has it.
fn held_by_others(
    all: &Claims<'_>,
    shared: &BTreeSet<ClaimKey<'_>>,
    names: &IndexSet<&str>,
    prior: &Prior<'_>,
    removable: &[String],
    out: &mut Vec<Diagnostic>,
) {
    for (thing, claims) in all.iter().filter(|(thing, _)| !shared.contains(thing)) {
        // One that can be read and does not claim it has let it go, but for a namespace, which is
        // there until it is pruned.
        let holds = |holder: &&str| {
            let readable = names.contains(*holder);
            let claims_it = claims
                .iter()
                .any(|claim| claim.tenant.name.value == **holder);
            let leaves = removable.iter().any(|name| name == *holder);
            !leaves && !claims_it && (!readable || thing.kind == ClaimKind::Namespace)
        };

        let Some(holder) = prior.holders(thing).find(holds) else {
            continue;
        };
        for claim in claims {
            let (kind, name) = (thing.kind.name(), thing.called());
            let message = format!("the {kind} `{name}` still belongs to `{holder}`");
            let rule = if matches!(thing.kind, ClaimKind::Group | ClaimKind::User) {
                &SHARED_SUBJECT
            } else {
                &CLAIMED_TWICE
            };

            let fix = format!(
                "mend {holder} first, or let it go: tenantry render --allow-removal {holder}"
            );
            out.push(
                Diagnostic::new(rule, claim.span, message)
                    .fix(fix)
                    .tenant(&claim.tenant.name.value),
            );
        }
    }
}

fn report(
    thing: &ClaimKey<'_>,
    claims: &[TenantClaim<'_>],
    prior: &Prior<'_>,
    out: &mut Vec<Diagnostic>,
) {
    let holder = prior.holder(thing);
    let (kind, name) = (thing.kind.name(), thing.called());
    let subject = matches!(thing.kind, ClaimKind::Group | ClaimKind::User);

    for claim in claims {
        let name_of = claim.tenant.name.value.as_str();
        if holder == Some(name_of) {
            continue;
        }
        let others = Others::new(claims, name_of, claims.len() - 1);
        let message = format!("the {kind} `{name}` is also claimed by {}", others.names());

        let (rule, fix) = if subject {
            (
                &SHARED_SUBJECT,
                "use a group for each tenant, or add it to fleet.sharedSubjects",
            )
        } else {
            (&CLAIMED_TWICE, "one of the two gives it up")
        };

        let mut finding = Diagnostic::new(rule, claim.span, message)
            .fix(fix)
            .tenant(name_of);
        finding = others.related_to(finding);
        out.push(finding);
    }
}

/// A wildcard claims every host one level below it. Hosts are looked up by what a wildcard would be
/// called: linear.
fn overlapping_hosts(all: &Claims<'_>, prior: &Prior<'_>, out: &mut Vec<Diagnostic>) {
    for (thing, claims) in hosts(all).filter(|(thing, _)| !thing.name.starts_with("*.")) {
        let host = thing.name;
        let Some((_, domain)) = host.split_once('.') else {
            continue;
        };
        let wildcard = format!("*.{domain}");
        let Some((wildcard, wild)) = all.get_key_value(&ClaimKey {
            name: &wildcard,
            ..*thing
        }) else {
            continue;
        };

        let ends = [
            (thing, claims, wildcard, wild),
            (wildcard, wild, thing, claims),
        ];
        for (own, claims, other, others) in ends {
            let own_holder = prior.holder(own);
            let other_holder = prior.holder(other);
            let names: BTreeSet<&str> = others.iter().map(TenantClaim::name).collect();

            for claim in claims {
                let name = claim.name();
                // Whoever has its own only gives way to one that has the other too.
                let others = match own_holder == Some(name) {
                    false => {
                        Others::new(others, name, others.len() - names.contains(name) as usize)
                    }
                    true => Others::of(others, other_holder.filter(|holder| *holder != name)),
                };
                if others.count == 0 {
                    continue;
                }
                let message = match own.name == host {
                    true => format!(
                        "the host `{host}` lies within `*.{domain}` of {}",
                        others.names()
                    ),
                    false => format!(
                        "the wildcard `*.{domain}` holds the host `{host}` of {}",
                        others.names()
                    ),
                };
                let finding = Diagnostic::new(&CLAIMED_TWICE, claim.span, message);
                out.push(
                    others
                        .related_to(finding)
                        .fix("one of the two gives it up")
                        .tenant(name),
                );
            }
        }
    }
}

/// The other tenants that claim a thing.
struct Others<'c, 'a> {
    /// The first of them.
    first: Vec<&'c TenantClaim<'a>>,
    count: usize,
}

impl<'c, 'a> Others<'c, 'a> {
    /// Those of some claims that are not a tenant's own.
    fn new(claims: &'c [TenantClaim<'a>], own: &str, count: usize) -> Self {
        let others = claims.iter().filter(|claim| claim.name() != own);
        Self {
            first: others.take(3).collect(),
            count,
        }
    }

    /// The claim of a tenant among some.
    fn of(claims: &'c [TenantClaim<'a>], tenant: Option<&str>) -> Self {
        let mut claims = claims.iter();
        let found = claims.find(|claim| Some(claim.name()) == tenant);
        Self {
            count: found.iter().count(),
            first: found.into_iter().collect(),
        }
    }

    /// Their names, as a phrase.
    fn names(&self) -> String {
        let names: Vec<&str> = self.first.iter().map(|claim| claim.name()).collect();
        let names = names.join(", ");
        match self.count.saturating_sub(self.first.len()) {
            0 => names,
            more => format!("{names} and {more} more"),
        }
    }

    /// Adds their places to a finding.
    fn related_to(&self, finding: Diagnostic) -> Diagnostic {
        self.first.iter().fold(finding, |finding, claim| {
            finding.related(claim.span, format!("claimed by {}", claim.name()))
        })
    }
}

impl<'a> TenantClaim<'a> {
    /// The name of the tenant.
    fn name(&self) -> &'a str {
        &self.tenant.name.value
    }
}

/// Whether a host, or `*.` and one, lies within another (Ingress: `*` stands for exactly one
/// label).
pub fn host_contains(outer: &str, inner: &str) -> bool {
    if outer == inner {
        return true;
    }
    match (outer.strip_prefix("*."), inner.split_once('.')) {
        (Some(domain), Some((first, rest))) => first != "*" && domain == rest,
        _ => false,
    }
}
