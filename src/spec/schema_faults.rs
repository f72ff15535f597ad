//! The faults that a JSON Schema finds in a document, as findings with a fix.

use super::check::{INVALID_VALUE, MISSING_FIELD, NULL, UNKNOWN_FIELD, WRONG_TYPE, shorten};
use super::did_you_mean_or;
use super::schema::{Checker, format_reason};
use super::source_names::holds_password;
use crate::diagnostic::{Diagnostic, LISTED};
use crate::document::quoting::quoted;
use crate::document::{AMBIGUOUS_SCALAR, KeyIndex, Node, NodeValue};
use crate::source::Span;
use jsonschema::error::{TypeKind, ValidationErrorKind as Fault};
use serde_json::Value as Json;

/// Holds a node against a schema.
pub fn check_schema(checker: &Checker, root: &Node) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut index = KeyIndex::default();
    for error in checker.faults(root) {
        let pointer = error.instance_path().to_string();
        let (node, entry) = index.pointer(root, &pointer);

        let mut faulty = FaultyNode {
            index: &mut index,
            node,
            key_span: entry.map_or(node.span, |entry| entry.key_span),
            field: pointer.rsplit('/').next().unwrap_or_default(),
            schema: &checker.schema,
            schema_path: error.schema_path().as_str(),
        };
        match error.kind() {
            Fault::AdditionalProperties { unexpected } => {
                findings.extend(faulty.unknown_fields(unexpected));
            }
            fault => findings.push(faulty.explain(fault)),
        }
    }

    findings
}

/// A node that its schema refuses.
struct FaultyNode<'i, 'a> {
    index: &'i mut KeyIndex<'a>,
    node: &'a Node,
    /// The key of the node; the node itself for a list's item or a whole document.
    key_span: Span,
    /// The key's text, or the index in a list.
    field: &'i str,
    schema: &'i Json,
    /// The JSON Pointer of the keyword that refuses the node. It goes through each `$ref`.
    schema_path: &'i str,
}

impl FaultyNode<'_, '_> {
    fn explain(&mut self, fault: &Fault) -> Diagnostic {
        let (shown, field) = (self.shown(), self.field);
        match fault {
            Fault::Required { property } => self.missing(property),
            Fault::Type { kind } => self.wrong_type(kind),
            Fault::PropertyNames { error } => self.invalid_key(error.instance(), error.kind()),
            Fault::Format { format } => {
                let text = self.node.as_str().unwrap_or_default();
                if holds_password(text) {
                    return self.invalid(
                        format!("the address of `{field}` holds a user and a password"),
                        "put them into a Secret, and name it in auth.secretRef",
                    );
                }
                let (noun, reason) = format_fault(format, text);
                self.invalid(format!("{shown} is not {noun}"), reason)
            }
            Fault::Enum { options } => self.no_choice(options),
            Fault::Constant { expected_value } => self.invalid(
                format!("{shown} is not {expected_value}"),
                format!("write {expected_value}"),
            ),
            Fault::Pattern { pattern } => self.unmatched(pattern),
            Fault::Minimum { limit } => {
                self.invalid(format!("{shown} is too small"), format!("at least {limit}"))
            }
            Fault::Maximum { limit } => {
                self.invalid(format!("{shown} is too large"), format!("at most {limit}"))
            }
            Fault::MaxItems { limit } | Fault::MaxLength { limit } => {
                self.invalid_field(format!("`{field}` is too long"), format!("at most {limit}"))
            }
            Fault::MinItems { .. } | Fault::MinLength { .. } | Fault::MinProperties { .. } => {
                self.invalid_field(format!("`{field}` is empty"), "write a value")
            }
            other => self.invalid(
                format!("{shown} is not accepted here ({})", other.keyword()),
                "see `tenantry schema`",
            ),
        }
    }

    /// The value as a message shows it: a scalar itself, the type of a list or mapping.
    fn shown(&self) -> String {
        match &self.node.value {
            NodeValue::String(text) => format!("`{}`", shorten(&quoted(self.field, text))),
            NodeValue::Number(_, text) => format!("`{}`", quoted(self.field, text)),
            NodeValue::Bool(truth) => format!("`{truth}`"),
            _ => self.node.kind().to_owned(),
        }
    }

    fn invalid(&self, message: String, fix: impl Into<String>) -> Diagnostic {
        Diagnostic::new(&INVALID_VALUE, self.node.span, message).fix(fix)
    }

    fn invalid_field(&self, message: String, fix: impl Into<String>) -> Diagnostic {
        Diagnostic::new(&INVALID_VALUE, self.key_span, message).fix(fix)
    }

    fn unknown_fields(&mut self, unexpected: &[String]) -> Vec<Diagnostic> {
        let known = known_fields(self.schema, self.schema_path);
        let mut left = LISTED;
        let finding = |name: &String| {
            let span = self
                .index
                .entry(self.node, name)
                .map_or(self.key_span, |entry| entry.key_span);
            let message = format!("unknown field `{}`", shorten(name));

            // Further ones are not listed.
            let compared = if left == 0 { &[][..] } else { &known[..] };
            left = left.saturating_sub(1);
            let fix = did_you_mean_or(name, compared.iter().copied(), || match compared {
                [] => "remove it".to_owned(),
                known => format!("known here: {}", known.join(", ")),
            });
            Diagnostic::new(&UNKNOWN_FIELD, span, message).fix(fix)
        };

        unexpected.iter().map(finding).collect()
    }

    fn missing(&self, property: &Json) -> Diagnostic {
        let name = property.as_str().unwrap_or_default();
        let message = format!("the field `{name}` is missing");
        Diagnostic::new(&MISSING_FIELD, self.key_span, message)
            .label("in here")
            .fix(format!("add {name}"))
    }

    fn wrong_type(&self, wanted: &TypeKind) -> Diagnostic {
        let wanted: Vec<String> = match wanted {
            TypeKind::Single(only) => vec![only.to_string()],
            TypeKind::Multiple(types) => types.iter().map(|one| one.to_string()).collect(),
        };
        let wants_string = wanted.iter().any(|one| one == "string");

        match &self.node.value {
            NodeValue::Null => {
                let message = format!("`{}` is null", self.field);
                Diagnostic::new(&NULL, self.key_span, message).fix("leave it out, or write a value")
            }
            NodeValue::Number(_, text) if wants_string => self.unquoted(text, "a number"),
            NodeValue::Bool(true) if wants_string => self.unquoted("true", "a boolean"),
            NodeValue::Bool(false) if wants_string => self.unquoted("false", "a boolean"),
            _ => {
                let words: Vec<String> = wanted.iter().map(|one| in_words(one)).collect();
                let words = words.join(" or ");
                let message = format!("{} where {words} is wanted", self.shown());
                let fix = self
                    .wrapped(&wanted)
                    .unwrap_or_else(|| format!("write {words}"));
                Diagnostic::new(&WRONG_TYPE, self.node.span, message).fix(fix)
            }
        }
    }

    fn unquoted(&self, text: &str, type_name: &str) -> Diagnostic {
        let shown = quoted(self.field, text);
        let message = format!("`{shown}` is {type_name} where a string is wanted");
        Diagnostic::new(&AMBIGUOUS_SCALAR, self.node.span, message)
            .label("quote it")
            .fix(format!("write \"{shown}\""))
    }

    /// The fix for a string that stands in place of a list, or of a mapping with a field for it.
    fn wrapped(&self, wanted: &[String]) -> Option<String> {
        let [only] = wanted else { return None };
        let text = shorten(&quoted(self.field, self.node.as_str()?));

        match only.as_str() {
            "array" => Some(format!("write a list: [{text}]")),
            "object" => {
                let known = known_fields(self.schema, self.schema_path);
                let key = ["group", "name"]
                    .into_iter()
                    .find(|key| known.contains(key))?;
                Some(format!("write a mapping, as `{key}: {text}`"))
            }
            _ => None,
        }
    }

    fn invalid_key(&mut self, key: &Json, fault: &Fault) -> Diagnostic {
        let key = key.as_str().unwrap_or_default();
        let span = self
            .index
            .entry(self.node, key)
            .map_or(self.key_span, |entry| entry.key_span);

        let (noun, reason) = match fault {
            Fault::Format { format } => format_fault(format, key),
            other => ("a key that can stand here", other.keyword().to_owned()),
        };
        let message = format!("the key `{}` is not {noun}", shorten(key));
        Diagnostic::new(&INVALID_VALUE, span, message).fix(reason)
    }

    fn no_choice(&self, options: &Json) -> Diagnostic {
        let options = options.as_array().into_iter().flatten();
        let names: Vec<&str> = options.filter_map(Json::as_str).collect();
        let text = self.node.as_str().unwrap_or_default();

        let fix = did_you_mean_or(text, names.iter().copied(), || {
            format!("write one of: {}", names.join(", "))
        });
        self.invalid(format!("{} is not a choice here", self.shown()), fix)
    }

    fn unmatched(&self, pattern: &str) -> Diagnostic {
        let shown = self.shown();
        match self.node.as_str() {
            Some(text) if text.parse::<u16>().is_ok() => self.invalid(
                format!("{shown} is a number in quotes"),
                format!("write {text} without quotes"),
            ),
            _ => self.invalid(
                format!("{shown} is malformed"),
                format!("it must match {pattern}"),
            ),
        }
    }
}

/// The noun of a format, and the reason why a text is not of it.
fn format_fault(format: &str, text: &str) -> (&'static str, String) {
    format_reason(format, text).unwrap_or(("valid", "it is malformed".to_owned()))
}

fn in_words(json_type: &str) -> String {
    match json_type {
        "object" => "a mapping".into(),
        "array" => "a list".into(),
        "integer" => "an integer".into(),
        other => format!("a {other}"),
    }
}

/// The fields that a schema declares beside the keyword at `path`. Empty if it declares none.
fn known_fields<'a>(schema: &'a Json, path: &str) -> Vec<&'a str> {
    let parts: Vec<String> = path
        .split('/')
        .skip(1)
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();

    let above = &parts[..parts.len().saturating_sub(1)];
    let object = above
        .iter()
        .try_fold(schema, |at, part| match (part.as_str(), at) {
            ("$ref", _) => {
                let target = at.get("$ref")?.as_str()?;
                schema.pointer(target.trim_start_matches('#'))
            }
            (index, Json::Array(items)) => items.get(index.parse::<usize>().ok()?),
            (key, _) => at.get(key),
        });

    let properties = object.and_then(|object| object.get("properties")?.as_object());
    properties
        .into_iter()
        .flat_map(|properties| properties.keys().map(String::as_str))
        .collect()
}
