//! The record of a written file: whose it is, its digest, its objects, what its tenant claims.
//!
//! The record is the second line of a YAML file, so that two pull requests that each add a tenant
//! touch no file together. The record of a document outside the tree is a line of the lock.

use super::entry::ENTRY;
use super::layout::{ClusterFolder, FileKind, Record, TenantPart};
use super::shards::may_hold;
use crate::kube::ObjectId;
use crate::source::join;
use crate::spec::leaf::reason;
use serde::{Deserialize, Serialize};

/// What a record begins with.
const RECORD: &str = "# tenantry: ";

/// A file of the tree: what its record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// The path, from the folder of the lock.
    pub path: String,
    /// The digest of its bytes, but for the record.
    pub digest: String,
    /// The cluster.
    #[serde(rename = "on")]
    pub cluster: String,
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
    /// The name of the Secret that decrypts the tenant's verbatim files. A tenant that is held is
    /// applied with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decryption: Option<String>,
    /// The objects in it.
    pub objects: Vec<String>,
}

impl FileEntry {
    /// The record of a file of no tenant, without objects and without a digest.
    pub fn new(folder: ClusterFolder<'_>, file: FileKind<'_>) -> Self {
        Self {
            path: folder.path(file),
            digest: String::new(),
            cluster: folder.cluster.to_owned(),
            tenant: None,
            source: None,
            input: None,
            uuid: None,
            edges: Vec::new(),
            claims: Vec::new(),
            decryption: None,
            objects: Vec::new(),
        }
    }

    /// The record as the second line of the file: a comment to readers of YAML.
    pub fn comment(&self) -> String {
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
    /// `None` if there is no record, or one that is not the file's own. Anyone who can edit the
    /// repository can write a record, and a record decides which files are overwritten and deleted.
    pub fn read(tree: &str, path: &str, bytes: &[u8]) -> Option<Self> {
        let range = record_range(bytes)?;
        let line = &bytes[range];
        let entry: Self = serde_json::from_slice(line.strip_prefix(RECORD.as_bytes())?).ok()?;

        // The digest leaves the record out, so each byte of it has to be as tenantry writes it.
        let canonical = entry.comment().as_bytes() == line;
        let own = entry.path == path && canonical && entry.is_ours(tree, Record::InFile);
        own.then_some(entry)
    }

    /// Whether this is the record of a file that tenantry can have written: at the path of such a
    /// file, with what such a file has, and at its own place.
    pub fn is_ours(&self, tree: &str, place: Record) -> bool {
        let clean = join("", &self.path).is_some_and(|path| path == self.path);
        let digest = self.digest.len() == 32 && self.digest.bytes().all(|b| b.is_ascii_hexdigit());
        let named = [Some(&self.cluster), self.tenant.as_ref()]
            .into_iter()
            .flatten()
            .all(|name| reason("dns-label", name).is_none());

        // Names and edges belong to namespaces; a tenant that has none holds neither.
        let owns = |namespace: &str| namespaces(self).any(|own| own == namespace);
        let edges = self
            .edges
            .iter()
            .all(|edge| edge.split_once('>').is_some_and(|(from, _)| owns(from)));

        let claims = self.claims.is_empty() || namespaces(self).next().is_some();

        let kind = self.folder(tree).parse(&self.path);
        let placed = kind.is_some_and(|kind| Record::of(kind) == place && self.fits(kind));
        let is_manifests = matches!(
            kind,
            Some(FileKind::Tenant {
                part: TenantPart::Manifests,
                ..
            })
        );
        let decryption = self
            .decryption
            .as_ref()
            .is_none_or(|secret| is_manifests && reason("dns-subdomain", secret).is_none());
        clean && digest && named && placed && edges && claims && decryption
    }

    /// The folder of its cluster in a tree.
    pub fn folder<'a>(&'a self, tree: &'a str) -> ClusterFolder<'a> {
        ClusterFolder {
            tree,
            cluster: &self.cluster,
        }
    }

    /// Whether the tenant and the objects are those of a kind of file.
    fn fits(&self, kind: FileKind<'_>) -> bool {
        match (kind, &self.tenant) {
            (FileKind::Tenant { tenant, unit, .. }, Some(own)) => {
                tenant == own && may_hold(unit, own)
            }
            (FileKind::Outside { owner, .. }, Some(own)) => owner == own,
            (FileKind::Unit(_) | FileKind::Platform, None) => true,
            (FileKind::Entry(_), None) => {
                let is_applier =
                    |object: &str| ObjectId::parse(object).is_some_and(|id| id.name == ENTRY);
                matches!(self.objects.as_slice(), [one] if is_applier(one))
            }
            _ => false,
        }
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

/// The digest of a file: of its bytes, but for its record.
pub fn digest(bytes: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    match record_range(bytes) {
        Some(record) => hasher
            .update(&bytes[..record.start])
            .update(&bytes[record.end..]),
        None => hasher.update(bytes),
    };
    short_hex(&hasher)
}

/// A digest as records have it: the first half of its hexadecimal digits. 128 bits are enough that
/// two inputs of one digest cannot be found.
pub fn short_hex(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex().as_str()[..32].to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(path: &str) -> FileEntry {
        let folder = ClusterFolder {
            tree: "rendered",
            cluster: "prod",
        };
        FileEntry {
            path: path.to_owned(),
            digest: "0123456789abcdef0123456789abcdef".to_owned(),
            tenant: Some("blue".to_owned()),
            ..FileEntry::new(folder, FileKind::Platform)
        }
    }

    #[test]
    fn a_record_counts_only_at_its_own_place() {
        let json = policy("rendered-outside/prod/blue/iam.json");
        assert!(json.is_ours("rendered", Record::InLock));
        assert!(!json.is_ours("rendered", Record::InFile));
        assert!(!json.is_ours("other", Record::InLock));

        let outside = policy("rendered-outside/prod/blue/vault.yaml");
        assert!(outside.is_ours("rendered", Record::InLock));
        assert!(!outside.is_ours("rendered", Record::InFile));

        let yaml = policy("rendered/prod/tenants/blue/blue.yaml");
        assert!(yaml.is_ours("rendered", Record::InFile));
        assert!(!yaml.is_ours("rendered", Record::InLock));
    }

    #[test]
    fn a_document_outside_the_tree_is_its_owners() {
        let other = policy("rendered-outside/prod/green/iam.json");
        assert!(!other.is_ours("rendered", Record::InLock));
    }
}
