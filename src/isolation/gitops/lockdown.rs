use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::gitops::flux::{Controller, is_named};
use crate::isolation::capability::APPLY_BY_FLUX;
use crate::isolation::{Finding, at, some, tenant_of};
use crate::source::Span;
use std::collections::BTreeSet;

rule! {
    /// Flux's controllers are started so that tenants are not kept apart.
    ///
    /// ## What it finds
    /// A controller's Deployment, or a patch of an overlay, in which `--no-cross-namespace-refs`,
    /// `--no-remote-bases` or `--default-service-account` is off or missing. Where no input shows
    /// how a controller is started, the verdict rests on an assumption that names it.
    ///
    /// ## Why it matters
    /// Without `--no-cross-namespace-refs` a tenant's Kustomization applies from any tenant's
    /// source. Without `--default-service-account` one that names no account is applied as a
    /// cluster-admin. Without `--no-remote-bases` it loads bases from anywhere.
    ///
    /// ## Example
    /// ```yaml
    /// - op: add
    ///   path: /spec/template/spec/containers/0/args/-
    ///   value: --no-cross-namespace-refs=false
    /// ```
    ///
    /// ## Fix
    /// `--no-cross-namespace-refs=true` for all controllers, `--no-remote-bases=true` for
    /// kustomize-controller, `--default-service-account=default` for kustomize- and
    /// helm-controller.
    ///
    /// ## References
    /// fluxcd.io/flux/installation/configuration/multitenancy; Flux RFC-0001;
    /// fluxcd-community/helm-charts#111; ISO 27001 A.8.9
    pub static LOCKDOWN = "gitops/lockdown", Error;
}

/// A flag that a controller must be started with.
struct RequiredFlag {
    controller: &'static str,
    /// The name of the flag, without dashes.
    flag: &'static str,
    value: FlagValue,
    /// What follows if it is not set, as a clause.
    consequence: &'static str,
}

/// The value that a required flag must have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FlagValue {
    True,
    /// The name of a service account: any but the empty one.
    AccountName,
}

impl FlagValue {
    /// Whether a value does what is required.
    fn accepts(self, value: &str) -> bool {
        match self {
            Self::True => ["1", "t", "true"].contains(&value.to_lowercase().as_str()),
            Self::AccountName => !value.is_empty(),
        }
    }

    /// The value that a fix proposes.
    const fn proposal(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::AccountName => "default",
        }
    }
}

const REQUIRED: [RequiredFlag; 8] = [
    no_cross_namespace_refs("kustomize-controller", READS_SOURCES),
    no_cross_namespace_refs("helm-controller", READS_SOURCES),
    no_cross_namespace_refs(
        "notification-controller",
        "a tenant's Receivers and Alerts may name every other tenant's objects",
    ),
    no_cross_namespace_refs("image-reflector-controller", READS_SOURCES),
    no_cross_namespace_refs("image-automation-controller", READS_SOURCES),
    RequiredFlag {
        controller: "kustomize-controller",
        flag: "no-remote-bases",
        value: FlagValue::True,
        consequence: "a tenant's overlays may load bases from anywhere",
    },
    default_service_account("kustomize-controller"),
    default_service_account("helm-controller"),
];

const READS_SOURCES: &str = "a tenant's Flux objects may read every other tenant's sources";

const fn no_cross_namespace_refs(
    controller: &'static str,
    consequence: &'static str,
) -> RequiredFlag {
    RequiredFlag {
        controller,
        flag: "no-cross-namespace-refs",
        value: FlagValue::True,
        consequence,
    }
}

const fn default_service_account(controller: &'static str) -> RequiredFlag {
    RequiredFlag {
        controller,
        flag: "default-service-account",
        value: FlagValue::AccountName,
        consequence: "what names no service account is applied as a cluster-admin",
    }
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut missing: BTreeSet<String> = BTreeSet::new();
    let mut reported: BTreeSet<Span> = BTreeSet::new();
    let writers = writers(cluster);

    for required in &REQUIRED {
        let settings = settings(cluster, required);
        if settings.is_empty() {
            missing.insert(format!("{} --{}", required.controller, required.flag));
        }

        for setting in settings {
            if setting
                .value
                .is_some_and(|value| required.value.accepts(value))
            {
                continue;
            }
            // A patch is for all of them: it is reported once.
            if setting.controller.patch.is_some() && !reported.insert(setting.span) {
                continue;
            }
            out.push(finding(required, &setting, &writers));
        }
    }

    if !missing.is_empty() {
        let missing: Vec<String> = missing.into_iter().collect();
        out.assume(
            "flux-lockdown",
            format!("Flux's controllers run locked down: {}", missing.join(", ")),
        );
    }
}

/// A controller's Deployment, or a patch of it, and the value of a flag in it.
struct Setting<'a> {
    controller: &'a Controller,
    value: Option<&'a str>,
    /// The place of the value; of one that is not set, the place of the object.
    span: Span,
}

impl<'a> Setting<'a> {
    fn new(controller: &'a Controller, value: Option<(&'a str, Option<Span>)>) -> Self {
        Self {
            controller,
            value: value.map(|(value, _)| value),
            span: at(value.and_then(|(_, span)| span), controller.origin),
        }
    }
}

/// Where the inputs set a flag: the last patch of an overlay that does, or else the controller's
/// Deployment and those of its shards. Empty if no input shows the controller.
fn settings<'a>(cluster: &'a Cluster, required: &RequiredFlag) -> Vec<Setting<'a>> {
    let controllers = &cluster.facts.gitops.controllers;
    let patched = controllers
        .iter()
        .filter(|controller| controller.patches(required.controller))
        .filter_map(|patch| Some((patch, patch.flag(required.flag)?)))
        .next_back();
    if let Some((patch, value)) = patched {
        return vec![Setting::new(patch, Some(value))];
    }

    controllers
        .iter()
        .filter(|controller| is_named(&controller.id.name, required.controller))
        .filter(|controller| tenant_of(cluster, &controller.id.namespace).is_none())
        .map(|controller| Setting::new(controller, controller.flag(required.flag)))
        .collect()
}

fn finding(required: &RequiredFlag, setting: &Setting<'_>, writers: &BTreeSet<String>) -> Finding {
    let RequiredFlag {
        flag, consequence, ..
    } = required;
    let controller = setting.controller;
    let started = match setting.value {
        Some(value) => format!("with --{flag}={value}"),
        None => format!("without --{flag}"),
    };

    let (runs, object) = match controller.patch.is_some() {
        true => (
            "Flux's controllers run".to_owned(),
            "a patch of Flux's controllers".to_owned(),
        ),
        false => (
            format!("{} runs", controller.id.name),
            controller.id.called(),
        ),
    };
    let who = match writers.len() {
        0 => "whoever may write Flux objects".to_owned(),
        _ => format!(
            "tenants that may write Flux objects ({})",
            some(writers.iter().map(String::as_str))
        ),
    };

    let message = format!("{runs} {started}: {consequence}");
    Finding::refuted(&LOCKDOWN, setting.span, message)
        .step(setting.span, format!("{started} in {object}"))
        .step(setting.span, format!("so {consequence}: {who}"))
        .fix(format!(
            "start it with --{flag}={}",
            required.value.proposal()
        ))
}

/// The tenants whose people or service accounts may write Flux objects.
fn writers(cluster: &Cluster) -> BTreeSet<String> {
    let mut writers = BTreeSet::new();
    for binding in &cluster.rbac.bindings {
        let role = cluster.rbac.role(binding);
        let gives = role.is_some_and(|role| APPLY_BY_FLUX.given_by(&role.rules).is_some());
        if binding.id.namespace.is_empty() || !gives {
            continue;
        }

        let tenants = binding
            .subjects
            .iter()
            .flat_map(|(subject, _)| cluster.holders(subject));
        writers.extend(tenants.map(|tenant| cluster.tenants[tenant as usize].name.to_string()));
    }
    writers
}
