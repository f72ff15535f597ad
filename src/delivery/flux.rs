//! Flux: its names, its marks, and the objects that apply a folder.
//!
//! Source: fluxcd.io/flux/components/kustomize/kustomizations and
//! fluxcd.io/flux/components/source/ocirepositories.

use super::applied::{AppliedPath, text_at};
use super::{
    AppliedFolder, ClusterEngine, Conventions, Engine, EngineMark, FolderOrigin, GroupKind,
    MarkEffect, SourceName, SyncValues, Treatment, TreeSource,
};
use crate::document::Node;
use crate::kube::ObjectId;
use crate::kube::names::OWNER_LABEL;
use crate::spec::fleet::{Artifacts, ClusterSpec, Flux, FluxSourceKind};
use crate::spec::tenant::{
    BucketSource, GitSource, HelmSource, OciSource, SecretHolder, SyncSpec, VerifySpec,
};
use crate::value::{Entry, Text, Value, list, map};

/// The API group of Kustomizations.
pub const KUSTOMIZE_GROUP: &str = "kustomize.toolkit.fluxcd.io";
/// The API group of HelmReleases.
pub const HELM_GROUP: &str = "helm.toolkit.fluxcd.io";
/// The API group of sources.
pub const SOURCE_GROUP: &str = "source.toolkit.fluxcd.io";
/// The API group of Providers, Alerts and Receivers.
pub const NOTIFICATION_GROUP: &str = "notification.toolkit.fluxcd.io";
/// The API group of image policies.
pub const IMAGE_GROUP: &str = "image.toolkit.fluxcd.io";
/// The API group of flux-operator.
pub const OPERATOR_GROUP: &str = "fluxcd.controlplane.io";

/// Keeps variables of a Kustomization's `postBuild` out of an object.
const NOT_SUBSTITUTED: EngineMark = EngineMark {
    key: "kustomize.toolkit.fluxcd.io/substitute",
    value: "disabled",
    effect: MarkEffect::NotSubstituted,
};
/// Leaves an object in the cluster when it leaves the tree.
const NOT_PRUNED: EngineMark = EngineMark {
    key: "kustomize.toolkit.fluxcd.io/prune",
    value: "disabled",
    effect: MarkEffect::NotPruned,
};
/// Leaves fields of an object that others set.
const MERGED: EngineMark = EngineMark {
    key: APPLY_MODE,
    value: "Merge",
    effect: MarkEffect::Merged,
};
const APPLY_MODE: &str = "kustomize.toolkit.fluxcd.io/ssa";

/// The source that `flux bootstrap` makes.
const BOOTSTRAP_SOURCE: SourceName = SourceName {
    kind: Text::new_static(FluxSourceKind::GitRepository.as_str()),
    name: Text::new_static("flux-system"),
};

/// What holds of Flux on every cluster.
///
/// Source of the marks: fluxcd.io/flux/components/kustomize/kustomizations, and `AnyInMetadata` of
/// fluxcd/pkg/ssa.
pub static CONVENTIONS: Conventions = Conventions {
    engine: Engine::Flux,
    title: "Flux",
    namespace: "flux-system",
    source: Some(BOOTSTRAP_SOURCE),
    account: "kustomize-controller",
    group_suffixes: &["toolkit.fluxcd.io", OPERATOR_GROUP],
    applier: GroupKind {
        group: KUSTOMIZE_GROUP,
        kind: "Kustomization",
    },
    metadata_prefixes: &[
        "toolkit.fluxcd.io/",
        "kustomize.toolkit.fluxcd.io/",
        "reconcile.fluxcd.io/",
        "helm.toolkit.fluxcd.io/",
        "source.toolkit.fluxcd.io/",
        "fluxcd.controlplane.io/",
    ],
    marks: &[
        EngineMark {
            key: "kustomize.toolkit.fluxcd.io/reconcile",
            value: "disabled",
            effect: MarkEffect::NotApplied,
        },
        NOT_PRUNED,
        EngineMark {
            key: APPLY_MODE,
            value: "Ignore",
            effect: MarkEffect::NotApplied,
        },
        EngineMark {
            key: APPLY_MODE,
            value: "IfNotPresent",
            effect: MarkEffect::AppliedOnce,
        },
        MERGED,
        NOT_SUBSTITUTED,
    ],
    apply_mode: APPLY_MODE,
    // Flux puts the name of a Kustomization into a label of all that it applies.
    name_limit: 63,
    least_interval: 30,
    // Of fluxcd/pkg `sourceignore`, v0.18: the patterns of version control; and those of endings, CI
    // systems and tools.
    ignore_file: Some(".sourceignore"),
    left_out: &[".git/", ".gitignore", ".gitmodules", ".gitattributes"],
    left_out_otherwise: &[
        "*.jpg",
        "*.jpeg",
        "*.gif",
        "*.png",
        "*.wmv",
        "*.flv",
        "*.tar.gz",
        "*.zip",
        ".github/",
        ".circleci/",
        ".travis.yml",
        ".gitlab-ci.yml",
        "appveyor.yml",
        ".drone.yml",
        "cloudbuild.yaml",
        "codeship-services.yml",
        "codeship-steps.yml",
        "**/.goreleaser.yml",
        "**/.sops.yaml",
        "**/.flux.yaml",
    ],
};

fn stated(cluster: &ClusterSpec) -> Option<&Flux> {
    cluster.flux.as_ref()
}

/// The namespace that a cluster states.
pub(super) fn stated_namespace(cluster: &ClusterSpec) -> Option<&str> {
    Some(stated(cluster)?.namespace.as_ref()?.as_str())
}

/// The source that holds a cluster's tree: the one that the cluster states, or the bootstrap's.
pub(super) fn source(cluster: &ClusterSpec) -> SourceName {
    let source = stated(cluster).and_then(|flux| flux.source.as_ref());
    source.map_or(BOOTSTRAP_SOURCE, |source| SourceName {
        kind: source.kind.as_str().into(),
        name: source.name.as_str().into(),
    })
}

/// The service account that a cluster states.
pub(super) fn stated_account(cluster: &ClusterSpec) -> Option<&str> {
    Some(stated(cluster)?.service_account.as_ref()?.as_str())
}

/// The version that a cluster states.
pub(super) fn stated_version(cluster: &ClusterSpec) -> Option<&str> {
    Some(stated(cluster)?.version.as_ref()?.as_str())
}

/// The registry that a cluster states.
pub(super) fn stated_artifacts(cluster: &ClusterSpec) -> Option<&Artifacts> {
    stated(cluster)?.artifacts.as_ref()
}

/// The annotations of a rendered object.
pub(super) fn annotations(treatment: Treatment) -> Vec<Entry> {
    let keep = treatment.keep.then_some(NOT_PRUNED);
    let merge = treatment.merge.then_some(MERGED);
    keep.into_iter()
        .chain(merge)
        .chain([NOT_SUBSTITUTED])
        .map(|mark| mark.annotation())
        .collect()
}

/// The Kustomization that applies a folder, after the OCIRepository of a folder that has its own
/// artifact.
pub(super) fn render(
    engine: &ClusterEngine<'_>,
    owner: &str,
    folder: &AppliedFolder<'_>,
) -> Vec<Value> {
    let metadata = map! {
        "name" => folder.name,
        "namespace" => engine.namespace(),
        "labels" => map! { OWNER_LABEL => owner },
    };

    match &folder.origin {
        FolderOrigin::Shared(path) => {
            let shared = source(engine.cluster);
            let source = map! { "kind" => shared.kind, "name" => shared.name };
            vec![kustomization(
                engine,
                folder,
                metadata,
                path.clone(),
                source,
            )]
        }
        FolderOrigin::Artifact(artifacts, url) => {
            let kind = FluxSourceKind::OciRepository.as_str();
            let repository = map! {
                "apiVersion" => "source.toolkit.fluxcd.io/v1",
                "kind" => kind,
                "metadata" => metadata.clone(),
                "spec" => repository_spec(artifacts, url),
            };
            let source = map! { "kind" => kind, "name" => folder.name };
            let applier = kustomization(engine, folder, metadata, "./".to_owned(), source);
            vec![repository, applier]
        }
    }
}

fn kustomization(
    engine: &ClusterEngine<'_>,
    folder: &AppliedFolder<'_>,
    mut metadata: Value,
    path: String,
    source: Value,
) -> Value {
    let annotations = annotations(Treatment {
        keep: folder.keep,
        merge: false,
    });

    metadata.change(|entries| entries.push(("annotations".into(), annotations.into())));

    let mut spec = map! {
        "interval" => "10m",
        "retryInterval" => "2m",
        "timeout" => "5m",
        "path" => path,
        "prune" => true,
        "serviceAccountName" => folder.account.as_deref().unwrap_or(engine.account()),
        "sourceRef" => source,
    };

    if let Some(name) = folder.decryption {
        spec.change(|entries| entries.push(("decryption".into(), sops(name))));
    }

    if folder.keep_objects {
        let kept = map! { "annotations" => Value::from(vec![NOT_PRUNED.annotation()]) };
        spec.change(|entries| entries.push(("commonMetadata".into(), kept)));
    }

    if let Some(after) = folder.after {
        spec.change(|entries| entries.push(("dependsOn".into(), list![map! { "name" => after }])));
    }

    map! {
        "apiVersion" => "kustomize.toolkit.fluxcd.io/v1",
        "kind" => "Kustomization",
        "metadata" => metadata,
        "spec" => spec,
    }
}

fn repository_spec(artifacts: &Artifacts, url: &str) -> Value {
    let mut spec = map! {
        "interval" => artifacts.interval.as_ref().map_or("1m", |interval| interval.as_str()),
        "url" => url,
        "ref" => map! { "tag" => "latest" },
    };

    spec.change(|entries| {
        if let Some(provider) = artifacts.provider {
            entries.push(("provider".into(), provider.as_str().into()));
        }
        if let Some(secret) = &artifacts.secret_ref {
            entries.push(("secretRef".into(), map! { "name" => secret.as_str() }));
        }
        if artifacts.insecure == Some(true) {
            entries.push(("insecure".into(), true.into()));
        }
        if let Some(verify) = &artifacts.verify {
            entries.push(("verify".into(), verification(verify)));
        }
    });

    spec
}

fn verification(verify: &VerifySpec) -> Value {
    let by = &verify.cosign.value;
    let identity = map! { "issuer" => by.issuer.as_str(), "subject" => by.subject.as_str() };
    map! { "provider" => "cosign", "matchOIDCIdentity" => list![identity] }
}

/// Fields of the objects of a tenant's sync.
pub(super) fn sync_values(sync: &SyncSpec, name: &str, home: &str) -> SyncValues {
    let source_kind = if sync.git.is_some() {
        Some(FluxSourceKind::GitRepository)
    } else if sync.oci.is_some() {
        Some(FluxSourceKind::OciRepository)
    } else {
        sync.bucket.is_some().then_some(FluxSourceKind::Bucket)
    };

    let decryption = sync
        .decryption
        .as_ref()
        .map(|holder| sops(holder.secret_ref.as_str()));

    SyncValues {
        git: sync.git.as_deref().map(git).into(),
        oci: sync.oci.as_deref().map(oci).into(),
        helm: sync.helm.as_deref().map(|chart| helm(chart, home)).into(),
        bucket: sync.bucket.as_deref().map(bucket).into(),
        source_kind: source_kind.map(FluxSourceKind::as_str),
        verify: sync.verify.as_ref().map(verification).into(),
        secret_ref: sync.auth.as_ref().map(secret).into(),
        decryption: decryption.into(),
        notifications: notifications(sync, name),
    }
}

/// The decryption by SOPS with the keys of a Secret, in the namespace of the Kustomization.
fn sops(secret: &str) -> Value {
    map! { "provider" => "sops", "secretRef" => map! { "name" => secret } }
}

fn secret(holder: &SecretHolder) -> Value {
    map! { "name" => holder.secret_ref.as_str() }
}

/// The first of the fields of a `ref` that is stated.
fn reference(stated: &[(&'static str, Option<&str>)], default: Value) -> Value {
    stated
        .iter()
        .find_map(|(key, value)| Some(map! { key => (*value)? }))
        .unwrap_or(default)
}

fn git(source: &GitSource) -> Value {
    let stated = [
        ("tag", source.tag.as_deref()),
        ("semver", source.semver.as_deref()),
        ("commit", source.commit.as_deref()),
        ("branch", source.branch.as_deref()),
    ];
    let reference = reference(&stated, map! { "branch" => "main" });
    map! { "url" => source.url.as_str(), "ref" => reference }
}

fn oci(source: &OciSource) -> Value {
    let stated = [
        ("tag", source.tag.as_deref()),
        ("semver", source.semver.as_deref()),
        ("digest", source.digest.as_deref()),
    ];
    let reference = reference(&stated, map! { "tag" => "latest" });
    map! { "url" => source.url.as_str(), "ref" => reference }
}

fn helm(source: &HelmSource, home: &str) -> Value {
    let kind = source.url.starts_with("oci://").then_some("oci");
    map! {
        "url" => source.url.as_str(),
        "type" => kind,
        "chart" => source.chart.as_str(),
        "targetNamespace" => home,
        "version" => source.version.as_ref().map(|version| version.as_str()),
    }
}

fn bucket(source: &BucketSource) -> Value {
    map! {
        "endpoint" => source.endpoint.as_str(),
        "bucketName" => source.name.as_str(),
        "region" => source.region.as_ref().map(|region| region.as_str()),
    }
}

/// The providers of a sync's notifications: the second of them has a number in its name.
fn notifications(sync: &SyncSpec, name: &str) -> Vec<Value> {
    let all = sync.notifications.iter().flatten().enumerate();
    all.map(|(at, notification)| {
        let suffix = match at {
            0 => String::new(),
            _ => format!("-{}", at + 1),
        };
        map! {
            "name" => format!("{name}-{}{suffix}", notification.kind),
            "type" => notification.kind.as_str(),
            "secretRef" => map! { "name" => notification.secret_ref.as_str() },
        }
    })
    .collect()
}

/// Whether an API group is Flux's or flux-operator's.
pub fn is_group(group: &str) -> bool {
    CONVENTIONS.has_group(group)
}

/// Says why a tenant may not have an object of Flux: it acts as Flux itself, or names a namespace
/// that is not the tenant's.
pub(super) fn reaches_out(
    id: &ObjectId,
    object: &serde_json::Value,
    is_own: &dyn Fn(&str) -> bool,
) -> Option<String> {
    if !is_group(&id.group) {
        return None;
    }
    let text = |pointer: &str| object.pointer(pointer).and_then(|value| value.as_str());

    let applies = ["Kustomization", "HelmRelease", "ResourceSet"];
    if applies.contains(&id.kind.as_str()) {
        if text("/spec/serviceAccountName").is_none_or(str::is_empty) {
            return Some("it names no serviceAccountName, and may run as Flux itself".into());
        }
        if object.pointer("/spec/kubeConfig").is_some() {
            return Some("it names a kubeConfig".into());
        }
        let has_key = text("/spec/decryption/secretRef/name").is_some_and(|name| !name.is_empty());
        if object.pointer("/spec/decryption").is_some() && !has_key {
            return Some(
                "its decryption names no secretRef, and uses the keys of Flux itself".into(),
            );
        }
    }

    if id.group == SOURCE_GROUP && text("/spec/provider").is_some_and(|name| name != "generic") {
        return Some("its provider is the cloud identity of Flux itself".into());
    }

    let events = object
        .pointer("/spec/eventSources")
        .and_then(|sources| sources.as_array());
    let of_events = events
        .into_iter()
        .flatten()
        .filter_map(|event| event.get("namespace")?.as_str());

    NAMESPACE_FIELDS
        .iter()
        .filter_map(|pointer| text(pointer))
        .chain(of_events)
        .find(|name| !is_own(name))
        .map(|name| format!("it names the namespace `{name}`, which is not the tenant's"))
}

/// Whether an object has the mark by which Flux deletes and makes it anew when an update is refused, or
/// one by which it leaves it as it is. Values are read in any case.
pub(super) fn is_replaced(object: &Node) -> bool {
    const FORCED: (&str, &str) = ("kustomize.toolkit.fluxcd.io/force", "enabled");
    let freezing = CONVENTIONS
        .marks
        .iter()
        .filter(|mark| mark.effect.freezes());
    let mut marks = freezing.map(|mark| (mark.key, mark.value)).chain([FORCED]);
    let says = |part: &str, key: &str, value: &str| {
        let stated = object.at(&["metadata", part, key]).and_then(Node::as_str);
        stated.is_some_and(|stated| stated.eq_ignore_ascii_case(value))
    };
    marks.any(|(key, value)| says("annotations", key, value) || says("labels", key, value))
}

/// Fields of Flux's objects that name a namespace.
const NAMESPACE_FIELDS: [&str; 5] = [
    "/spec/sourceRef/namespace",
    "/spec/chart/spec/sourceRef/namespace",
    "/spec/chartRef/namespace",
    "/spec/targetNamespace",
    "/spec/storageNamespace",
];

/// Reads the path that a Kustomization applies.
pub(super) fn applied(root: &Node) -> Option<AppliedPath> {
    let GroupKind { group, kind } = CONVENTIONS.applier;
    let version = root.get("apiVersion")?.as_str()?;
    let is_applier = version.split_once('/')?.0 == group && root.get("kind")?.as_str()? == kind;
    let source = SourceName {
        kind: text_at(root, &["spec", "sourceRef", "kind"]).into(),
        name: text_at(root, &["spec", "sourceRef", "name"]).into(),
    };
    let path = root.at(&["spec", "path"])?;
    is_applier
        .then(|| AppliedPath::new(root, path, Some(TreeSource::Object(source))))
        .flatten()
}

/// The folder below `clusters/` into which `flux bootstrap` wrote a file.
pub(super) fn bootstrapped(path: &str) -> Option<&str> {
    let (folder, file) = path.strip_prefix("clusters/")?.split_once('/')?;
    let own_folder = file
        .strip_prefix(CONVENTIONS.namespace)
        .is_some_and(|rest| rest.starts_with('/'));
    (file.ends_with("gotk-sync.yaml") || own_folder).then_some(folder)
}

/// The fields of a cluster in the fleet that say what its bootstrap is called; empty where that is
/// the usual.
pub(super) fn cluster_fields(bootstrap: &AppliedPath) -> String {
    let Some(source) = bootstrap.source.as_ref().and_then(TreeSource::object) else {
        return String::new();
    };
    if bootstrap.namespace == CONVENTIONS.namespace && source.name == BOOTSTRAP_SOURCE.name {
        return String::new();
    }
    format!(
        "      flux:
        namespace: {}
        source:
          kind: {}
          name: {}
",
        bootstrap.namespace, source.kind, source.name
    )
}
