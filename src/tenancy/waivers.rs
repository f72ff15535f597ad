//! Waivers: which loosening is permitted, by whom, until when.

use crate::diagnostic::{Diagnostic, Level, Rule, rule};
use crate::source::Span;
use crate::spec::fleet::WaiverRules;
use crate::spec::leaf::Day;
use crate::spec::{WaiverDoc, did_you_mean_or};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Days before its end in which a waiver warns.
const WARNING_DAYS: i64 = 30;
/// Longest time from approval to expiry, where the fleet does not say.
pub const DEFAULT_MAX_DAYS: i64 = 180;

rule! {
    /// A waiver is past its last day.
    ///
    /// ## Why it matters
    /// The loosening it permitted is no longer permitted: its tenant's last rendered files are
    /// held, and nobody else's.
    /// ## Fix
    /// Tighten the tenant, or have the waiver approved anew.
    pub static EXPIRED = "tenancy/waiver-expired", Error;
}
rule! {
    /// A waiver ends within 30 days.
    ///
    /// ## Why it matters
    /// On the day after its last, its tenant is held: nothing of it changes in the tree until it is
    /// tightened.
    /// ## Fix
    /// Tighten the tenant, or have the waiver approved anew.
    pub static EXPIRING = "tenancy/waiver-expiring", Warning;
}
rule! {
    /// A waiver that is approved by nobody entitled, before its time, or for too long.
    ///
    /// ## Why it matters
    /// Approval itself is the forge's (CODEOWNERS on the waivers folder); this holds the text
    /// against fleet.waivers.
    pub static NOT_APPROVED = "tenancy/waiver-not-approved", Error;
}
rule! {
    /// A waiver that permits nothing: nothing it names is loosened.
    /// ## Fix
    /// Delete it: it would permit the next loosening unseen.
    pub static UNUSED = "tenancy/waiver-unused", Warning;
}
rule! {
    /// A waiver for a rule that cannot be waived, or for a tenant that does not exist.
    pub static DANGLING = "tenancy/waiver-dangling", Error;
}

/// What is permitted, for the stages after this one: rule, tenant, and the objects where they are
/// listed.
#[derive(Debug, Default)]
pub struct Permits {
    all: BTreeMap<String, Vec<Permit>>,
}

/// A rule, and the objects it is waived for; all of them where none are listed.
type Permit = (String, Option<Vec<String>>);

impl Permits {
    /// Whether a loosening of an object is permitted.
    pub fn permits(&self, rule: &Rule, tenant: &str, object: &str) -> bool {
        let all = self.all.get(tenant).map_or(&[][..], Vec::as_slice);
        all.iter().any(|(id, objects)| {
            id == rule.id
                && objects
                    .as_ref()
                    .is_none_or(|list| list.iter().any(|o| o == object))
        })
    }
}

/// The valid waivers of a fleet.
#[derive(Debug, Default)]
pub struct Waivers<'a> {
    by_tenant: BTreeMap<&'a str, Vec<Waiver<'a>>>,
    invalid: BTreeMap<&'a str, Vec<&'a WaiverDoc>>,
}

#[derive(Debug)]
struct Waiver<'a> {
    doc: &'a WaiverDoc,
    used: AtomicBool,
}

/// What takes a waiver.
#[derive(Clone, Copy, Debug)]
pub struct Loosening<'a> {
    /// The rule that it breaks.
    pub rule: &'static Rule,
    /// The tenant that it is of.
    pub tenant: &'a str,
    /// What is loosened, as `Kind/NAMESPACE/NAME`.
    pub object: &'a str,
}

/// The waivers that one document uses. They are in use once it is known that the document counts.
#[derive(Debug)]
pub struct WaiverUse<'a> {
    waivers: &'a Waivers<'a>,
    used: RefCell<Vec<&'a AtomicBool>>,
}

/// What a document used of the waivers.
#[derive(Debug, Default)]
pub struct Used<'a>(Vec<&'a AtomicBool>);

impl<'a> WaiverUse<'a> {
    /// Reports a loosening, unless it is permitted.
    pub fn require_waiver(
        &self,
        of: &Loosening<'_>,
        span: Span,
        message: impl Into<String>,
        fix: &str,
        out: &mut Vec<Diagnostic>,
    ) {
        let waivers: &'a Waivers<'a> = self.waivers;
        let before = self.used.borrow().len();
        for waiver in waivers
            .by_tenant
            .get(of.tenant)
            .into_iter()
            .flatten()
            .filter(|waiver| waiver.permits(of))
        {
            self.used.borrow_mut().push(&waiver.used);
        }
        if self.used.borrow().len() == before {
            out.push(waivers.refusal(of, span, message.into(), fix));
        }
    }

    /// What was used.
    pub fn into_used(self) -> Used<'a> {
        Used(self.used.into_inner())
    }
}

impl Used<'_> {
    /// Counts them as in use.
    pub fn count(self) {
        self.0
            .into_iter()
            .for_each(|used| used.store(true, Ordering::Relaxed));
    }
}

impl Waiver<'_> {
    /// Whether it permits a loosening of its tenant.
    fn permits(&self, of: &Loosening<'_>) -> bool {
        let listed = self.doc.spec.objects.as_ref();
        self.doc.spec.rule.as_str() == of.rule.id
            && listed.is_none_or(|objects| objects.iter().any(|o| o.as_str() == of.object))
    }
}

impl<'a> Waivers<'a> {
    /// Takes the waivers that hold today, and says what is wrong with the others.
    pub fn new(
        docs: &'a [WaiverDoc],
        rules: &WaiverRules,
        waivable: &[&'static Rule],
        now: Day,
        out: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut by_tenant: BTreeMap<&str, Vec<Waiver<'_>>> = BTreeMap::new();
        let mut invalid: BTreeMap<&str, Vec<&WaiverDoc>> = BTreeMap::new();

        for doc in docs {
            let before = out.len();
            check(doc, rules, waivable, now, out);

            if !out[before..].iter().any(|d| d.level == Level::Error) {
                let waiver = Waiver {
                    doc,
                    used: AtomicBool::new(false),
                };
                by_tenant
                    .entry(doc.spec.tenant.as_str())
                    .or_default()
                    .push(waiver);
            } else {
                invalid
                    .entry(doc.spec.tenant.as_str())
                    .or_default()
                    .push(doc);
            }
        }

        Self { by_tenant, invalid }
    }

    /// Reports the waivers of tenants that do not exist.
    pub fn dangling(&self, exists: impl Fn(&str) -> bool, out: &mut Vec<Diagnostic>) {
        let sound = self.by_tenant.values().flatten().map(|waiver| waiver.doc);
        for doc in sound
            .chain(self.invalid.values().flatten().copied())
            .filter(|doc| !exists(&doc.spec.tenant))
        {
            let tenant = doc.spec.tenant.as_str();
            let message = format!("there is no tenant `{tenant}`");
            let finding = Diagnostic::new(&DANGLING, doc.spec.tenant.span, message);
            out.push(
                finding
                    .fix("delete the waiver, or mend the name")
                    .tenant(tenant),
            );
        }
    }

    /// The finding of a loosening that nothing permits.
    fn refusal(&self, of: &Loosening<'_>, span: Span, message: String, fix: &str) -> Diagnostic {
        let Loosening {
            rule,
            tenant,
            object,
        } = *of;

        let broken = self
            .invalid
            .get(tenant)
            .and_then(|all| all.iter().find(|w| w.spec.rule.as_str() == rule.id));

        let finding = Diagnostic::new(rule, span, message).tenant(tenant);
        if let Some(waiver) = broken {
            let fix = format!(
                "{fix}, or mend the waiver `{}`, which does not hold",
                *waiver.name
            );
            finding.related(waiver.name.span, "the waiver").fix(fix)
        } else {
            finding.fix(format!(
                "{fix}, or write a Waiver of `{}` for {object}",
                rule.id
            ))
        }
    }

    /// A view of them for one document, which may turn out not to count: what it uses is counted
    /// apart.
    pub fn tally(&self) -> WaiverUse<'_> {
        WaiverUse {
            waivers: self,
            used: RefCell::default(),
        }
    }

    /// Every waiver of some rules, for the stages that look at objects. They count as used: whether
    /// they are is seen only there.
    pub fn permits_for(&self, rules: &[&Rule]) -> Permits {
        let mut permits = Permits::default();
        for (tenant, waivers) in &self.by_tenant {
            for waiver in waivers
                .iter()
                .filter(|w| rules.iter().any(|r| r.id == w.doc.spec.rule.as_str()))
            {
                waiver.used.store(true, Ordering::Relaxed);
                let objects = waiver.doc.spec.objects.as_ref();
                let objects =
                    objects.map(|list| list.iter().map(|o| o.value.to_string()).collect());
                let entry = (waiver.doc.spec.rule.value.to_string(), objects);
                permits
                    .all
                    .entry((*tenant).to_owned())
                    .or_default()
                    .push(entry);
            }
        }

        permits
    }

    /// How many of a tenant's waivers are used.
    pub fn used(&self, tenant: &str) -> usize {
        let all = self.by_tenant.get(tenant).map_or(&[][..], Vec::as_slice);
        all.iter()
            .filter(|w| w.used.load(Ordering::Relaxed))
            .count()
    }

    /// Reports the waivers of tenants that were looked at, and that permitted nothing.
    pub fn unused(&self, looked_at: impl Fn(&str) -> bool, out: &mut Vec<Diagnostic>) {
        for (tenant, waivers) in &self.by_tenant {
            for waiver in waivers
                .iter()
                .filter(|w| !w.used.load(Ordering::Relaxed) && looked_at(tenant))
            {
                let message = format!("the waiver `{}` permits nothing", *waiver.doc.name);
                out.push(
                    Diagnostic::new(&UNUSED, waiver.doc.spec.rule.span, message)
                        .label("nothing of the tenant loosens this rule")
                        .fix("delete it")
                        .tenant(tenant),
                );
            }
        }
    }
}

fn check(
    doc: &WaiverDoc,
    rules: &WaiverRules,
    waivable: &[&'static Rule],
    now: Day,
    out: &mut Vec<Diagnostic>,
) {
    let spec = &doc.spec;
    let tenant = spec.tenant.as_str();
    let name = &doc.name.value;
    let mut fault = |rule, span, message: String, fix: String| {
        out.push(Diagnostic::new(rule, span, message).fix(fix).tenant(tenant));
    };

    if !waivable.iter().any(|r| r.id == spec.rule.as_str()) {
        let ids: Vec<&str> = waivable.iter().map(|r| r.id).collect();
        let fix = did_you_mean_or(&spec.rule, waivable.iter().map(|r| r.id), || {
            format!("rules that can be waived: {}", ids.join(", "))
        });
        fault(
            &DANGLING,
            spec.rule.span,
            format!("`{}` is not a rule that can be waived", spec.rule.value),
            fix,
        );
    }

    let (Some(approved), Some(expires)) =
        (Day::parse(&spec.approved_at), Day::parse(&spec.expires))
    else {
        return;
    };

    if let Some(approvers) = &rules.approvers
        && !approvers
            .iter()
            .any(|a| a.as_str() == spec.approved_by.as_str())
    {
        let list: Vec<&str> = approvers.iter().map(|a| a.as_str()).collect();
        let message = format!("`{}` may not approve waivers", spec.approved_by.value);
        fault(
            &NOT_APPROVED,
            spec.approved_by.span,
            message,
            format!("fleet.waivers.approvers: {}", list.join(", ")),
        );
    }

    let max = rules.max_days.unwrap_or(DEFAULT_MAX_DAYS);
    if approved > now {
        let message = format!("the waiver `{name}` is approved on {approved}, after today, {now}");
        fault(
            &NOT_APPROVED,
            spec.approved_at.span,
            message,
            "mend the day".into(),
        );
    } else if expires.days_since(approved) > max || expires < approved {
        let days = expires.days_since(approved);
        let message = format!("the waiver `{name}` holds for {days} days, of 0 to {max}");
        fault(
            &NOT_APPROVED,
            spec.expires.span,
            message,
            format!("at the latest {}", approved.plus(max)),
        );
    }

    if expires < now {
        let message = format!(
            "the waiver `{name}` of `{}` expired on {expires}; today is {now}",
            spec.rule.value
        );
        fault(
            &EXPIRED,
            spec.expires.span,
            message,
            "tighten the tenant, or have it approved anew".into(),
        );
    } else if expires.days_since(now) <= WARNING_DAYS {
        let message = format!(
            "the waiver `{name}` expires on {expires}, in {} days",
            expires.days_since(now)
        );
        fault(
            &EXPIRING,
            spec.expires.span,
            message,
            "tighten the tenant, or have it approved anew".into(),
        );
    }
}
