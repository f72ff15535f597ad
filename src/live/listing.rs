//! What a server serves, and what of it is listed: one paginated list a kind.

use super::desired::RenderedKind;
use crate::delivery::{argo, is_engine_group};
use crate::kube::kinds::{self, Listed};
use crate::kube::names::OWNER_LABEL;
use crate::kube::{ObjectId, RBAC};
use crate::value::{Text, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A kind that a server serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServedKind {
    /// Its group; empty for the core's.
    pub group: Text,
    /// The version by which it is listed.
    pub version: Text,
    /// Its name.
    pub kind: Text,
    /// Its name in paths.
    pub plural: Text,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

impl ServedKind {
    /// `group/version`, or `version` for the core's.
    pub fn api_version(&self) -> Text {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version).into(),
        }
    }

    /// As kubectl takes it: `networkpolicies.networking.k8s.io`.
    pub fn resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_string()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }
}

/// What a server serves, and what it could not say of it.
#[derive(Clone, Debug, Default)]
pub struct ServedKinds {
    /// Every kind that can be listed, in each version; the preferred one of a group first.
    pub kinds: Vec<ServedKind>,
    /// Aggregated APIs that do not answer, as `group/version`.
    pub stale: Vec<String>,
}

/// The most kinds of a server, each version counted. Clusters with all providers of Crossplane, which
/// have the most, serve some thousands.
const MAX_KINDS: usize = 20_000;

impl ServedKinds {
    /// Reads an answer of aggregated discovery (`APIGroupDiscoveryList`) into it.
    ///
    /// # Errors
    /// Why it is none.
    pub fn add(&mut self, answer: &[u8]) -> Result<(), String> {
        let answer: Value =
            serde_json::from_slice(answer).map_err(|e| format!("its discovery is no JSON: {e}"))?;
        if answer.at(&["kind"]).as_str() != Some("APIGroupDiscoveryList") {
            return Err(
                "it does not aggregate its discovery, as Kubernetes does since 1.27".into(),
            );
        }

        for group in answer.at(&["items"]).items() {
            let name = Text::from(group.at(&["metadata", "name"]).as_str().unwrap_or_default());
            for version in group.at(&["versions"]).items() {
                let number = Text::from(version.at(&["version"]).as_str().unwrap_or_default());
                if version.at(&["freshness"]).as_str() == Some("Stale") {
                    self.stale.push(format!("{name}/{number}"));
                }

                for resource in version.at(&["resources"]).items() {
                    let text =
                        |path: &[&str]| Text::from(resource.at(path).as_str().unwrap_or_default());
                    if resource
                        .at(&["verbs"])
                        .items()
                        .iter()
                        .any(|v| v.as_str() == Some("list"))
                    {
                        self.kinds.push(ServedKind {
                            group: name.clone(),
                            version: number.clone(),
                            kind: text(&["responseKind", "kind"]),
                            plural: text(&["resource"]),
                            namespaced: text(&["scope"]) == "Namespaced",
                        });
                    }
                }
            }
        }

        if self.kinds.len() > MAX_KINDS || self.stale.len() > MAX_KINDS {
            return Err(format!("its discovery has more than {MAX_KINDS} kinds"));
        }
        Ok(())
    }

    /// The kind by which something is listed: of the version asked for, else of the preferred one.
    pub fn find(&self, group: &str, kind: &str, version: Option<&str>) -> Option<&ServedKind> {
        let mut all = self
            .kinds
            .iter()
            .filter(|k| k.group == group && k.kind == kind);
        let first = all.clone().next()?;
        Some(
            all.find(|k| version == Some(k.version.as_str()))
                .unwrap_or(first),
        )
    }
}

/// How much of each object is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Its metadata.
    Metadata,
    /// All of it.
    Whole,
}

/// A list that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listing {
    /// Of what kind.
    pub kind: ServedKind,
    /// How much of each.
    pub detail: Detail,
    /// Only in this namespace; in all when left out.
    pub namespace: Option<Text>,
    /// Only those with this label; all when left out.
    pub label: Option<&'static str>,
}

impl Listing {
    /// The path on the server.
    pub fn path(&self) -> String {
        let group = match self.kind.group.as_str() {
            "" => format!("/api/{}", self.kind.version),
            group => format!("/apis/{group}/{}", self.kind.version),
        };
        match &self.namespace {
            Some(namespace) => format!("{group}/namespaces/{namespace}/{}", self.kind.plural),
            None => format!("{group}/{}", self.kind.plural),
        }
    }

    /// What kubectl lists it with.
    pub fn command(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("kubectl get {} -n {namespace}", self.kind.resource()),
            None if self.kind.namespaced => format!("kubectl get {} -A", self.kind.resource()),
            None => format!("kubectl get {}", self.kind.resource()),
        }
    }
}

/// What the lists are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Whether what was rendered is there, and what stands beside it.
    Verify,
    /// What runs, as a whole: pods too.
    Prove,
}

/// How a live cluster is asked for a kind, for a purpose: in full, by its metadata, or not at all.
fn detail(group: &str, kind: &str, purpose: Purpose) -> Option<Detail> {
    match (kinds::listed(group, kind), purpose) {
        (Listed::Always, _) | (Listed::ForProof | Listed::MetadataAlways, Purpose::Prove) => {
            Some(Detail::Whole)
        }
        (Listed::MetadataAlways, Purpose::Verify) => Some(Detail::Metadata),
        _ if kinds::governs_network(kind) => Some(Detail::Whole),
        (Listed::ForProof | Listed::IfRendered | Listed::Never, _) => None,
    }
}

/// Whether a kind decides what a tenant may, and so is listed even if none was rendered.
pub fn is_read(group: &str, kind: &str, purpose: Purpose) -> bool {
    detail(group, kind, purpose).is_some()
}

/// Whether something of a group is looked at: what decides, and what is rendered.
pub fn concerns<'a>(group: &str, mut rendered: impl Iterator<Item = &'a Text>) -> bool {
    let listed = kinds::find_group(group).is_some_and(kinds::Group::is_listed);

    group == "*" || listed || rendered.any(|name| name == group)
}

/// The groups and resources that a proof lists on every cluster; `*` is every resource of a group.
pub fn all_read() -> impl Iterator<Item = (&'static str, &'static str)> {
    let whole = kinds::groups()
        .filter(|group| group.all_listed.is_some())
        .map(|group| (group.name, "*"));
    let single = kinds::all()
        .filter(|(group, _)| group.all_listed.is_none())
        .filter(|(group, kind)| is_read(group.name, kind.name, Purpose::Prove))
        .map(|(group, kind)| (group.name, kind.plural));

    whole.chain(single)
}

/// What is listed on a server, each kind once: what decides, and what is rendered. Secrets are
/// never listed, since the right to list them is the right to read them. `wanted` has the rendered
/// kinds; `engine` is the namespace of the engine's controllers. The longest lists come first.
pub fn listings(
    served: &ServedKinds,
    wanted: &BTreeMap<(Text, Text), RenderedKind>,
    engine: &str,
    purpose: Purpose,
) -> Vec<Listing> {
    let mut all: BTreeSet<Listing> = BTreeSet::new();
    let mut seen: BTreeSet<(&Text, &Text)> = BTreeSet::new();

    for kind in &served.kinds {
        let named = (kind.group.clone(), kind.kind.clone());
        let rendered = wanted.get(&named);
        let read = detail(&kind.group, &kind.kind, purpose);

        if (rendered.is_none() && read.is_none())
            || is_secret(&kind.group, &kind.kind)
            || !seen.insert((&kind.group, &kind.kind))
        {
            continue;
        }

        let Some(kind) = served.find(
            &kind.group,
            &kind.kind,
            rendered.map(|kind| kind.version.as_str()),
        ) else {
            continue;
        };
        // A kind that decides nothing is read only where it is the fleet's. Only the whole list has
        // verbatim objects, which have no label.
        let has_unlabelled = rendered.is_some_and(|kind| kind.has_unlabelled);
        all.insert(Listing {
            kind: kind.clone(),
            detail: read.filter(|_| rendered.is_none()).unwrap_or(Detail::Whole),
            namespace: None,
            label: (read.is_none() && !has_unlabelled).then_some(OWNER_LABEL),
        });
    }

    if let Some(kind) = served.find("apps", "Deployment", None)
        && !all.iter().any(|l| l.kind == *kind)
    {
        let argo = served
            .find(argo::GROUP, argo::APPLICATION, None)
            .map(|_| argo::NAMESPACE);
        for namespace in std::iter::once(engine).chain(argo) {
            let namespace = Some(namespace.into());
            all.insert(Listing {
                kind: kind.clone(),
                detail: Detail::Whole,
                namespace,
                label: None,
            });
        }
    }

    let mut all: Vec<Listing> = all.into_iter().collect();
    all.sort_by_key(|l| {
        LONGEST
            .iter()
            .position(|kind| *kind == (&*l.kind.group, &*l.kind.kind))
            .unwrap_or(LONGEST.len())
    });

    all
}

/// Kinds of which there are most, which are listed first: each of a list's pages waits for the one
/// before it.
const LONGEST: [(&str, &str); 9] = [
    ("", "Pod"),
    ("apps", "ReplicaSet"),
    ("networking.k8s.io", "NetworkPolicy"),
    (RBAC, "RoleBinding"),
    ("", "ServiceAccount"),
    ("kustomize.toolkit.fluxcd.io", "Kustomization"),
    ("", "ResourceQuota"),
    ("", "LimitRange"),
    ("", "Namespace"),
];

/// Whether it is a Secret, which is not read.
pub fn is_secret(group: &str, kind: &str) -> bool {
    kinds::listed(group, kind) == Listed::Never
}

/// Lists of what some namespaces hold, and the engine's, in place of lists of everything.
pub fn narrowed(listings: Vec<Listing>, namespaces: &[Text], engine: &str) -> Vec<Listing> {
    let within = |l: &Listing| -> Vec<Listing> {
        let of = |n: &str| Listing {
            namespace: Some(n.into()),
            ..l.clone()
        };
        match (l.kind.namespaced, l.namespace.is_some()) {
            (true, false) if is_engine_group(&l.kind.group) => std::iter::once(engine)
                .chain(namespaces.iter().map(Text::as_str))
                .map(of)
                .collect(),
            (true, false) => namespaces.iter().map(|n| of(n)).collect(),
            _ => vec![l.clone()],
        }
    };
    listings.iter().flat_map(within).collect()
}

/// The identity of a listed object.
pub fn id_of(kind: &ServedKind, object: &Value) -> ObjectId {
    let text = |key: &str| Text::from(object.at(&["metadata", key]).as_str().unwrap_or_default());
    ObjectId {
        group: kind.group.clone(),
        kind: kind.kind.clone(),
        namespace: text("namespace"),
        name: text("name"),
    }
}
