//! Controllers of Flux and Argo CD whose version has a known hole.

use super::desired::Desired;
use super::finding::{LiveFinding, quoted};
use super::rules::KNOWN_HOLE;
use crate::diagnostic::{Diagnostic, Level, Scope};
use crate::value::Text;
use semver::Version;

const SOURCE_NAMESPACES: &str =
    "CVE-2024-31990: its API does not hold Applications to their project's sourceNamespaces";
const PROJECT_TOKENS: &str =
    "CVE-2025-55190: a project's API token reads the credentials of repositories";

/// The controller, the versions from and before which it has a hole, and the hole.
static HOLES: [(&str, &str, &str, &str); 20] = [
    (
        "kustomize-controller",
        "0.0.0",
        "0.15.0",
        "CVE-2021-41254: a tenant runs commands in the controller",
    ),
    (
        "kustomize-controller",
        "0.0.0",
        "0.23.0",
        "CVE-2022-24817: a tenant's kubeconfig runs commands in the controller",
    ),
    (
        "helm-controller",
        "0.0.0",
        "0.19.0",
        "CVE-2022-24817: a tenant's kubeconfig runs commands in the controller",
    ),
    (
        "kustomize-controller",
        "0.0.0",
        "0.24.0",
        "CVE-2022-24877: a tenant's overlay reads the controller's files",
    ),
    (
        "kustomize-controller",
        "0.0.0",
        "0.24.0",
        "CVE-2022-24878: a tenant's overlay ends the controller",
    ),
    (
        "helm-controller",
        "0.0.0",
        "0.23.0",
        "CVE-2022-36049: a tenant's chart ends the controller",
    ),
    (
        "source-controller",
        "0.0.0",
        "0.30.0",
        "CVE-2022-39272: a tenant's interval ends the controller",
    ),
    (
        "kustomize-controller",
        "0.0.0",
        "0.29.0",
        "CVE-2022-39272: a tenant's interval ends the controller",
    ),
    (
        "helm-controller",
        "0.0.0",
        "0.24.0",
        "CVE-2022-39272: a tenant's interval ends the controller",
    ),
    (
        "notification-controller",
        "0.0.0",
        "0.27.0",
        "CVE-2022-39272: a tenant's interval ends the controller",
    ),
    (
        "image-automation-controller",
        "0.0.0",
        "0.26.0",
        "CVE-2022-39272: a tenant's interval ends the controller",
    ),
    (
        "argocd",
        "2.5.0",
        "2.5.8",
        "CVE-2023-22736: an Application of any namespace goes around its project",
    ),
    ("argocd", "2.4.0", "2.8.16", SOURCE_NAMESPACES),
    ("argocd", "2.9.0", "2.9.12", SOURCE_NAMESPACES),
    ("argocd", "2.10.0", "2.10.7", SOURCE_NAMESPACES),
    ("argocd", "2.13.0", "2.13.9", PROJECT_TOKENS),
    ("argocd", "2.14.0", "2.14.16", PROJECT_TOKENS),
    ("argocd", "3.0.0", "3.0.14", PROJECT_TOKENS),
    ("argocd", "3.1.0", "3.1.2", PROJECT_TOKENS),
    (
        "flux-operator",
        "0.36.0",
        "0.40.0",
        "CVE-2026-23990: a user of its web interface acts as the operator",
    ),
];

/// The version that an image's tag names.
fn version_of(image: &str) -> Option<Version> {
    let image = image.split('@').next()?;
    let (_, tag) = image
        .rsplit_once(':')
        .filter(|(_, tag)| !tag.contains('/'))?;
    Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()
}

/// What is known of the versions of the controllers; `images` are each the namespace of a
/// Deployment, its name, and an image of it.
pub fn check(wanted: &Desired, images: &[[Text; 3]]) -> Vec<LiveFinding> {
    let mut all = Vec::new();
    for [namespace, deployment, image] in images {
        let controller = image
            .split(['@', ':'])
            .next()
            .and_then(|i| i.rsplit('/').next())
            .unwrap_or_default();

        let holes: Vec<_> = HOLES
            .iter()
            .filter(|(name, ..)| *name == controller)
            .collect();

        if holes.is_empty() {
            continue;
        }
        let mut push = |level: Level, message: String, fix: &str| {
            let diagnostic = Diagnostic::new(&KNOWN_HOLE, wanted.span, message)
                .level(level)
                .fix(fix)
                .scope(Scope::Fleet);
            all.push(LiveFinding {
                diagnostic,
                tenant: None,
                object: format!("Deployment {namespace}/{deployment}"),
                show: wanted.here(&format!(
                    "kubectl get deployment {} -n {} -o wide",
                    quoted(deployment),
                    quoted(namespace)
                )),
                since: Text::default(),
            });
        };

        let Some(version) = version_of(image) else {
            let message = format!(
                "{deployment} runs `{image}`, which does not name its version: no hole can be told"
            );
            push(
                Level::Warning,
                message,
                "name the image by a version too: image:v1.2.3@sha256:…",
            );
            continue;
        };

        for (_, from, fixed, what) in holes {
            let bound = |text: &str| Version::parse(text).ok();
            if bound(from).is_some_and(|v| version >= v)
                && bound(fixed).is_some_and(|v| version < v)
            {
                let message =
                    format!("{deployment} runs `{image}`: {what}; it was mended in {fixed}");
                push(Level::Error, message, "bring it up to date");
            }
        }
    }

    all
}
