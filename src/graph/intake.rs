//! Manifests that tenantry did not render → facts: overlays are looked through, lists are opened,
//! nothing is skipped in silence.

use super::api_server::ServerFile;
use super::facts::Facts;
use super::facts::{WebhookService, service_in_url};
use super::gitops::patches;
use super::overlay::{self, Inputs, is_kustomization, transforms};
use super::pod_security::PodSecurityConfiguration;
use super::{InputKind, Origin};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::document::{self, Document, Entry, Node, NodeValue, TreeValue, View};
use crate::kube::labels::texts;
use crate::kube::{ObjectId, kinds};
use crate::source::{SourceId, SourceMap, Span, join, parent};
use crate::value::{Text, Value};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

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
    /// Whether a file could not be read at all, so that any object of it may be missing.
    pub has_unread_files: bool,
}

/// Whether a text has admission policies, so that objects are kept for them to be asked about.
pub fn has_policies(text: &str) -> bool {
    text.contains("ValidatingAdmissionPolicy")
}

/// A manifest file with its documents.
struct ManifestFile<'s> {
    path: &'s str,
    text: &'s str,
    documents: Vec<Document>,
    faults: Vec<Diagnostic>,
}

impl<'s> ManifestFile<'s> {
    fn parse(sources: &'s SourceMap, id: SourceId) -> Self {
        let source = sources.get(id);
        let (documents, faults) = document::parse_foreign(id, source);
        Self {
            path: &source.path,
            text: &source.text,
            documents,
            faults,
        }
    }

    /// The roots of the Kustomize overlays in the file.
    fn overlays(&self) -> impl Iterator<Item = &Node> {
        let roots = self.documents.iter().map(|document| &document.root);
        roots.filter(|root| is_kustomization(self.path, root))
    }
}

/// How manifests are read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Whether objects are kept as they are.
    pub keeps: bool,
    /// The namespace of objects that are in a namespace and name none, as `kubectl apply -n` has it.
    pub namespace: Option<Text>,
}

/// Reads manifests as [`read_with`] does. `keeps` is whether objects are kept as they are.
pub fn read(sources: &SourceMap, ids: &[SourceId], keeps: bool) -> Reading {
    let options = ReadOptions {
        keeps,
        ..ReadOptions::default()
    };
    read_with(sources, ids, &options)
}

/// Reads manifests. A file that an overlay names as a patch holds no object; only the arguments of
/// Flux's controllers are read from it.
pub fn read_with(sources: &SourceMap, ids: &[SourceId], options: &ReadOptions) -> Reading {
    let files: Vec<ManifestFile<'_>> = ids
        .par_iter()
        .map(|id| ManifestFile::parse(sources, *id))
        .collect();

    let mut reading = Reading::default();
    let texts: Texts<'_> = files.iter().map(|file| (file.path, file.text)).collect();
    reading.faults.extend(overlay_faults(&files, &texts));
    reading.faults.extend(unfollowed_overlays(&files));
    reading.faults.extend(files.iter().flat_map(syntax_faults));
    reading.has_unread_files = files.iter().any(|file| !file.faults.is_empty());

    let patches = patch_files(&files);
    let read: Vec<Reading> = files
        .par_iter()
        .map(|file| match patches.contains(file.path) {
            true => Reading::default(),
            false => read_file(sources, file, &texts, options),
        })
        .collect();

    for file in read {
        reading.facts.append(file.facts);
        reading.faults.extend(file.faults);
    }

    reading
}

/// The text of each file, by its path.
type Texts<'s> = BTreeMap<&'s str, &'s str>;

/// The text of a file that an overlay names, by the path of the overlay.
fn text_beside(texts: &Texts<'_>, overlay: &str, path: &str) -> Option<String> {
    let path = join(parent(overlay), path)?;
    Some((*texts.get(path.as_str())?).to_owned())
}

/// The files that overlays name as patches. A file that an overlay also lists, or that lies outside
/// the overlay's folder, holds objects too, and is not among them.
fn patch_files(files: &[ManifestFile<'_>]) -> BTreeSet<String> {
    let overlays = || {
        files
            .iter()
            .flat_map(|file| file.overlays().map(|root| (parent(file.path), root)))
    };

    let listed: BTreeSet<String> = overlays()
        .flat_map(|(folder, root)| {
            texts(root.get("resources")).filter_map(move |path| join(folder, path))
        })
        .collect();

    overlays()
        .flat_map(|(folder, root)| {
            let paths = overlay::patches(root).into_iter();
            paths.filter_map(move |path| Some((folder, join(folder, path)?)))
        })
        .filter(|(folder, path)| path.starts_with(folder) && !listed.contains(path))
        .map(|(_, path)| path)
        .collect()
}

/// Reports each overlay that changes the objects that it lists.
fn overlay_faults(files: &[ManifestFile<'_>], texts: &Texts<'_>) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    for file in files {
        let text = |path: &str| text_beside(texts, file.path, path);
        for (what, span) in file.overlays().filter_map(|root| transforms(root, &text)) {
            let message = format!(
                "{} changes what it lists ({what}): what is applied is not what stands in the files",
                file.path
            );
            faults.push(
                Diagnostic::new(&NOT_READ, span, message)
                    .fix("build it, and give what comes out: kustomize build")
                    .scope(Scope::Fleet),
            );
        }
    }

    faults
}

/// Reports each file or folder that an overlay lists and that is not among the inputs.
fn unfollowed_overlays(files: &[ManifestFile<'_>]) -> Vec<Diagnostic> {
    let inputs = Inputs::new(files.iter().map(|file| file.path));
    let mut faults = Vec::new();
    for file in files {
        for (listed, span) in file
            .overlays()
            .flat_map(|root| inputs.missing(file.path, root))
        {
            let message = format!(
                "{} lists {listed}, which is not among the inputs: what it applies is not known",
                file.path
            );
            faults.push(
                Diagnostic::new(&NOT_READ, span, message)
                    .fix("give it with --also, or build the overlay and give what comes out")
                    .scope(Scope::Fleet),
            );
        }
    }

    faults
}

/// Reports the syntax errors of a file.
fn syntax_faults(file: &ManifestFile<'_>) -> impl Iterator<Item = Diagnostic> {
    file.faults.iter().map(|fault| {
        let message = format!("{} cannot be read: {}", file.path, fault.message);
        Diagnostic::new(&NOT_READ, fault.span, message)
            .fix("render it first (helm template, kustomize build), or leave it out")
            .scope(Scope::Fleet)
    })
}

/// Reads the documents of one file that is no patch.
fn read_file(
    sources: &SourceMap,
    file: &ManifestFile<'_>,
    texts: &Texts<'_>,
    options: &ReadOptions,
) -> Reading {
    let mut reading = Reading {
        facts: Facts::keeping(options.keeps),
        ..Reading::default()
    };

    for document in &file.documents {
        let root = &document.root;
        let controllers = &mut reading.facts.gitops.controllers;

        if is_kustomization(file.path, root) {
            let text = |path: &str| text_beside(texts, file.path, path);
            controllers.extend(patches::of_overlay(sources, root, &text));
        } else if !matches!(root.value, NodeValue::Null) {
            read_object(root, false, options, &mut reading);
        }
    }

    reading
}

/// Reads an object, or each object of a list. `in_list` is whether a list holds the object.
fn read_object(node: &Node, in_list: bool, options: &ReadOptions, reading: &mut Reading) {
    if let Some(list) = List::of(node) {
        if list.items.is_empty() {
            reading.facts.count_unread("empty lists");
        }
        for item in list.items {
            match list.untyped(item) {
                Some((version, kind)) => {
                    read_object(&typed_node(item, version, kind), true, options, reading);
                }
                None => read_object(item, true, options, reading),
            }
        }
        return;
    }

    let entries = node.entries();
    let span = entries.first().map_or(node.span, |entry| entry.key_span);
    if let Some(configuration) = PodSecurityConfiguration::of(node, span) {
        reading.facts.pod_security.push(configuration);
        return;
    }
    if let Some(file) = ServerFile::of(node) {
        return read_server_file(&file, span, reading);
    }
    match ObjectId::of(node) {
        // The program reads its own kinds as specs.
        Ok(id) if id.group == "tenantry.dev" => {}
        Ok(mut id) => {
            let origin = Origin {
                input: InputKind::Manifest,
                span,
            };
            if let Some(namespace) = &options.namespace
                && id.namespace.is_empty()
                && kinds::is_namespaced(&id)
            {
                id.namespace = namespace.clone();
            }
            reading.facts.add(id, node, origin);
        }
        // The values of a chart or the file of a workflow: no API server takes them.
        Err(_) if !in_list && node.get("apiVersion").is_none() && node.get("kind").is_none() => {
            reading.facts.count_unread("documents that are no objects");
        }
        Err(reason) => reading.faults.push(
            Diagnostic::new(&NOT_READ, span, format!("this is no object: {reason}"))
                .fix("mend it, or leave it out")
                .scope(Scope::Fleet),
        ),
    }
}

/// Takes what a file of the API server says of who is let in.
fn read_server_file(file: &ServerFile, span: Span, reading: &mut Reading) {
    reading.facts.count_unread(&file.id.kind);
    if let Some(doubt) = &file.doubt {
        let message = format!("{} cannot be evaluated: {doubt}", file.id.kind);
        let fault = Diagnostic::new(&NOT_READ, span, message)
            .fix("let Node and RBAC authorize alone")
            .scope(Scope::Fleet);
        reading.faults.push(fault);
    }

    let origin = Origin {
        input: InputKind::Manifest,
        span,
    };
    let services = file.issuers.iter().filter_map(|url| service_in_url(url));
    let hooks = services.map(|namespace| WebhookService {
        id: file.id.clone(),
        namespace,
        only: None,
        origin,
    });
    reading.facts.hooks.extend(hooks);
}

/// A list of objects, as kubectl and the API server write it.
struct List<'t, T> {
    version: &'t str,
    kind: &'t str,
    items: &'t [T],
}

impl<'t, T: TreeValue> List<'t, T> {
    /// Reads a list; `None` for what is no list. `items` may be null, as Go writes an empty list.
    fn of(node: &'t T) -> Option<Self> {
        let text = |key: &str| node.member(key).and_then(TreeValue::text);
        let kind = text("kind")?.strip_suffix("List")?;
        let View::Map(entries) = node.view() else {
            return None;
        };
        let mut entries = entries.iter().map(T::split);
        let (_, items) = entries.find(|(key, _)| *key == "items")?;

        let items = match items.view() {
            View::Seq(items) => items,
            View::Null => &[],
            _ => return None,
        };
        Some(Self {
            version: text("apiVersion").unwrap_or_default(),
            kind,
            items,
        })
    }

    /// The apiVersion and the kind of an item that names none: that of a typed list, such as a
    /// PodList, which the API returns.
    fn untyped(&self, item: &T) -> Option<(&'t str, &'t str)> {
        let is_typed = !self.kind.is_empty() && item.member("kind").is_none();
        is_typed.then_some((self.version, self.kind))
    }
}

/// An item of a typed list with its apiVersion and its kind.
fn typed_node(item: &Node, version: &str, kind: &str) -> Node {
    let mut typed = item.clone();
    if let NodeValue::Map(entries) = &mut typed.value {
        entries.retain(|entry| entry.key != "apiVersion" && entry.key != "kind");
        for (key, text) in [("kind", kind), ("apiVersion", version)] {
            entries.push(Entry {
                key: key.into(),
                key_span: item.span,
                node: Node::new(item.span, NodeValue::String(text.into())),
            });
        }
    }
    typed
}

/// An item of a typed list with its apiVersion and its kind.
fn typed_value(item: &Value, version: &str, kind: &str) -> Value {
    let mut typed = item.clone();
    typed.change(|entries| {
        entries.retain(|(key, _)| key != "apiVersion" && key != "kind");
        entries.push(("apiVersion".into(), Value::String(version.into())));
        entries.push(("kind".into(), Value::String(kind.into())));
    });
    typed
}

/// How a snapshot begins that holds every object of the kinds that planes read. `verify --snapshot`
/// writes it; the API server and kubectl do not.
pub const COMPLETE_SNAPSHOT: &str =
    "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"tenantry.dev/complete\":true,";

/// Reads a snapshot of a live cluster: the output of `kubectl get … -o json`. Its objects have no
/// lines; `span` stands for them. `keeps` is whether objects are kept as they are.
///
/// # Errors
/// Why the text is no snapshot.
pub fn read_snapshot(text: &str, span: Span, keeps: bool) -> Result<Facts, String> {
    let mut facts = Facts::keeping(keeps);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for value in serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>() {
        let value = Value::from(&value.map_err(|e| format!("it is no JSON: {e}"))?);
        read_live(&value, span, &mut facts)?;
    }

    match facts.objects.is_empty() {
        true => Err("it holds no object".into()),
        false => Ok(facts),
    }
}

/// Reads an object of a snapshot, or each object of a list.
fn read_live(value: &Value, span: Span, facts: &mut Facts) -> Result<(), String> {
    if let Some(list) = List::of(value) {
        return list
            .items
            .iter()
            .try_for_each(|item| match list.untyped(item) {
                Some((version, kind)) => read_live(&typed_value(item, version, kind), span, facts),
                None => read_live(item, span, facts),
            });
    }

    let id = ObjectId::of(value).map_err(|reason| format!("an item is no object: {reason}"))?;
    let origin = Origin {
        input: InputKind::Snapshot,
        span,
    };
    facts.add(id, value, origin);
    Ok(())
}
