//! Kinds of Kubernetes: which are the cluster's, which surely exist, in which order they are
//! applied, and the schemas of those that are rendered.

use crate::document::{self, Ref, Repr};
use crate::kube::ObjectId;
use crate::kube::quantity::{self, Quantity};
use crate::source::{Source, SourceId};
use crate::spec::leaf::FORMATS;
use crate::value::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Cluster-scoped kinds of Kubernetes, by group.
static CLUSTER_SCOPED: [(&str, &[&str]); 13] = [
    (
        "",
        &["Namespace", "Node", "PersistentVolume", "ComponentStatus"],
    ),
    ("admissionregistration.k8s.io", &[]),
    ("apiextensions.k8s.io", &[]),
    ("apiregistration.k8s.io", &[]),
    (
        "certificates.k8s.io",
        &["CertificateSigningRequest", "ClusterTrustBundle"],
    ),
    ("flowcontrol.apiserver.k8s.io", &[]),
    (
        "networking.k8s.io",
        &["IngressClass", "IPAddress", "ServiceCIDR"],
    ),
    ("node.k8s.io", &[]),
    ("policy.networking.k8s.io", &[]),
    (
        "rbac.authorization.k8s.io",
        &["ClusterRole", "ClusterRoleBinding"],
    ),
    ("resource.k8s.io", &["DeviceClass", "ResourceSlice"]),
    ("scheduling.k8s.io", &[]),
    (
        "storage.k8s.io",
        &[
            "StorageClass",
            "VolumeAttachment",
            "CSIDriver",
            "CSINode",
            "VolumeAttributesClass",
        ],
    ),
];

/// Groups whose kinds a cluster surely has: Kubernetes' own, and Flux's where Flux applies the
/// tree.
static PRESENT: [&str; 20] = [
    "",
    "admissionregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "source.toolkit.fluxcd.io",
    "kustomize.toolkit.fluxcd.io",
    "helm.toolkit.fluxcd.io",
];

/// Kinds that the floor is made of, as `Kind.group`.
static FLOOR: [&str; 8] = [
    "Namespace",
    "NetworkPolicy.networking.k8s.io",
    "ResourceQuota",
    "LimitRange",
    "Role.rbac.authorization.k8s.io",
    "RoleBinding.rbac.authorization.k8s.io",
    "ClusterRole.rbac.authorization.k8s.io",
    "ClusterRoleBinding.rbac.authorization.k8s.io",
];

/// The order in which kinds are applied; others come last.
static ORDER: [&str; 12] = [
    "Namespace",
    "ResourceQuota",
    "LimitRange",
    "NetworkPolicy",
    "ServiceAccount",
    "ClusterRole",
    "Role",
    "ClusterRoleBinding",
    "RoleBinding",
    "Secret",
    "ConfigMap",
    "Service",
];

/// Whether a kind is known to have no namespace.
pub fn cluster_scoped(id: &ObjectId) -> bool {
    CLUSTER_SCOPED.iter().any(|(group, kinds)| {
        *group == id.group && (kinds.is_empty() || kinds.contains(&id.kind.as_str()))
    })
}

/// Whether a kind is of one of Kubernetes' own groups, and not one of them.
pub fn unknown_to_kubernetes(id: &ObjectId) -> bool {
    let own: &[&str] = match id.group.as_str() {
        "" => &[
            "Binding",
            "Endpoints",
            "Event",
            "LimitRange",
            "ResourceQuota",
        ],
        "rbac.authorization.k8s.io" => &["Role", "RoleBinding"],
        "networking.k8s.io" => &["NetworkPolicy"],
        "discovery.k8s.io" => &["EndpointSlice"],
        "apps" | "batch" | "autoscaling" | "policy" | "coordination.k8s.io" => &[],
        _ => return false,
    };
    !own.contains(&id.kind.as_str()) && !tenants_may_have(id) && !cluster_scoped(id)
}

/// Whether a cluster surely has a kind; else it is applied after the floor, so that a missing one
/// can hold up nothing.
pub fn surely_present(id: &ObjectId) -> bool {
    PRESENT.contains(&id.group.as_str()) || id.group == "notification.toolkit.fluxcd.io"
}

/// Kinds of a namespace that tenants may pass through, by group. What is not here is listed by the
/// fleet.
///
/// Left out on purpose: EndpointSlice and Endpoints (CVE-2021-25740: traffic to other tenants'
/// pods).
static TENANTS_MAY_HAVE: [(&str, &[&str]); 11] = [
    (
        "",
        &[
            "ConfigMap",
            "Secret",
            "Service",
            "ServiceAccount",
            "PersistentVolumeClaim",
            "Pod",
            "PodTemplate",
            "ReplicationController",
        ],
    ),
    (
        "apps",
        &[
            "Deployment",
            "StatefulSet",
            "DaemonSet",
            "ReplicaSet",
            "ControllerRevision",
        ],
    ),
    ("batch", &["Job", "CronJob"]),
    ("autoscaling", &["HorizontalPodAutoscaler"]),
    ("policy", &["PodDisruptionBudget"]),
    ("networking.k8s.io", &["Ingress"]),
    ("coordination.k8s.io", &["Lease"]),
    (
        "source.toolkit.fluxcd.io",
        &[
            "GitRepository",
            "OCIRepository",
            "HelmRepository",
            "HelmChart",
            "Bucket",
        ],
    ),
    ("kustomize.toolkit.fluxcd.io", &["Kustomization"]),
    ("helm.toolkit.fluxcd.io", &["HelmRelease"]),
    ("notification.toolkit.fluxcd.io", &["Provider", "Alert"]),
];

/// Whether tenants may have a kind without the fleet saying so.
pub fn tenants_may_have(id: &ObjectId) -> bool {
    TENANTS_MAY_HAVE
        .iter()
        .any(|(group, kinds)| *group == id.group && kinds.contains(&id.kind.as_str()))
}

/// Whether the floor is made of a kind. Network policies of every plugin are: they add up with
/// ours, or override them.
pub fn is_floor(id: &ObjectId) -> bool {
    FLOOR.contains(&id.type_name().as_str()) || id.kind.to_lowercase().contains("networkpolic")
}

/// The place of a kind in the order of applying.
pub fn order(id: &ObjectId) -> usize {
    let flux = id.group.ends_with("toolkit.fluxcd.io");
    ORDER.iter().position(|k| *k == id.kind).unwrap_or(if flux {
        ORDER.len() + 1
    } else {
        ORDER.len()
    })
}

/// By apiVersion, then by kind.
type Validators = BTreeMap<String, BTreeMap<String, jsonschema::Validator<Repr<Value>>>>;

static VALIDATORS: LazyLock<Validators> = LazyLock::new(|| {
    let source = Source::new("schemas.yaml", include_str!("schemas.yaml"));
    let (documents, _) = document::parse(SourceId(0), &source);
    let Some(root) = documents.first().map(|d| d.root.to_json()) else {
        return Validators::new();
    };
    let mut all = Validators::new();
    for (name, own) in root["kinds"].as_object().into_iter().flatten() {
        let (version, kind) = name.rsplit_once('/').unwrap_or(("", name));
        let mut schema = json!({
            "type": "object", "additionalProperties": false, "required": ["apiVersion", "kind", "metadata"],
            "properties": {
                "apiVersion": {"const": version}, "kind": {"const": kind}, "metadata": {"$ref": "#/$defs/metadata"}
            },
            "$defs": root["$defs"],
        });
        for (field, sub) in own["properties"].as_object().into_iter().flatten() {
            schema["properties"][field] = sub.clone();
        }
        if let (Some(all), Some(more)) = (
            schema["required"].as_array_mut(),
            own["required"].as_array(),
        ) {
            all.extend(more.iter().cloned());
        }
        let mut options = jsonschema::options_for::<Repr<Value>>()
            .should_validate_formats(true)
            .offline();
        for format in FORMATS {
            options = options.with_format(format.name, |text: &str| (format.check)(text).is_ok());
        }
        options = options.with_format(quantity::FORMAT, |text: &str| Quantity::parse(text).is_ok());
        if let Ok(validator) = options.build(&schema) {
            all.entry(version.to_owned())
                .or_default()
                .insert(kind.to_owned(), validator);
        }
    }
    all
});

/// Makes the checkers of schemas, which the first object would wait for.
pub fn prepare() {
    LazyLock::force(&VALIDATORS);
}

/// What a schema says of an object: nothing where it is right, its faults, or `None` where there is
/// no schema.
pub fn check(object: &Value) -> Option<Vec<String>> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let validator = VALIDATORS.get(text("apiVersion"))?.get(text("kind"))?;
    if validator.is_valid(Ref::Node(object)) {
        return Some(Vec::new());
    }
    Some(
        validator
            .iter_errors(Ref::Node(object))
            .take(5)
            .map(|e| {
                format!(
                    "{}: {}",
                    e.instance_path(),
                    crate::spec::shorten(&e.to_string())
                )
            })
            .collect(),
    )
}
