//! Every field of every kind of document in a flat list, as docs/fields.md shows them.

use super::fields::{Field, fields_of};
use super::schema::{DEFAULT, DocumentKind, RENDERS, RULES};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The rules that hold for every field.
pub static OF_EVERY_FIELD: [&str; 4] = [
    "spec/control-character",
    "spec/null",
    "spec/unknown-field",
    "spec/wrong-type",
];

/// The order of the kinds: an object that several kinds have is listed with the tenant.
static ORDER: [DocumentKind; 4] = [
    DocumentKind::Tenant,
    DocumentKind::Fleet,
    DocumentKind::Profile,
    DocumentKind::Waiver,
];

/// The path of a field in one kind of document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentPath {
    /// The kind.
    pub kind: DocumentKind,
    /// The path from the document's root: `spec.network.egress[].cidr`.
    pub path: String,
}

/// A field of a document, with its documentation taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRow {
    /// The path from the document's root: `spec.network.egress[].cidr`.
    pub path: String,
    /// The type in words, with its bounds.
    pub type_name: String,
    /// Whether the document is refused without it.
    pub required: bool,
    /// The meaning of the field.
    pub meaning: String,
    /// The value if the field is left out.
    pub default: Option<String>,
    /// The objects or fields that tenantry writes because of the field.
    pub renders: Option<String>,
    /// The ids of the rules that guard the field, sorted; `None` if the doc comment names none and
    /// no rule follows from the type.
    pub rules: Option<BTreeSet<String>>,
    /// Whether the field holds an object with fields of its own.
    pub is_object: bool,
    /// The field under which the fields of its object are listed, if that is another one.
    pub listed_at: Option<DocumentPath>,
}

/// Lists the fields of every kind of document, in the order of the types. An object that stands in
/// several places is listed at the shortest path, and the others refer to that.
pub fn field_rows() -> Vec<(DocumentKind, Vec<FieldRow>)> {
    let documents = ORDER.map(|kind| (kind, fields_of(kind)));
    let homes = homes(&documents);

    documents
        .iter()
        .map(|(kind, document)| {
            let mut rows = Vec::new();
            add_rows(*kind, "", document, &homes, &mut rows);
            (*kind, rows)
        })
        .collect()
}

/// The place where each named object is listed.
type Homes = BTreeMap<String, DocumentPath>;

/// Finds the shortest path of each named object, breadth first.
fn homes(documents: &[(DocumentKind, Field)]) -> Homes {
    let mut homes = Homes::new();
    for (kind, document) in documents {
        let mut queue = VecDeque::from([(String::new(), document)]);
        while let Some((path, object)) = queue.pop_front() {
            for field in object.fields.iter().filter(|field| is_object(field)) {
                let here = DocumentPath {
                    kind: *kind,
                    path: element_path(&join(&path, &field.name), field),
                };
                let is_first = field.object_type.as_ref().is_none_or(|name| {
                    *homes.entry(name.clone()).or_insert_with(|| here.clone()) == here
                });
                if is_first {
                    queue.push_back((here.path, field));
                }
            }
        }
    }

    homes
}

fn is_object(field: &Field) -> bool {
    !field.fields.is_empty()
}

/// Adds the fields of an object, each with those below it.
fn add_rows(
    kind: DocumentKind,
    path: &str,
    object: &Field,
    homes: &Homes,
    rows: &mut Vec<FieldRow>,
) {
    for field in &object.fields {
        let path = join(path, &field.name);
        let here = DocumentPath {
            kind,
            path: element_path(&path, field),
        };

        let home = field.object_type.as_ref().and_then(|name| homes.get(name));
        let listed_at = home.filter(|home| is_object(field) && **home != here);
        rows.push(row(path, field, listed_at));

        if listed_at.is_none() {
            add_rows(kind, &here.path, field, homes, rows);
        }
    }
}

fn row(path: String, field: &Field, listed_at: Option<&DocumentPath>) -> FieldRow {
    let mut row = FieldRow {
        path,
        type_name: field.type_in_words.clone(),
        required: field.required,
        meaning: String::new(),
        default: field.required.then(|| "required".to_owned()),
        renders: None,
        rules: None,
        is_object: is_object(field),
        listed_at: listed_at.cloned(),
    };

    if field.required {
        row.add_rules(["spec/missing-field"]);
    }
    if field.is_bounded {
        row.add_rules(["spec/invalid-value"]);
    }
    row.describe(&field.description);
    row
}

impl FieldRow {
    /// Takes a description apart into the meaning, the default, the rendered objects, and the rules.
    fn describe(&mut self, description: &str) {
        let mut meaning: Vec<&str> = Vec::new();
        for paragraph in description.split("\n\n") {
            if let Some(text) = paragraph.strip_prefix(DEFAULT) {
                self.default = Some(text.trim_end_matches('.').to_owned());
            } else if let Some(text) = paragraph.strip_prefix(RENDERS) {
                self.renders = Some(text.to_owned());
            } else if let Some(text) = paragraph.strip_prefix(RULES) {
                let ids = text.trim_end_matches('.').split(", ");
                let ids = ids.filter(|id| *id != "none");
                self.add_rules(ids.map(|id| id.trim_matches('`')));
            } else if !paragraph.is_empty() {
                meaning.push(paragraph);
            }
        }

        self.meaning = meaning.join(" ");
    }

    fn add_rules<'a>(&mut self, ids: impl IntoIterator<Item = &'a str>) {
        self.rules
            .get_or_insert_default()
            .extend(ids.into_iter().map(str::to_owned));
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The path of a list's item, or of the field itself if it is no list.
fn element_path(path: &str, field: &Field) -> String {
    let mark = if field.is_list { "[]" } else { "" };
    format!("{path}{mark}")
}
