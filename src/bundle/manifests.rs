//! Verbatim files: a tenant's own objects, passed through byte for byte.

use super::definitions::CustomDefinitions;
use super::durations;
use super::fix_of_version;
use super::object::{Object, ObjectBody};
use super::sops;
use super::through_controller::through_controller;
use super::unappliable::{self, Decryption};
use crate::delivery;
use crate::diagnostic::{Diagnostic, Rule, rule};
use crate::document::Spanned;
use crate::document::{self, Document, KeyIndex, Node, NodeValue};
use crate::kube::names::{ENFORCE_LABEL, ENFORCE_VERSION_LABEL};
use crate::kube::validation::PodLevel;
use crate::kube::{ObjectId, Quantity, kinds, validation};
use crate::source::{SourceId, SourceMap, Span, join, parent};
use crate::spec::fleet::{ClusterSpec, FleetSpec};
use crate::spec::leaf::{FilePath, Line};
use crate::tenancy::model::{OnCluster, Tenant, TenantNamespace};
use crate::tenancy::{self, MANIFEST_FLOOR, Permits, THROUGH_CONTROLLER, Tenancy};
use crate::value::{Text, Value as Made};
use indexmap::IndexMap;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

rule! {
    /// A file that a tenant passes through is not there, or holds something that is no object.
    pub static MANIFEST = "bundle/manifest", Error;
}
rule! {
    /// A verbatim manifest holds an object that the API server refuses, or that Flux does not send.
    ///
    /// ## Why it matters
    /// Flux applies the objects of one Kustomization together. One refused object stops the others;
    /// with `delivery.manifests: shared`, it also stops the tenant's floor.
    /// ## Example
    /// A ConfigMap with `data: {replicas: 3}`, a Service with `selectors`, the key `1:` or `yes:`, a
    /// tab after `-`, a document that SOPS encrypted and no key of the tenant decrypts, the annotation
    /// `config.kubernetes.io/local-config`.
    /// ## Fix
    /// Mend the field; quote what is to be a string.
    pub static MANIFEST_REFUSED = "bundle/manifest-refused", Error;
}
rule! {
    /// A verbatim manifest holds an object that the tenant may not have: one of the cluster, or of
    /// another namespace.
    pub static MANIFEST_NOT_ALLOWED = "bundle/manifest-not-allowed", Error;
}

rule! {
    /// A verbatim manifest holds a workload whose pods the Pod Security level of its namespace refuses.
    ///
    /// ## Why it matters
    /// The API server takes the workload, and none of its pods is made. Its controller tries again for
    /// ever.
    /// ## Fix
    /// Mend the field that is named. A looser level of the namespace (`podSecurity.level`) needs a
    /// waiver.
    /// ## References
    /// kubernetes.io/docs/concepts/security/pod-security-standards
    pub static PODS_REFUSED = "bundle/pods-refused", Warning;
}

/// Faults of one file that are reported; the first ones say enough.
const MAX_FAULTS: usize = 20;

/// The verbatim files of a run, by path.
#[derive(Debug, Default)]
pub struct TenantManifests {
    files: BTreeMap<String, File>,
    permits: Option<Arc<Permits>>,
    kinds: Vec<String>,
    /// The ClusterRoles that the fleet lists.
    cluster_roles: Vec<Spanned<Line>>,
    pub(super) last: LastRendered,
    /// The minor of Kubernetes on each cluster of the fleet, if it is stated.
    minors: Vec<Option<u32>>,
    /// The kinds of custom resources whose schemas are known.
    pub(super) definitions: CustomDefinitions,
}

/// Objects as they were rendered last, and as a revision has them, by cluster.
#[derive(Debug, Default)]
pub struct LastRendered {
    objects: BTreeMap<usize, HashMap<ObjectId, Vec<Node>>>,
}

impl LastRendered {
    /// Reads rendered files, each with the index of its cluster.
    pub fn load(sources: &SourceMap, files: &[(usize, SourceId)]) -> Self {
        let read = |(cluster, id): &(usize, SourceId)| {
            (*cluster, document::parse_foreign(*id, sources.get(*id)).0)
        };
        let read: Vec<(usize, Vec<Document>)> = files.par_iter().map(read).collect();

        let mut last = Self::default();
        for (cluster, documents) in read {
            let of_cluster = last.objects.entry(cluster).or_default();
            for document in documents {
                if let Ok(id) = ObjectId::of(&document.root) {
                    of_cluster.entry(id).or_default().push(document.root);
                }
            }
        }
        last
    }

    /// An object on a cluster.
    pub(super) fn of(&self, cluster: usize, id: &ObjectId) -> &[Node] {
        let of_cluster = self.objects.get(&cluster);
        of_cluster
            .and_then(|objects| objects.get(id))
            .map_or(&[], Vec::as_slice)
    }
}

#[derive(Debug)]
struct File {
    documents: Vec<Document>,
    faults: Vec<Diagnostic>,
}

/// A file that a tenant names.
#[derive(Debug)]
pub struct NamedManifest {
    /// The path from the root. `None` if it leaves the root, or is no manifest's.
    pub path: Option<String>,
    /// The line that names it.
    pub span: Span,
    /// The tenant.
    pub tenant: String,
    /// The number of clusters on which the tenant has it.
    pub clusters: usize,
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
    for tenant in tenancy.tenants.iter().chain(&tenancy.failing) {
        let mut seen: IndexMap<Span, (&Spanned<FilePath>, usize)> = IndexMap::new();
        for named in tenant.on.iter().flat_map(|on| &on.manifests) {
            seen.entry(named.span).or_insert((named, 0)).1 += 1;
        }
        all.extend(seen.into_values().map(|(named, clusters)| NamedManifest {
            path: resolve(sources, named).filter(|path| is_manifest(path)),
            span: named.span,
            tenant: tenant.name.value.clone(),
            clusters,
        }));
    }

    all
}

/// Why another reader could see other objects in a text than tenantry does.
pub struct ReadOtherwise {
    /// The reason.
    pub reason: &'static str,
    /// What mends it.
    pub fix: &'static str,
}

/// Finds out whether another reader could see other objects in a text than tenantry does.
///
/// Flux reads with kyaml. It splits at every line that begins with `---`, expands every object with
/// `items`, and breaks lines at U+0085, U+2028 and U+2029.
pub fn read_otherwise(raw: &str, value: &serde_json::Value) -> Option<ReadOtherwise> {
    let kind = value
        .get("kind")
        .and_then(|kind| kind.as_str())
        .unwrap_or_default();
    let is_list = value.get("items").is_some() || kind.ends_with("List");
    let has_separator = || raw.lines().any(|line| line.starts_with("---"));
    let has_line_end = || {
        let has_lone_return = raw.replace("\r\n", "\n").contains('\r');
        has_lone_return || raw.contains(['\u{85}', '\u{2028}', '\u{2029}'])
    };

    let (reason, fix) = if is_list {
        (
            "a list of objects: Flux would apply each of its items",
            "write one object a document",
        )
    } else if has_separator() {
        (
            "a line begins with `---`: Flux would read a new document there",
            "indent the line, or write one object a document",
        )
    } else if raw.contains('\u{feff}') {
        (
            "a byte order mark (U+FEFF), which would stand in the middle of the rendered file",
            "save the file as UTF-8 without a byte order mark",
        )
    } else if has_line_end() {
        (
            "a character that other readers take for the end of a line",
            "remove the character, or write it as an escape in double quotes",
        )
    } else {
        return None;
    };
    Some(ReadOtherwise { reason, fix })
}

/// The reason why a tenant may not have an object even in its own namespace: the object reaches
/// other namespaces, or takes over traffic or an account.
pub fn reaches_out(
    id: &ObjectId,
    value: &serde_json::Value,
    own: &dyn Fn(&str) -> bool,
) -> Option<String> {
    let text = |pointer: &str| value.pointer(pointer).and_then(|value| value.as_str());
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
        permits: Arc<Permits>,
        kinds: Vec<String>,
    ) -> Self {
        let read = |(path, id): (&String, &SourceId)| {
            let source = sources.get(*id);
            let (documents, mut faults) = document::parse_foreign(*id, source);
            faults.extend(document::turned_text(*id, source));
            (path.clone(), File { documents, faults })
        };
        Self {
            files: found.par_iter().map(read).collect(),
            permits: Some(permits),
            kinds,
            cluster_roles: Vec::new(),
            last: LastRendered::default(),
            minors: Vec::new(),
            definitions: CustomDefinitions::default(),
        }
    }

    /// The same, for the versions of Kubernetes and the ClusterRoles that the clusters have.
    #[must_use]
    pub fn of_clusters(self, fleet: &FleetSpec) -> Self {
        Self {
            minors: fleet.clusters.iter().map(ClusterSpec::minor).collect(),
            cluster_roles: fleet.tenant_cluster_roles.clone().unwrap_or_default(),
            ..self
        }
    }

    /// The same, compared with what was rendered before.
    #[must_use]
    pub fn after(self, last: LastRendered) -> Self {
        Self { last, ..self }
    }

    /// The same, held against the definitions of custom kinds.
    #[must_use]
    pub fn held_against(self, definitions: CustomDefinitions) -> Self {
        Self {
            definitions,
            ..self
        }
    }

    /// Whether no tenant names a file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether a path is that of a file that a tenant names.
    pub fn contains(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The documents of the files that a tenant names on any cluster, each file once.
    pub(super) fn documents<'m>(
        &'m self,
        tenant: &Tenant,
        sources: &SourceMap,
    ) -> Vec<&'m Document> {
        let named = tenant.on.iter().flat_map(|on| &on.manifests);
        let paths: BTreeSet<String> = named.filter_map(|named| resolve(sources, named)).collect();
        let files = paths.iter().filter_map(|path| self.files.get(path));
        files.flat_map(|file| &file.documents).collect()
    }

    /// A tenant's verbatim objects on a cluster. A missing file was reported when it was looked
    /// for.
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
                let mut said = Vec::new();
                let made = self.object(document, tenant, on, sources, &mut said);
                let said = said.into_iter();
                out.extend(said.map(|finding| finding.tenant(&tenant.name.value)));
                match made {
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

    /// The object of a document; `None` for an empty one. What is said of an object that is taken is
    /// added to `out`.
    fn object<'s>(
        &self,
        document: &Document,
        tenant: &Tenant,
        on: &OnCluster,
        sources: &'s SourceMap,
        out: &mut Vec<Diagnostic>,
    ) -> Result<Option<Object<'s>>, Box<Diagnostic>> {
        if matches!(document.root.value, NodeValue::Null) {
            return Ok(None);
        }
        let first_key = document.root.entries().first();
        let span = first_key.map_or(document.root.span, |entry| entry.key_span);
        let id = ObjectId::of(&document.root).map_err(|reason| {
            Box::new(
                Diagnostic::new(&MANIFEST, span, format!("this is no object: {reason}"))
                    .fix("remove it, or mend it"),
            )
        })?;

        let raw = sources.get(document.raw.source).slice(document.raw);
        let object = VerbatimObject {
            value: document.root.to_json(),
            id,
            span,
            tenant,
            on,
        };

        object.check_text(document, raw)?;
        object.check_namespace()?;
        object.check_kind(&self.kinds)?;
        object.check_reach()?;
        object.check_controller(document, self.permits.as_deref())?;
        object.check_floor(self.permits.as_deref())?;
        object.check_role(self.permits.as_deref(), &self.cluster_roles)?;
        object.check_applicability(document)?;
        let minor = self.minors.get(on.cluster).copied().flatten();
        object.check_version(document, minor)?;
        object.check_validity(document, minor)?;
        let made = Made::from(&object.value);
        object.check_definition(document, &made, &self.definitions)?;
        object.check_quota(&self.last)?;
        out.extend(object.check_pods(document)?);
        object.check_update(document, &self.last)?;

        Ok(Some(Object {
            id: object.id,
            body: ObjectBody::Verbatim(raw.into(), made),
            origin: Some(span),
        }))
    }
}

/// An object of a verbatim file, to be checked for one tenant on one cluster.
struct VerbatimObject<'a> {
    id: ObjectId,
    value: serde_json::Value,
    /// The first line of the object.
    span: Span,
    tenant: &'a Tenant,
    on: &'a OnCluster,
}

type Checked = Result<(), Box<Diagnostic>>;

impl VerbatimObject<'_> {
    fn refuse(&self, rule: &'static Rule, message: String, fix: impl Into<String>) -> Checked {
        Err(Box::new(Diagnostic::new(rule, self.span, message).fix(fix)))
    }

    fn is_own_namespace(&self, name: &str) -> bool {
        let mut own = self.on.namespaces.iter();
        own.any(|namespace| namespace.name == name)
    }

    /// Refuses a text that another reader could read otherwise, and a duration out of range.
    fn check_text(&self, document: &Document, raw: &str) -> Checked {
        if let Some(unportable) = &document.unportable {
            let message = format!("`{}` would not be applied: {}", self.id, unportable.reason);
            return Err(Box::new(
                Diagnostic::new(&MANIFEST_REFUSED, unportable.span, message)
                    .fix("write it in plain YAML, which every reader reads alike"),
            ));
        }
        if let Some(ReadOtherwise { reason, fix }) = read_otherwise(raw, &self.value) {
            return self.refuse(&MANIFEST, reason.to_owned(), fix);
        }

        if let Some((node, text)) = durations::out_of_range(&self.id, &document.root) {
            let message = durations::message(&self.id, text);
            return Err(Box::new(
                Diagnostic::new(&MANIFEST, node.span, message)
                    .fix("write a shorter one, such as 10m or 1h"),
            ));
        }
        Ok(())
    }

    fn check_namespace(&self) -> Checked {
        let id = &self.id;
        let problem = if kinds::is_cluster_scoped(id) {
            "an object of the cluster"
        } else if !self.is_own_namespace(&id.namespace) {
            "not in a namespace of the tenant"
        } else {
            return Ok(());
        };

        let fix = "remove it; what the platform owns belongs into the platform's own manifests";
        self.refuse(&MANIFEST_NOT_ALLOWED, format!("`{id}` is {problem}"), fix)
    }

    /// Refuses a kind that neither tenants may have nor the fleet lists, as `group/Kind`.
    fn check_kind(&self, listed: &[String]) -> Checked {
        let id = &self.id;
        let name = format!("{}/{}", id.group, id.kind);
        if kinds::tenants_may_have(id) || kinds::is_floor(id) || listed.contains(&name) {
            return Ok(());
        }

        let fix = match id.group.is_empty() {
            true => "remove it".to_owned(),
            false => format!(
                "remove it, or, if the kind has a namespace, add {name} to fleet.tenantKinds"
            ),
        };
        let message = format!("`{id}` is of a kind that tenants may not have");
        self.refuse(&MANIFEST_NOT_ALLOWED, message, fix)
    }

    fn check_reach(&self) -> Checked {
        let is_own = |name: &str| self.is_own_namespace(name);
        let Some(reason) = reaches_out(&self.id, &self.value, &is_own) else {
            return Ok(());
        };
        let message = format!("`{}` is not the tenant's to have: {reason}", self.id);
        let fix = "remove it, or let the platform apply it";
        self.refuse(&MANIFEST_NOT_ALLOWED, message, fix)
    }

    /// Refuses an object that reaches beyond the tenant through an ingress controller, without a
    /// waiver.
    fn check_controller(&self, document: &Document, permits: Option<&Permits>) -> Checked {
        let is_own = |name: &str| self.is_own_namespace(name);
        let Some(reach) = through_controller(&self.id, &document.root, &is_own) else {
            return Ok(());
        };
        if self.is_permitted(&THROUGH_CONTROLLER, permits) {
            return Ok(());
        }

        let message = format!("`{}` {}", self.id, reach.reason);
        let fix = format!(
            "{}, or write a Waiver of `{}` for {}",
            reach.fix,
            THROUGH_CONTROLLER.id,
            self.waiver_name()
        );
        let span = reach.span.unwrap_or(self.span);
        Err(Box::new(
            Diagnostic::new(&THROUGH_CONTROLLER, span, message).fix(fix),
        ))
    }

    /// The object as a waiver names it.
    fn waiver_name(&self) -> String {
        let ObjectId {
            kind,
            namespace,
            name,
            ..
        } = &self.id;
        format!("{kind}/{namespace}/{name}")
    }

    fn is_permitted(&self, rule: &'static Rule, permits: Option<&Permits>) -> bool {
        let object = self.waiver_name();
        permits.is_some_and(|permits| permits.permits(rule, &self.tenant.name.value, &object))
    }

    /// Refuses an object of the floor, unless an adopted tenant has a waiver for it.
    fn check_floor(&self, permits: Option<&Permits>) -> Checked {
        let is_adopted = self.tenant.profile == "adopted";
        if !kinds::is_floor(&self.id) || (is_adopted && self.is_permitted(&MANIFEST_FLOOR, permits))
        {
            return Ok(());
        }

        let message = format!("`{}` is of a kind that the floor is made of", self.id);
        let fix = format!(
            "say it in the spec; or, under the profile `adopted`, write a Waiver of `{}` for {}",
            MANIFEST_FLOOR.id,
            self.waiver_name()
        );
        self.refuse(&MANIFEST_FLOOR, message, fix)
    }

    const fn decryption(&self) -> Decryption {
        match &self.on.manifest_unit {
            None => Decryption::WithFloor,
            Some(unit) if unit.decryption.is_none() => Decryption::WithoutKey,
            Some(_) => Decryption::ByTenant,
        }
    }

    /// Refuses an object that Flux does not send to the API server as it is written, or that the
    /// server does not store.
    fn check_applicability(&self, document: &Document) -> Checked {
        let Some(fault) = unappliable::find(&self.id, &document.root, self.decryption()) else {
            return Ok(());
        };
        let message = format!("`{}` would not be applied: {}", self.id, fault.reason);
        Err(Box::new(
            Diagnostic::new(&MANIFEST_REFUSED, fault.span, message).fix(fault.fix),
        ))
    }

    /// Refuses an object of Kubernetes' own kinds that no API server of the cluster's minor takes.
    fn check_validity(&self, document: &Document, minor: Option<u32>) -> Checked {
        let version = document.root.get("apiVersion").and_then(Node::as_str);
        let version = version.unwrap_or_default();
        let refusal = match sops::is_encrypted(&document.root) {
            true => validation::check(&self.id, version, &sops::decrypted(&document.root), minor),
            false => validation::check(&self.id, version, &document.root, minor),
        };
        let Some(refusal) = refusal else {
            return Ok(());
        };
        let message = format!("`{}` would not be applied: {refusal}", self.id);
        let verb = match refusal.minors {
            Some(_) => "remove",
            None => "mend",
        };
        let fix = fix_of_version(
            format!("{verb} {}", refusal.field),
            refusal.hangs_on_minor(),
        );
        let span = refusal.span.unwrap_or(self.span);
        Err(Box::new(
            Diagnostic::new(&MANIFEST_REFUSED, span, message).fix(fix),
        ))
    }

    /// Refuses an object that the CustomResourceDefinition of its kind refuses.
    fn check_definition(
        &self,
        document: &Document,
        made: &Made,
        definitions: &CustomDefinitions,
    ) -> Checked {
        let Some(fault) = definitions.check(&self.id, made) else {
            return Ok(());
        };
        let (node, entry) = KeyIndex::default().pointer(&document.root, &fault.pointer);
        let span = match (&node.value, entry) {
            _ if std::ptr::eq(node, &document.root) => self.span,
            (NodeValue::Map(_) | NodeValue::Seq(_), Some(entry)) => entry.key_span,
            _ => node.span,
        };
        let message = format!("`{}` would not be applied: {}", self.id, fault.reason);
        let fix = "mend it, as the CustomResourceDefinition of the kind says";
        Err(Box::new(
            Diagnostic::new(&MANIFEST_REFUSED, span, message).fix(fix),
        ))
    }

    /// Refuses a version that the cluster does not serve.
    fn check_version(&self, document: &Document, minor: Option<u32>) -> Checked {
        let Some(entry) = document.root.entry("apiVersion") else {
            return Ok(());
        };
        let version = entry.node.as_str().unwrap_or_default();
        let Some(unserved) = validation::find_unserved(&self.id, version, minor) else {
            return Ok(());
        };
        let message = format!("`{}` would not be applied: {unserved}", self.id);
        let fix = match unserved.is_request {
            true => "remove it: no file can ask for it".to_owned(),
            false => fix_of_version(
                "write a kind and a version that the cluster serves: kubectl api-resources".into(),
                unserved.minors.is_some(),
            ),
        };
        Err(Box::new(
            Diagnostic::new(&MANIFEST_REFUSED, entry.node.span, message).fix(fix),
        ))
    }

    /// The namespace that the object is in.
    fn home(&self) -> Option<&TenantNamespace> {
        let mut own = self.on.namespaces.iter();
        own.find(|namespace| namespace.name == self.id.namespace.as_str())
    }

    /// Refuses a new object of a kind of which the namespace's quota allows none. A quota limits what
    /// is made, and not what is there.
    fn check_quota(&self, last: &LastRendered) -> Checked {
        if !last.of(self.on.cluster, &self.id).is_empty() {
            return Ok(());
        }
        let quota = self.home().and_then(|home| home.quota.as_ref());
        let Some(quota) = quota.filter(|_| !self.on.plain) else {
            return Ok(());
        };
        let plural = kinds::plural(&self.id.group, &self.id.kind);
        let (counted, plain) = match self.id.group.as_str() {
            "" => (format!("count/{plural}"), plural),
            group => (format!("count/{plural}.{group}"), String::new()),
        };
        let is_none = |key: &str| {
            let hard = quota.hard.get(key).map(|amount| Quantity::parse(amount));
            hard.is_some_and(|amount| amount.is_ok_and(|amount| amount.nanos() == 0))
        };
        let Some(key) = [counted, plain].into_iter().find(|key| is_none(key)) else {
            return Ok(());
        };
        let message = format!(
            "`{}` would not be applied: the quota of its namespace is 0 for `{key}`",
            self.id
        );
        self.refuse(&MANIFEST_REFUSED, message, "remove it, or raise the quota")
    }

    /// Refuses a Pod that the Pod Security level of the namespace refuses. Of a workload this is a
    /// finding: the API server takes it, and refuses its pods.
    fn check_pods(&self, document: &Document) -> Result<Option<Diagnostic>, Box<Diagnostic>> {
        let labels = self.home().map(|home| &home.labels);
        let label = |key: &str| labels.and_then(|labels| labels.get(key)).map(Text::as_str);
        let level = label(ENFORCE_LABEL).and_then(PodLevel::of);
        let is_latest = label(ENFORCE_VERSION_LABEL).is_none_or(|version| version == "latest");
        let Some(level) = level.filter(|_| is_latest) else {
            return Ok(None);
        };
        let refusal = validation::check_pod(&self.id, &document.root, level);
        let Some(refusal) = refusal else {
            return Ok(None);
        };

        let span = refusal.span.unwrap_or(self.span);
        let fault = format!("{} {}", refusal.field, refusal.reason);
        let fix = format!("mend {}", refusal.field);
        if self.id.group.is_empty() && self.id.kind == "Pod" {
            let message = format!("`{}` would not be applied: {fault}", self.id);
            let finding = Diagnostic::new(&MANIFEST_REFUSED, span, message);
            return Err(Box::new(finding.fix(fix)));
        }
        let message = format!(
            "the API server would refuse the pods of `{}`: {fault}",
            self.id
        );
        Ok(Some(Diagnostic::new(&PODS_REFUSED, span, message).fix(fix)))
    }

    /// Refuses a change of the applied object that no API server takes.
    fn check_update(&self, document: &Document, last: &LastRendered) -> Checked {
        if delivery::is_replaced(&document.root) {
            return Ok(());
        }
        for old in last.of(self.on.cluster, &self.id) {
            let is_encrypted = [old, &document.root].into_iter().any(sops::is_encrypted);
            let refusal = match is_encrypted {
                true => {
                    let (old, new) = (
                        sops::without_encrypted(old),
                        sops::without_encrypted(&document.root),
                    );
                    validation::check_update(&self.id, &old, &new)
                }
                false => validation::check_update(&self.id, old, &document.root),
            };
            let Some(refusal) = refusal else {
                continue;
            };
            let message = format!("`{}` would not be applied: {refusal}", self.id);
            let span = refusal.span.unwrap_or(self.span);
            let fix = format!(
                "restore {}; or give the object another name; or take it out, render, wait until that \
                 is applied, and add it again",
                refusal.field
            );
            return Err(Box::new(
                Diagnostic::new(&MANIFEST_REFUSED, span, message)
                    .related(old.span, "as it was rendered before")
                    .fix(fix),
            ));
        }
        Ok(())
    }

    /// Refuses a binding to a role that loosens the floor, without a waiver.
    fn check_role(&self, permits: Option<&Permits>, listed: &[Spanned<Line>]) -> Checked {
        let field = |name: &str| {
            let value = self.value.pointer(&format!("/roleRef/{name}"));
            value.and_then(|value| value.as_str()).unwrap_or_default()
        };
        if self.id.kind != "RoleBinding" || field("kind") != "ClusterRole" {
            return Ok(());
        }
        let role = field("name");
        let Some(loosening) = tenancy::loosening(role, listed) else {
            return Ok(());
        };
        if self.is_permitted(loosening.rule, permits) {
            return Ok(());
        }

        let message = format!("`{}` has subjects {}", self.id, loosening.message);
        let fix = format!(
            "bind a lesser role, or write a Waiver of `{}` for {}",
            loosening.rule.id,
            self.waiver_name()
        );
        self.refuse(loosening.rule, message, fix)
    }
}
