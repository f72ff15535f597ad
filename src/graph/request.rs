//! Requests as admission sees them: who asks for what, with which object, and what of it is known.

use super::cel::Term;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// What is known of something that who asks writes. What is not named is theirs to choose.
#[derive(Clone, Debug, PartialEq)]
pub enum SymbolicValue {
    /// Anything.
    Any,
    /// True.
    True,
    /// A text, and none of these.
    NoneOf(&'static [&'static str]),
    /// These fields are there.
    Fields(Vec<(&'static str, SymbolicValue)>),
    /// A list with such an item among its items.
    Holding(Box<SymbolicValue>),
}

impl SymbolicValue {
    /// What is known of a field; nothing where it is not known to be there.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        let Self::Fields(fields) = self else {
            return None;
        };
        fields
            .iter()
            .find(|(field, _)| *field == name)
            .map(|(_, shape)| shape)
    }
}

/// Whom the user of a request stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Requester {
    /// Itself.
    One,
    /// A member of the group that it asks by.
    Member,
    /// Anyone of a group of Kubernetes' own: service accounts too.
    Anyone,
}

/// A request, as admission sees it.
#[derive(Clone, Debug)]
pub struct AdmissionRequest {
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: &'static str,
    /// The API group; empty for the core's.
    pub group: String,
    /// The version.
    pub version: String,
    /// The resource, plural.
    pub resource: String,
    /// The subresource; empty for none.
    pub subresource: String,
    /// The namespace; of a Namespace, its own name.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// Who asks.
    pub user: String,
    /// The groups of who asks.
    pub groups: Vec<String>,
    /// Whom `user` stands for.
    pub asker: Requester,
    /// The object as it would be, with the server's defaults.
    pub object: RequestObject,
    /// The object as it is.
    pub old: RequestObject,
}

/// An object of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestObject {
    /// There is none.
    Absent,
    /// It is known in all that the server has of it.
    Known(Arc<Json>),
    /// It stands in a manifest: what it does not say may be a default of the server's.
    Manifest(Arc<Json>),
    /// Who asks writes it: all but this is theirs to choose.
    Written(WrittenObject),
}

/// What is known of an object that who asks writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WrittenObject {
    /// Its kind, for `request`.
    pub kind: String,
    /// What is known of it, where that is what is asked about.
    pub shape: Option<SymbolicValue>,
    /// The path of a field that becomes another; empty where none is named.
    pub changes: Vec<&'static str>,
}

impl RequestObject {
    /// The object, where it is known.
    pub fn json(&self) -> Option<&Json> {
        match self {
            Self::Known(json) | Self::Manifest(json) => Some(json),
            Self::Absent | Self::Written(_) => None,
        }
    }

    /// What is known of what is written.
    pub(super) const fn shape(&self) -> Option<&SymbolicValue> {
        match self {
            Self::Written(WrittenObject { shape, .. }) => shape.as_ref(),
            _ => None,
        }
    }

    /// The path of the field that becomes another; empty where none is named.
    pub(super) fn changed(&self) -> &[&'static str] {
        match self {
            Self::Written(WrittenObject { changes, .. }) => changes,
            _ => &[],
        }
    }

    pub(super) fn kind(&self) -> Option<&str> {
        match self {
            Self::Written(written) => Some(&written.kind),
            other => other.json()?["kind"].as_str(),
        }
    }

    /// The object as a variable; `namespace` is the request's.
    pub(super) fn term<'a>(&'a self, namespace: &'a Json) -> Term<'a> {
        match self {
            Self::Absent => Term::Known(&Json::Null),
            Self::Known(json) => Term::Known(json),
            Self::Manifest(json) => {
                let fields = json.as_object().into_iter().flatten();
                let field = |(key, value): (&'a String, &'a Json)| match key.as_str() {
                    "metadata" => {
                        let fields = value.as_object().into_iter().flatten();
                        let known: Vec<_> =
                            fields.map(|(k, v)| (k.as_str(), Term::Known(v))).collect();
                        // No server sets these by itself.
                        let absent = ["annotations", "labels", "ownerReferences"]
                            .into_iter()
                            .filter(|k| value.get(k).is_none());
                        (key.as_str(), Term::Open(known, absent.collect()))
                    }
                    "apiVersion" | "kind" => (key.as_str(), Term::Known(value)),
                    _ => (key.as_str(), Term::Sparse(value)),
                };

                Term::Open(fields.map(field).collect(), Vec::new())
            }
            // A Namespace has none.
            Self::Written(written) if written.kind == "Namespace" => Term::ANY,
            Self::Written(_) => {
                let metadata = Term::Open(vec![("namespace", Term::Known(namespace))], Vec::new());
                Term::Open(vec![("metadata", metadata)], Vec::new())
            }
        }
    }
}

impl AdmissionRequest {
    /// Whether it is about Namespaces, which have no namespace though the request has one.
    pub(super) fn of_namespaces(&self) -> bool {
        self.group.is_empty() && self.resource == "namespaces"
    }

    /// Whether what it is about belongs to the cluster.
    pub(super) fn of_cluster(&self) -> bool {
        self.namespace.is_empty() || self.of_namespaces()
    }

    /// The kind of the object that it is about.
    pub(super) fn kind(&self) -> Option<&str> {
        [&self.object, &self.old]
            .into_iter()
            .find_map(RequestObject::kind)
    }

    /// The `request` variable, as far as it is known.
    pub(super) fn variable(&self, kind: &str) -> Json {
        let kind = json!({"group": self.group, "version": self.version, "kind": kind});
        let resource =
            json!({"group": self.group, "version": self.version, "resource": self.resource});
        let mut all = json!({
            "kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource,
            "operation": self.operation, "username": self.user, "groups": self.groups, "dryRun": false,
        });

        for (key, text) in [
            ("subResource", &self.subresource),
            ("name", &self.name),
            ("namespace", &self.namespace),
        ] {
            if !text.is_empty() {
                all[key] = text.as_str().into();
            }
        }

        all
    }

    /// The same as a term: who asks chooses its options, and has a uid that is not known.
    pub(super) fn term<'a>(&self, variable: &'a Json) -> Term<'a> {
        let who = ["username", "groups"].map(|key| (key, Term::Known(&variable[key])));
        let mut known = vec![("userInfo", Term::Open(who.into(), Vec::new()))];

        for key in [
            "kind",
            "requestKind",
            "resource",
            "requestResource",
            "operation",
            "dryRun",
            "subResource",
            "namespace",
        ] {
            known.extend(variable.get(key).map(|v| (key, Term::Known(v))));
        }

        // The name of what is made is chosen; of what is there it is known; of all at once there is
        // none.
        let chosen = self.operation == "CREATE" && matches!(self.object, RequestObject::Written(_));
        known.extend(
            variable
                .get("name")
                .filter(|_| !chosen)
                .map(|v| ("name", Term::Known(v))),
        );

        let sub = ["subResource", "requestSubResource"]
            .into_iter()
            .filter(|_| self.subresource.is_empty());
        let name = (self.name.is_empty() && !chosen).then_some("name");
        Term::Open(known, sub.chain(name).collect())
    }
}
