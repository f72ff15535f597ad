//! Argo CD's objects: Applications, ApplicationSets and AppProjects.
//!
//! Source: argo-cd.readthedocs.io/en/stable/operator-manual/project-specification and
//! app-any-namespace.

use super::Gitops;
use crate::delivery::argo::GROUP;
use crate::document::TreeValue;
use crate::graph::Origin;
use crate::kube::ObjectId;
use crate::kube::labels::{items, text, texts};
use crate::value::Text;

/// An object of Argo CD.
#[derive(Clone, Debug)]
pub struct ArgoObject {
    /// What it is.
    pub id: ObjectId,
    /// The project of an Application; the name of an AppProject.
    pub project: Text,
    /// The namespaces that it may deploy into, as patterns.
    pub destinations: Vec<Text>,
    /// Whether a project lets its applications deploy objects of the whole cluster.
    pub cluster_kinds: bool,
    /// The namespaces whose Applications a project takes, as patterns.
    pub source_namespaces: Vec<Text>,
    /// The groups that have a role of a project.
    pub groups: Vec<Text>,
    /// The repositories that it deploys.
    pub repositories: Vec<Text>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Reads an object, and says whether it is one by which Argo CD delivers. Other kinds of its group run
/// pods in their own namespace (Rollouts, Workflows, EventSources).
pub(super) fn read<T: TreeValue>(
    gitops: &mut Gitops,
    id: &ObjectId,
    node: &T,
    origin: Origin,
) -> bool {
    if id.group != GROUP || !["Application", "ApplicationSet", "AppProject"].contains(&&*id.kind) {
        return false;
    }
    let spec = node.member("spec");
    let field = |key: &str| spec.and_then(|spec| spec.member(key));
    let list = |key: &str| items(field(key)).iter();

    let own = field("destination").into_iter();
    let destinations = own
        .chain(list("destinations"))
        .map(|destination| text(Some(destination), "namespace").unwrap_or_default());
    let sources = field("source").into_iter().chain(list("sources"));

    gitops.argo.push(ArgoObject {
        id: id.clone(),
        project: match id.kind.as_str() {
            "AppProject" => id.name.clone(),
            _ => text(spec, "project").unwrap_or_default(),
        },
        destinations: destinations.collect(),
        cluster_kinds: !items(field("clusterResourceWhitelist")).is_empty(),
        source_namespaces: texts(field("sourceNamespaces")).map(Text::from).collect(),
        groups: list("roles")
            .flat_map(|role| texts(role.member("groups")))
            .map(Text::from)
            .collect(),
        repositories: sources
            .filter_map(|source| text(Some(source), "repoURL"))
            .chain(texts(field("sourceRepos")).map(Text::from))
            .collect(),
        origin,
    });
    true
}
