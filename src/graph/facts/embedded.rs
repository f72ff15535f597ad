//! Objects that stand within others, and that a controller applies: they are read as if they stood
//! alone.
//!
//! Sources: fluxcd.control-plane.io/operator/resourceset, open-cluster-management.io
//! (ManifestWork), github.com/crossplane-contrib/provider-kubernetes, openshift/hive (SyncSet),
//! package-operator.run, docs.k3s.io/add-ons/helm, karmada.io (Work), projectcapsule.dev
//! (TenantResource), github.com/redhat-cop/namespace-configuration-operator, fleet.rancher.io (Bundle).

use super::{Facts, ObjectRef};
use crate::document::{TreeValue, View};
use crate::graph::Origin;
use crate::kube::ObjectId;
use crate::kube::labels::at;

/// Where a kind holds objects.
struct Wrapper {
    group: &'static str,
    kind: &'static str,
    /// The path to an object, or to a list of them; a list on the way is followed into each item.
    paths: &'static [&'static [&'static str]],
    /// The mark of a template in the objects; empty if they are applied as they stand.
    template: &'static str,
    /// Fields that make objects which cannot be read here: the path, and what it is.
    opaque: &'static [(&'static [&'static str], &'static str)],
}

const fn wrapper(
    group: &'static str,
    kind: &'static str,
    paths: &'static [&'static [&'static str]],
) -> Wrapper {
    Wrapper {
        group,
        kind,
        paths,
        template: "",
        opaque: &[],
    }
}

/// A kind of Hive that applies objects, and patches others.
const fn sync_set(kind: &'static str) -> Wrapper {
    Wrapper {
        group: "hive.openshift.io",
        kind,
        paths: &[&["spec", "resources"]],
        template: "",
        opaque: &[(&["spec", "patches"], "it patches objects (spec.patches)")],
    }
}

/// A kind that makes objects of templates, which are texts.
const fn text_templates(group: &'static str, kind: &'static str) -> Wrapper {
    Wrapper {
        group,
        kind,
        paths: &[],
        template: "",
        opaque: &[(
            &["spec", "templates"],
            "it makes objects of templates (spec.templates)",
        )],
    }
}

const CAPSULE_ITEMS: &[&str] = &["spec", "resources", "rawItems"];
const PHASES: &[&str] = &["spec", "phases", "objects", "object"];
const TEMPLATE_PHASES: &[&str] = &["spec", "template", "spec", "phases", "objects", "object"];
const CHART: &[(&[&str], &str)] = &[(
    &["spec"],
    "the objects of its chart are not among the inputs",
)];

static WRAPPERS: [Wrapper; 26] = [
    Wrapper {
        group: "fluxcd.controlplane.io",
        kind: "ResourceSet",
        paths: &[&["spec", "resources"]],
        template: "<<",
        opaque: &[(
            &["spec", "resourcesTemplate"],
            "it makes objects of a template (spec.resourcesTemplate)",
        )],
    },
    wrapper(
        "work.open-cluster-management.io",
        "ManifestWork",
        &[&["spec", "workload", "manifests"]],
    ),
    wrapper(
        "work.open-cluster-management.io",
        "ManifestWorkReplicaSet",
        &[&["spec", "manifestWorkTemplate", "workload", "manifests"]],
    ),
    Wrapper {
        group: "policy.open-cluster-management.io",
        kind: "Policy",
        paths: &[&[
            "spec",
            "policy-templates",
            "objectDefinition",
            "spec",
            "object-templates",
            "objectDefinition",
        ]],
        template: "{{",
        opaque: &[],
    },
    Wrapper {
        group: "policy.open-cluster-management.io",
        kind: "ConfigurationPolicy",
        paths: &[&["spec", "object-templates", "objectDefinition"]],
        template: "{{",
        opaque: &[],
    },
    wrapper(
        "addon.open-cluster-management.io",
        "AddOnTemplate",
        &[&["spec", "agentSpec", "workload", "manifests"]],
    ),
    wrapper(
        "work.karmada.io",
        "Work",
        &[&["spec", "workload", "manifests"]],
    ),
    Wrapper {
        group: "capsule.clastix.io",
        kind: "GlobalTenantResource",
        paths: &[CAPSULE_ITEMS],
        template: "{{",
        opaque: &[],
    },
    Wrapper {
        group: "capsule.clastix.io",
        kind: "TenantResource",
        paths: &[CAPSULE_ITEMS],
        template: "{{",
        opaque: &[],
    },
    text_templates("redhatcop.redhat.io", "NamespaceConfig"),
    text_templates("redhatcop.redhat.io", "GroupConfig"),
    text_templates("redhatcop.redhat.io", "UserConfig"),
    Wrapper {
        group: "fleet.cattle.io",
        kind: "Bundle",
        paths: &[],
        template: "",
        opaque: &[(&["spec", "resources"], "its objects are texts within it")],
    },
    wrapper(
        "kubernetes.crossplane.io",
        "Object",
        &[&["spec", "forProvider", "manifest"]],
    ),
    wrapper(
        "kubernetes.m.crossplane.io",
        "Object",
        &[&["spec", "forProvider", "manifest"]],
    ),
    sync_set("SyncSet"),
    sync_set("SelectorSyncSet"),
    wrapper("package-operator.run", "ObjectSet", &[PHASES]),
    wrapper("package-operator.run", "ClusterObjectSet", &[PHASES]),
    wrapper(
        "package-operator.run",
        "ObjectDeployment",
        &[TEMPLATE_PHASES],
    ),
    wrapper(
        "package-operator.run",
        "ClusterObjectDeployment",
        &[TEMPLATE_PHASES],
    ),
    wrapper(
        "apps.kruise.io",
        "ResourceDistribution",
        &[&["spec", "resource"]],
    ),
    wrapper(
        "core.oam.dev",
        "Application",
        &[&["spec", "components", "properties", "objects"]],
    ),
    Wrapper {
        group: "helm.cattle.io",
        kind: "HelmChart",
        paths: &[],
        template: "",
        opaque: CHART,
    },
    Wrapper {
        group: "helm.crossplane.io",
        kind: "Release",
        paths: &[],
        template: "",
        opaque: CHART,
    },
    Wrapper {
        group: "k3s.cattle.io",
        kind: "Addon",
        paths: &[],
        template: "",
        opaque: &[(&["spec", "source"], "it applies a file of the node")],
    },
];

/// Reads the objects within an object.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) {
    let id = &object.id;
    let wrapper = WRAPPERS
        .iter()
        .find(|wrapper| id.group == wrapper.group && id.kind == wrapper.kind);
    let Some(wrapper) = wrapper else {
        return;
    };

    for (path, reason) in wrapper.opaque {
        if at(node, path).is_some() && !is_chart_of_the_server(object, node) {
            let reason = format!("{reason}; give what it makes as manifests");
            facts.unevaluated.push(object.unevaluated(reason));
        }
    }
    for path in wrapper.paths {
        walk(facts, object, node, path, wrapper.template);
    }
}

/// Whether a HelmChart is one that k3s and RKE2 bring along and serve themselves: its objects are the
/// distribution's.
///
/// Source: k3s-io/k3s, manifests/traefik.yaml.
fn is_chart_of_the_server<T: TreeValue>(object: &ObjectRef, node: &T) -> bool {
    let chart = at(node, &["spec", "chart"]).and_then(TreeValue::text);
    object.id.kind == "HelmChart"
        && object.id.namespace == "kube-system"
        && chart.is_some_and(|chart| chart.starts_with("https://%{KUBERNETES_API}%/static/"))
}

/// Follows a path to the objects within, through lists.
fn walk<T: TreeValue>(
    facts: &mut Facts,
    outer: &ObjectRef,
    node: &T,
    path: &[&str],
    template: &str,
) {
    if let View::Seq(items) = node.view() {
        return items
            .iter()
            .for_each(|item| walk(facts, outer, item, path, template));
    }
    match path.split_first() {
        Some((key, rest)) => {
            if let Some(inner) = node.member(key) {
                walk(facts, outer, inner, rest, template);
            }
        }
        None => add(facts, outer, node, template),
    }
}

/// Adds an object that stands within another, unless a template of the outer one makes it.
fn add<T: TreeValue>(facts: &mut Facts, outer: &ObjectRef, node: &T, template: &str) {
    let span = node.span().unwrap_or(outer.origin.span);
    let origin = Origin {
        span,
        ..outer.origin
    };

    let is_template = !template.is_empty() && contains(node, template);
    let reason = match ObjectId::of(node) {
        Ok(id) if !is_template => return facts.add(id, node, origin),
        Ok(id) => format!("{} within it is a template", id.called()),
        Err(reason) => format!("an object within it cannot be read: {reason}"),
    };
    let mut unevaluated = outer.unevaluated(reason);
    unevaluated.origin = origin;
    facts.unevaluated.push(unevaluated);
}

/// Whether a text below a node contains a mark.
fn contains<T: TreeValue>(node: &T, mark: &str) -> bool {
    match node.view() {
        View::String(text) => text.contains(mark),
        View::Seq(items) => items.iter().any(|item| contains(item, mark)),
        View::Map(entries) => entries
            .iter()
            .map(T::split)
            .any(|(key, value)| key.contains(mark) || contains(value, mark)),
        _ => false,
    }
}
