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

/// The valid waivers after linking, by tenant, and whether each is in use. Those of rules of the
/// proof are not among them: see [`ProofWaiver`].
#[derive(Debug, Default)]
pub struct Permits {
    by_tenant: BTreeMap<String, Vec<Permit>>,
}

/// A valid waiver.
#[derive(Debug)]
struct Permit {
    name: String,
    /// The id of the rule.
    rule: String,
    /// The place of the rule in the waiver.
    span: Span,
    /// The objects, as `Kind/namespace/name`; all of the tenant if `None`.
    objects: Option<Vec<String>>,
    used: AtomicBool,
}

impl Permits {
    /// Whether a loosening of an object is permitted. The waivers that permit it count as in use.
    pub fn permits(&self, rule: &Rule, tenant: &str, object: &str) -> bool {
        let mut is_permitted = false;
        for permit in self.of_tenant(tenant) {
            let objects = permit.objects.as_ref();
            let lists = objects.is_none_or(|list| list.iter().any(|listed| listed == object));

            if permit.rule == rule.id && lists {
                permit.used.store(true, Ordering::Relaxed);
                is_permitted = true;
            }
        }
        is_permitted
    }

    /// The number of a tenant's waivers that are in use.
    pub fn used_by(&self, tenant: &str) -> usize {
        let all = self.of_tenant(tenant).iter();
        all.filter(|permit| permit.is_used()).count()
    }

    /// The number of all waivers that are in use.
    pub fn used(&self) -> usize {
        let all = self.by_tenant.values().flatten();
        all.filter(|permit| permit.is_used()).count()
    }

    /// Reports the waivers that permit nothing, of the tenants that were rendered. Complete only
    /// after the tenants' manifests were checked, because these use waivers too.
    pub fn unused(&self, is_rendered: impl Fn(&str) -> bool) -> Vec<Diagnostic> {
        let rendered = self.by_tenant.iter().filter(|(name, _)| is_rendered(name));
        rendered
            .flat_map(|(tenant, permits)| permits.iter().map(move |permit| (tenant, permit)))
            .filter(|(_, permit)| !permit.is_used())
            .map(|(tenant, permit)| unused(&permit.name, tenant, permit.span))
            .collect()
    }

    fn of_tenant(&self, tenant: &str) -> &[Permit] {
        self.by_tenant.get(tenant).map_or(&[][..], Vec::as_slice)
    }
}

impl Permit {
    fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }
}

/// The finding of a waiver that permits nothing. `span` is the place of its rule.
fn unused(name: &str, tenant: &str, span: Span) -> Diagnostic {
    Diagnostic::new(
        &UNUSED,
        span,
        format!("the waiver `{name}` permits nothing"),
    )
    .label("nothing of the tenant loosens this rule")
    .fix("delete it")
    .tenant(tenant)
}

/// A valid waiver of a rule of the proof, for the stage that looks for ways between tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofWaiver {
    /// The name.
    pub name: String,
    /// The id of the rule.
    pub rule: String,
    /// The tenant.
    pub tenant: String,
    /// The objects, as `Kind/namespace/name`; all of the tenant if `None`.
    pub objects: Option<Vec<String>>,
    /// The last day, as 2027-04-01.
    pub expires: String,
    /// The place of the rule in the waiver.
    pub span: Span,
}

impl ProofWaiver {
    /// The finding that it permits no finding of the proof.
    pub fn unused(&self) -> Diagnostic {
        unused(&self.name, &self.tenant, self.span)
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

/// A loosening, which needs a waiver.
#[derive(Clone, Copy, Debug)]
pub struct Loosening<'a> {
    /// The rule that it breaks.
    pub rule: &'static Rule,
    /// The tenant that loosens.
    pub tenant: &'a str,
    /// The object that is loosened, as `Kind/NAMESPACE/NAME`.
    pub object: &'a str,
}

/// The waivers that one document uses. They are in use once it is known that the document counts.
#[derive(Debug)]
pub struct WaiverUse<'a> {
    waivers: &'a Waivers<'a>,
    used: RefCell<Vec<&'a AtomicBool>>,
}

/// The waivers that a document used.
#[derive(Debug, Default)]
pub struct UsedWaivers<'a>(Vec<&'a AtomicBool>);

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

    /// The waivers that were used.
    pub fn into_used(self) -> UsedWaivers<'a> {
        UsedWaivers(self.used.into_inner())
    }
}

impl UsedWaivers<'_> {
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
            && listed
                .is_none_or(|objects| objects.iter().any(|object| object.as_str() == of.object))
    }

    /// Whether it waives one of some rules.
    fn is_for(&self, rules: &[&Rule]) -> bool {
        let named = self.doc.spec.rule.as_str();
        rules.iter().any(|rule| rule.id == named)
    }

    /// The objects that it lists, as `Kind/namespace/name`.
    fn objects(&self) -> Option<Vec<String>> {
        let listed = self.doc.spec.objects.as_ref()?;
        Some(
            listed
                .iter()
                .map(|object| object.value.to_string())
                .collect(),
        )
    }
}

impl<'a> Waivers<'a> {
    /// Takes the waivers that hold today, and reports the others.
    pub fn new(
        docs: &'a [WaiverDoc],
        rules: &WaiverRules,
        waivable: &[&'static Rule],
        today: Day,
        out: &mut Vec<Diagnostic>,
    ) -> Self {
        let policy = WaiverPolicy {
            rules,
            waivable,
            today,
        };
        let mut by_tenant: BTreeMap<&str, Vec<Waiver<'_>>> = BTreeMap::new();
        let mut invalid: BTreeMap<&str, Vec<&WaiverDoc>> = BTreeMap::new();

        for doc in docs {
            let tenant = doc.spec.tenant.as_str();
            let faults = policy.check(doc);

            if faults.iter().any(|fault| fault.level == Level::Error) {
                invalid.entry(tenant).or_default().push(doc);
            } else {
                by_tenant.entry(tenant).or_default().push(Waiver {
                    doc,
                    used: AtomicBool::new(false),
                });
            }
            out.extend(faults);
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

        let broken = self.invalid.get(tenant).and_then(|all| {
            all.iter()
                .find(|waiver| waiver.spec.rule.as_str() == rule.id)
        });

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
    pub fn start_use(&self) -> WaiverUse<'_> {
        WaiverUse {
            waivers: self,
            used: RefCell::default(),
        }
    }

    /// The waivers for the stages that look at objects, each with its use so far. `proof_rules` are
    /// the rules of the proof, whose waivers are left out.
    pub fn permits(&self, proof_rules: &[&Rule]) -> Permits {
        let mut permits = Permits::default();
        for (tenant, waivers) in &self.by_tenant {
            let others = waivers.iter().filter(|waiver| !waiver.is_for(proof_rules));
            let others = others.map(|waiver| Permit {
                name: waiver.doc.name.value.to_string(),
                rule: waiver.doc.spec.rule.value.to_string(),
                span: waiver.doc.spec.rule.span,
                objects: waiver.objects(),
                used: AtomicBool::new(waiver.used.load(Ordering::Relaxed)),
            });
            permits
                .by_tenant
                .insert((*tenant).to_owned(), others.collect());
        }
        permits
    }

    /// The waivers of rules of the proof. Only a proof finds out whether they are in use.
    pub fn of_proof(&self, proof_rules: &[&Rule]) -> Vec<ProofWaiver> {
        let all = self.by_tenant.values().flatten();
        all.filter(|waiver| waiver.is_for(proof_rules))
            .map(|waiver| {
                let spec = &waiver.doc.spec;
                ProofWaiver {
                    name: waiver.doc.name.value.to_string(),
                    rule: spec.rule.value.to_string(),
                    tenant: spec.tenant.value.to_string(),
                    objects: waiver.objects(),
                    expires: spec.expires.value.to_string(),
                    span: spec.rule.span,
                }
            })
            .collect()
    }
}

/// The rules for the waivers of a fleet, on one day.
struct WaiverPolicy<'a> {
    rules: &'a WaiverRules,
    waivable: &'a [&'static Rule],
    today: Day,
}

impl WaiverPolicy<'_> {
    /// The faults of a waiver. It permits nothing if one of them is an error.
    fn check(&self, doc: &WaiverDoc) -> Vec<Diagnostic> {
        let mut findings = Vec::new();
        findings.extend(self.unknown_rule(doc));

        let days = (
            Day::parse(&doc.spec.approved_at),
            Day::parse(&doc.spec.expires),
        );
        if let (Some(approved), Some(expires)) = days {
            findings.extend(self.unknown_approver(doc));
            findings.extend(self.invalid_period(doc, approved, expires));
            findings.extend(self.expiry(doc, expires));
        }

        let tenant = doc.spec.tenant.as_str();
        findings
            .into_iter()
            .map(|finding| finding.tenant(tenant))
            .collect()
    }

    fn unknown_rule(&self, doc: &WaiverDoc) -> Option<Diagnostic> {
        let rule = &doc.spec.rule;
        let ids: Vec<&str> = self.waivable.iter().map(|rule| rule.id).collect();
        if ids.contains(&rule.as_str()) {
            return None;
        }

        let message = format!("`{}` is not a rule that can be waived", rule.value);
        let fix = did_you_mean_or(rule, ids.iter().copied(), || {
            format!("rules that can be waived: {}", ids.join(", "))
        });
        Some(Diagnostic::new(&DANGLING, rule.span, message).fix(fix))
    }

    fn unknown_approver(&self, doc: &WaiverDoc) -> Option<Diagnostic> {
        let approvers = self.rules.approvers.as_ref()?;
        let approvers: Vec<&str> = approvers.iter().map(|approver| approver.as_str()).collect();
        let approved_by = &doc.spec.approved_by;
        if approvers.contains(&approved_by.as_str()) {
            return None;
        }

        let message = format!("`{}` may not approve waivers", approved_by.value);
        let fix = format!("fleet.waivers.approvers: {}", approvers.join(", "));
        Some(Diagnostic::new(&NOT_APPROVED, approved_by.span, message).fix(fix))
    }

    fn invalid_period(&self, doc: &WaiverDoc, approved: Day, expires: Day) -> Option<Diagnostic> {
        let (name, today) = (&doc.name.value, self.today);
        let most = self.rules.max_days.unwrap_or(DEFAULT_MAX_DAYS);
        let days = expires.days_since(approved);

        if approved > today {
            let message =
                format!("the waiver `{name}` is approved on {approved}, after today, {today}");
            let finding = Diagnostic::new(&NOT_APPROVED, doc.spec.approved_at.span, message);
            return Some(finding.fix("mend the day"));
        }
        if (0..=most).contains(&days) {
            return None;
        }

        let message = format!("the waiver `{name}` holds for {days} days, of 0 to {most}");
        let fix = format!("at the latest {}", approved.plus(most));
        Some(Diagnostic::new(&NOT_APPROVED, doc.spec.expires.span, message).fix(fix))
    }

    fn expiry(&self, doc: &WaiverDoc, expires: Day) -> Option<Diagnostic> {
        let (name, today) = (&doc.name.value, self.today);
        let left = expires.days_since(today);
        let (rule, message) = if left < 0 {
            let message = format!(
                "the waiver `{name}` of `{}` expired on {expires}; today is {today}",
                doc.spec.rule.value
            );
            (&EXPIRED, message)
        } else if left <= WARNING_DAYS {
            let message = format!("the waiver `{name}` expires on {expires}, in {left} days");
            (&EXPIRING, message)
        } else {
            return None;
        };

        let fix = "tighten the tenant, or have it approved anew";
        Some(Diagnostic::new(rule, doc.spec.expires.span, message).fix(fix))
    }
}
