use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::gitops::flux::{Controller, is_named};
use crate::graph::rbac::Subject;
use crate::isolation::capability::BECOME_ACCOUNT;
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

/// Where a flag is looked for, and what is said of it there.
type Setting<'a> = (&'a Controller, Option<(&'a str, Option<Span>)>);

/// A controller, the flag that it needs, and what follows where it is not set.
const NEEDED: [(&str, &str, &str); 8] = [
    ("kustomize-controller", REFS, ANYTHING),
    ("helm-controller", REFS, ANYTHING),
    (
        "notification-controller",
        REFS,
        "a tenant's Receivers and Alerts may name every other tenant's objects",
    ),
    ("image-reflector-controller", REFS, ANYTHING),
    ("image-automation-controller", REFS, ANYTHING),
    (
        "kustomize-controller",
        "no-remote-bases",
        "a tenant's overlays may load bases from anywhere",
    ),
    ("kustomize-controller", "default-service-account", AS_ITSELF),
    ("helm-controller", "default-service-account", AS_ITSELF),
];
const REFS: &str = "no-cross-namespace-refs";
const ANYTHING: &str = "a tenant's Flux objects may read every other tenant's sources";
const AS_ITSELF: &str = "what names no service account is applied as a cluster-admin";

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut missing: BTreeSet<String> = BTreeSet::new();
    let mut reported: BTreeSet<Span> = BTreeSet::new();
    let writers = writers(cluster);

    for (name, flag, follows) in NEEDED {
        // Its Deployment, and shards of it; and what patches of overlays set for all of Flux's.
        let is_it = |c: &&Controller| is_named(&c.id.name, name);
        let platforms = |c: &&Controller| tenant_of(cluster, &c.id.namespace).is_none();
        let deployed: Vec<&Controller> = cluster
            .facts
            .gitops
            .controllers
            .iter()
            .filter(is_it)
            .filter(platforms)
            .collect();

        let patches = || {
            cluster
                .facts
                .gitops
                .controllers
                .iter()
                .filter(|c| c.patches(name))
        };

        let patched = patches()
            .filter_map(|c| c.flag(flag).map(|(value, span)| (c, value, span)))
            .next_back();
        let set: Vec<Setting<'_>> = match (patched, deployed.is_empty()) {
            (Some((patch, value, span)), _) => vec![(patch, Some((value, span)))],
            (None, false) => deployed.iter().map(|c| (*c, c.flag(flag))).collect(),
            (None, true) => {
                missing.insert(format!("{name} --{flag}"));
                continue;
            }
        };

        for (controller, value) in set {
            let on = match value {
                Some((value, _)) if flag == "default-service-account" => !value.is_empty(),
                Some((value, _)) => ["1", "t", "true"].contains(&value.to_lowercase().as_str()),
                None => false,
            };

            let span = at(value.and_then(|(_, span)| span), controller.origin);
            // A patch is for all of them: it is reported once.
            if on || (controller.patch.is_some() && !reported.insert(span)) {
                continue;
            }
            let said = value.map_or_else(
                || format!("without --{flag}"),
                |(value, _)| format!("with --{flag}={value}"),
            );

            let (who_runs, of) = match controller.patch.is_some() {
                true => (
                    "Flux's controllers run".to_owned(),
                    "a patch of Flux's controllers".to_owned(),
                ),
                false => (
                    format!("{} runs", controller.id.name),
                    controller.id.called(),
                ),
            };

            let message = format!("{who_runs} {said}: {follows}");
            let who = match writers.len() {
                0 => "whoever may write Flux objects".to_owned(),
                _ => format!(
                    "tenants that may write Flux objects ({})",
                    some(writers.iter().map(|w| w.as_str()))
                ),
            };

            out.push(
                Finding::refuted(&LOCKDOWN, span, message)
                    .step(span, format!("{said} in {of}"))
                    .step(span, format!("so {follows}: {who}"))
                    .fix(format!(
                        "start it with --{flag}={}",
                        if flag == "default-service-account" {
                            "default"
                        } else {
                            "true"
                        }
                    )),
            );
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

/// The tenants whose people or service accounts may write Flux objects.
fn writers(cluster: &Cluster) -> BTreeSet<String> {
    let flux = &BECOME_ACCOUNT[4];
    let mut writers = BTreeSet::new();

    for binding in cluster
        .rbac
        .bindings
        .iter()
        .filter(|b| !b.id.namespace.is_empty())
    {
        if cluster
            .rbac
            .role(binding)
            .is_none_or(|r| flux.of(&r.rules).is_none())
        {
            continue;
        }
        let tenants = binding
            .subjects
            .iter()
            .filter_map(|(s, _): &(Subject, _)| cluster.holder(s));
        writers.extend(tenants.map(|t| cluster.tenants[t as usize].name.to_string()));
    }

    writers
}
