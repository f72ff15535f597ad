//! What only one tenant may have: namespaces, hosts, UUIDs, and the users and groups that hold its keys.

use super::Context;
use super::model::Tenant;
use crate::diagnostic::{Diagnostic, rule};
use crate::source::Place;
use crate::spec::FleetDoc;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// Two tenants claim one namespace, host or UUID.
    ///
    /// ## Why it matters
    /// Each would hold the other's keys. A host claimed twice sends one tenant's traffic, and its cookies, to the other.
    /// ## Fix
    /// One of the two gives it up. With a lock, the tenant that has it keeps it, and only the newcomer errs.
    pub static CLAIMED_TWICE = "tenancy/claimed-twice", Error;
}
rule! {
    /// A user or group belongs to several tenants, and the fleet does not say that it may.
    ///
    /// ## Why it matters
    /// Whoever is in the group is a bridge between the tenants. Where that is meant, fleet.sharedSubjects says so, and
    /// the group counts as one principal.
    /// ## Fix
    /// Use a group for each tenant, or add it to fleet.sharedSubjects.
    pub static SHARED_SUBJECT = "tenancy/shared-subject", Error;
}

/// One tenant's claim on a thing.
struct Claim<'a> {
    tenant: &'a Tenant,
    place: Place,
}

/// Everything that a tenant claims, as `kind/name` (for a namespace `namespace/cluster/name`).
pub fn of(tenant: &Tenant, clusters: &[String]) -> Vec<(String, Place)> {
    let mut out = Vec::new();
    if let Some(uuid) = &tenant.uuid {
        out.push((format!("uuid/{}", uuid.value), uuid.place));
    }
    for on in &tenant.on {
        for namespace in &on.namespaces {
            out.push((format!("namespace/{}/{}", clusters[on.cluster], namespace.name), namespace.place));
        }
    }
    out.extend(tenant.hosts.iter().map(|h| (format!("host/{}", h.value.as_str()), h.place)));
    out.extend(tenant.principals.iter().map(|p| (p.value.clone(), p.place)));
    out.sort();
    out.dedup_by(|a, b| a.0 == b.0);
    out
}

/// The users and groups that may belong to several tenants, as `group/NAME` and `user/NAME`.
pub fn shared(fleet: &FleetDoc) -> BTreeSet<String> {
    let subjects = fleet.spec.shared_subjects.iter().flatten();
    subjects
        .filter_map(|s| {
            let group = s.group.as_ref().map(|g| format!("group/{}", g.as_str()));
            group.or_else(|| s.user.as_ref().map(|u| format!("user/{}", u.as_str())))
        })
        .collect()
}

/// Reports what is claimed twice.
pub fn check(tenants: &[Tenant], fleet: &FleetDoc, clusters: &[String], context: &Context, out: &mut Vec<Diagnostic>) {
    let shared = shared(fleet);
    let mut all: BTreeMap<String, Vec<Claim<'_>>> = BTreeMap::new();
    for tenant in tenants {
        for (thing, place) in of(tenant, clusters) {
            all.entry(thing).or_default().push(Claim { tenant, place });
        }
    }
    held_by_others(&all, &shared, tenants, context, out);
    for (thing, claims) in all.iter().filter(|(_, claims)| claims.len() > 1) {
        if !shared.contains(thing) {
            report(thing, claims, context, out);
        }
    }
    overlapping_hosts(&all, context, out);
}

/// What the lock gives to another tenant: one that cannot be read now, or, for a namespace, one that has not let it go.
fn held_by_others(
    all: &BTreeMap<String, Vec<Claim<'_>>>,
    shared: &BTreeSet<String>,
    tenants: &[Tenant],
    context: &Context,
    out: &mut Vec<Diagnostic>,
) {
    let names: BTreeSet<&str> = tenants.iter().map(|t| t.name.value.as_str()).collect();
    let absent = |holder: &str| !names.contains(holder) && !context.leaving.iter().any(|l| l == holder);
    let hosts = context.prior.claims.iter().filter_map(|(thing, all)| Some((thing.strip_prefix("host/")?, all)));
    let hosts = hosts.flat_map(|(host, all)| all.iter().map(move |holder| (host, holder)));
    let held_hosts: Vec<(&str, &String)> = hosts.filter(|(_, holder)| absent(holder)).collect();
    for (thing, claims) in all.iter().filter(|_| !held_hosts.is_empty()) {
        let Some(host) = thing.strip_prefix("host/") else { continue };
        let other = held_hosts.iter().find(|(h, _)| *h != host && (host_contains(h, host) || host_contains(host, h)));
        for (claim, (theirs, holder)) in claims.iter().filter_map(|c| Some((c, other?))) {
            let message = format!("the host `{host}` meets `{theirs}` of `{holder}`, which cannot be read now");
            out.push(
                Diagnostic::new(&CLAIMED_TWICE, claim.place, message)
                    .fix(format!("mend {holder} first"))
                    .tenant(&claim.tenant.name.value),
            );
        }
    }
    for (thing, claims) in all {
        if shared.contains(thing) {
            continue;
        }
        // One that can be read and does not claim it has let it go, but for a namespace, which is there until it is pruned.
        let holds = |holder: &&String| {
            let readable = names.contains(holder.as_str());
            let claims_it = claims.iter().any(|c| c.tenant.name.value == **holder);
            let leaves = context.leaving.contains(holder);
            !leaves && !claims_it && (!readable || thing.starts_with("namespace/"))
        };
        let Some(holder) = context.prior.holders(thing).iter().find(holds) else { continue };
        for claim in claims {
            let (kind, name) = thing.split_once('/').unwrap_or(("thing", thing));
            let message = format!("the {kind} `{name}` is that of `{holder}`, which has not let it go");
            let rule = if matches!(kind, "group" | "user") { &SHARED_SUBJECT } else { &CLAIMED_TWICE };
            let fix = format!("mend {holder} first, or let it go: tenantry render --allow-removal {holder}");
            out.push(Diagnostic::new(rule, claim.place, message).fix(fix).tenant(&claim.tenant.name.value));
        }
    }
}

fn report(thing: &str, claims: &[Claim<'_>], context: &Context, out: &mut Vec<Diagnostic>) {
    let holder = context.prior.holder(thing);
    let (kind, name) = thing.split_once('/').unwrap_or(("thing", thing));
    let subject = matches!(kind, "group" | "user");
    for claim in claims {
        let name_of = claim.tenant.name.value.as_str();
        if holder == Some(name_of) {
            continue;
        }
        let others: Vec<&Claim<'_>> = claims.iter().filter(|c| c.tenant.name.value != name_of).collect();
        let names: Vec<&str> = others.iter().take(3).map(|c| c.tenant.name.value.as_str()).collect();
        let more = if others.len() > 3 { format!(" and {} more", others.len() - 3) } else { String::new() };
        let message = format!("the {kind} `{name}` is also claimed by {}{more}", names.join(", "));
        let (rule, fix) = if subject {
            (&SHARED_SUBJECT, "use a group for each tenant, or add it to fleet.sharedSubjects")
        } else {
            (&CLAIMED_TWICE, "one of the two gives it up")
        };
        let mut finding = Diagnostic::new(rule, claim.place, message).fix(fix).tenant(name_of);
        for other in others.iter().take(3) {
            finding = finding.related(other.place, format!("claimed by {}", other.tenant.name.value));
        }
        out.push(finding);
    }
}

/// A wildcard claims every host one level below it. Hosts are looked up by what a wildcard would be called: linear.
fn overlapping_hosts(all: &BTreeMap<String, Vec<Claim<'_>>>, context: &Context, out: &mut Vec<Diagnostic>) {
    for (thing, claims) in all {
        let Some(host) = thing.strip_prefix("host/").filter(|h| !h.starts_with("*.")) else {
            continue;
        };
        let Some((_, domain)) = host.split_once('.') else {
            continue;
        };
        let Some(wild) = all.get(&format!("host/*.{domain}")) else {
            continue;
        };
        for inner in claims {
            for outer in wild.iter().filter(|o| o.tenant.name.value != inner.tenant.name.value) {
                let (a, b) = (&inner.tenant.name.value, &outer.tenant.name.value);
                let wildcard = format!("host/*.{domain}");
                let inner_held = context.prior.holder(thing) == Some(a.as_str());
                let outer_held = context.prior.holder(&wildcard) == Some(b.as_str());
                if !inner_held || outer_held {
                    let message = format!("the host `{host}` lies within `*.{domain}` of {b}");
                    out.push(
                        Diagnostic::new(&CLAIMED_TWICE, inner.place, message)
                            .related(outer.place, format!("claimed by {b}"))
                            .fix("one of the two gives it up")
                            .tenant(a),
                    );
                }
                if !outer_held || inner_held {
                    let message = format!("the wildcard `*.{domain}` holds the host `{host}` of {a}");
                    out.push(
                        Diagnostic::new(&CLAIMED_TWICE, outer.place, message)
                            .related(inner.place, format!("claimed by {a}"))
                            .fix("one of the two gives it up")
                            .tenant(b),
                    );
                }
            }
        }
    }
}

/// Whether a host, or `*.` and one, lies within another (Ingress: `*` stands for exactly one label).
pub fn host_contains(outer: &str, inner: &str) -> bool {
    if outer == inner {
        return true;
    }
    match (outer.strip_prefix("*."), inner.split_once('.')) {
        (Some(domain), Some((first, rest))) => first != "*" && domain == rest,
        _ => false,
    }
}
