//! The identity of an object.

use crate::document::{TreeValue, View};
use crate::value::Text;
use std::fmt;

/// The API group of roles and bindings.
pub const RBAC: &str = "rbac.authorization.k8s.io";

fn text<'a, T: TreeValue>(tree: &'a T, key: &str) -> Option<&'a str> {
    tree.member(key)?.text().filter(|text| !text.is_empty())
}

/// What an object is, without its version: two with one identity are one object in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The API group; empty for the core's.
    pub group: Text,
    /// The kind.
    pub kind: Text,
    /// The namespace; empty for the cluster's own.
    pub namespace: Text,
    /// The name.
    pub name: Text,
}

impl ObjectId {
    /// The identity of a Namespace.
    pub fn of_namespace(name: Text) -> Self {
        Self {
            group: Text::default(),
            kind: Text::new_static("Namespace"),
            namespace: Text::default(),
            name,
        }
    }

    /// The identity of an object, or the reason why the object has none.
    ///
    /// # Errors
    /// Which of apiVersion, kind and metadata.name is missing.
    pub fn of<T: TreeValue>(object: &T) -> Result<Self, &'static str> {
        let version = text(object, "apiVersion").ok_or("it has no apiVersion")?;
        let kind = text(object, "kind").ok_or("it has no kind")?;
        let metadata = object.member("metadata");
        let field = |key: &str| metadata.and_then(|metadata| metadata.member(key));
        let name = match field("name").map(TreeValue::view) {
            Some(View::String(name)) if !name.is_empty() => name,
            Some(View::Bool(_)) => {
                return Err(
                    "its metadata.name is a boolean to kubectl, as `on` and `y` are: quote it",
                );
            }
            Some(View::Number(_)) => return Err("its metadata.name is a number: quote it"),
            _ if field("generateName").is_some() => {
                return Err(
                    "it has a generateName and no name: only `kubectl create` makes it, \
                     and whoever applies a folder refuses it",
                );
            }
            _ => return Err("it has no metadata.name"),
        };
        let namespace = match field("namespace").map(TreeValue::view) {
            Some(View::String(namespace)) => namespace,
            Some(View::Bool(_)) => {
                return Err(
                    "its metadata.namespace is a boolean to kubectl, as `on` and `y` are: quote it",
                );
            }
            Some(View::Number(_)) => return Err("its metadata.namespace is a number: quote it"),
            _ => "",
        };
        let group = version.split_once('/').map_or("", |(group, _)| group);

        // The one long name among ten thousand tenants' objects.
        let group = if group == RBAC {
            Text::new_static(RBAC)
        } else {
            group.into()
        };

        Ok(Self {
            group,
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        })
    }

    /// `Kind.group`, or `Kind` for the core group.
    pub fn type_name(&self) -> String {
        if self.group.is_empty() {
            self.kind.to_string()
        } else {
            format!("{}.{}", self.kind, self.group)
        }
    }

    /// As a sentence calls it: `RoleBinding payments/owners`.
    pub fn called(&self) -> String {
        match self.namespace.as_str() {
            _ if self.name.is_empty() => format!("{} without a name", self.kind),
            "" => format!("{} {}", self.kind, self.name),
            namespace => format!("{} {namespace}/{}", self.kind, self.name),
        }
    }

    /// Whether [`fmt::Display`] writes this text.
    pub fn is_written(&self, text: &str) -> bool {
        let mut rest = Some(text);
        let dot = if self.group.is_empty() { "" } else { "." };
        for part in [
            &*self.kind,
            dot,
            &*self.group,
            "/",
            &*self.namespace,
            "/",
            &*self.name,
        ] {
            rest = rest.and_then(|rest| rest.strip_prefix(part));
        }
        rest == Some("")
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '/');
        let (kind, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        Some(Self {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        })
    }
}

/// `Kind.group/namespace/name`; the namespace is empty for an object of the cluster.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(
            f,
            "{}{dot}{}/{}/{}",
            self.kind, self.group, self.namespace, self.name
        )
    }
}
