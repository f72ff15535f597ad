//! Quotas: the total of a tenant, split over its namespaces.

use crate::diagnostic::{Diagnostic, rule};
use crate::document::Spanned;
use crate::kube::{Quantity, kinds};
use crate::spec::INVALID_VALUE;
use crate::spec::leaf::QuotaKey;
use crate::spec::tenant::Quota;
use crate::value::Text;
use indexmap::IndexMap;

rule! {
    /// The namespaces of a tenant have more than the tenant.
    /// ## Fix
    /// Raise the tenant's, or lower a namespace's.
    pub static OVER_TENANT = "resources/quota-over-tenant", Error;
}

rule! {
    /// A key of a quota counts nothing.
    ///
    /// ## What it finds
    /// `count/deployments` without the group `apps`, other groups that no API server serves, and kinds
    /// of the whole cluster.
    /// ## Why it matters
    /// The API server takes the key, and bounds nothing by it.
    /// ## Fix
    /// Write `count/RESOURCE.GROUP`, such as `count/deployments.apps`.
    /// ## References
    /// kubernetes.io/docs/concepts/policy/resource-quotas
    pub static WITHOUT_EFFECT = "resources/quota-without-effect", Warning;
}

const NANO: i128 = 1_000_000_000;

/// The smallest part that an amount of a resource is split into, in nanos.
fn step(key: &str) -> i128 {
    if key == "cpu" || key.ends_with(".cpu") {
        NANO / 1000
    } else {
        NANO
    }
}

/// Splits a tenant's total: a namespace's own amount is taken out, the rest goes to the others in
/// equal parts.
///
/// `own` has the amounts that each namespace sets itself. Returns the amounts of each namespace, in
/// the order of the tenant's keys and then its own.
pub fn split(
    total: &Quota,
    own: &[Option<&Quota>],
    out: &mut Vec<Diagnostic>,
) -> Vec<IndexMap<Text, Text>> {
    for (key, amount) in own.iter().flatten().copied().flatten().chain(total) {
        out.extend(fraction_of_count(key, amount));
        out.extend(counts_nothing(key, amount));
    }

    let mut parts: Vec<IndexMap<Text, Text>> = vec![IndexMap::new(); own.len()];
    for (key, amount) in total {
        let own: Vec<Option<&Spanned<Quantity>>> = own
            .iter()
            .map(|quota| quota.and_then(|quota| quota.get(key)))
            .collect();

        let shares = shares(key, amount, &own, out);
        for (part, share) in parts.iter_mut().zip(shares) {
            part.insert(key.as_str().into(), share);
        }
    }

    for (part, own) in parts.iter_mut().zip(own) {
        let only_own = own
            .iter()
            .copied()
            .flatten()
            .filter(|(key, _)| total.get(*key).is_none());
        part.extend(
            only_own.map(|(key, amount)| (key.as_str().into(), amount.value.text().into())),
        );
    }

    parts
}

/// The amount of one resource in each namespace, by those that state their own.
fn shares(
    key: &QuotaKey,
    total: &Spanned<Quantity>,
    own: &[Option<&Spanned<Quantity>>],
    out: &mut Vec<Diagnostic>,
) -> Vec<Text> {
    let stated = || own.iter().flatten();
    let taken: i128 = stated().map(|amount| amount.value.nanos()).sum();

    if taken > total.value.nanos()
        && let Some(first) = stated().next()
    {
        let sum = Quantity::from_nanos(taken, false);
        let message = format!(
            "the namespaces have {sum} of {key}, the tenant {}",
            total.value
        );
        out.push(
            Diagnostic::new(&OVER_TENANT, first.span, message)
                .related(total.span, "the tenant's")
                .fix("raise the tenant's, or lower a namespace's"),
        );
    }

    let rest = match taken {
        0 => total.value.clone(),
        _ => total.value.minus(taken),
    };
    let others = own.len() - stated().count();
    let mut of_others = rest.split(others, step(key)).into_iter();

    own.iter()
        .map(|stated| match stated {
            Some(amount) => amount.value.text().into(),
            None => of_others
                .next()
                .map_or_else(Text::default, |share| share.text().into()),
        })
        .collect()
}

/// Reports a key by which the API server counts nothing.
fn counts_nothing(key: &QuotaKey, amount: &Spanned<Quantity>) -> Option<Diagnostic> {
    let resource = key.strip_prefix("count/")?;
    let (reason, fix) = match count_fault(resource)? {
        Some(group) => (
            format!("`{resource}` is of the group {group}"),
            format!("write count/{resource}.{group}"),
        ),
        None => (
            "no namespace has such a resource".to_owned(),
            "write count/RESOURCE.GROUP with the plural of the resource".to_owned(),
        ),
    };

    let message = format!("the quota of {key} counts nothing: {reason}");
    Some(Diagnostic::new(&WITHOUT_EFFECT, amount.span, message).fix(fix))
}

/// Why `count/RESOURCE` counts nothing, with the group that is missing if there is one; `None` if it
/// counts something. Resources of groups that Kubernetes does not have are taken for known.
fn count_fault(resource: &str) -> Option<Option<&'static str>> {
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    let is_counted = |known: &str, kind: &kinds::Kind| {
        known == group && kind.plural == plural && kind.scope == kinds::Scope::Namespaced
    };
    if kinds::all().any(|(known, kind)| is_counted(known.name, kind)) {
        return None;
    }

    let is_complete = kinds::is_complete(group);
    if !is_complete && group != "extensions" {
        return None;
    }
    let mut elsewhere = kinds::all().filter(|(known, kind)| {
        kinds::is_complete(known.name) && kind.plural == plural && !known.name.is_empty()
    });
    Some(match group {
        "" => elsewhere.next().map(|(known, _)| known.name),
        _ => None,
    })
}

/// Reports a fraction of a resource that is counted, such as pods.
fn fraction_of_count(key: &QuotaKey, amount: &Spanned<Quantity>) -> Option<Diagnostic> {
    let is_measured = ["cpu", "memory", "storage"]
        .iter()
        .any(|resource| key.ends_with(resource))
        || key.contains("hugepages");
    if is_measured || amount.value.is_whole() {
        return None;
    }

    let message = format!("{} of {key}: only whole numbers are counted", amount.value);
    Some(Diagnostic::new(&INVALID_VALUE, amount.span, message).fix("write a whole number"))
}
