use super::{Findings, shows_flux};
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::gitops::controller::{Controller, StartedController};
use crate::isolation::assumptions::FLUX_LOCKDOWN;
use crate::isolation::capability::APPLY_BY_FLUX;
use crate::isolation::{Finding, at, some};
use crate::source::Span;
use crate::value::Text;
use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// Flux's controllers are started so that tenants are not kept apart.
    ///
    /// ## What it finds
    /// A controller's Deployment after every patch of an overlay, or a FluxInstance, in which
    /// `--no-cross-namespace-refs`, `--no-remote-bases` or `--default-service-account` is off or
    /// missing, in which `--sops-age-secret` is set, or which has object-level workload identity
    /// without default accounts. Arguments of sidecars do not count. Where no input shows how a
    /// controller is started, the verdict rests on an assumption that names it.
    ///
    /// ## Why it matters
    /// Without `--no-cross-namespace-refs` a tenant's Kustomization applies from any tenant's
    /// source. Without `--default-service-account` one that names no account is applied as a
    /// cluster-admin. Without `--no-remote-bases` it loads bases from anywhere.
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
    /// When it is required.
    required: Required,
    /// What follows if it is not set, as a clause.
    consequence: &'static str,
}

/// When a flag is required.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Required {
    /// On every cluster: if no input shows the controller, the verdict rests on an assumption.
    Always,
    /// If the inputs show the controller, which few clusters have.
    IfShown,
    /// If the inputs show the controller with object-level workload identity.
    WithObjectIdentity,
}

/// The value that a required flag must have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FlagValue {
    True,
    /// The name of a service account: any but the empty one.
    AccountName,
    /// The flag must not be set.
    Absent,
}

impl FlagValue {
    /// Whether a value does what is required.
    fn accepts(self, value: Option<&str>) -> bool {
        match (self, value) {
            (Self::Absent, value) => value.is_none_or(str::is_empty),
            (_, None) => false,
            (Self::True, Some(value)) => {
                ["1", "t", "true"].contains(&value.to_lowercase().as_str())
            }
            (Self::AccountName, Some(value)) => !value.is_empty(),
        }
    }

    /// The fix that it proposes.
    fn proposal(self, flag: &str) -> String {
        match self {
            Self::True => format!("start it with --{flag}=true"),
            Self::AccountName => format!("start it with --{flag}=default"),
            Self::Absent => format!("start it without --{flag}"),
        }
    }
}

const REQUIRED: [RequiredFlag; 17] = [
    no_cross_namespace_refs("kustomize-controller", READS_SOURCES),
    no_cross_namespace_refs("helm-controller", READS_SOURCES),
    no_cross_namespace_refs(
        "notification-controller",
        "a tenant's Receivers and Alerts may name every other tenant's objects",
    ),
    no_cross_namespace_refs("image-reflector-controller", READS_SOURCES),
    no_cross_namespace_refs("image-automation-controller", READS_SOURCES),
    RequiredFlag {
        required: Required::IfShown,
        ..no_cross_namespace_refs(
            "source-watcher",
            "a tenant's ArtifactGenerators may copy every other tenant's sources",
        )
    },
    RequiredFlag {
        controller: "kustomize-controller",
        flag: "no-remote-bases",
        value: FlagValue::True,
        required: Required::Always,
        consequence: "a tenant's overlays may load bases from anywhere",
    },
    default_service_account("kustomize-controller"),
    default_service_account("helm-controller"),
    RequiredFlag {
        controller: "kustomize-controller",
        flag: "sops-age-secret",
        value: FlagValue::Absent,
        required: Required::IfShown,
        consequence: "one key decrypts every tenant's files, for every tenant",
    },
    object_identity("kustomize-controller", "default-decryption-service-account"),
    object_identity("kustomize-controller", "default-kubeconfig-service-account"),
    object_identity("helm-controller", "default-kubeconfig-service-account"),
    object_identity("source-controller", "default-service-account"),
    object_identity("notification-controller", "default-service-account"),
    object_identity("image-reflector-controller", "default-service-account"),
    object_identity("image-automation-controller", "default-service-account"),
];

const READS_SOURCES: &str = "a tenant's Flux objects may read every other tenant's sources";

/// The feature gate by which each object may name the account whose cloud identity it uses.
const OBJECT_IDENTITY: &str = "ObjectLevelWorkloadIdentity=true";

const fn no_cross_namespace_refs(
    controller: &'static str,
    consequence: &'static str,
) -> RequiredFlag {
    RequiredFlag {
        controller,
        flag: "no-cross-namespace-refs",
        value: FlagValue::True,
        required: Required::Always,
        consequence,
    }
}

const fn default_service_account(controller: &'static str) -> RequiredFlag {
    RequiredFlag {
        controller,
        flag: "default-service-account",
        value: FlagValue::AccountName,
        required: Required::Always,
        consequence: "what names no service account is applied as a cluster-admin",
    }
}

const fn object_identity(controller: &'static str, flag: &'static str) -> RequiredFlag {
    RequiredFlag {
        controller,
        flag,
        value: FlagValue::AccountName,
        required: Required::WithObjectIdentity,
        consequence: "with ObjectLevelWorkloadIdentity, what names no service account uses the \
                      controller's own cloud identity",
    }
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut missing: BTreeSet<String> = BTreeSet::new();
    let mut reported: BTreeSet<Span> = BTreeSet::new();
    let writers = LazyCell::new(|| writers(cluster));

    for required in &REQUIRED {
        let settings = settings(cluster, required);
        if settings.is_empty() && required.required == Required::Always {
            missing.insert(format!("{} --{}", required.controller, required.flag));
        }

        for setting in settings {
            if required.value.accepts(setting.value.as_deref()) {
                continue;
            }
            // A patch or an instance is for all of them: it is reported once.
            let for_all = setting.value.is_some() || setting.controller.is_instance;
            if for_all && !reported.insert(setting.span) {
                continue;
            }
            out.push(finding(required, &setting, &writers));
        }
    }

    if !missing.is_empty() && shows_flux(cluster) {
        let missing: Vec<String> = missing.into_iter().collect();
        let text = format!("{}: {}", FLUX_LOCKDOWN.text, missing.join(", "));
        out.assume_about(&FLUX_LOCKDOWN, text);
    }
}

/// A controller, and the value of a flag that it starts with.
struct Setting<'a> {
    controller: &'a Controller,
    value: Option<Text>,
    /// The place of the value; of one that is not set, the place of the object.
    span: Span,
}

/// Where the inputs set a flag. Empty if no input shows the flag.
fn settings<'a>(cluster: &'a Cluster, required: &RequiredFlag) -> Vec<Setting<'a>> {
    let started = cluster.started(required.controller);
    let settings = started.iter().filter_map(|one| setting(one, required));
    settings.collect()
}

/// The value of a flag; `None` if the flag is not required there, or if a patch does not show it.
fn setting<'a>(started: &StartedController<'a>, required: &RequiredFlag) -> Option<Setting<'a>> {
    let gates = started.flag("feature-gates").map_or("", |(value, _)| value);
    let object_identity = gates.split(',').any(|gate| gate.trim() == OBJECT_IDENTITY);
    if required.required == Required::WithObjectIdentity && !object_identity {
        return None;
    }

    let value = started.flag(required.flag);
    if value.is_none() && !started.is_held() {
        return None;
    }
    Some(Setting {
        controller: started.controller,
        span: at(value.and_then(|(_, span)| span), started.controller.origin),
        value: value.map(|(value, _)| Text::from(value)),
    })
}

fn finding(
    required: &RequiredFlag,
    setting: &Setting<'_>,
    writers: &BTreeMap<u32, &str>,
) -> Finding {
    let RequiredFlag {
        flag, consequence, ..
    } = required;
    let controller = setting.controller;
    let started = match &setting.value {
        Some(value) => format!("with --{flag}={value}"),
        None => format!("without --{flag}"),
    };

    let (runs, object) = match (&controller.patch, controller.is_instance) {
        (Some(_), _) => (
            "Flux's controllers run".to_owned(),
            "a patch of Flux's controllers".to_owned(),
        ),
        (None, true) => (
            format!("the controllers of {} run", controller.id.called()),
            format!(
                "{}, whose spec.cluster.multitenant is not true",
                controller.id.called()
            ),
        ),
        (None, false) => (
            format!("{} runs", controller.id.name),
            controller.id.called(),
        ),
    };
    let who = match writers.len() {
        0 => "whoever may write Flux objects".to_owned(),
        _ => format!(
            "tenants that may write Flux objects ({})",
            some(writers.values().copied())
        ),
    };

    let message = format!("{runs} {started}: {consequence}");
    let finding = Finding::refuted(&LOCKDOWN, setting.span, message)
        .step(setting.span, format!("{started} in {object}"))
        .step(setting.span, format!("so {consequence}: {who}"))
        .fix(required.value.proposal(flag));
    // One key decrypts the files of everybody, for everybody.
    match writers.is_empty() || required.value == FlagValue::Absent {
        true => finding,
        false => finding.by_each(writers.keys().copied()),
    }
}

/// The tenants whose people or service accounts may write Flux objects.
fn writers(cluster: &Cluster) -> BTreeMap<u32, &str> {
    let mut writers = BTreeMap::new();
    for binding in &cluster.rbac.bindings {
        if binding.id.namespace.is_empty() {
            continue;
        }
        let role = cluster.rbac.role(binding);
        if role.is_none_or(|role| APPLY_BY_FLUX.given_by(&role.rules).is_none()) {
            continue;
        }

        let tenants = binding
            .subjects
            .iter()
            .flat_map(|(subject, _)| cluster.holders(subject));
        writers.extend(tenants.map(|at| (at, cluster.tenants[at as usize].name.as_str())));
    }
    writers
}
