//! Verbatim files: a tenant's own objects, passed through byte for byte.

use super::durations;
use super::object::{Object, ObjectBody};
use crate::delivery;
use crate::diagnostic::{Diagnostic, rule};
use crate::document::Spanned;
use crate::document::{self, Document, NodeValue};
use crate::kube::{ObjectId, kinds};
use crate::source::{SourceId, SourceMap, Span, join, parent};
use crate::spec::leaf::FilePath;
use crate::tenancy::model::{OnCluster, Tenant};
use crate::tenancy::{CLUSTER_ADMIN, MANIFEST_FLOOR, Permits, Tenancy};
use crate::value::Value as Made;
use rayon::prelude::*;
use std::collections::BTreeMap;

rule! {
    /// A file that a tenant passes through is not there, or holds something that is no object.
    pub static MANIFEST = "bundle/manifest", Error;
}
rule! {
    /// A verbatim manifest holds an object that the tenant may not have: one of the cluster, or of
    /// another namespace.
    pub static MANIFEST_NOT_ALLOWED = "bundle/manifest-not-allowed", Error;
}

/// Faults of one file that are reported; the first ones say enough.
const MAX_FAULTS: usize = 20;

/// The verbatim files of a run, by path.
#[derive(Debug, Default)]
pub struct TenantManifests {
    files: BTreeMap<String, File>,
    permits: Option<Permits>,
    kinds: Vec<String>,
}

#[derive(Debug)]
struct File {
    documents: Vec<Document>,
    faults: Vec<Diagnostic>,
}

/// A file that a tenant names.
#[derive(Debug)]
pub struct NamedManifest {
    /// The path from the root; nothing where it leaves the root, or is no manifest's.
    pub path: Option<String>,
    /// Where it is named.
    pub span: Span,
    /// The tenant.
    pub tenant: String,
}

fn resolve(sources: &SourceMap, named: &Spanned<FilePath>) -> Option<String> {
    if sources.path(named.span).contains(':') {
        return None;
    }
    join(parent(sources.path(named.span)), named.value.as_str())
}

/// Whether a path can be that of a manifest: YAML, and in no hidden folder. A tenant-owned source
/// passes no files through: its paths are not this repository's.
fn is_manifest(path: &str) -> bool {
    let hidden = path.split('/').any(|part| part.starts_with('.'));
    !hidden
        && [".yaml", ".yml", ".json"]
            .iter()
            .any(|end| path.ends_with(end))
}

/// The files that tenants name.
pub fn wanted(tenancy: &Tenancy, sources: &SourceMap) -> Vec<NamedManifest> {
    let mut all = Vec::new();
    for tenant in &tenancy.tenants {
        let mut seen: Vec<Span> = Vec::new();
        for named in tenant.on.iter().flat_map(|on| &on.manifests) {
            if !seen.contains(&named.span) {
                seen.push(named.span);
                let path = resolve(sources, named).filter(|p| is_manifest(p));
                all.push(NamedManifest {
                    path,
                    span: named.span,
                    tenant: tenant.name.value.clone(),
                });
            }
        }
    }

    all
}

/// Why another reader could see other objects in a text than we do.
///
/// kyaml, which Flux reads with, splits at every line that begins with `---`, expands whatever has
/// `items`, and breaks lines at U+0085, U+2028 and U+2029.
pub fn read_otherwise(raw: &str, value: &serde_json::Value) -> Option<&'static str> {
    let kind = value
        .get("kind")
        .and_then(|k| k.as_str())
        .unwrap_or_default();
    if value.get("items").is_some() || kind.ends_with("List") {
        return Some("a list of objects: Flux would apply each of its items");
    }
    if raw.lines().any(|line| line.starts_with("---")) {
        return Some("a line begins with `---`: Flux would read a new document there");
    }
    let odd = ['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'];
    let lone_return = raw.replace("\r\n", "\n").contains('\r');
    (lone_return || raw.contains(odd))
        .then_some("a character that other readers take for the end of a line")
}

/// Why a tenant may not have an object even in its own namespace: it reaches out of it, or takes
/// what is not its own.
pub fn reaches_out(
    id: &ObjectId,
    value: &serde_json::Value,
    own: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let text = |pointer: &str| value.pointer(pointer).and_then(|v| v.as_str());
    match (id.group.as_str(), id.kind.as_str()) {
        ("", "Service") if value.pointer("/spec/externalIPs").is_some() => {
            return Some("externalIPs take other addresses' traffic (CVE-2020-8554)".into());
        }
        ("", "Secret") if text("/type") == Some("kubernetes.io/service-account-token") => {
            return Some("it mints a token of a service account".into());
        }
        _ => {}
    }
    delivery::reaches_out(id, value, own)
}

impl TenantManifests {
    /// Reads the files that were found: each path, and its source.
    ///
    /// `permits` is what waivers permit of objects of the floor; `kinds` are those of CRDs that
    /// tenants may have, as `group/Kind`.
    pub fn load(
        sources: &SourceMap,
        found: &BTreeMap<String, SourceId>,
        permits: Permits,
        kinds: Vec<String>,
    ) -> Self {
        let read = |(path, id): (&String, &SourceId)| {
            let (documents, faults) = document::parse_foreign(*id, sources.get(*id));
            (path.clone(), File { documents, faults })
        };
        Self {
            files: found.par_iter().map(read).collect(),
            permits: Some(permits),
            kinds,
        }
    }

    /// Whether no tenant names any.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether a path is one of them.
    pub fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// A tenant's verbatim objects on a cluster. A file that is missing was reported by whoever
    /// looked for it.
    pub(super) fn of<'s>(
        &self,
        tenant: &Tenant,
        on: &OnCluster,
        sources: &'s SourceMap,
        out: &mut Vec<Diagnostic>,
    ) -> Vec<Object<'s>> {
        let mut objects = Vec::new();
        for named in &on.manifests {
            let Some(file) = resolve(sources, named).and_then(|path| self.files.get(&path)) else {
                continue;
            };
            for fault in &file.faults {
                out.push(
                    fault
                        .clone()
                        .related(named.span, "named here")
                        .tenant(&tenant.name.value),
                );
            }

            let before = out.len();
            for document in &file.documents {
                if out.len() - before >= MAX_FAULTS {
                    break;
                }
                match self.object(document, tenant, on, sources) {
                    Ok(found) => objects.extend(found),
                    Err(fault) => out.push(
                        fault
                            .related(named.span, "named here")
                            .tenant(&tenant.name.value),
                    ),
                }
            }
        }

        objects
    }

    fn object<'s>(
        &self,
        document: &Document,
        tenant: &Tenant,
        on: &OnCluster,
        sources: &'s SourceMap,
    ) -> Result<Option<Object<'s>>, Box<Diagnostic>> {
        if matches!(document.root.value, NodeValue::Null) {
            return Ok(None);
        }
        let span = document
            .root
            .entries()
            .first()
            .map_or(document.root.span, |e| e.key_span);

        let value = document.root.to_json();
        let id = ObjectId::of(&document.root).map_err(|reason| {
            Box::new(
                Diagnostic::new(&MANIFEST, span, format!("this is no object: {reason}"))
                    .fix("remove it, or mend it"),
            )
        })?;

        let raw = sources.get(document.raw.source).slice(document.raw);
        if let Some(reason) = document.unportable.or_else(|| read_otherwise(raw, &value)) {
            return Err(Box::new(
                Diagnostic::new(&MANIFEST, span, reason)
                    .fix("write one object a document, in plain YAML"),
            ));
        }

        if let Some((node, text)) = durations::out_of_range(&id, &document.root) {
            let message = durations::message(&id, text);
            return Err(Box::new(
                Diagnostic::new(&MANIFEST, node.span, message)
                    .fix("write a shorter one, such as 10m or 1h"),
            ));
        }

        let own = on.namespaces.iter().any(|n| n.name == id.namespace);
        if kinds::is_cluster_scoped(&id) || !own {
            let what = if kinds::is_cluster_scoped(&id) {
                "an object of the cluster"
            } else {
                "not in a namespace of the tenant"
            };
            let message = format!("`{id}` is {what}");
            return Err(Box::new(
                Diagnostic::new(&MANIFEST_NOT_ALLOWED, span, message).fix(
                    "remove it; what the platform owns belongs into the platform's own manifests",
                ),
            ));
        }

        let own = |name: &str| on.namespaces.iter().any(|n| n.name == name);
        let listed = self.kinds.contains(&format!("{}/{}", id.group, id.kind));

        if !kinds::tenants_may_have(&id) && !kinds::is_floor(&id) && !listed {
            let message = format!("`{id}` is of a kind that tenants may not have");
            let fix = format!(
                "remove it, or, if the kind has a namespace, add {}/{} to fleet.tenantKinds",
                id.group, id.kind
            );
            return Err(Box::new(
                Diagnostic::new(&MANIFEST_NOT_ALLOWED, span, message).fix(fix),
            ));
        }

        if let Some(reason) = reaches_out(&id, &value, &own) {
            let message = format!("`{id}` is not the tenant's to have: {reason}");
            let fix = "remove it, or let the platform apply it";
            return Err(Box::new(
                Diagnostic::new(&MANIFEST_NOT_ALLOWED, span, message).fix(fix),
            ));
        }

        let object = format!("{}/{}/{}", id.kind, id.namespace, id.name);
        let permitted = |rule| {
            self.permits
                .as_ref()
                .is_some_and(|p| p.permits(rule, &tenant.name.value, &object))
        };

        if kinds::is_floor(&id) && (tenant.profile != "adopted" || !permitted(&MANIFEST_FLOOR)) {
            let message = format!("`{id}` is of a kind that the floor is made of");
            return Err(Box::new(Diagnostic::new(&MANIFEST_FLOOR, span, message).fix(format!(
                "say it in the spec; or, under the profile `adopted`, write a Waiver of `{}` for {object}",
                MANIFEST_FLOOR.id
            ))));
        }

        let admin =
            value.pointer("/roleRef/name").and_then(|n| n.as_str()) == Some("cluster-admin");
        if id.kind == "RoleBinding" && admin && !permitted(&CLUSTER_ADMIN) {
            let message =
                format!("`{id}` binds to cluster-admin: its subjects can remove the floor");
            let fix = format!(
                "bind a lesser role, or write a Waiver of `{}` for {object}",
                CLUSTER_ADMIN.id
            );
            return Err(Box::new(
                Diagnostic::new(&CLUSTER_ADMIN, span, message).fix(fix),
            ));
        }

        Ok(Some(Object {
            id,
            body: ObjectBody::Verbatim(raw.into(), Made::from(&value)),
            origin: Some(span),
        }))
    }
}
