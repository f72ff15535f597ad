//! The defaults and bounds that a namespace sets for its containers.

use crate::diagnostic::{Diagnostic, rule};
use crate::document::{Node, Spanned};
use crate::kube::Quantity;
use crate::kube::validation::{Refusal, check_container_limits};
use crate::source::Span;
use crate::spec::INVALID_VALUE;
use crate::spec::tenant::{Limits, Resources};
use crate::value::{Entry, Text, Value};
use std::sync::Arc;

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
    /// max does not hold, the defaults break maxLimitRequestRatio, or no container fits the quota.
    ///
    /// ## Why it matters
    /// The API server refuses the LimitRange, or every pod that names no resources of its own.
    ///
    /// ## References
    /// kubernetes.io/docs/concepts/policy/limit-range
    pub static INCONSISTENT = "resources/limits-inconsistent", Error;
}

/// The resources that a quota counts for each container.
static COMPUTE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// The ratio 1, in nanos.
const ONE: i128 = 1_000_000_000;

/// A resource that a quota counts: its key, such as `limits.cpu`, and the line that sets it.
pub struct CountedResource<'a> {
    /// The key.
    pub key: &'a str,
    /// The amount.
    pub amount: &'a str,
    /// The line.
    pub span: Span,
}

/// Checks a namespace's limits: each compute resource that its quota counts has a default, and
/// defaults and bounds agree.
pub fn check(
    limits: &Limits,
    quota: &[CountedResource<'_>],
    namespace: &str,
    out: &mut Vec<Diagnostic>,
) {
    for counted in quota {
        out.extend(missing_default(limits, counted, namespace));
        out.extend(min_over_quota(limits, counted, namespace));
    }

    unknown_resources(limits, out);
    zero_limits(limits, out);
    low_ratios(limits, out);
    for resource in COMPUTE {
        contradictions(limits, resource, out);
    }
    out.extend(defaults_over_ratio(limits));
}

/// Reports a resource that the quota counts, and that a container without a value of its own does
/// not get.
fn missing_default(
    limits: &Limits,
    counted: &CountedResource<'_>,
    namespace: &str,
) -> Option<Diagnostic> {
    let key = counted.key;
    let (side, resource) = key.split_once('.').unwrap_or(("requests", key));
    if !COMPUTE.contains(&resource) {
        return None;
    }

    let sets = |part: &Option<Resources>| amount(part, resource).is_some();
    let has_limit = sets(&limits.default) || sets(&limits.max);
    let (is_set, field, noun) = match side {
        "limits" => (has_limit, "default", "limit"),
        "requests" => (
            has_limit || sets(&limits.default_request),
            "defaultRequest",
            "request",
        ),
        _ => return None,
    };
    if is_set {
        return None;
    }

    let message = format!(
        "pods in `{namespace}` will be refused: the quota counts {key}, and no default sets it"
    );
    let finding = Diagnostic::new(&WITHOUT_DEFAULTS, counted.span, message)
        .label(format!(
            "this quota makes every container name a {resource} {noun}"
        ))
        .fix(format!("add spec.limits.{field}.{resource}"));
    Some(finding)
}

fn unknown_resources(limits: &Limits, out: &mut Vec<Diagnostic>) {
    let parts = [
        &limits.default,
        &limits.default_request,
        &limits.min,
        &limits.max,
        &limits.max_limit_request_ratio,
    ];

    for (key, amount) in parts.into_iter().flatten().flatten() {
        let is_known =
            COMPUTE.contains(&key.as_str()) || key.contains('/') || key.starts_with("hugepages-");
        if !is_known {
            let message = format!("a container has no resource `{key}`");
            out.push(
                Diagnostic::new(&INVALID_VALUE, amount.key, message)
                    .fix("write cpu, memory, ephemeral-storage, hugepages-SIZE or DOMAIN/NAME"),
            );
        }
    }
}

/// Reports a limit of zero, which Kubernetes takes as no limit.
fn zero_limits(limits: &Limits, out: &mut Vec<Diagnostic>) {
    for (key, limit) in limits.default.iter().chain(&limits.max).flatten() {
        if limit.value.nanos() == 0 {
            let message = format!("a limit of 0 {key} is no limit at all");
            out.push(Diagnostic::new(&INCONSISTENT, limit.span, message).fix("write an amount"));
        }
    }
}

fn low_ratios(limits: &Limits, out: &mut Vec<Diagnostic>) {
    for (key, ratio) in limits.max_limit_request_ratio.iter().flatten() {
        if ratio.value.nanos() < ONE {
            let message = format!("the ratio of {key} is under 1: no limit is below its request");
            out.push(Diagnostic::new(&INCONSISTENT, ratio.span, message).fix("write 1 or more"));
        }
    }
}

/// Reports neighbours of min ≤ defaultRequest ≤ default ≤ max that are out of order. A part that is
/// not set is left out.
fn contradictions(limits: &Limits, resource: &str, out: &mut Vec<Diagnostic>) {
    let ladder = [
        ("min", &limits.min),
        ("defaultRequest", &limits.default_request),
        ("default", &limits.default),
        ("max", &limits.max),
    ];
    let set: Vec<(&str, &Spanned<Quantity>)> = ladder
        .into_iter()
        .filter_map(|(name, part)| Some((name, amount(part, resource)?)))
        .collect();

    for pair in set.windows(2) {
        let [(low_name, low), (high_name, high)] = pair else {
            continue;
        };
        if low.value > high.value {
            let message = format!(
                "limits.{low_name} of {resource} is {}, over limits.{high_name}, {}",
                low.value, high.value
            );
            out.push(
                Diagnostic::new(&INCONSISTENT, low.span, message)
                    .related(high.span, format!("limits.{high_name}"))
                    .fix("keep min ≤ defaultRequest ≤ default ≤ max"),
            );
        }
    }
}

/// Reports a least amount of a container that is over what all pods of the namespace may have.
fn min_over_quota(
    limits: &Limits,
    counted: &CountedResource<'_>,
    namespace: &str,
) -> Option<Diagnostic> {
    let resource = counted
        .key
        .rsplit_once('.')
        .map_or(counted.key, |(_, resource)| resource);
    let least = amount(&limits.min, resource)?;
    let quota = Quantity::parse(counted.amount).ok()?;
    if least.value <= quota {
        return None;
    }

    let message = format!(
        "every pod in `{namespace}` will be refused: limits.min of {resource} is {}, and the quota \
         of {} is {quota}",
        least.value, counted.key
    );
    let finding = Diagnostic::new(&INCONSISTENT, least.span, message);
    Some(
        finding
            .related(counted.span, "the quota")
            .fix("lower limits.min, or raise the quota"),
    )
}

/// Reports the ratio that the defaults of a container without amounts of its own break.
///
/// As Kubernetes fills them in: the limit is `default`, or else `max`; the request is
/// `defaultRequest`, or else the limit.
fn defaults_over_ratio(limits: &Limits) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (key, ratio) in limits.max_limit_request_ratio.iter().flatten() {
        let of = |part| amount(part, key.as_str());
        let limit = of(&limits.default).or_else(|| of(&limits.max));
        let Some((limit, request)) = limit.zip(of(&limits.default_request).or(limit)) else {
            continue;
        };
        // limit / request > ratio, without a division.
        let (limit_nanos, request_nanos) = (limit.value.nanos(), request.value.nanos());
        let most = request_nanos.checked_mul(ratio.value.nanos());
        if most.is_none_or(|most| limit_nanos.saturating_mul(ONE) <= most) {
            continue;
        }

        let message = format!(
            "every container without {key} of its own will be refused: its limit is {}, its request \
             {}, and maxLimitRequestRatio allows {} times",
            limit.value, request.value, ratio.value
        );
        found.push(
            Diagnostic::new(&INCONSISTENT, ratio.span, message)
                .related(limit.span, "the limit")
                .related(request.span, "the request")
                .fix("raise the ratio or defaultRequest, or lower default"),
        );
    }
    found
}

/// The amount of a resource in one part of the limits.
fn amount<'a>(part: &'a Option<Resources>, resource: &str) -> Option<&'a Spanned<Quantity>> {
    let mut amounts = part.as_ref()?.iter();
    amounts
        .find(|(key, _)| key.as_str() == resource)
        .map(|(_, amount)| amount)
}

/// The item of a LimitRange, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct LimitItem {
    /// The item; `None` if no limits are set.
    pub value: Option<Value>,
    /// Why the API server refuses it.
    refusal: Option<Arc<Refusal>>,
}

impl LimitItem {
    /// The item of some limits, which stand at `node`.
    pub fn new(limits: Option<&Limits>, node: Option<&Node>) -> Self {
        Self {
            value: limits.and_then(item),
            refusal: node.and_then(check_container_limits).map(Arc::from),
        }
    }

    /// The finding that the API server refuses it. `span` stands for a place that is not known.
    pub fn refused(&self, span: Span) -> Option<Diagnostic> {
        let refusal = self.refusal.as_ref()?;
        let message = format!(
            "the API server refuses the LimitRange: limits.{} {}",
            refusal.field, refusal.reason
        );
        let finding = Diagnostic::new(&INCONSISTENT, refusal.span.unwrap_or(span), message);
        Some(finding.fix(format!("mend limits.{}", refusal.field)))
    }
}

/// The one item of a LimitRange. `None` if no limits are set.
fn item(limits: &Limits) -> Option<Value> {
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
            .map(|(key, amount)| (key.as_str().into(), amount.value.text().into()))
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
