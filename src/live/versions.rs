//! Controllers of Flux and Argo CD whose version has a known hole.

use super::commands::quoted;
use super::desired::Desired;
use super::finding::LiveFinding;
use super::observe::ControllerImage;
use super::rules::KNOWN_HOLE;
use crate::diagnostic::Level;
use semver::Version;
use std::ops::Range;

const SOURCE_NAMESPACES: &str =
    "CVE-2024-31990: its API does not hold Applications to their project's sourceNamespaces";
const PROJECT_TOKENS: &str =
    "CVE-2025-55190: a project's API token reads the credentials of repositories";

/// A hole of a controller.
struct KnownHole {
    /// The name of the controller's image.
    controller: &'static str,
    /// The first version that has the hole, and the first one after it that does not.
    versions: Range<&'static str>,
    /// The hole.
    what: &'static str,
}

impl KnownHole {
    const fn new(
        controller: &'static str,
        versions: Range<&'static str>,
        what: &'static str,
    ) -> Self {
        Self {
            controller,
            versions,
            what,
        }
    }

    /// Whether a version has the hole.
    fn is_in(&self, version: &Version) -> bool {
        let bound = |text: &str| Version::parse(text).ok();
        bound(self.versions.start).is_some_and(|start| *version >= start)
            && bound(self.versions.end).is_some_and(|end| *version < end)
    }
}

static HOLES: [KnownHole; 20] = [
    KnownHole::new(
        "kustomize-controller",
        "0.0.0".."0.15.0",
        "CVE-2021-41254: a tenant runs commands in the controller",
    ),
    KnownHole::new(
        "kustomize-controller",
        "0.0.0".."0.23.0",
        "CVE-2022-24817: a tenant's kubeconfig runs commands in the controller",
    ),
    KnownHole::new(
        "helm-controller",
        "0.0.0".."0.19.0",
        "CVE-2022-24817: a tenant's kubeconfig runs commands in the controller",
    ),
    KnownHole::new(
        "kustomize-controller",
        "0.0.0".."0.24.0",
        "CVE-2022-24877: a tenant's overlay reads the controller's files",
    ),
    KnownHole::new(
        "kustomize-controller",
        "0.0.0".."0.24.0",
        "CVE-2022-24878: a tenant's overlay ends the controller",
    ),
    KnownHole::new(
        "helm-controller",
        "0.0.0".."0.23.0",
        "CVE-2022-36049: a tenant's chart ends the controller",
    ),
    KnownHole::new(
        "source-controller",
        "0.0.0".."0.30.0",
        "CVE-2022-39272: a tenant's interval ends the controller",
    ),
    KnownHole::new(
        "kustomize-controller",
        "0.0.0".."0.29.0",
        "CVE-2022-39272: a tenant's interval ends the controller",
    ),
    KnownHole::new(
        "helm-controller",
        "0.0.0".."0.24.0",
        "CVE-2022-39272: a tenant's interval ends the controller",
    ),
    KnownHole::new(
        "notification-controller",
        "0.0.0".."0.27.0",
        "CVE-2022-39272: a tenant's interval ends the controller",
    ),
    KnownHole::new(
        "image-automation-controller",
        "0.0.0".."0.26.0",
        "CVE-2022-39272: a tenant's interval ends the controller",
    ),
    KnownHole::new(
        "argocd",
        "2.5.0".."2.5.8",
        "CVE-2023-22736: an Application of any namespace goes around its project",
    ),
    KnownHole::new("argocd", "2.4.0".."2.8.16", SOURCE_NAMESPACES),
    KnownHole::new("argocd", "2.9.0".."2.9.12", SOURCE_NAMESPACES),
    KnownHole::new("argocd", "2.10.0".."2.10.7", SOURCE_NAMESPACES),
    KnownHole::new("argocd", "2.13.0".."2.13.9", PROJECT_TOKENS),
    KnownHole::new("argocd", "2.14.0".."2.14.16", PROJECT_TOKENS),
    KnownHole::new("argocd", "3.0.0".."3.0.14", PROJECT_TOKENS),
    KnownHole::new("argocd", "3.1.0".."3.1.2", PROJECT_TOKENS),
    KnownHole::new(
        "flux-operator",
        "0.36.0".."0.40.0",
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

/// Reports the controllers whose version has a known hole, or is not known.
pub fn check(wanted: &Desired, images: &[ControllerImage]) -> Vec<LiveFinding> {
    images
        .iter()
        .flat_map(|image| holes_of(wanted, image))
        .collect()
}

fn holes_of(wanted: &Desired, controller: &ControllerImage) -> Vec<LiveFinding> {
    let ControllerImage {
        namespace,
        deployment,
        image,
    } = controller;

    let path = image.split(['@', ':']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut holes = HOLES.iter().filter(|hole| hole.controller == name);

    let found = |message: String| LiveFinding {
        object: format!("Deployment {namespace}/{deployment}"),
        ..LiveFinding::new(wanted, &KNOWN_HOLE, message).with_show(wanted.here(&format!(
            "kubectl get deployment {} -n {} -o wide",
            quoted(deployment),
            quoted(namespace)
        )))
    };

    if let Some(version) = version_of(image) {
        return holes
            .filter(|hole| hole.is_in(&version))
            .map(|hole| {
                let (what, fixed) = (hole.what, hole.versions.end);
                found(format!(
                    "{deployment} runs `{image}`: {what}; it was mended in {fixed}"
                ))
                .with_level(Level::Error)
                .with_fix("bring it up to date")
            })
            .collect();
    }

    let unknown = holes.next().map(|_| {
        found(format!(
            "{deployment} runs `{image}`, which does not name its version: no hole can be told"
        ))
        .with_level(Level::Warning)
        .with_fix("name the image by a version too: image:v1.2.3@sha256:…")
    });
    unknown.into_iter().collect()
}
