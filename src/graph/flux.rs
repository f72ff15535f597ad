//! Flux's objects: what is applied, from where, and as whom.
//!
//! Source: fluxcd.io/flux/installation/configuration/multitenancy and fluxcd/flux2 RFC-0001:
//! without `serviceAccountName` an object is applied as the controller, which is a cluster-admin
//! unless it is locked down.

use super::object::Origin;
use crate::document::Tree;
use crate::kube::ObjectId;
use crate::source::Span;
use crate::value::Text;

/// A Kustomization, a HelmRelease, or a ResourceSet.
#[derive(Clone, Debug)]
pub struct Sync {
    /// What it is.
    pub id: ObjectId,
    /// As whom it applies; the controller where it says nobody.
    pub account: Option<Text>,
    /// Where that is said.
    pub account_span: Option<Span>,
    /// The namespace that every object is put into, where it says one.
    pub target: Option<(Text, Option<Span>)>,
    /// The Secret with the kubeconfig of another cluster.
    pub kube_config: Option<(Text, Option<Span>)>,
    /// The Secret with the keys that it decrypts with.
    pub decryption: Option<Text>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A Flux object that refers to others.
#[derive(Clone, Debug)]
pub struct Referrer {
    /// What it is.
    pub id: ObjectId,
    /// Sources, charts, dependencies, what it listens to or is told of.
    pub references: Vec<Reference>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A reference of a Flux object to another object.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The field.
    pub field: &'static str,
    /// The kind.
    pub kind: Text,
    /// The namespace that is named; the object's own where none is.
    pub namespace: Text,
    /// The name.
    pub name: Text,
    /// Where it is named.
    pub span: Option<Span>,
}

/// The name of what a patch of an overlay sets for all of Flux's controllers.
pub const PATCHED: &str = "Flux's controllers";

/// How a Flux controller is started.
#[derive(Clone, Debug)]
pub struct Controller {
    /// What it is: a Deployment.
    pub id: ObjectId,
    /// For a patch, the pattern of the names that it is for; all of Flux's controllers where it is
    /// empty.
    pub target: Text,
    /// Its arguments, each with its place.
    pub args: Vec<(Text, Option<Span>)>,
    /// Where it comes from.
    pub origin: Origin,
}

impl Sync {
    /// Reads a Kustomization, a HelmRelease or a ResourceSet.
    pub fn of<T: Tree>(id: ObjectId, node: &T, origin: Origin) -> Self {
        let spec = node.member("spec");
        let field = |key: &str| spec.and_then(|s| s.member(key));
        let text = |key: &str| field(key).and_then(Tree::text).filter(|t| !t.is_empty());
        let secret = |node: &T, key: &str| -> Option<Text> {
            Some(node.member(key)?.member("name")?.text()?.into())
        };
        Self {
            account: text("serviceAccountName").map(Text::from),
            account_span: field("serviceAccountName").and_then(Tree::span),
            target: text("targetNamespace")
                .map(|t| (t.into(), field("targetNamespace").and_then(Tree::span))),
            kube_config: field("kubeConfig").map(|n| {
                (
                    secret(n, "secretRef")
                        .or_else(|| secret(n, "configMapRef"))
                        .unwrap_or_default(),
                    n.span(),
                )
            }),
            decryption: field("decryption").and_then(|n| secret(n, "secretRef")),
            origin,
            id,
        }
    }
}

/// Fields that refer to an object, and fields that are lists of them.
const FIELDS: [(&str, &[&str]); 4] = [
    ("spec.sourceRef", &["sourceRef"]),
    ("spec.chartRef", &["chartRef"]),
    ("spec.chart.spec.sourceRef", &["chart", "spec", "sourceRef"]),
    ("spec.imageRepositoryRef", &["imageRepositoryRef"]),
];
const LISTS: [(&str, &str); 3] = [
    ("spec.dependsOn", "dependsOn"),
    ("spec.resources", "resources"),
    ("spec.eventSources", "eventSources"),
];

impl Referrer {
    /// Reads the references of a Flux object; `None` where it has none.
    pub fn of<T: Tree>(id: ObjectId, node: &T, origin: Origin) -> Option<Self> {
        let spec = node.member("spec")?;
        let reference = |field: &'static str, node: &T| {
            let text = |key: &str| node.member(key).and_then(Tree::text);
            Reference {
                field,
                kind: text("kind").unwrap_or(&id.kind).into(),
                namespace: text("namespace")
                    .filter(|n| !n.is_empty())
                    .map_or_else(|| id.namespace.clone(), Text::from),
                name: text("name").unwrap_or_default().into(),
                span: node.span(),
            }
        };
        let at = |path: &[&str]| path.iter().try_fold(spec, |node, key| node.member(key));
        let mut references: Vec<Reference> = FIELDS
            .iter()
            .filter_map(|(field, path)| Some(reference(field, at(path)?)))
            .collect();
        for (field, key) in LISTS {
            // A ResourceSet's resources are objects, and no references.
            if id.kind != "ResourceSet" || key == "dependsOn" {
                references.extend(
                    crate::kube::labels::items(spec.member(key))
                        .iter()
                        .map(|n| reference(field, n)),
                );
            }
        }
        (!references.is_empty()).then_some(Self {
            references,
            origin,
            id,
        })
    }
}

/// Whether a Deployment's name is a controller's, or a shard's of it.
pub fn is_named(name: &str, controller: &str) -> bool {
    name.strip_prefix(controller)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

impl Controller {
    /// Whether a patch is for a controller: its target's name is a regular expression, as `(a|b)`.
    pub fn patches(&self, name: &str) -> bool {
        let names = self.target.trim_matches(['(', ')', '^', '$']);
        self.id.name == PATCHED
            && (names.is_empty() || names == ".*" || names.split('|').any(|n| n.trim() == name))
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
