//! The keys that tenants' encrypted files name: each is one tenant's alone.

use super::manifests::TenantManifests;
use super::sops;
use crate::diagnostic::Diagnostic;
use crate::document::Spanned;
use crate::source::{SourceMap, Span};
use crate::spec::FleetDoc;
use crate::tenancy::model::Tenant;
use crate::tenancy::{
    ClaimKey, ClaimKind, MANIFESTS_KEY, Prior, Tenancy, recipient_owners, shared_recipients,
};
use std::collections::{BTreeMap, BTreeSet};

/// The characters of a digest that stands for a key in records.
const DIGEST: usize = 32;

/// A key that a file of a tenant names.
struct KeyClaim {
    /// The tenant's index.
    tenant: usize,
    /// The digest of the key.
    digest: String,
    /// The recipient as it is written; `None` for a data key.
    shown: Option<String>,
    /// The tenant to which the fleet gives its recipient.
    owner: Option<String>,
    span: Span,
}

/// Reports the keys of encrypted files that another tenant's files name too, and adds the others to
/// those that each tenant has.
///
/// A recipient that the fleet gives to a tenant is that tenant's. Of others, `prior` is what the last
/// run left: a tenant that had a key keeps it, and only the newcomer errs.
pub fn claim_keys(
    tenancy: &mut Tenancy,
    fleet: &FleetDoc,
    manifests: &TenantManifests,
    sources: &SourceMap,
    prior: &Prior<'_>,
    out: &mut Vec<Diagnostic>,
) {
    let shared = shared_recipients(&fleet.spec);
    let owners = recipient_owners(&fleet.spec);
    let stated = |name: &str| {
        name.split_once(':')
            .map_or(name, |(_, name)| name)
            .to_owned()
    };
    let is_shared = |name: &str| shared.contains(&stated(name));

    let mut claims = Vec::new();
    for (index, tenant) in tenancy.tenants.iter().enumerate() {
        if !is_decrypted(tenant) {
            continue;
        }
        for document in manifests.documents(tenant, sources) {
            let keys = sops::keys(&document.root);
            let is_own = |key: &sops::FileKey| key.shown.is_some() && !is_shared(&key.name);
            if let Some(first) = keys.first().filter(|_| !keys.iter().any(is_own)) {
                let message = "only recipients that the fleet shares can decrypt this Secret";
                out.push(
                    Diagnostic::new(&MANIFESTS_KEY, first.span, message)
                        .fix("encrypt it to a key of the tenant's own too")
                        .tenant(&tenant.name.value),
                );
            }
            out.extend(keys.iter().filter_map(|key| unread(key, tenant)));
            let keys = keys.into_iter();
            let keys = keys.filter(|key| key.unread.is_none() && !is_shared(&key.name));
            claims.extend(keys.map(|key| KeyClaim {
                tenant: index,
                digest: blake3::hash(key.name.as_bytes()).to_hex()[..DIGEST].to_owned(),
                shown: key.shown,
                owner: owners.get(&stated(&key.recipient)).map(ToString::to_string),
                span: key.span,
            }));
        }
    }
    if claims.is_empty() {
        return;
    }

    report_shared(tenancy, &claims, prior, out);
    for claim in claims {
        let keys = &mut tenancy.tenants[claim.tenant].file_keys;
        keys.push(Spanned::new(claim.digest, claim.span));
    }
    for tenant in &mut tenancy.tenants {
        tenant.file_keys.sort_by(|a, b| a.value.cmp(&b.value));
        tenant.file_keys.dedup_by(|a, b| a.value == b.value);
    }
}

/// The finding of a recipient that cannot be compared with those of other tenants.
fn unread(key: &sops::FileKey, tenant: &Tenant) -> Option<Diagnostic> {
    let (fault, recipient) = (key.unread?, key.shown.as_ref()?);
    let message = format!("the recipient `{recipient}` {}", fault.reason);
    let finding = Diagnostic::new(&MANIFESTS_KEY, key.span, message);
    Some(finding.fix(fault.fix).tenant(&tenant.name.value))
}

/// Whether Flux decrypts a tenant's files on any cluster.
fn is_decrypted(tenant: &Tenant) -> bool {
    let mut units = tenant.on.iter().filter_map(|on| on.manifest_unit.as_ref());
    units.any(|unit| unit.decryption.is_some())
}

/// The tenants that name one key, by their indexes.
#[derive(Default)]
struct KeyPlaces<'a> {
    /// The first place of each tenant: more of them say no more.
    by_tenant: BTreeMap<usize, Span>,
    /// Those to which the fleet or the records give it.
    holders: BTreeSet<usize>,
    /// A tenant to which the records give it, and that cannot be read now.
    gone: Option<&'a str>,
}

/// The other tenant that has a key, and its place.
struct OtherHolder<'a> {
    tenant: &'a str,
    place: Option<Span>,
    /// Whether the fleet says so.
    is_stated: bool,
}

/// Reports each key of a file that another tenant has too.
fn report_shared(
    tenancy: &Tenancy,
    claims: &[KeyClaim],
    prior: &Prior<'_>,
    out: &mut Vec<Diagnostic>,
) {
    let names = tenancy
        .tenants
        .iter()
        .map(|tenant| tenant.name.value.as_str());
    let names: Vec<&str> = names.collect();
    let indexes: BTreeMap<&str, usize> = names.iter().copied().zip(0..).collect();
    let places = places_of_keys(claims, &names, &indexes, prior);

    let mut reported = BTreeSet::new();
    for claim in claims {
        let of_key = &places[claim.digest.as_str()];
        let owner = claim.owner.as_deref();
        let other = match owner.filter(|owner| *owner != names[claim.tenant]) {
            Some(owner) => Some(OtherHolder {
                tenant: owner,
                place: indexes
                    .get(owner)
                    .and_then(|at| of_key.by_tenant.get(at))
                    .copied(),
                is_stated: true,
            }),
            None if owner.is_some() => None,
            None => other_holder(claim, of_key, &names),
        };
        let Some(other) = other else {
            continue;
        };
        if reported.insert((claim.tenant, claim.span)) {
            out.push(shared_key(claim, names[claim.tenant], &other));
        }
    }
}

/// The tenants that name each key, by its digest.
fn places_of_keys<'a>(
    claims: &'a [KeyClaim],
    names: &[&str],
    indexes: &BTreeMap<&str, usize>,
    prior: &'a Prior<'_>,
) -> BTreeMap<&'a str, KeyPlaces<'a>> {
    let mut places: BTreeMap<&str, KeyPlaces<'_>> = BTreeMap::new();
    for claim in claims {
        let of_key = places.entry(&claim.digest).or_default();
        of_key.by_tenant.entry(claim.tenant).or_insert(claim.span);
        if claim.owner.as_deref() == Some(names[claim.tenant]) {
            of_key.holders.insert(claim.tenant);
        }
    }
    for (digest, of_key) in &mut places {
        let key = ClaimKey {
            kind: ClaimKind::FileKey,
            on: "",
            name: digest,
        };
        for holder in prior.holders(&key) {
            match indexes.get(holder) {
                Some(index) => drop(of_key.holders.insert(*index)),
                None => of_key.gone = of_key.gone.or(Some(holder)),
            }
        }
    }
    places
}

/// The other tenant that has a key, rather than the tenant of a claim; `None` if the claim stands.
fn other_holder<'a>(
    claim: &KeyClaim,
    of_key: &KeyPlaces<'a>,
    names: &[&'a str],
) -> Option<OtherHolder<'a>> {
    let places = &of_key.by_tenant;
    let is_other = |index: &&usize| **index != claim.tenant && places.contains_key(index);
    // A tenant that has the key gives way only to another that has it.
    let index = match of_key.holders.contains(&claim.tenant) {
        true => of_key.holders.iter().find(is_other),
        false => places.keys().find(is_other),
    };
    let (tenant, place) = match index {
        Some(index) => (names[*index], places.get(index).copied()),
        None => (of_key.gone?, None),
    };
    Some(OtherHolder {
        tenant,
        place,
        is_stated: false,
    })
}

/// The finding of a key that another tenant has.
fn shared_key(claim: &KeyClaim, own: &str, other: &OtherHolder<'_>) -> Diagnostic {
    let tenant = other.tenant;
    let message = match (&claim.shown, other.is_stated) {
        (None, false) => format!("this ciphertext is of a file of `{tenant}`"),
        (None, true) => format!("the fleet gives the recipient of this data key to `{tenant}`"),
        (Some(recipient), false) => {
            format!("files of `{tenant}` are encrypted to the recipient `{recipient}` too")
        }
        (Some(recipient), true) => {
            format!("the fleet gives the recipient `{recipient}` to `{tenant}`")
        }
    };
    let fix = match other.is_stated {
        true => "encrypt it to a key of the tenant's own".to_owned(),
        false => format!(
            "encrypt it to a key of the tenant's own; if only `{own}` has the private key, list it for \
             `{own}` in fleet.tenantRecipients; a recovery key, in fleet.sharedRecipients"
        ),
    };
    let finding = Diagnostic::new(&MANIFESTS_KEY, claim.span, message)
        .fix(fix)
        .tenant(own);
    match other.place {
        Some(span) => finding.related(span, format!("`{tenant}` has it here")),
        None => finding,
    }
}
