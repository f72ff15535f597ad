//! Manifests that tenantry did not render → facts: overlays are looked through, lists are opened,
//! nothing is skipped in silence.

use super::facts::{Facts, is_overlay, listed, patches};
use super::gitops::flux;
use super::{InputKind, Origin};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::document::{self, Document, Node, NodeValue};
use crate::kube::ObjectId;
use crate::kube::labels::{items, texts};
use crate::source::{SourceId, SourceMap, Span, join, parent};
use crate::value::Value;
use rayon::prelude::*;
use std::collections::BTreeSet;

rule! {
    /// A file among the manifests cannot be read as objects.
    ///
    /// ## Why it matters
    /// What it grants is not known, so nothing is proven.
    ///
    /// ## Fix
    /// Render it first (`helm template`, `kustomize build`), and give what comes out; or leave it
    /// out of the folder.
    pub static NOT_READ = "document/not-read", Error;
}

/// What was read of some manifests.
#[derive(Debug, Default)]
pub struct Reading {
    /// What they say.
    pub facts: Facts,
    /// What could not be read.
    pub faults: Vec<Diagnostic>,
}

/// The name of a file without its folders.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a text has admission policies, so that objects are kept for them to be asked about.
pub fn has_policies(text: &str) -> bool {
    text.contains("ValidatingAdmissionPolicy")
}

/// Reads manifests. What an overlay names as a patch is no object, but for the arguments of Flux's
/// controllers in it. `keeps` is whether objects are kept as they are.
pub fn read(sources: &SourceMap, ids: &[SourceId], keeps: bool) -> Reading {
    let parsed: Vec<(SourceId, Vec<Document>, Vec<Diagnostic>)> = ids
        .par_iter()
        .map(|id| {
            let (documents, faults) = document::parse_foreign(*id, sources.get(*id));
            (*id, documents, faults)
        })
        .collect();

    let overlays = || {
        parsed.iter().flat_map(|(id, documents, _)| {
            let path = sources.get(*id).path.as_str();
            documents
                .iter()
                .filter(move |d| is_kustomization(path, &d.root))
                .map(move |d| (path, &d.root))
        })
    };

    // A patch is no object. But what an overlay lists, or what lies outside its folder, is
    // somebody's object too.
    let listed: BTreeSet<String> = overlays()
        .flat_map(|(path, root)| {
            texts(root.get("resources")).filter_map(move |r| join(parent(path), r))
        })
        .collect();

    let patched: BTreeSet<String> = overlays()
        .flat_map(|(path, root)| {
            patches(root)
                .into_iter()
                .filter_map(move |p| Some((parent(path), join(parent(path), p)?)))
        })
        .filter(|(folder, path)| path.starts_with(folder) && !listed.contains(path))
        .map(|(_, path)| path)
        .collect();

    let mut reading = Reading::default();
    for (path, root) in overlays() {
        if let Some((what, span)) = transforms(root) {
            let message = format!(
                "{path} changes what it lists ({what}): what is applied is not what stands in the files"
            );
            let finding = Diagnostic::new(&NOT_READ, span, message);
            reading.faults.push(
                finding
                    .fix("build it, and give what comes out: kustomize build")
                    .scope(Scope::Fleet),
            );
        }
    }

    for (id, _, faults) in &parsed {
        let path = &sources.get(*id).path;
        let not_read = |fault: &Diagnostic| {
            Diagnostic::new(
                &NOT_READ,
                fault.span,
                format!("{path} cannot be read: {}", fault.message),
            )
            .fix("render it first (helm template, kustomize build), or leave it out")
            .scope(Scope::Fleet)
        };
        reading.faults.extend(faults.iter().map(not_read));
    }

    let all: Vec<(Facts, Vec<Diagnostic>)> = parsed
        .par_iter()
        .map(|(id, documents, _)| {
            let (mut facts, mut faults) = (Facts::keeping(keeps), Vec::new());
            let path = &sources.get(*id).path;

            for document in documents {
                if is_kustomization(path, &document.root) {
                    for patch in items(document.root.get("patches"))
                        .iter()
                        .filter(|p| flux::is_controllers(p))
                    {
                        let name = patch
                            .get("target")
                            .and_then(|t| t.get("name"))
                            .and_then(Node::as_str);
                        let name = name.unwrap_or_default();
                        let set = flux::patched_flags(sources, patch, name);
                        facts.gitops.controllers.extend(set);
                    }
                } else if patched.contains(path) {
                    if flux::is_controllers_patch(&document.root) {
                        let name = document
                            .root
                            .get("metadata")
                            .and_then(|m| m.get("name"))
                            .and_then(Node::as_str);
                        let name = name.unwrap_or_default();
                        let set = flux::patched_flags(sources, &document.root, name);
                        facts.gitops.controllers.extend(set);
                    }
                } else if !matches!(document.root.value, NodeValue::Null) {
                    object(&document.root, false, &mut facts, &mut faults);
                }
            }

            (facts, faults)
        })
        .collect();

    for (facts, faults) in all {
        reading.facts.append(facts);
        reading.faults.extend(faults);
    }

    reading
}

fn object(node: &Node, in_list: bool, facts: &mut Facts, faults: &mut Vec<Diagnostic>) {
    if let Some(items) = listed(node) {
        return items
            .iter()
            .for_each(|item| object(item, true, facts, faults));
    }

    let span = node.entries().first().map_or(node.span, |e| e.key_span);
    match ObjectId::of(node) {
        // Ours are read as specs.
        Ok(id) if id.group == "tenantry.dev" => {}
        Ok(id) => facts.add(
            id,
            node,
            Origin {
                input: InputKind::Manifest,
                span,
            },
        ),
        // Values of a chart, a workflow's file: nothing that could be applied.
        Err(_) if !in_list && node.get("apiVersion").is_none() && node.get("kind").is_none() => {
            *facts
                .unread
                .entry("documents that are no objects".into())
                .or_default() += 1;
        }
        Err(reason) => faults.push(
            Diagnostic::new(&NOT_READ, span, format!("this is no object: {reason}"))
                .fix("mend it, or leave it out")
                .scope(Scope::Fleet),
        ),
    }
}

/// Whether a document is a Kustomize overlay: by its group, or by its file's name where it says no
/// kind.
fn is_kustomization(path: &str, root: &Node) -> bool {
    let named =
        ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&file_name(path));
    is_overlay(root) || (named && root.get("kind").is_none())
}

/// What of an overlay changes the objects that it lists, but for the arguments of Flux's
/// controllers.
fn transforms(root: &Node) -> Option<(String, Span)> {
    const CHANGING: [&str; 18] = [
        "namespace",
        "labels",
        "commonLabels",
        "commonAnnotations",
        "configurations",
        "namePrefix",
        "nameSuffix",
        "components",
        "replacements",
        "transformers",
        "generators",
        "helmCharts",
        "patchesStrategicMerge",
        "patchesJson6902",
        "replicas",
        "vars",
        "crds",
        "bases",
    ];
    for key in CHANGING {
        if let Some(node) = root
            .get(key)
            .filter(|n| !matches!(n.value, NodeValue::Null))
        {
            return Some((format!("`{key}`"), node.span));
        }
    }

    if let Some(patch) = items(root.get("patches"))
        .iter()
        .find(|p| !flux::is_controllers(p))
    {
        return Some(("`patches`".into(), patch.span));
    }

    let remote = |text: &str| {
        text.contains("://")
            || text.starts_with("git@")
            || text.contains("?ref=")
            || text.starts_with("github.com/")
    };

    let resources = items(root.get("resources")).iter();
    resources
        .filter_map(|r| Some((r.as_str()?, r.span)))
        .find(|(r, _)| remote(r))
        .map(|(r, span)| (format!("a remote resource, {r}"), span))
}

/// Reads a snapshot of a live cluster: what `kubectl get … -o json` prints. Objects of it have no
/// lines.
///
/// # Errors
/// Why it is none.
pub fn read_snapshot(text: &str, span: Span, keeps: bool) -> Result<Facts, String> {
    let mut facts = Facts::keeping(keeps);
    for value in serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>() {
        let value = Value::from(&value.map_err(|e| format!("it is no JSON: {e}"))?);
        let items = match listed(&value) {
            Some(items) => items,
            None => std::slice::from_ref(&value),
        };

        for item in items {
            let id =
                ObjectId::of(item).map_err(|reason| format!("an item is no object: {reason}"))?;
            facts.add(
                id,
                item,
                Origin {
                    input: InputKind::Snapshot,
                    span,
                },
            );
        }
    }

    match facts.objects.is_empty() {
        true => Err("it holds no object".into()),
        false => Ok(facts),
    }
}
