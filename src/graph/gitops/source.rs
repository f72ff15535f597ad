//! The objects that fetch what an engine applies, and what each is made of.
//!
//! Source: fluxcd.io/flux/components/source (`HelmChart.spec.sourceRef`, `GitRepository.spec.include`)
//! and fluxcd.io/flux/components/source/artifactgenerators (`spec.sources`, `spec.artifacts`).

use crate::delivery::flux::SOURCE_GROUP;
use crate::document::TreeValue;
use crate::graph::object::{Origin, tenant_label};
use crate::kube::ObjectId;
use crate::kube::labels::items;
use crate::value::Text;

/// The API group of source-watcher's ArtifactGenerators.
const EXTENSIONS_GROUP: &str = "source.extensions.fluxcd.io";

/// The name of a source: its kind, its namespace and its own name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceRef {
    /// The kind.
    pub kind: Text,
    /// The namespace.
    pub namespace: Text,
    /// The name.
    pub name: Text,
}

/// An object that fetches what an engine applies.
#[derive(Clone, Debug)]
pub struct ArtifactSource {
    /// What it is.
    pub id: ObjectId,
    /// The tenant that its label names.
    pub tenant: Option<Text>,
    /// The sources that its content comes from, besides its own address.
    pub parts: Vec<SourceRef>,
    /// The sources that it makes: the artifacts of an ArtifactGenerator.
    pub makes: Vec<SourceRef>,
    /// Where it comes from.
    pub origin: Origin,
}

impl ArtifactSource {
    /// Reads a source; `None` for an object of another group.
    pub fn of<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Option<Self> {
        if id.group != SOURCE_GROUP && id.group != EXTENSIONS_GROUP {
            return None;
        }
        let spec = node.member("spec");
        let field = |key: &str| spec.and_then(|spec| spec.member(key));

        let mut parts = Vec::new();
        parts.extend(field("sourceRef").map(|part| named(part, "", id)));
        let listed = items(field("sources")).iter();
        parts.extend(listed.map(|part| named(part, "", id)));
        let included = items(field("include")).iter();
        parts.extend(
            included
                .filter_map(|include| include.member("repository"))
                .map(|part| named(part, "GitRepository", id)),
        );

        let artifacts = items(field("artifacts")).iter();
        let makes = artifacts.map(|artifact| named(artifact, "ExternalArtifact", id));

        Some(Self {
            tenant: tenant_label(node),
            parts,
            makes: makes.collect(),
            id: id.clone(),
            origin,
        })
    }

    /// The name by which others refer to it.
    pub fn reference(&self) -> SourceRef {
        SourceRef {
            kind: self.id.kind.clone(),
            namespace: self.id.namespace.clone(),
            name: self.id.name.clone(),
        }
    }
}

/// The source that a node names. `kind` is the kind if the node says none.
fn named<T: TreeValue>(node: &T, kind: &str, home: &ObjectId) -> SourceRef {
    let text = |key: &str| node.member(key).and_then(TreeValue::text);
    SourceRef {
        kind: text("kind").unwrap_or(kind).into(),
        namespace: text("namespace")
            .filter(|name| !name.is_empty())
            .map_or_else(|| home.namespace.clone(), Text::from),
        name: text("name").unwrap_or_default().into(),
    }
}
