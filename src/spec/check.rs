//! What is wrong with one document.

use super::schema::{API_VERSION, Checker, DocumentKind, format_reason};
use super::{SpecFile, did_you_mean};
use crate::diagnostic::{Diagnostic, rule};
use crate::document::{AMBIGUOUS_SCALAR, Node, NodeValue};
use crate::source::{Source, Span, parent};
use jsonschema::error::{TypeKind, ValidationErrorKind as Fault};
use serde_json::Value as Json;

rule! {
    /// A field that this version does not know.
    ///
    /// ## Why it matters
    /// A misspelt `egres` would silently open nothing, and a misspelt `enforced` would silently
    /// enforce nothing.
    /// ## Fix
    /// Take the name that is suggested; `tenantry schema tenant` lists all fields.
    pub static UNKNOWN_FIELD = "spec/unknown-field", Error;
}
rule! {
    /// A field that must be there is missing.
    /// ## Fix
    /// Add it.
    pub static MISSING_FIELD = "spec/missing-field", Error;
}
rule! {
    /// A value of another type than the field has.
    /// ## Example
    /// `owners: payments-admins` where a list is wanted.
    pub static WRONG_TYPE = "spec/wrong-type", Error;
}
rule! {
    /// A field is null.
    ///
    /// ## Why it matters
    /// In some programs null removes a default, in others it is the default. Here it is neither.
    /// ## Fix
    /// Leave the field out to inherit it, or write a value.
    pub static NULL = "spec/null", Error;
}
rule! {
    /// A value that the field cannot have.
    ///
    /// ## What it finds
    /// Names, quantities, networks, hosts, durations, ports, addresses, label keys and values,
    /// days, UUIDs and choices that are malformed.
    pub static INVALID_VALUE = "spec/invalid-value", Error;
}
rule! {
    /// A text holds a control character, written as an escape.
    ///
    /// ## Why it matters
    /// It is invisible in review, and ends lines or colours in terminals and logs.
    /// ## Fix
    /// Remove it. Only `description` may hold tabs and newlines.
    pub static CONTROL_CHARACTER = "spec/control-character", Error;
}
rule! {
    /// Of some fields exactly one is wanted.
    /// ## Example
    /// A subject that names both a group and a user.
    pub static ONE_OF = "spec/one-of", Error;
}
rule! {
    /// A document of a kind or version that this program does not know, or of a group that is
    /// nearly ours.
    ///
    /// ## Why it matters
    /// It would be skipped as somebody else's document, and its tenant would be gone.
    pub static UNKNOWN_KIND = "spec/unknown-kind", Error;
}
rule! {
    /// A document without apiVersion and kind.
    ///
    /// ## Why it matters
    /// It may be a tenant that lost its head. It is not skipped in silence.
    pub static NO_KIND = "spec/no-kind", Error;
}
rule! {
    /// A document in a place where its kind may not stand.
    ///
    /// ## What it finds
    /// Waivers outside `waivers/`, Profiles outside `profiles/`, Tenants in either, a second Fleet,
    /// and any of them but Tenants in a checkout that tenants own.
    /// ## Why it matters
    /// Who may change a file is decided by its path (CODEOWNERS). A waiver beside a tenant is the
    /// tenant's own.
    pub static MISPLACED = "spec/misplaced", Error;
}
rule! {
    /// There is no Fleet in the fleet's file.
    pub static NO_FLEET = "spec/no-fleet", Error;
}

const GROUP: &str = "tenantry.dev";

/// The kind of a document; nothing for one of another group.
pub(super) fn classify(
    source: &Source,
    root: &Node,
) -> Result<Option<DocumentKind>, Box<Diagnostic>> {
    let fault = |rule, span, message: String, fix: String| {
        Err(Box::new(Diagnostic::new(rule, span, message).fix(fix)))
    };
    let head = || {
        let line = source.line(source.position(root.span.start).line);
        Span {
            end: root.span.start + line.len() as u32,
            ..root.span
        }
    };

    let file = source.path.rsplit('/').next().unwrap_or_default();
    let foreign =
        file.starts_with("kustomization.") || matches!(file, "values.yaml" | "Chart.yaml");
    let (version, kind) = (root.entry("apiVersion"), root.entry("kind"));

    if version.is_none() && kind.is_none() {
        if foreign {
            return Ok(None);
        }
        let fix = format!(
            "add `apiVersion: {API_VERSION}` and `kind: Tenant`, or move the file out of the folder"
        );
        return fault(
            &NO_KIND,
            head(),
            "the document has neither apiVersion nor kind".into(),
            fix,
        );
    }

    let text = |e: Option<&crate::document::Entry>| {
        e.and_then(|e| e.node.as_str())
            .unwrap_or_default()
            .to_owned()
    };

    let (version_text, kind_text) = (shorten(&text(version)), shorten(&text(kind)));
    let group = version_text.split('/').next().unwrap_or_default();
    let span = version.map_or_else(head, |e| e.node.span);

    if group != GROUP {
        let near = strsim::damerau_levenshtein(group, GROUP) <= 2
            || group.starts_with("tenantry.")
            || version.is_none();
        if near && DocumentKind::parse(&kind_text).is_some() {
            let message = format!("`{version_text}` is not `{API_VERSION}`");
            return fault(
                &UNKNOWN_KIND,
                span,
                message,
                format!("write apiVersion: {API_VERSION}"),
            );
        }
        return Ok(None);
    }

    if version_text != API_VERSION {
        let message = format!("`{version_text}` is not a version that this program reads");
        return fault(
            &UNKNOWN_KIND,
            span,
            message,
            format!("write apiVersion: {API_VERSION}"),
        );
    }

    match DocumentKind::parse(&kind_text) {
        Some(kind) => Ok(Some(kind)),
        None => {
            let span = kind.map_or(span, |e| e.node.span);
            let hint = did_you_mean(&kind_text, DocumentKind::ALL.map(DocumentKind::name));
            let hint = if hint.is_empty() {
                "write Fleet, Profile, Tenant or Waiver".into()
            } else {
                hint
            };
            fault(
                &UNKNOWN_KIND,
                span,
                format!("`{kind_text}` is not a kind of {GROUP}"),
                hint,
            )
        }
    }
}

/// Whether a path lies below a folder of the tenants folder.
pub(super) fn lies_below(dir: &str, folder: &str, path: &str) -> bool {
    let rest = if dir.is_empty() {
        Some(path)
    } else {
        path.strip_prefix(dir).and_then(|p| p.strip_prefix('/'))
    };
    rest.and_then(|p| p.strip_prefix(folder))
        .is_some_and(|p| p.starts_with('/'))
}

/// A document where its kind may not stand.
pub(super) fn misplaced(
    source: &Source,
    input: &SpecFile,
    kind: DocumentKind,
    fleet_path: &str,
    root: &Node,
) -> Option<Diagnostic> {
    let span = root.get("kind").map_or(root.span, |n| n.span);
    let dir = parent(fleet_path);
    let below = |folder: &str| lies_below(dir, folder, &source.path);

    if let Some(name) = &input.origin
        && kind != DocumentKind::Tenant
    {
        let message = format!("a {} in the tenant-owned source `{name}`", kind.name());
        return Some(
            Diagnostic::new(&MISPLACED, span, message)
                .fix("move it to the platform's own repository"),
        );
    }

    let (ok, where_to) = match kind {
        DocumentKind::Fleet => (source.path == fleet_path, fleet_path.to_owned()),
        DocumentKind::Profile => (below("profiles"), format!("{dir}/profiles/")),
        DocumentKind::Waiver => (below("waivers"), format!("{dir}/waivers/")),
        DocumentKind::Tenant => (!below("profiles") && !below("waivers"), format!("{dir}/")),
    };

    if ok || input.origin.is_some() {
        return None;
    }
    let message = format!("a {} does not stand here", kind.name());
    Some(Diagnostic::new(&MISPLACED, span, message).fix(format!("move it to {where_to}")))
}

/// Holds a node against a schema.
pub fn check_schema(checker: &Checker, root: &Node) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for error in checker.faults(root) {
        let pointer = error.instance_path().to_string();
        let (node, entry) = root.pointer(&pointer);
        let key_span = entry.map_or(node.span, |e| e.key_span);
        let field = pointer.rsplit('/').next().unwrap_or_default().to_owned();
        explain(
            checker,
            error.kind(),
            error.schema_path().as_str(),
            node,
            key_span,
            &field,
            &mut out,
        );
    }

    out
}

fn explain(
    checker: &Checker,
    fault: &Fault,
    schema_path: &str,
    node: &Node,
    key_span: Span,
    field: &str,
    out: &mut Vec<Diagnostic>,
) {
    let show = || match &node.value {
        NodeValue::String(s) => format!("`{}`", shorten(s)),
        NodeValue::Number(_, text) => format!("`{text}`"),
        NodeValue::Bool(b) => format!("`{b}`"),
        _ => node.kind().to_owned(),
    };
    match fault {
        Fault::AdditionalProperties { unexpected } => {
            let known = known_fields(&checker.schema, schema_path);
            for name in unexpected {
                let span = node.entry(name).map_or(key_span, |e| e.key_span);
                let hint = did_you_mean(name, known.iter().map(String::as_str));
                let fix = if !hint.is_empty() {
                    hint
                } else if known.is_empty() {
                    "remove it".to_owned()
                } else {
                    format!("known here: {}", known.join(", "))
                };

                out.push(
                    Diagnostic::new(
                        &UNKNOWN_FIELD,
                        span,
                        format!("unknown field `{}`", shorten(name)),
                    )
                    .fix(fix),
                );
            }
        }
        Fault::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let message = format!("the field `{name}` is missing");
            out.push(
                Diagnostic::new(&MISSING_FIELD, key_span, message)
                    .label("in here")
                    .fix(format!("add {name}")),
            );
        }
        Fault::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(t) => vec![t.to_string()],
                TypeKind::Multiple(types) => types.iter().map(|t| t.to_string()).collect(),
            };

            let fix = format!(
                "write {}",
                wanted
                    .iter()
                    .map(|t| in_words(t))
                    .collect::<Vec<_>>()
                    .join(" or ")
            );

            match &node.value {
                NodeValue::Null => out.push(
                    Diagnostic::new(&NULL, key_span, format!("`{field}` is null"))
                        .fix("leave it out, or write a value"),
                ),
                NodeValue::Number(_, text) if wanted.iter().any(|t| t == "string") => out.push(
                    Diagnostic::new(
                        &AMBIGUOUS_SCALAR,
                        node.span,
                        format!("`{text}` is a number where a string is wanted"),
                    )
                    .label("quote it")
                    .fix(format!("write \"{text}\"")),
                ),
                NodeValue::Bool(b) if wanted.iter().any(|t| t == "string") => out.push(
                    Diagnostic::new(
                        &AMBIGUOUS_SCALAR,
                        node.span,
                        format!("`{b}` is a boolean where a string is wanted"),
                    )
                    .label("quote it")
                    .fix(format!("write \"{b}\"")),
                ),
                _ => {
                    let fix = match (&node.value, wanted.as_slice()) {
                        (NodeValue::String(s), [only]) if only == "array" => {
                            format!("write a list: [{}]", shorten(s))
                        }
                        (NodeValue::String(s), [only]) if only == "object" => {
                            let key = if schema_path.contains("Subject")
                                || schema_path.contains("owners")
                            {
                                "group"
                            } else {
                                "name"
                            };
                            format!("write a mapping, as `{key}: {}`", shorten(s))
                        }
                        _ => fix,
                    };

                    let message = format!("{} where {} is wanted", show(), in_words_list(&wanted));
                    out.push(Diagnostic::new(&WRONG_TYPE, node.span, message).fix(fix));
                }
            }
        }
        Fault::Format { format } => {
            let text = node.as_str().unwrap_or_default();
            let (what, reason) =
                format_reason(format, text).unwrap_or(("valid", "it is malformed".into()));
            let message = format!("{} is not {what}", show());
            out.push(Diagnostic::new(&INVALID_VALUE, node.span, message).fix(reason));
        }
        Fault::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default().to_owned();
            let span = node.entry(&name).map_or(key_span, |e| e.key_span);
            let (what, reason) = match error.kind() {
                Fault::Format { format } => {
                    format_reason(format, &name).unwrap_or(("valid", "it is malformed".into()))
                }
                other => ("a key that can stand here", other.keyword().to_owned()),
            };
            let message = format!("the key `{}` is not {what}", shorten(&name));
            out.push(Diagnostic::new(&INVALID_VALUE, span, message).fix(reason));
        }
        Fault::Enum { options } => {
            let names: Vec<&str> = options
                .as_array()
                .map(|o| o.iter().filter_map(Json::as_str).collect())
                .unwrap_or_default();

            let hint = did_you_mean(node.as_str().unwrap_or_default(), names.iter().copied());
            let fix = if hint.is_empty() {
                format!("write one of: {}", names.join(", "))
            } else {
                hint
            };

            out.push(
                Diagnostic::new(
                    &INVALID_VALUE,
                    node.span,
                    format!("{} is not a choice here", show()),
                )
                .fix(fix),
            );
        }
        Fault::Constant { expected_value } => {
            let message = format!("{} is not {expected_value}", show());
            out.push(
                Diagnostic::new(&INVALID_VALUE, node.span, message)
                    .fix(format!("write {expected_value}")),
            );
        }
        Fault::Pattern { .. } if node.as_str().is_some_and(|s| s.parse::<u16>().is_ok()) => {
            let message = format!("{} is a number in quotes", show());
            let fix = format!("write {} without quotes", node.as_str().unwrap_or_default());
            out.push(Diagnostic::new(&INVALID_VALUE, node.span, message).fix(fix));
        }
        Fault::Pattern { pattern } => {
            let message = format!("{} is malformed", show());
            out.push(
                Diagnostic::new(&INVALID_VALUE, node.span, message)
                    .fix(format!("it must match {pattern}")),
            );
        }
        Fault::Minimum { limit } => out.push(
            Diagnostic::new(
                &INVALID_VALUE,
                node.span,
                format!("{} is too small", show()),
            )
            .fix(format!("at least {limit}")),
        ),
        Fault::Maximum { limit } => out.push(
            Diagnostic::new(
                &INVALID_VALUE,
                node.span,
                format!("{} is too large", show()),
            )
            .fix(format!("at most {limit}")),
        ),
        Fault::MaxItems { limit } | Fault::MaxLength { limit } => {
            let message = format!("`{field}` is too long");
            out.push(
                Diagnostic::new(&INVALID_VALUE, key_span, message).fix(format!("at most {limit}")),
            );
        }
        Fault::MinItems { .. } | Fault::MinLength { .. } | Fault::MinProperties { .. } => {
            let message = format!("`{field}` is empty");
            out.push(Diagnostic::new(&INVALID_VALUE, key_span, message).fix("write a value"));
        }
        other => {
            let message = format!("{} is not accepted here ({})", show(), other.keyword());
            out.push(
                Diagnostic::new(&INVALID_VALUE, node.span, message).fix("see `tenantry schema`"),
            );
        }
    }
}

fn in_words(json_type: &str) -> String {
    match json_type {
        "object" => "a mapping".into(),
        "array" => "a list".into(),
        "integer" => "an integer".into(),
        other => format!("a {other}"),
    }
}

fn in_words_list(types: &[String]) -> String {
    types
        .iter()
        .map(|t| in_words(t))
        .collect::<Vec<_>>()
        .join(" or ")
}

/// At most sixty characters of a text, on one line.
pub fn shorten(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(61)
        .collect();
    if clean.chars().count() > 60 {
        clean.chars().take(57).chain("...".chars()).collect()
    } else {
        clean
    }
}

/// The names that a schema knows beside its `additionalProperties`.
fn known_fields(schema: &Json, path: &str) -> Vec<String> {
    let mut at = schema;
    let parts: Vec<String> = path
        .split('/')
        .skip(1)
        .map(|p| p.replace("~1", "/").replace("~0", "~"))
        .collect();

    for part in &parts[..parts.len().saturating_sub(1)] {
        if part == "$ref" {
            let Some(target) = at.get("$ref").and_then(Json::as_str) else {
                return Vec::new();
            };
            match schema.pointer(target.trim_start_matches('#')) {
                Some(found) => at = found,
                None => return Vec::new(),
            }
            continue;
        }

        let next = match at {
            Json::Array(items) => part.parse::<usize>().ok().and_then(|i| items.get(i)),
            _ => at.get(part),
        };

        match next {
            Some(found) => at = found,
            None => return Vec::new(),
        }
    }

    at.get("properties")
        .and_then(Json::as_object)
        .map(|p| p.keys().cloned().collect())
        .unwrap_or_default()
}

/// Whether a text below may hold a control character, which hardly any does: without its path, this
/// takes no time.
fn may_hold_one(node: &Node) -> bool {
    match &node.value {
        NodeValue::String(text) => text.bytes().any(|b| !matches!(b, b' '..=b'~')),
        NodeValue::Map(entries) => entries
            .iter()
            .any(|e| match (&e.node.value, e.key.as_str()) {
                (NodeValue::String(text), "description") => text
                    .bytes()
                    .any(|b| !matches!(b, b' '..=b'~' | b'\n' | b'\t')),
                _ => may_hold_one(&e.node),
            }),
        NodeValue::Seq(items) => items.iter().any(may_hold_one),
        _ => false,
    }
}

/// Escaped control characters: none anywhere, but tabs and newlines in a description.
pub(super) fn control_characters(root: &Node, out: &mut Vec<Diagnostic>) {
    if !may_hold_one(root) {
        return;
    }
    let mut path = Vec::new();
    root.leaves(&mut path, &mut |path, node| {
        let Some(text) = node.as_str() else { return };
        let free = path.last().is_some_and(|p| p == "description");
        if let Some(c) = text
            .chars()
            .find(|c| c.is_control() && !(free && matches!(c, '\n' | '\t')))
        {
            let message = format!("the text holds the control character U+{:04X}", c as u32);
            out.retain(|d| d.span != node.span);
            out.push(Diagnostic::new(&CONTROL_CHARACTER, node.span, message).fix("remove it"));
        }
    });
}

/// What a subject names.
pub(super) static SUBJECT: [&str; 3] = ["group", "user", "serviceAccount"];
static PEER: [&str; 4] = ["fqdn", "cidr", "tenant", "platform"];
static SOURCE: [&str; 4] = ["git", "oci", "helm", "bucket"];

/// That exactly (or, where not `must`, at most) one of some keys is there.
pub(super) fn one_of(
    node: &Node,
    keys: &[&str],
    must: bool,
    what: &str,
    out: &mut Vec<Diagnostic>,
) {
    if !matches!(node.value, NodeValue::Map(_)) {
        // The schema has said so.
        return;
    }

    let mut found = node
        .entries()
        .iter()
        .filter(|e| keys.contains(&e.key.as_str()));

    match (found.next(), found.next()) {
        (None, _) if must => {
            let message = format!("{what} names none of {}", keys.join(", "));
            out.push(
                Diagnostic::new(&ONE_OF, node.span, message)
                    .fix(format!("add one of {}", keys.join(", "))),
            );
        }
        (Some(first), Some(second)) => {
            let message = format!("{what} names both `{}` and `{}`", first.key, second.key);
            out.push(
                Diagnostic::new(&ONE_OF, second.key_span, message)
                    .related(first.key_span, format!("`{}`", first.key))
                    .fix("split it in two, or remove one"),
            );
        }
        _ => {}
    }
}

/// The choices within a tenant's spec, its namespaces and overrides.
pub(super) fn tenant_shapes(spec: &Node, out: &mut Vec<Diagnostic>) {
    one_of(
        spec,
        &["clusters", "clusterSelector"],
        false,
        "the tenant",
        out,
    );

    shapes(spec, out);
    for part in spec.get("namespaces").map_or(&[][..], Node::items) {
        shapes(part, out);
    }

    for part in spec.get("overrides").map_or(&[][..], Node::items) {
        one_of(
            part,
            &["clusters", "clusterSelector"],
            true,
            "an override",
            out,
        );
        shapes(part, out);
    }
}

fn shapes(spec: &Node, out: &mut Vec<Diagnostic>) {
    let items = |path: &[&str]| spec.at(path).map_or(&[][..], Node::items);
    for list in ["owners", "members"] {
        for subject in items(&[list]) {
            one_of(subject, &SUBJECT, true, "a subject", out);
            one_of(
                subject,
                &["role", "clusterRole"],
                list == "members",
                "a subject",
                out,
            );

            let listed = subject.get("namespaces").is_some();
            let level = subject.get("level");
            let wants = level.and_then(Node::as_str) == Some("namespace");

            if listed != wants {
                let span = level
                    .or_else(|| subject.get("namespaces"))
                    .map_or(subject.span, |n| n.span);
                let message = "namespaces are listed exactly where the level is `namespace`";
                out.push(
                    Diagnostic::new(&ONE_OF, span, message)
                        .fix("add `level: namespace` and `namespaces`, or neither"),
                );
            }
        }
    }

    for side in ["egress", "ingress"] {
        for peer in items(&["network", side]) {
            one_of(peer, &PEER, true, "a peer", out);
            if let (Some(_), None) = (peer.entry("namespace"), peer.entry("tenant")) {
                let span = peer.entry("namespace").map_or(peer.span, |e| e.key_span);
                let message = "`namespace` narrows a `tenant`, and there is none";
                out.push(
                    Diagnostic::new(&ONE_OF, span, message).fix("remove it, or name the tenant"),
                );
            }
            for port in peer.get("ports").map_or(&[][..], Node::items) {
                port_range(port, out);
            }
        }
    }

    for offer in items(&["network", "provides"]) {
        if let Some(to) = offer.get("to") {
            one_of(to, &["any", "tenantSelector"], true, "an offer", out);
        }
    }

    for sync in items(&["sync"]) {
        one_of(sync, &SOURCE, true, "a sync", out);
        if let Some(git) = sync.get("git") {
            one_of(
                git,
                &["branch", "tag", "semver", "commit"],
                false,
                "a Git source",
                out,
            );
        }

        if let Some(oci) = sync.get("oci") {
            one_of(
                oci,
                &["tag", "semver", "digest"],
                false,
                "an OCI source",
                out,
            );
        }

        if let (Some(verify), None) = (sync.entry("verify"), sync.entry("oci")) {
            let message = "`verify.cosign` is for OCI artifacts";
            out.push(
                Diagnostic::new(&ONE_OF, verify.key_span, message)
                    .fix("remove it, or deliver by oci"),
            );
        }
    }
}

fn port_range(port: &Node, out: &mut Vec<Diagnostic>) {
    let Some(end) = port.get("endPort") else {
        return;
    };
    let number = |n: &Node| {
        if let NodeValue::Number(n, _) = &n.value {
            n.as_u64()
        } else {
            None
        }
    };

    let start = port.get("port").and_then(number);
    if start.is_none_or(|s| number(end).is_none_or(|e| e < s)) {
        let message = "endPort needs a numeric port that is not above it";
        out.push(
            Diagnostic::new(&INVALID_VALUE, end.span, message)
                .fix("write the range as port: 8000, endPort: 8010"),
        );
    }
}
