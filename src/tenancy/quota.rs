//! Quotas: the tenant's total, split over its namespaces; defaults that pods need; what the cluster
//! can hold.

use crate::diagnostic::{Diagnostic, rule};
use crate::document::Spanned;
use crate::kube::Quantity;
use crate::source::Span;
use crate::spec::INVALID_VALUE;
use crate::spec::fleet::ClusterSpec;
use crate::spec::tenant::{Limits, Quota, Resources};
use crate::value::{Entry, Text, Value};
use indexmap::IndexMap;

rule! {
    /// The namespaces of a tenant have more than the tenant.
    /// ## Fix
    /// Raise the tenant's, or lower a namespace's.
    pub static OVER_TENANT = "resources/quota-over-tenant", Error;
}
rule! {
    /// A quota limits a resource that containers get no default for.
    ///
    /// ## Why it matters
    /// Kubernetes then refuses every pod that does not name it: `must specify limits.cpu`.
    /// ## Example
    /// `quota: {limits.cpu: "8"}` without `limits.default.cpu`.
    pub static WITHOUT_DEFAULTS = "resources/quota-without-defaults", Error;
}
rule! {
    /// Defaults and bounds for containers contradict each other: min ≤ defaultRequest ≤ default ≤
    /// max does not hold.
    ///
    /// ## Why it matters
    /// The API server refuses the LimitRange.
    pub static INCONSISTENT = "resources/limits-inconsistent", Error;
}
rule! {
    /// A tenant's quota is more than a cluster holds.
    pub static OVER_CAPACITY = "resources/over-capacity", Error;
}
rule! {
    /// The tenants of a cluster are promised more than its capacity times its overcommit.
    pub static OVER_PROMISED = "resources/over-promised", Warning;
}

const NANO: i128 = 1_000_000_000;

/// The smallest part that an amount of a resource is split into.
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
/// `own` has a namespace's own amounts by index. Returns each namespace's amounts, in the order of
/// the tenant's keys and then its own.
pub fn split(
    total: &Quota,
    own: &[Option<&Quota>],
    tenant: &str,
    out: &mut Vec<Diagnostic>,
) -> Vec<IndexMap<Text, Text>> {
    for (key, amount) in own.iter().flatten().flat_map(|q| q.iter()).chain(total) {
        let counted = !["cpu", "memory", "storage"]
            .iter()
            .any(|r| key.ends_with(r))
            && !key.contains("hugepages");
        if counted && !amount.value.is_whole() {
            let message = format!(
                "{} of {key}: things that are counted are whole",
                amount.value
            );
            out.push(
                Diagnostic::new(&INVALID_VALUE, amount.span, message)
                    .fix("write a whole number")
                    .tenant(tenant),
            );
        }
    }

    let mut parts: Vec<IndexMap<Text, Text>> = vec![IndexMap::new(); own.len()];
    for (key, amount) in total {
        let of = |i: usize| own[i].and_then(|q| q.get(key));
        let taken: i128 = (0..own.len()).filter_map(of).map(|q| q.value.nanos()).sum();

        if taken > amount.value.nanos()
            && let Some(first) = (0..own.len()).find_map(of)
        {
            let sum = Quantity::from_nanos(taken, false);
            let message = format!(
                "the namespaces have {sum} of {key}, the tenant {}",
                amount.value
            );
            out.push(
                Diagnostic::new(&OVER_TENANT, first.span, message)
                    .related(amount.span, "the tenant's")
                    .fix("raise the tenant's, or lower a namespace's")
                    .tenant(tenant),
            );
        }

        let others: Vec<usize> = (0..own.len()).filter(|i| of(*i).is_none()).collect();
        let rest = if taken == 0 {
            amount.value.clone()
        } else {
            amount.value.minus(taken)
        };

        let shares = rest.split(others.len(), step(key));
        for (i, part) in parts.iter_mut().enumerate() {
            let share = match of(i) {
                Some(own) => own.value.text(),
                None => others.binary_search(&i).map_or("", |at| shares[at].text()),
            };
            part.insert(key.as_str().into(), share.into());
        }
    }

    for (part, own) in parts.iter_mut().zip(own) {
        let own = own
            .iter()
            .flat_map(|own| own.iter())
            .filter(|(key, _)| total.get(*key).is_none());
        part.extend(own.map(|(key, amount)| (key.as_str().into(), amount.value.text().into())));
    }

    parts
        .into_iter()
        .map(|part| part.into_iter().collect())
        .collect()
}

/// That each compute resource a quota limits has a default, and that defaults and bounds agree.
pub fn check_limits(
    quota: &[(&str, Span)],
    limits: &Limits,
    namespace: &str,
    tenant: &str,
    out: &mut Vec<Diagnostic>,
) {
    let has = |part: &Option<Resources>, resource: &str| {
        part.as_ref()
            .is_some_and(|r| r.keys().any(|k| k.as_str() == resource))
    };

    for (key, span) in quota {
        let (side, resource) = key.split_once('.').unwrap_or(("requests", key));
        if !matches!(side, "limits" | "requests")
            || !matches!(resource, "cpu" | "memory" | "ephemeral-storage")
        {
            continue;
        }

        let (ok, field) = match side {
            "limits" => (
                has(&limits.default, resource) || has(&limits.max, resource),
                "default",
            ),
            _ => (
                has(&limits.default_request, resource)
                    || has(&limits.default, resource)
                    || has(&limits.max, resource),
                "defaultRequest",
            ),
        };

        if !ok {
            let word = if side == "limits" { "limit" } else { "request" };
            let message = format!(
                "pods in `{namespace}` will be refused: the quota counts {key}, no default does"
            );
            out.push(
                Diagnostic::new(&WITHOUT_DEFAULTS, *span, message)
                    .label(format!(
                        "this quota makes every container name a {resource} {word}"
                    ))
                    .fix(format!("add spec.limits.{field}.{resource}"))
                    .tenant(tenant),
            );
        }
    }

    let parts = [
        &limits.default,
        &limits.default_request,
        &limits.min,
        &limits.max,
        &limits.max_limit_request_ratio,
    ];

    for (key, amount) in parts.into_iter().flatten().flat_map(|r| r.iter()) {
        let standard = ["cpu", "memory", "ephemeral-storage"].contains(&key.as_str());
        if !standard && !key.contains('/') && !key.starts_with("hugepages-") {
            let message = format!("`{key}` is no resource of a container");
            let fix = "cpu, memory, ephemeral-storage, hugepages-SIZE or DOMAIN/NAME";
            out.push(
                Diagnostic::new(&INVALID_VALUE, amount.key, message)
                    .fix(fix)
                    .tenant(tenant),
            );
        }
    }

    for (key, limit) in limits
        .default
        .iter()
        .chain(&limits.max)
        .flat_map(|r| r.iter())
    {
        if limit.value.nanos() == 0 {
            let message = format!("a limit of 0 {key} is no limit at all");
            out.push(
                Diagnostic::new(&INCONSISTENT, limit.span, message)
                    .fix("write an amount")
                    .tenant(tenant),
            );
        }
    }

    for (key, ratio) in limits.max_limit_request_ratio.iter().flatten() {
        if ratio.value.nanos() < NANO {
            let message = format!("the ratio of {key} is under 1: no limit is below its request");
            out.push(
                Diagnostic::new(&INCONSISTENT, ratio.span, message)
                    .fix("write 1 or more")
                    .tenant(tenant),
            );
        }
    }

    let get = |part: &Option<Resources>, key: &str| -> Option<Spanned<Quantity>> {
        part.as_ref()
            .and_then(|r| r.iter().find(|(k, _)| k.as_str() == key))
            .map(|(_, v)| v.clone())
    };

    for resource in ["cpu", "memory", "ephemeral-storage"] {
        let ladder = [
            ("min", get(&limits.min, resource)),
            ("defaultRequest", get(&limits.default_request, resource)),
            ("default", get(&limits.default, resource)),
            ("max", get(&limits.max, resource)),
        ];

        let set: Vec<(&str, Spanned<Quantity>)> = ladder
            .into_iter()
            .filter_map(|(n, v)| Some((n, v?)))
            .collect();

        for pair in set.windows(2) {
            let ((low_name, low), (high_name, high)) = (&pair[0], &pair[1]);
            if low.value > high.value {
                let message = format!(
                    "limits.{low_name} of {resource} is {}, over limits.{high_name}, {}",
                    low.value, high.value
                );
                out.push(
                    Diagnostic::new(&INCONSISTENT, low.span, message)
                        .related(high.span, format!("limits.{high_name}"))
                        .fix("min ≤ defaultRequest ≤ default ≤ max")
                        .tenant(tenant),
                );
            }
        }
    }
}

/// The one item of a LimitRange; nothing where no limits are set.
pub fn limit_item(limits: &Limits) -> Option<Value> {
    let parts = [
        ("default", &limits.default),
        ("defaultRequest", &limits.default_request),
        ("max", &limits.max),
        ("maxLimitRequestRatio", &limits.max_limit_request_ratio),
        ("min", &limits.min),
    ];

    let mut item: Vec<Entry> = Vec::new();
    for (name, part) in parts {
        let amounts: Vec<Entry> = part
            .iter()
            .flatten()
            .map(|(k, v)| (k.as_str().into(), v.value.text().into()))
            .collect();
        if !amounts.is_empty() {
            item.push((Text::new_static(name), amounts.into()));
        }
    }

    if item.is_empty() {
        return None;
    }
    item.push((Text::new_static("type"), "Container".into()));
    Some(item.into())
}

/// A tenant's amount of a resource of a cluster's capacity.
pub fn promised<'a>(quota: &'a Quota, resource: &str) -> Option<&'a Spanned<Quantity>> {
    let find = |wanted: &str| {
        quota
            .iter()
            .find(|(k, _)| k.as_str() == wanted)
            .map(|(_, v)| v)
    };
    find(&format!("requests.{resource}"))
        .or_else(|| find(resource))
        .or_else(|| find(&format!("limits.{resource}")))
}

/// How much of a resource a cluster may promise, in nanos.
pub fn promisable(cluster: &ClusterSpec, resource: &str, capacity: &Quantity) -> i128 {
    let factor = cluster
        .overcommit
        .iter()
        .flatten()
        .find(|(k, _)| k.as_str() == resource)
        .map(|(_, v)| v.value.nanos());
    capacity.nanos() / 1_000_000 * (factor.unwrap_or(NANO) / 1000)
}
