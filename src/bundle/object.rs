//! A rendered object: its identity, its value and its text.

use crate::source::Place;
use serde_json::Value;
use std::fmt;

/// What an object is, without its version: two with one identity are one object in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The API group; empty for the core's.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace; empty for the cluster's own.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ObjectId {
    /// The identity of an object; the reason why it is none.
    ///
    /// # Errors
    /// Which of apiVersion, kind and metadata.name is missing.
    pub fn of(object: &Value) -> Result<Self, &'static str> {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
        let version = text(object.get("apiVersion")).ok_or("it has no apiVersion")?;
        let kind = text(object.get("kind")).ok_or("it has no kind")?;
        let metadata = object.get("metadata");
        let name = text(metadata.and_then(|m| m.get("name"))).ok_or("it has no metadata.name")?;
        let namespace = text(metadata.and_then(|m| m.get("namespace"))).unwrap_or_default();
        let group = version.split_once('/').map_or("", |(group, _)| group).to_owned();
        Ok(Self { group, kind, namespace, name })
    }

    /// `Kind.group`, or `Kind` for the core group.
    pub fn type_name(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        let (kind, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        Some(Self { group: group.into(), kind: kind.into(), namespace: namespace.into(), name: name.into() })
    }
}

/// `Kind.group/namespace/name`; the namespace is empty for an object of the cluster.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(f, "{}{dot}{}/{}/{}", self.kind, self.group, self.namespace, self.name)
    }
}

/// An object as it goes into the tree.
#[derive(Clone, Debug)]
pub struct Object {
    /// What it is.
    pub id: ObjectId,
    /// Its YAML text, ended by a newline, without `---`.
    pub text: String,
    /// Whether its kind may be missing in the cluster, so that it is applied after the floor.
    pub late: bool,
    /// Where it comes from: a document of a template, or of a verbatim file.
    pub origin: Place,
}
