//! Flux's objects: Kustomizations, HelmReleases, ResourceSets and what they refer to, and how its
//! controllers are started.
//!
//! Source: fluxcd.io/flux/installation/configuration/multitenancy and fluxcd/flux2 RFC-0001:
//! without `serviceAccountName` an object is applied as the controller, which is a cluster-admin
//! unless it is locked down.

use super::controller::Controller;
use super::patches::{self, PatchTarget};
use super::{Applier, Gitops, Reference, Referrer, UnreadObject};
use crate::delivery::Engine;
use crate::delivery::flux::{
    HELM_GROUP, IMAGE_GROUP, KUSTOMIZE_GROUP, NOTIFICATION_GROUP, OPERATOR_GROUP,
};
use crate::document::TreeValue;
use crate::graph::Origin;
use crate::graph::object::tenant_label;
use crate::kube::ObjectId;
use crate::kube::labels::{at, is_true, items};
use crate::value::Text;

/// Fields of a Kustomization by which Flux changes what it applies.
const REWRITES: [&str; 6] = [
    "commonMetadata",
    "components",
    "namePrefix",
    "nameSuffix",
    "patches",
    "postBuild",
];

/// Fields that name what an object applies from.
const SOURCES: [(&str, &[&str]); 3] = [
    ("spec.sourceRef", &["sourceRef"]),
    ("spec.chartRef", &["chartRef"]),
    ("spec.chart.spec.sourceRef", &["chart", "spec", "sourceRef"]),
];

/// Fields that are lists of references.
const LISTS: [(&str, &str); 4] = [
    ("spec.dependsOn", "dependsOn"),
    ("spec.resources", "resources"),
    ("spec.sources", "sources"),
    ("spec.eventSources", "eventSources"),
];

/// Reads an object, and says whether it is one of Flux that decides something.
pub(super) fn read<T: TreeValue>(
    gitops: &mut Gitops,
    id: &ObjectId,
    node: &T,
    origin: Origin,
) -> bool {
    match (id.group.as_str(), id.kind.as_str()) {
        (KUSTOMIZE_GROUP, "Kustomization")
        | (HELM_GROUP, "HelmRelease")
        | (OPERATOR_GROUP, "ResourceSet") => {
            let spec = node.member("spec");
            let has = |key: &&str| spec.is_some_and(|spec| spec.member(key).is_some());
            gitops.rewritten |= REWRITES.iter().any(has);
            gitops.referrers.extend(referrer(id, node, origin));
            gitops.appliers.push(sync(id, node, origin));
        }
        (NOTIFICATION_GROUP | IMAGE_GROUP, _) => {
            gitops.referrers.extend(referrer(id, node, origin));
        }
        ("source.extensions.fluxcd.io", "ArtifactGenerator") => {
            gitops.referrers.extend(referrer(id, node, origin));
        }
        (OPERATOR_GROUP, "FluxInstance") => instance(gitops, id, node, origin),
        // The report of an instance, and values for ResourceSets.
        (OPERATOR_GROUP, "FluxReport" | "ResourceSetInputProvider") => {}
        (OPERATOR_GROUP, _) => gitops.unread.push(UnreadObject {
            id: id.clone(),
            origin,
        }),
        _ => return false,
    }
    true
}

/// Reads a Kustomization, a HelmRelease or a ResourceSet.
fn sync<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Applier {
    let spec = node.member("spec");
    let field = |key: &str| spec.and_then(|spec| spec.member(key));
    let text = |key: &str| {
        field(key)
            .and_then(TreeValue::text)
            .filter(|text| !text.is_empty())
    };

    let secret = |node: &T, key: &str| -> Option<Text> {
        Some(node.member(key)?.member("name")?.text()?.into())
    };
    let kube_config = |node: &T| {
        let name = secret(node, "secretRef").or_else(|| secret(node, "configMapRef"));
        (name.unwrap_or_default(), node.span())
    };

    Applier {
        engine: Engine::Flux,
        id: id.clone(),
        tenant: tenant_label(node),
        account: text("serviceAccountName").map(Text::from),
        target: text("targetNamespace").map(|name| {
            (
                name.into(),
                field("targetNamespace").and_then(TreeValue::span),
            )
        }),
        sources: spec.map(|spec| sources(id, spec)).unwrap_or_default(),
        kube_config: field("kubeConfig").map(kube_config),
        decryption: field("decryption").and_then(|node| secret(node, "secretRef")),
        origin,
    }
}

/// What an object applies from.
fn sources<T: TreeValue>(id: &ObjectId, spec: &T) -> Vec<Reference> {
    let named = SOURCES
        .iter()
        .filter_map(|(field, path)| Some(reference(id, field, at(spec, path)?)));
    named.collect()
}

fn reference<T: TreeValue>(id: &ObjectId, field: &'static str, node: &T) -> Reference {
    let text = |key: &str| node.member(key).and_then(TreeValue::text);
    Reference {
        field,
        kind: text("kind").unwrap_or(&id.kind).into(),
        namespace: text("namespace")
            .filter(|name| !name.is_empty())
            .map_or_else(|| id.namespace.clone(), Text::from),
        name: text("name").unwrap_or_default().into(),
        span: node.span(),
    }
}

/// Reads the references of a Flux object; `None` where it has none.
fn referrer<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Option<Referrer> {
    let spec = node.member("spec")?;
    let mut references = sources(id, spec);
    let image = at(spec, &["imageRepositoryRef"]);
    references.extend(image.map(|node| reference(id, "spec.imageRepositoryRef", node)));

    for (field, key) in LISTS {
        // A ResourceSet's resources are objects, and no references.
        if id.kind != "ResourceSet" || key == "dependsOn" {
            let listed = items(spec.member(key)).iter();
            references.extend(listed.map(|node| reference(id, field, node)));
        }
    }

    (!references.is_empty()).then(|| Referrer {
        id: id.clone(),
        references,
        origin,
    })
}

/// Reads a FluxInstance of flux-operator: the flags by which it starts the controllers.
///
/// Source: controlplaneio-fluxcd/flux-operator, internal/builder/profiles.go.
fn instance<T: TreeValue>(gitops: &mut Gitops, id: &ObjectId, node: &T, origin: Origin) {
    let cluster = at(node, &["spec", "cluster"]);
    let field = |key: &str| cluster.and_then(|cluster| cluster.member(key));
    let is_on = |key: &str| is_true(field(key));

    let mut flags: Vec<String> = Vec::new();
    if is_on("multitenant") {
        let account = field("tenantDefaultServiceAccount").and_then(TreeValue::text);
        flags.push("--no-cross-namespace-refs=true".into());
        flags.push("--no-remote-bases=true".into());
        flags.push(format!(
            "--default-service-account={}",
            account.unwrap_or("default")
        ));
    }
    if is_on("objectLevelWorkloadIdentity") {
        flags.push("--feature-gates=ObjectLevelWorkloadIdentity=true".into());
    }
    if is_on("multitenantWorkloadIdentity") {
        flags.push("--default-decryption-service-account=default".into());
        flags.push("--default-kubeconfig-service-account=default".into());
    }

    let span = field("multitenant").and_then(TreeValue::span);
    gitops.controllers.push(Controller {
        id: id.clone(),
        patch: None,
        is_instance: true,
        args: flags.into_iter().map(|flag| (flag.into(), span)).collect(),
        edits: Vec::new(),
        origin,
    });

    for entry in items(at(node, &["spec", "kustomize", "patches"])) {
        let text = entry.member("patch").and_then(TreeValue::text);
        let span = entry.span().unwrap_or(origin.span);
        match text.and_then(|text| patches::read(PatchTarget::of(entry), text, span)) {
            Some(patch) => gitops.controllers.push(patch.into_controller()),
            None => gitops.unread.push(UnreadObject {
                id: id.clone(),
                origin,
            }),
        }
    }
}
