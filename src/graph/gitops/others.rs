//! Objects of other engines by which the platform applies repositories: Config Sync, Fleet, Carvel,
//! Sveltos.

use super::Gitops;
use crate::document::TreeValue;
use crate::graph::Origin;
use crate::kube::ObjectId;
use crate::kube::labels::texts_under;
use crate::value::Text;

/// An object of an engine that applies a repository with the engine's own account.
#[derive(Clone, Debug)]
pub struct OtherSync {
    /// What it is.
    pub id: ObjectId,
    /// Addresses and paths of what it applies.
    pub sources: Vec<Text>,
    /// The service account that it applies as, and its namespace, if it has one of its own.
    pub account: Option<(Text, Text)>,
    /// Where it comes from.
    pub origin: Origin,
}

/// The kinds.
///
/// Sources: cloud.google.com/kubernetes-engine/enterprise/config-sync/docs/reference;
/// fleet.rancher.io/ref-gitrepo; carvel.dev/kapp-controller/docs; projectsveltos.github.io;
/// operator-framework.github.io/operator-controller; open-cluster-management.io (Subscription).
const KINDS: [(&str, &str); 10] = [
    ("configsync.gke.io", "RootSync"),
    ("configsync.gke.io", "RepoSync"),
    ("fleet.cattle.io", "GitRepo"),
    ("fleet.cattle.io", "HelmOp"),
    ("kappctrl.k14s.io", "App"),
    ("packaging.carvel.dev", "PackageInstall"),
    ("config.projectsveltos.io", "ClusterProfile"),
    ("configmanagement.gke.io", "ConfigManagement"),
    ("olm.operatorframework.io", "ClusterExtension"),
    ("apps.open-cluster-management.io", "Subscription"),
];

/// Fields that name what is applied.
const SOURCES: [&str; 9] = [
    "bucket",
    "chart",
    "chartName",
    "dir",
    "image",
    "repo",
    "repository",
    "repositoryURL",
    "url",
];

/// Reads an object, and says whether it is of one of the kinds.
pub(super) fn read<T: TreeValue>(
    gitops: &mut Gitops,
    id: &ObjectId,
    node: &T,
    origin: Origin,
) -> bool {
    if !KINDS.contains(&(id.group.as_str(), id.kind.as_str())) {
        return false;
    }

    let mut sources = Vec::new();
    if let Some(spec) = node.member("spec") {
        texts_under(spec, &SOURCES, &mut sources);
        // The objects that Sveltos applies stand in ConfigMaps and Secrets of namespaces.
        if id.kind == "ClusterProfile" {
            texts_under(spec, &["namespace"], &mut sources);
        }
    }
    gitops.others.push(OtherSync {
        id: id.clone(),
        account: reconciler(id),
        sources: sources.into_iter().map(Text::from).collect(),
        origin,
    });
    true
}

/// The account with which Config Sync applies a RepoSync.
///
/// Source: cloud.google.com/kubernetes-engine/enterprise/config-sync/docs, "Reconcilers": the name of a
/// RepoSync that is not `repo-sync` follows the namespace, with its length.
fn reconciler(id: &ObjectId) -> Option<(Text, Text)> {
    if id.kind != "RepoSync" {
        return None;
    }
    let ObjectId {
        namespace, name, ..
    } = id;
    let account = match name.as_str() {
        "repo-sync" => format!("ns-reconciler-{namespace}"),
        name => format!("ns-reconciler-{namespace}-{name}-{}", name.len()),
    };
    Some(("config-management-system".into(), account.into()))
}
