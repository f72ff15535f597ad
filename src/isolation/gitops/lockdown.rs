use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::rbac::Subject;
use crate::isolation::api::power::BECOME_ACCOUNT;
use crate::isolation::{Finding, at, some};
use std::collections::BTreeSet;

rule! {
    /// Flux's controllers are started so that tenants are not kept apart.
    ///
    /// ## What it finds
    /// `--no-cross-namespace-refs=false`, `--no-remote-bases=false`, and an empty `--default-service-account`, in the
    /// arguments of a controller's Deployment or in a patch of an overlay. Where a tenant may write Flux objects itself and no
    /// input shows how the controllers are started, the verdict rests on an assumption.
    ///
    /// ## Why it matters
    /// Without `--no-cross-namespace-refs` a tenant's Kustomization applies from any tenant's source. Without
    /// `--default-service-account` one that names no account is applied as a cluster-admin. Without `--no-remote-bases` it
    /// loads bases from anywhere.
    ///
    /// ## Example
    /// ```yaml
    /// - op: add
    ///   path: /spec/template/spec/containers/0/args/-
    ///   value: --no-cross-namespace-refs=false
    /// ```
    ///
    /// ## Fix
    /// `--no-cross-namespace-refs=true` for all controllers, `--no-remote-bases=true` for kustomize-controller,
    /// `--default-service-account=default` for kustomize- and helm-controller.
    ///
    /// ## References
    /// fluxcd.io/flux/installation/configuration/multitenancy; Flux RFC-0001; fluxcd-community/helm-charts#111;
    /// ISO 27001 A.8.9
    pub static LOCKDOWN = "gitops/lockdown", Error;
}

/// Flags, and what follows where one is off.
const FLAGS: [(&str, &str); 2] = [
    ("no-cross-namespace-refs", "a tenant's Flux objects may read every other tenant's sources"),
    ("no-remote-bases", "a tenant's overlays may load bases from anywhere"),
];

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for controller in &cluster.facts.controllers {
        for (flag, follows) in FLAGS {
            let Some((value, place)) = controller.flag(flag).filter(|(v, _)| *v != "true") else { continue };
            let place = at(place, controller.origin);
            let writers = writers(cluster);
            let who = match writers.len() {
                0 => "whoever may write Flux objects".to_owned(),
                _ => format!("tenants that may write Flux objects ({})", some(writers.iter().map(|w| w.as_str()))),
            };
            let message = format!("{} runs with --{flag}={value}: {follows}", controller.id.name);
            out.push(
                Finding::refuted(&LOCKDOWN, place, message)
                    .step(place, format!("--{flag}={value} in {}", controller.id.called()))
                    .step(place, format!("{who} can point a sourceRef at another tenant's namespace"))
                    .fix(format!("start it with --{flag}=true")),
            );
        }
        if let Some((value, place)) = controller.flag("default-service-account").filter(|(v, _)| v.is_empty()) {
            let message = format!("{} runs with an empty --default-service-account{value}", controller.id.name);
            out.push(
                Finding::refuted(&LOCKDOWN, at(place, controller.origin), message)
                    .fix("start it with --default-service-account=default"),
            );
        }
    }
    let shown = |flag: &str| cluster.facts.controllers.iter().any(|c| c.flag(flag).is_some());
    let missing: Vec<String> = ["no-cross-namespace-refs", "no-remote-bases", "default-service-account"]
        .iter()
        .filter(|flag| !shown(flag))
        .map(|flag| format!("--{flag}"))
        .collect();
    if !missing.is_empty() {
        out.assume("flux-lockdown", format!("Flux's controllers run with {}", missing.join(", ")));
    }
}

/// The tenants whose people or service accounts may write Flux objects.
fn writers(cluster: &Cluster) -> BTreeSet<String> {
    let flux = &BECOME_ACCOUNT[4];
    let mut writers = BTreeSet::new();
    for binding in cluster.rbac.bindings.iter().filter(|b| !b.id.namespace.is_empty()) {
        if cluster.rbac.role(binding).is_none_or(|r| flux.of(&r.rules).is_none()) {
            continue;
        }
        let tenants = binding.subjects.iter().filter_map(|(s, _): &(Subject, _)| cluster.holder(s));
        writers.extend(tenants.map(|t| cluster.tenants[t as usize].name.to_string()));
    }
    writers
}
