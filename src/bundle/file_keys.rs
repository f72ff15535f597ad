//! The keys that tenants' encrypted files name: each is one tenant's alone.

use super::manifests::TenantManifests;
use super::sops;
use crate::diagnostic::Diagnostic;
use crate::document::Spanned;
use crate::source::{SourceMap, Span};
use crate::spec::FleetDoc;
use crate::tenancy::model::Tenant;
use crate::tenancy::{ClaimKey, ClaimKind, MANIFESTS_KEY, Prior, Tenancy};
use std::collections::{BTreeMap, BTreeSet};

/// The characters of a digest that stands for a key in records.
const DIGEST: usize = 32;

/// A key that a file of a tenant names.
struct KeyClaim {
    /// The tenant's index.
    tenant: usize,
    /// The digest of the key.
    digest: String,
    is_data_key: bool,
    span: Span,
}

/// Reports the keys of encrypted files that another tenant's files name too, and adds the others to
/// those that each tenant has.
///
/// `prior` is what the last run left: a tenant that had a key keeps it, and only the newcomer errs.
pub fn claim_keys(
    tenancy: &mut Tenancy,
    fleet: &FleetDoc,
    manifests: &TenantManifests,
    sources: &SourceMap,
    prior: &Prior<'_>,
    out: &mut Vec<Diagnostic>,
) {
    let shared: BTreeSet<String> = fleet
        .spec
        .shared_recipients
        .iter()
        .flatten()
        .map(|name| name.to_ascii_lowercase())
        .collect();
    let is_shared = |name: &str| {
        let name = name.split_once(':').map_or(name, |(_, name)| name);
        shared.contains(name)
    };

    let mut claims = Vec::new();
    for (index, tenant) in tenancy.tenants.iter().enumerate() {
        if !is_decrypted(tenant) {
            continue;
        }
        for document in manifests.documents(tenant, sources) {
            let keys = sops::keys(&document.root);
            let is_own = |key: &sops::FileKey| !key.is_data_key && !is_shared(&key.name);
            if let Some(first) = keys.first().filter(|_| !keys.iter().any(is_own)) {
                let message = "only recipients that the fleet shares can decrypt this Secret";
                out.push(
                    Diagnostic::new(&MANIFESTS_KEY, first.span, message)
                        .fix("encrypt it to a key of the tenant's own too")
                        .tenant(&tenant.name.value),
                );
            }
            let keys = keys.into_iter().filter(|key| !is_shared(&key.name));
            claims.extend(keys.map(|key| KeyClaim {
                tenant: index,
                digest: blake3::hash(key.name.as_bytes()).to_hex()[..DIGEST].to_owned(),
                is_data_key: key.is_data_key,
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

/// Whether Flux decrypts a tenant's files on any cluster.
fn is_decrypted(tenant: &Tenant) -> bool {
    let mut units = tenant.on.iter().filter_map(|on| on.manifest_unit.as_ref());
    units.any(|unit| unit.decryption.is_some())
}

/// Reports each key of a file that another tenant has too.
fn report_shared(
    tenancy: &Tenancy,
    claims: &[KeyClaim],
    prior: &Prior<'_>,
    out: &mut Vec<Diagnostic>,
) {
    let name_of = |index: usize| tenancy.tenants[index].name.value.as_str();
    let readable: BTreeSet<&str> = (0..tenancy.tenants.len()).map(name_of).collect();
    // The first place of each tenant: more of them say no more.
    let mut places: BTreeMap<&str, BTreeMap<usize, Span>> = BTreeMap::new();
    for claim in claims {
        let of_key = places.entry(&claim.digest).or_default();
        of_key.entry(claim.tenant).or_insert(claim.span);
    }

    let mut reported = BTreeSet::new();
    for claim in claims {
        let key = ClaimKey {
            kind: ClaimKind::FileKey,
            on: "",
            name: &claim.digest,
        };
        let own = name_of(claim.tenant);
        let has = |name: &str| prior.holders(&key).any(|holder| holder == name);
        let gone = prior
            .holders(&key)
            .find(|holder| *holder != own && !readable.contains(holder));
        let mut others = places[claim.digest.as_str()]
            .iter()
            .filter(|(tenant, _)| **tenant != claim.tenant);
        // A tenant that has the key gives way only to another that has it.
        let other = match has(own) {
            true => others.find(|(tenant, _)| has(name_of(**tenant))),
            false => others.next(),
        };
        let theirs = other.map(|(tenant, span)| (name_of(*tenant), Some(*span)));
        let Some((other, place)) = theirs.or_else(|| gone.map(|holder| (holder, None))) else {
            continue;
        };
        if !reported.insert((claim.tenant, claim.span)) {
            continue;
        }

        let message = match claim.is_data_key {
            true => format!("this ciphertext is of a file of `{other}`"),
            false => format!("files of `{other}` are encrypted to this recipient too"),
        };
        let finding = Diagnostic::new(&MANIFESTS_KEY, claim.span, message)
            .fix("encrypt it to a key of the tenant's own; a recovery key is listed in fleet.sharedRecipients")
            .tenant(own);
        out.push(match place {
            Some(span) => finding.related(span, format!("`{other}` has it here")),
            None => finding,
        });
    }
}
