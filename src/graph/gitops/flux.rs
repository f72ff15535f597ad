//! Flux's objects: Kustomizations, HelmReleases, ResourceSets and what they refer to, and how its
//! controllers are started.
//!
//! Source: fluxcd.io/flux/installation/configuration/multitenancy and fluxcd/flux2 RFC-0001:
//! without `serviceAccountName` an object is applied as the controller, which is a cluster-admin
//! unless it is locked down.

use super::{Applier, Gitops, Reference, Referrer, UnreadObject};
use crate::delivery::Engine;
use crate::delivery::flux::{
    HELM_GROUP, IMAGE_GROUP, KUSTOMIZE_GROUP, NOTIFICATION_GROUP, OPERATOR_GROUP,
};
use crate::document::{Node, NodeValue, TreeValue};
use crate::graph::object::tenant_label;
use crate::graph::{InputKind, Origin};
use crate::kube::ObjectId;
use crate::kube::labels::items;
use crate::source::{SourceMap, Span};
use crate::value::Text;

/// Deployments of Flux whose arguments decide who applies as whom.
const CONTROLLERS: [&str; 6] = [
    "kustomize-controller",
    "helm-controller",
    "notification-controller",
    "image-automation-controller",
    "image-reflector-controller",
    "source-controller",
];

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
const LISTS: [(&str, &str); 3] = [
    ("spec.dependsOn", "dependsOn"),
    ("spec.resources", "resources"),
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

fn at<'t, T: TreeValue>(spec: &'t T, path: &[&str]) -> Option<&'t T> {
    path.iter().try_fold(spec, |node, key| node.member(key))
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

/// How a controller of Flux is started, or how a patch of an overlay sets it to be.
#[derive(Clone, Debug)]
pub struct Controller {
    /// The Deployment; without a name for a patch.
    pub id: ObjectId,
    /// For a patch, the pattern of the names that it is for; all of Flux's controllers where the
    /// pattern is empty.
    pub patch: Option<Text>,
    /// Its arguments, each with its place.
    pub args: Vec<(Text, Option<Span>)>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Whether a Deployment's name is that of a controller whose arguments count.
pub(super) fn is_controller(name: &str) -> bool {
    CONTROLLERS
        .iter()
        .any(|controller| is_named(name, controller))
}

/// Whether a Deployment's name is a controller's, or a shard's of it.
pub fn is_named(name: &str, controller: &str) -> bool {
    name.strip_prefix(controller)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

impl Controller {
    /// Reads a Deployment.
    pub(super) fn of_deployment<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Self {
        let pod = at(node, &["spec", "template", "spec"]);
        let containers = items(pod.and_then(|pod| pod.member("containers"))).iter();
        let args = containers
            .flat_map(|container| items(container.member("args")))
            .filter_map(|arg| Some((arg.text()?.into(), arg.span())));
        Self {
            patch: None,
            args: args.collect(),
            origin,
            id,
        }
    }

    /// Whether a patch is for a controller: its target's name is a regular expression, as `(a|b)`.
    pub fn patches(&self, name: &str) -> bool {
        let Some(pattern) = &self.patch else {
            return false;
        };
        let names = pattern.trim_matches(['(', ')', '^', '$']);
        names.is_empty() || names == ".*" || names.split('|').any(|each| each.trim() == name)
    }

    /// The value of a flag, `true` where it stands alone; the last one counts.
    pub fn flag(&self, name: &str) -> Option<(&str, Option<Span>)> {
        self.args.iter().rev().find_map(|(arg, span)| {
            let rest = arg.trim_start_matches('-').strip_prefix(name)?;
            match rest.strip_prefix('=') {
                Some(value) => Some((value, *span)),
                None if rest.is_empty() => Some(("true", *span)),
                None => None,
            }
        })
    }
}

/// Whether an entry of `patches` sets flags of Flux's controllers, and nothing else is in it.
pub fn is_controllers(patch: &Node) -> bool {
    let target = patch.get("target");
    let kind = target
        .and_then(|target| target.get("kind"))
        .and_then(Node::as_str);
    let mut texts = Vec::new();
    strings(patch, &mut texts);
    let values: Vec<&str> = texts
        .iter()
        .flat_map(|(text, _)| text.lines())
        .filter_map(|line| line.trim().strip_prefix("value:"))
        .collect();

    let is_flag = |value: &&str| value.trim().trim_matches(['"', '\'']).starts_with("--");
    kind == Some("Deployment") && !values.is_empty() && values.iter().all(is_flag)
}

/// Whether a patch of its own file is of a Deployment of Flux's.
pub fn is_controllers_patch(root: &Node) -> bool {
    let name = root.at(&["metadata", "name"]).and_then(Node::as_str);
    root.get("kind").and_then(Node::as_str) == Some("Deployment")
        && name.is_some_and(|name| name.ends_with("-controller"))
}

/// The flags of Flux's controllers that a patch sets. `names` is the pattern of their names.
///
/// Source: fluxcd.io/flux/installation/configuration/multitenancy.
pub fn patched_flags(sources: &SourceMap, patch: &Node, names: &str) -> Vec<Controller> {
    const FLAGS: [&str; 3] = [
        "no-cross-namespace-refs",
        "no-remote-bases",
        "default-service-account",
    ];
    let mut texts = Vec::new();
    strings(patch, &mut texts);

    let mut found = Vec::new();
    for (text, span) in texts {
        let words = text.split(|c: char| c.is_whitespace() || c == '"' || c == '\'');
        for word in words.filter(|word| word.starts_with("--")) {
            let flag = word.trim_start_matches('-').split('=').next();
            if flag.is_some_and(|flag| FLAGS.contains(&flag)) {
                let span = span_of_word(sources, span, word);
                found.push(Controller {
                    id: ObjectId {
                        group: "apps".into(),
                        kind: "Deployment".into(),
                        namespace: Text::default(),
                        name: Text::default(),
                    },
                    patch: Some(names.into()),
                    args: vec![(Text::from(word), Some(span))],
                    origin: Origin {
                        input: InputKind::Manifest,
                        span,
                    },
                });
            }
        }
    }

    found
}

/// Where a word of a text stands: a patch within a text has no places of its own, so the word is
/// looked for in the file.
fn span_of_word(sources: &SourceMap, text: Span, word: &str) -> Span {
    let source = sources.get(text.source);
    let offset = source.text[text.start as usize..].find(word);
    offset.map_or(text, |offset| {
        let start = text.start + offset as u32;
        Span {
            start,
            end: start + word.len() as u32,
            ..text
        }
    })
}

fn strings<'a>(node: &'a Node, out: &mut Vec<(&'a str, Span)>) {
    match &node.value {
        NodeValue::String(text) => out.push((text, node.span)),
        NodeValue::Seq(items) => items.iter().for_each(|item| strings(item, out)),
        NodeValue::Map(entries) => entries.iter().for_each(|entry| strings(&entry.node, out)),
        _ => {}
    }
}
