//! Whether an engine already applies paths of the fleet: our tree may lie below none that it applies.

use super::entry_path;
use crate::delivery::{ClusterEngine, KustomizationFiles, RepositorySurvey, TreeSource};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::source::{SourceMap, parent};
use crate::span::Span;
use crate::spec::FleetDoc;
use std::collections::BTreeSet;

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

/// Where the fleet's own files lie, from the repository's root.
#[derive(Clone, Debug)]
pub struct OwnPaths {
    /// The folder from which the paths of the lock go; empty for the root.
    pub base: String,
    /// The file of the fleet.
    pub fleet: String,
    /// The tree.
    pub tree: String,
    /// The entry file of each cluster that has one.
    pub entries: Vec<String>,
}

impl OwnPaths {
    /// The paths of a fleet. `tree` goes from `base`, `fleet_file` from the root.
    pub fn new(fleet: &FleetDoc, base: &str, tree: &str, fleet_file: &str) -> Self {
        let under_base = |path: &str| match base {
            "" => path.to_owned(),
            base => format!("{base}/{path}"),
        };
        let clusters = fleet.spec.clusters.iter();
        let entries = clusters.filter_map(|cluster| entry_path(fleet, cluster.name.as_str()).ok());
        Self {
            base: base.to_owned(),
            fleet: fleet_file.to_owned(),
            tree: under_base(tree),
            entries: entries.map(|path| under_base(&path)).collect(),
        }
    }

    /// Whether a file, beside that of the fleet, lies in the tenants folder.
    fn is_spec(&self, file: &str) -> bool {
        let folder = parent(&self.fleet);
        file != self.fleet
            && file
                .strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Reports what an engine that is at work already does with the fleet's own files: `survey` is what
/// the files beside them say.
pub fn check_applied(
    fleet: &FleetDoc,
    own: &OwnPaths,
    survey: &RepositorySurvey,
    sources: &SourceMap,
) -> Vec<Diagnostic> {
    let mut findings = applied_twice(fleet, own, survey, sources);
    findings.extend(unlisted_entries(
        &own.entries,
        &survey.kustomizations,
        fleet.name.span,
    ));

    let delivery = fleet.spec.delivery.as_ref();
    let is_stated = delivery.is_some_and(|delivery| delivery.repository_path.is_some());

    if !own.base.is_empty() && !is_stated {
        let message = format!(
            "the fleet lies in `{}` of the repository, and delivery.repositoryPath does not say so",
            own.base
        );
        findings.push(
            Diagnostic::new(&REPOSITORY_PATH, fleet.name.span, message)
                .fix(format!("set delivery.repositoryPath: {}", own.base))
                .scope(Scope::Fleet),
        );
    }

    findings
}

/// Reports paths of ours that others apply.
fn applied_twice(
    fleet: &FleetDoc,
    own: &OwnPaths,
    survey: &RepositorySurvey,
    sources: &SourceMap,
) -> Vec<Diagnostic> {
    let clusters = &fleet.spec.clusters;
    let holds_tree: Vec<TreeSource> = clusters
        .iter()
        .map(|cluster| ClusterEngine::new(&fleet.spec, cluster).source())
        .collect();

    let trees = clusters.iter().map(|cluster| {
        (
            format!("{}/{}", own.tree, cluster.name.as_str()),
            "the tree",
        )
    });

    let ours: Vec<(String, &str)> = trees
        .chain([(own.fleet.clone(), "the fleet's file")])
        .collect();

    let mut findings = Vec::new();
    for other in survey
        .applied
        .iter()
        .filter(|other| other.reads_here(&holds_tree))
    {
        for (path, what) in ours
            .iter()
            .filter(|(path, _)| is_applied(&other.path, path, &survey.kustomizations))
        {
            let message = format!(
                "{} applies `{}`, and {what} `{path}` lies below it",
                other.by,
                show(&other.path)
            );
            // Whoever writes a file among the specs must not stop the fleet by it.
            let scope = match own.is_spec(sources.path(other.span)) {
                true => Scope::File(other.span.source),
                false => Scope::Fleet,
            };
            findings.push(
                Diagnostic::new(&PATH_APPLIED_TWICE, other.span, message)
                    .label("applied here")
                    .fix("put it where nothing is applied from")
                    .scope(scope),
            );
        }
    }

    findings
}

/// Reports entry files that lie beside a kustomization.yaml which does not list them.
fn unlisted_entries(
    entries: &[String],
    kustomizations: &KustomizationFiles,
    span: Span,
) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for entry in entries {
        let folder = parent(entry);
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

/// Whether an engine that applies a folder applies a path of ours.
fn is_applied(folder: &str, ours: &str, kustomizations: &KustomizationFiles) -> bool {
    reaches(folder, ours, kustomizations, &mut BTreeSet::new())
}

/// Whether applying a folder applies what lies in another, or below it.
fn reaches(
    folder: &str,
    ours: &str,
    kustomizations: &KustomizationFiles,
    seen: &mut BTreeSet<String>,
) -> bool {
    if !seen.insert(folder.to_owned()) {
        return false;
    }
    if let Some(resources) = kustomizations.get(folder) {
        return resources.iter().any(|listed| match is_manifest(listed) {
            true => within(ours, listed),
            false => reaches(listed, ours, kustomizations, seen),
        });
    }
    within(ours, folder)
}

/// Whether a resource that a kustomization.yaml lists is a file of objects, and no folder.
fn is_manifest(path: &str) -> bool {
    let ending = path.rsplit('.').next().unwrap_or_default();
    ["yaml", "yml", "json"].contains(&ending)
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

    #[test]
    fn a_kustomization_file_bounds_what_is_applied() {
        let none = KustomizationFiles::new();
        assert!(is_applied("rendered", "rendered/prod", &none));
        assert!(is_applied("", "rendered/prod", &none));
        assert!(!is_applied("render", "rendered/prod", &none));
        assert!(!is_applied("tenants/base", "rendered/prod", &none));

        let lists =
            |folder: &str| KustomizationFiles::from([(String::new(), vec![folder.to_owned()])]);
        assert!(!is_applied("", "rendered/prod", &lists("apps")));
        assert!(is_applied("", "rendered/prod", &lists("rendered")));
        assert!(is_applied(
            "",
            "tenants/fleet.yaml",
            &lists("tenants/fleet.yaml")
        ));

        // A folder whose name has a dot is bounded by its own file.
        let mut dotted = lists("infra.v2");
        dotted.insert("infra.v2".to_owned(), vec!["infra.v2/apps".to_owned()]);
        assert!(is_applied("", "infra.v2/apps/prod", &dotted));
        assert!(!is_applied("", "infra.v2/rendered/prod", &dotted));
    }
}
