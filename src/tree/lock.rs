//! What was written, where from, and which objects it holds: a record in each file of the tree, and
//! `tenantry.lock`.
//!
//! The second line of a rendered file is its record: whose it is, its digest, its objects, what its
//! tenant claims. So a tenant's record travels with its file, and two pull requests that each add a
//! tenant touch no file together. The lock holds what is no file's: JSON lines, one a cluster, and
//! one for each tenant that went. Both are inputs: they say whose a file is, who has a name, and
//! what must not be removed unseen.

use super::Where;
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::kube::ObjectId;
use crate::source::{Source, SourceId, Span, join};
use crate::spec::leaf::reason;
use crate::tenancy::{Prior, Thing};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// `tenantry.lock` cannot be read.
    ///
    /// ## What it finds
    /// A merge conflict's markers, a line that is no JSON, fields of a newer version.
    /// ## Fix
    /// After a merge conflict: keep both sides' lines, remove the markers, run `tenantry render`.
    /// Else restore the file from Git.
    pub static LOCK_INVALID = "tree/lock-invalid", Error;
}

/// What a record begins with.
const RECORD: &str = "# tenantry: ";

/// A line of the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Tombstone(Tombstone),
    Cluster(ClusterEntry),
}

/// What a cluster was rendered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterEntry {
    /// The cluster's name.
    pub cluster: String,
    /// The version of tenantry.
    pub tool: String,
    /// The digest of the templates.
    pub templates: String,
    /// The digest of the profiles.
    pub profiles: String,
    /// What a Kustomization holds: `tenant` or `shard`.
    pub unit: String,
    /// How many shards; 0 for the unit `tenant`.
    pub shards: u32,
    /// The digest of the fleet's document.
    pub fleet: String,
    /// The tree's folder.
    pub tree: String,
    /// The path of the one file outside it.
    pub entry: String,
}

/// A file of the tree: what its record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// The path, from the folder of the lock.
    pub path: String,
    /// The digest of its bytes, but for the record.
    pub digest: String,
    /// The cluster.
    pub on: String,
    /// The tenant; nothing for the platform's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The file the tenant was defined in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The digest of the tenant's own document: what tells a changed tenant from a changed profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The tenant's UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// The namespaces of other tenants that the tenant's reach, as `from>to`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<String>,
    /// What the tenant claims besides objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
    /// The objects in it.
    pub objects: Vec<String>,
}

impl FileEntry {
    /// The record's line: a comment to whoever reads the file as YAML.
    pub fn record(&self) -> String {
        // A struct of strings and lists of them is always JSON.
        let json = serde_json::to_string(self).unwrap_or_default();
        let mut line = String::with_capacity(RECORD.len() + json.len() + 1);
        line.push_str(RECORD);
        for c in json.chars() {
            // Some readers end a line, and with it the comment, at U+0085 or U+2028.
            if c.is_ascii() && c != '\u{7f}' {
                line.push(c);
            } else {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    line.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
        line.push('\n');
        line
    }

    /// Reads the record of a file from its bytes, or from as many of its first as hold two lines.
    ///
    /// `None` for a file without one, and for one whose record is not its own: whoever may edit the
    /// repository may write a record, and it decides what is overwritten and deleted.
    pub fn of(path: &str, bytes: &[u8]) -> Option<Self> {
        let range = record_range(bytes)?;
        let line = &bytes[range];
        let entry: Self = serde_json::from_slice(line.strip_prefix(RECORD.as_bytes())?).ok()?;
        // The digest leaves the record out: it is as it is written, to the byte, or it is none.
        let canonical = entry.record().as_bytes() == line;
        (entry.path == path && canonical && is_ours(&entry)).then_some(entry)
    }
}

/// Where the record stands in a file, its end of line included.
pub fn record_range(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = memchr::memchr(b'\n', bytes)? + 1;
    let end = start + memchr::memchr(b'\n', &bytes[start..])? + 1;
    bytes[start..]
        .starts_with(RECORD.as_bytes())
        .then_some(start..end)
}

/// A tenant that went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    /// Its name.
    pub tombstone: String,
    /// The cluster it went from.
    pub on: String,
    /// Its UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Its namespaces there.
    pub namespaces: Vec<String>,
}

/// The lock, and the records.
#[derive(Clone, Debug, Default)]
pub struct Lock {
    /// Clusters by name.
    pub clusters: BTreeMap<String, ClusterEntry>,
    /// Files by path.
    pub files: BTreeMap<String, FileEntry>,
    /// Tenants that went, by name and cluster.
    pub tombstones: BTreeMap<(String, String), Tombstone>,
    /// Each path as a source, for those who name it.
    spans: BTreeMap<String, Span>,
    /// The lock that was read.
    pub source: Option<SourceId>,
}

impl Lock {
    /// Reads a lock. A fault is the fleet's.
    pub fn parse(id: SourceId, source: &Source) -> (Self, Vec<Diagnostic>) {
        let mut lock = Self {
            source: Some(id),
            ..Self::default()
        };
        let mut faults = Vec::new();
        for number in 1..=source.line_count() {
            let text = source.line(number);
            let start = source.line_start(number);
            let span = Span {
                source: id,
                start,
                end: start + text.len() as u32,
            };
            if text.trim().is_empty() {
                continue;
            }
            if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
                .iter()
                .any(|m| text.starts_with(m))
            {
                faults.push(
                    Diagnostic::new(
                        &LOCK_INVALID,
                        span,
                        "a merge conflict's marker stands in the lock",
                    )
                    .fix("keep both sides' lines, remove the markers, run `tenantry render`")
                    .scope(Scope::Fleet),
                );
                continue;
            }
            match serde_json::from_str::<Line>(text) {
                Ok(Line::Cluster(entry)) => {
                    lock.clusters.insert(entry.cluster.clone(), entry);
                }
                Ok(Line::Tombstone(entry)) => {
                    lock.tombstones
                        .insert((entry.tombstone.clone(), entry.on.clone()), entry);
                }
                Err(_) => {
                    faults.push(
                        Diagnostic::new(&LOCK_INVALID, span, "this is not a line of a lock that this version writes")
                            .fix("restore the file from Git, or install the version of tenantry that wrote it")
                            .scope(Scope::Fleet),
                    );
                    // The next lines are no better, and one is enough.
                    break;
                }
            }
        }
        (lock, faults)
    }

    /// The files whose records do not count: those of clusters that neither the lock nor the fleet
    /// has, and of tenants in another unit than the lock says that theirs is. Whoever may add a
    /// file may have written them.
    pub fn foreign(
        &self,
        clusters: &[&str],
        unit_of_tenant: impl Fn(&ClusterEntry, &str) -> String,
    ) -> BTreeSet<String> {
        let counts = |entry: &FileEntry| {
            let cluster = self.clusters.get(&entry.on);
            let unit = entry.path.split('/').nth(3).unwrap_or_default();
            let at_home =
                |tenant: &String| cluster.is_none_or(|c| unit_of_tenant(c, tenant) == unit);
            (cluster.is_some() || clusters.contains(&entry.on.as_str()))
                && entry.tenant.as_ref().is_none_or(at_home)
        };
        self.files
            .values()
            .filter(|entry| !counts(entry))
            .map(|entry| entry.path.clone())
            .collect()
    }

    /// Leaves out the records of some files.
    pub fn leave_out(&mut self, paths: &BTreeSet<String>) {
        for path in paths {
            self.files.remove(path);
        }
    }

    /// Takes in the records of the tree's files by path, and the files as sources.
    pub fn add(
        &mut self,
        mut records: BTreeMap<String, FileEntry>,
        mut spans: BTreeMap<String, Span>,
    ) {
        self.files.append(&mut records);
        self.spans.append(&mut spans);
    }

    /// The lock alone, as it is written.
    pub fn without_files(&self) -> Self {
        Self {
            clusters: self.clusters.clone(),
            tombstones: self.tombstones.clone(),
            ..Self::default()
        }
    }

    /// The text of the lock.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        let clusters = self.clusters.values().map(serde_json::to_string);
        let tombstones = self.tombstones.values().map(serde_json::to_string);
        for line in clusters.chain(tombstones).flatten() {
            out.push_str(&line);
            out.push('\n');
        }
        out
    }

    /// The file of a path.
    pub fn span(&self, path: &str) -> Span {
        let id = self.source.unwrap_or(SourceId(0));
        self.spans.get(path).copied().unwrap_or(Span::file(id))
    }

    /// Each tenant, and the file it came from.
    pub fn tenants(&self) -> BTreeMap<&str, &str> {
        self.files
            .values()
            .filter_map(|e| Some((e.tenant.as_deref()?, e.source.as_deref()?)))
            .collect()
    }

    /// What the tenants' stage wants to know of it; nothing of tenants that may go, nor of files
    /// whose records do not count.
    pub fn prior(&self, leaving: &[String], foreign: &BTreeSet<String>) -> Prior<'_> {
        let mut prior = Prior::default();
        for entry in self
            .files
            .values()
            .filter(|entry| !foreign.contains(&entry.path))
        {
            let Some(tenant) = entry
                .tenant
                .as_deref()
                .filter(|name| leaving.iter().all(|l| l != name))
            else {
                continue;
            };
            if let Some(source) = &entry.source {
                prior.add_tenant(tenant, source);
            }
            for claim in &entry.claims {
                prior.add_claim(Thing::of(claim), tenant);
            }
            for (from, to) in entry.edges.iter().filter_map(|e| e.split_once('>')) {
                prior.add_edge(&entry.on, (tenant, from), to);
            }
            for namespace in namespaces(entry) {
                prior.add_namespace(tenant, &entry.on, namespace);
            }
        }
        prior
    }
}

/// Whether a record is that of a file which tenantry can have written: at its own place, with what
/// such a file has.
fn is_ours(entry: &FileEntry) -> bool {
    let clean = join("", &entry.path).is_some_and(|path| path == entry.path);
    let digest = entry.digest.len() == 32 && entry.digest.bytes().all(|b| b.is_ascii_hexdigit());
    let names = [Some(&entry.on), entry.tenant.as_ref()];
    let named = names
        .into_iter()
        .flatten()
        .all(|name| reason("dns-label", name).is_none());
    let parts: Vec<&str> = entry.path.split('/').collect();
    let file = |name: &str| {
        name.strip_suffix(".yaml")
            .or_else(|| name.strip_suffix(".yml"))
            .map(str::to_owned)
    };
    let span = match (&entry.tenant, parts.as_slice()) {
        (Some(tenant), [_, on, "tenants" | "late", unit, name]) => {
            let own_unit = unit == tenant || unit.starts_with("shard-");
            *on == entry.on && own_unit && file(name).as_ref() == Some(tenant)
        }
        (None, [_, on, "platform", "roles.yaml"]) => *on == entry.on,
        (None, [_, on, "entry", name]) => *on == entry.on && file(name).is_some(),
        (None, _) => {
            matches!(entry.objects.as_slice(), [one] if one.ends_with("/tenantry"))
        }
        _ => false,
    };
    // Names and edges belong to namespaces; a tenant that has none holds neither.
    let owns = |namespace: &str| namespaces(entry).any(|own| own == namespace);
    let edges = entry
        .edges
        .iter()
        .all(|e| e.split_once('>').is_some_and(|(from, _)| owns(from)));
    let claims = entry.claims.is_empty() || namespaces(entry).next().is_some();
    clean && digest && named && span && edges && claims
}

/// The namespaces that a file holds.
pub fn namespaces(entry: &FileEntry) -> impl Iterator<Item = &str> {
    entry
        .objects
        .iter()
        .filter_map(|o| o.strip_prefix("Namespace//"))
}

/// The objects that a file holds.
pub fn objects(entry: &FileEntry) -> impl Iterator<Item = ObjectId> {
    entry
        .objects
        .iter()
        .filter_map(|text| ObjectId::parse(text))
}

/// Where the objects of a file are applied from: the folder it is in.
pub fn unit_of(path: &str) -> Where {
    Where(path.rsplit_once('/').map_or("", |(dir, _)| dir).to_owned())
}
