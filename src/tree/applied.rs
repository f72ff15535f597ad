//! Which paths of a repository Flux or Argo CD already applies: our tree may lie below none of
//! them.

use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::document::Node;
use crate::source::{Span, join};
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// A path that tenantry writes or reads specs from is applied by another Flux Kustomization or
    /// Argo Application.
    ///
    /// ## Why it matters
    /// Flux applies *everything* below a path. The tree would be applied twice, by two owners that
    /// prune each other's objects; tenant specs would be applied as if they were objects, and fail
    /// the Kustomization.
    /// ## Fix
    /// Put the tree, or the tenants folder, where nothing is applied from. Only the entry file lies
    /// where the bootstrap looks.
    pub static PATH_APPLIED_TWICE = "gitops/path-applied-twice", Error;
}

rule! {
    /// An entry file lies in a folder whose kustomization.yaml does not list it.
    ///
    /// ## Why it matters
    /// Flux applies what such a file lists, and nothing else: the tree would never be applied, and
    /// nothing would say so.
    /// ## Fix
    /// Add it to the `resources` of that kustomization.yaml, or move it by delivery.entry.
    pub static ENTRY_NOT_LISTED = "gitops/entry-not-listed", Warning;
}

rule! {
    /// The tree lies in a folder of the repository, and the fleet does not say which:
    /// delivery.repositoryPath.
    ///
    /// ## Why it matters
    /// Flux reads paths from the root of its source: `./rendered/…` is not there, and nothing is
    /// applied.
    /// ## Fix
    /// Set delivery.repositoryPath to the folder, from the source's root (`.` where the source
    /// begins at the folder).
    pub static REPOSITORY_PATH = "tree/repository-path", Warning;
}

/// A path that something applies.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The path from the repository's root, without `./`.
    pub path: String,
    /// What applies it.
    pub by: String,
    /// The source it reads, as kind and name; nothing for an Argo CD Application, which names an
    /// address.
    pub source: Option<(String, String)>,
    /// Where it says so.
    pub span: Span,
}

impl Applied {
    /// The path that an object applies, if it is a Flux Kustomization or an Argo Application.
    pub fn of(root: &Node) -> Option<Self> {
        let version = root.get("apiVersion")?.as_str()?;
        let kind = root.get("kind")?.as_str()?;
        let name = root
            .at(&["metadata", "name"])
            .and_then(Node::as_str)
            .unwrap_or("?");
        let text = |path: &[&str]| {
            root.at(path)
                .and_then(Node::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (path, source) = match kind {
            "Kustomization" if version.starts_with("kustomize.toolkit.fluxcd.io/") => {
                let source = (
                    text(&["spec", "sourceRef", "kind"]),
                    text(&["spec", "sourceRef", "name"]),
                );
                (root.at(&["spec", "path"])?, Some(source))
            }
            "Application" if version.starts_with("argoproj.io/") => {
                (root.at(&["spec", "source", "path"])?, None)
            }
            _ => return None,
        };
        let clean = join("", path.as_str()?.trim_start_matches('/'))?;
        Some(Self {
            path: clean,
            by: format!("{kind} `{name}`"),
            source,
            span: path.span,
        })
    }

    /// Whether it reads this repository, as far as can be told: through the source that a cluster's
    /// tree is in, or by a path that is not the root of some repository.
    pub fn reads_here(&self, own: &[(String, String)]) -> bool {
        self.source
            .as_ref()
            .map_or(!self.path.is_empty(), |source| own.contains(source))
    }
}

/// Reports paths of ours that others apply. `kustomizations` are the `resources` of each folder
/// with a kustomization.yaml, as paths from the root: such a folder applies these and nothing else.
pub fn applied_twice(
    ours: &[(String, &str)],
    applied: &[Applied],
    kustomizations: &BTreeMap<String, Vec<String>>,
) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for other in applied {
        for (path, what) in ours {
            if reaches(&other.path, path, kustomizations, &mut BTreeSet::new()) {
                let message = format!(
                    "{} applies `{}`, and {what} `{path}` lies below it",
                    other.by,
                    show(&other.path)
                );
                out.push(
                    Diagnostic::new(&PATH_APPLIED_TWICE, other.span, message)
                        .label("applied here")
                        .fix("put it where nothing is applied from")
                        .scope(Scope::Fleet),
                );
            }
        }
    }
    out
}

/// Reports entry files that lie beside a kustomization.yaml which does not list them.
pub fn unlisted_entries(
    entries: &[String],
    kustomizations: &BTreeMap<String, Vec<String>>,
    span: Span,
) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for entry in entries {
        let folder = crate::source::parent(entry);
        if kustomizations
            .get(folder)
            .is_some_and(|listed| !listed.contains(entry))
        {
            let message = format!(
                "{folder}/kustomization.yaml does not list {entry}: Flux will not apply it"
            );
            let fix = "add it to that file's resources, or move it by delivery.entry";
            out.push(
                Diagnostic::new(&ENTRY_NOT_LISTED, span, message)
                    .fix(fix)
                    .scope(Scope::Fleet),
            );
        }
    }
    out
}

fn show(path: &str) -> &str {
    if path.is_empty() { "./" } else { path }
}

/// Whether applying a folder applies what lies in another, or below it.
fn reaches(
    folder: &str,
    ours: &str,
    kustomizations: &BTreeMap<String, Vec<String>>,
    seen: &mut BTreeSet<String>,
) -> bool {
    if !seen.insert(folder.to_owned()) {
        return false;
    }
    if let Some(resources) = kustomizations.get(folder) {
        return resources
            .iter()
            .any(|r| within(ours, r) && r.contains('.') || reaches(r, ours, kustomizations, seen));
    }
    within(ours, folder)
}

fn within(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path == folder
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceId;

    #[test]
    fn a_kustomization_file_bounds_what_is_applied() {
        let applied = |path: &str| {
            vec![Applied {
                path: path.into(),
                by: "Kustomization `x`".into(),
                source: None,
                span: Span::file(SourceId(0)),
            }]
        };
        let ours = [("rendered/prod".to_owned(), "the tree")];
        let none = BTreeMap::new();
        assert_eq!(applied_twice(&ours, &applied("rendered"), &none).len(), 1);
        assert_eq!(applied_twice(&ours, &applied(""), &none).len(), 1);
        assert_eq!(applied_twice(&ours, &applied("render"), &none).len(), 0);
        assert_eq!(
            applied_twice(&ours, &applied("tenants/base"), &none).len(),
            0
        );
        let listed = BTreeMap::from([(String::new(), vec!["apps".to_owned()])]);
        assert_eq!(applied_twice(&ours, &applied(""), &listed).len(), 0);
        let listed = BTreeMap::from([(String::new(), vec!["rendered".to_owned()])]);
        assert_eq!(applied_twice(&ours, &applied(""), &listed).len(), 1);
    }
}
