//! What the files of a repository say of engines that already apply it.

use super::applied::AppliedPath;
use super::{ENGINES, Engine, argo, flux};
use crate::document::{Node, NodeValue, parse_foreign};
use crate::source::{Source, SourceId, join, parent};
use std::collections::BTreeMap;

/// Reads the paths that an object applies, if it is an engine's.
fn read(root: &Node) -> Vec<AppliedPath> {
    let of_engine = Engine::ALL.into_iter().filter_map(|engine| match engine {
        Engine::Flux => flux::applied(root),
    });
    of_engine.chain(argo::applied(root)).collect()
}

/// The folder of a cluster into which this file shows that an engine was bootstrapped.
fn bootstrapped(path: &str) -> Option<&str> {
    Engine::ALL.into_iter().find_map(|engine| match engine {
        Engine::Flux => flux::bootstrapped(path),
    })
}

/// The names of the file that kustomize reads in a folder.
///
/// Source: `RecognizedKustomizationFileNames` of kubernetes-sigs/kustomize/api/konfig.
const KUSTOMIZATION_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The `resources` of each folder that has a kustomization.yaml, as paths from the root: an engine
/// applies these of such a folder, and nothing else.
pub type KustomizationFiles = BTreeMap<String, Vec<String>>;

/// What the files of a repository say of engines that already apply it.
#[derive(Debug, Default)]
pub struct RepositorySurvey {
    /// Paths that an engine applies.
    pub applied: Vec<AppliedPath>,
    /// Folders with a kustomization.yaml.
    pub kustomizations: KustomizationFiles,
    /// Folders below `clusters/` into which an engine was bootstrapped, each with the object of the
    /// bootstrap, where a file shows it.
    pub bootstraps: Vec<(String, Option<AppliedPath>)>,
}

impl RepositorySurvey {
    /// Adds what a file says. Most files say nothing: [`may_say`] tells which need not be read.
    pub fn add(&mut self, id: SourceId, source: &Source) {
        let documents = match may_say(&source.path, source.text.as_bytes()) {
            true => parse_foreign(id, source).0,
            false => Vec::new(),
        };

        let applied: Vec<AppliedPath> = documents
            .iter()
            .flat_map(|document| read(&document.root))
            .collect();

        if let Some(folder) = bootstrapped(&source.path) {
            self.add_bootstrap(folder, applied.iter().find(|found| found.is_whole()));
        }
        self.applied.extend(applied);

        if is_kustomization_file(&source.path) {
            let folder = parent(&source.path);
            for document in &documents {
                let listed = document.root.get("resources");
                let paths = listed.map_or(&[][..], Node::items).iter();
                let paths = paths.filter_map(|node| match &node.value {
                    NodeValue::String(path) => join(folder, path),
                    _ => None,
                });
                self.kustomizations
                    .insert(folder.to_owned(), paths.collect());
            }
        }
    }

    fn add_bootstrap(&mut self, folder: &str, found: Option<&AppliedPath>) {
        match self.bootstraps.iter_mut().find(|(name, _)| name == folder) {
            Some((_, known)) => *known = known.take().or_else(|| found.cloned()),
            None => self.bootstraps.push((folder.to_owned(), found.cloned())),
        }
    }
}

/// Whether a file may say what is applied.
pub fn may_say(path: &str, text: &[u8]) -> bool {
    let has = |needle: &str| memchr::memmem::find(text, needle.as_bytes()).is_some();
    is_kustomization_file(path)
        || ENGINES.iter().any(|engine| has(engine.applier.group))
        || has(argo::GROUP)
}

/// Whether kustomize reads a file of this name as a kustomization.
pub fn is_kustomization_file(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    KUSTOMIZATION_NAMES.contains(&file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_that_kustomize_reads_are_kustomization_files() {
        for name in KUSTOMIZATION_NAMES {
            assert!(is_kustomization_file(&format!("apps/{name}")), "{name}");
        }
        assert!(!is_kustomization_file("apps/kustomization.yaml.bak"));
        assert!(!is_kustomization_file("apps/kustomization.json"));
    }
}
