//! The checks of one document, besides those of its schema: its kind, its file, its characters.

use super::schema::{API_VERSION, DocumentKind};
use super::{SpecFile, did_you_mean_or};
use crate::diagnostic::{Diagnostic, rule};
use crate::document::{Entry, Node, NodeValue};
use crate::source::{Source, Span, parent};

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

/// The kind of a document; `None` for a document of another group.
pub(super) fn classify(
    source: &Source,
    root: &Node,
) -> Result<Option<DocumentKind>, Box<Diagnostic>> {
    let (version, kind) = (root.entry("apiVersion"), root.entry("kind"));
    if version.is_none() && kind.is_none() {
        return match is_foreign_file(source) {
            true => Ok(None),
            false => Err(Box::new(without_kind(source, root))),
        };
    }

    let text = |entry: Option<&Entry>| {
        let text = entry.and_then(|entry| entry.node.as_str());
        shorten(text.unwrap_or_default())
    };
    let (version_text, kind_text) = (text(version), text(kind));
    let group = version_text.split('/').next().unwrap_or_default();
    let span = version.map_or_else(|| first_line(source, root), |entry| entry.node.span);

    let unknown_version = |message: String| {
        Box::new(
            Diagnostic::new(&UNKNOWN_KIND, span, message)
                .fix(format!("write apiVersion: {API_VERSION}")),
        )
    };

    if group != GROUP {
        let is_near = version.is_none() || is_near_group(group);
        return match DocumentKind::parse(&kind_text) {
            Some(_) if is_near => Err(unknown_version(format!(
                "`{version_text}` is not `{API_VERSION}`"
            ))),
            _ => Ok(None),
        };
    }

    if version_text != API_VERSION {
        return Err(unknown_version(format!(
            "`{version_text}` is not a version that this program reads"
        )));
    }

    let found = DocumentKind::parse(&kind_text).ok_or_else(|| {
        let span = kind.map_or(span, |entry| entry.node.span);
        let message = format!("`{kind_text}` is not a kind of {GROUP}");
        let kinds = DocumentKind::ALL.map(DocumentKind::name);
        let fix = did_you_mean_or(&kind_text, kinds, || {
            "write Fleet, Profile, Tenant or Waiver".to_owned()
        });
        Box::new(Diagnostic::new(&UNKNOWN_KIND, span, message).fix(fix))
    })?;

    Ok(Some(found))
}

/// Whether a group is a misspelling of tenantry's.
fn is_near_group(group: &str) -> bool {
    strsim::damerau_levenshtein(group, GROUP) <= 2 || group.starts_with("tenantry.")
}

/// Whether a file is one of Kustomize's or Helm's, whose documents may have no kind.
fn is_foreign_file(source: &Source) -> bool {
    let file = source.path.rsplit('/').next().unwrap_or_default();
    file.starts_with("kustomization.") || matches!(file, "values.yaml" | "Chart.yaml")
}

fn without_kind(source: &Source, root: &Node) -> Diagnostic {
    let message = "the document has neither apiVersion nor kind";
    let fix = format!(
        "add `apiVersion: {API_VERSION}` and `kind: Tenant`, or move the file out of the folder"
    );
    Diagnostic::new(&NO_KIND, first_line(source, root), message).fix(fix)
}

/// The first line of a document.
fn first_line(source: &Source, root: &Node) -> Span {
    let line = source.line(source.position(root.span.start).line);
    Span {
        end: root.span.start + line.len() as u32,
        ..root.span
    }
}

/// Whether a path lies below a folder of the tenants folder.
pub(super) fn lies_below(dir: &str, folder: &str, path: &str) -> bool {
    let rest = if dir.is_empty() {
        Some(path)
    } else {
        path.strip_prefix(dir)
            .and_then(|rest| rest.strip_prefix('/'))
    };
    rest.and_then(|rest| rest.strip_prefix(folder))
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Reports a document that stands where its kind may not.
pub(super) fn misplaced(
    source: &Source,
    input: &SpecFile,
    kind: DocumentKind,
    fleet_path: &str,
    root: &Node,
) -> Option<Diagnostic> {
    let span = root.get("kind").map_or(root.span, |node| node.span);
    let finding =
        |message: String, fix: String| Some(Diagnostic::new(&MISPLACED, span, message).fix(fix));

    if let Some(name) = &input.origin {
        if kind == DocumentKind::Tenant {
            return None;
        }
        return finding(
            format!("a {} in the tenant-owned source `{name}`", kind.name()),
            "move it to the platform's own repository".to_owned(),
        );
    }

    let folder = parent(fleet_path);
    let is_below = |name: &str| lies_below(folder, name, &source.path);
    let (is_in_place, right_place) = match kind {
        DocumentKind::Fleet => (source.path == fleet_path, fleet_path.to_owned()),
        DocumentKind::Profile => (is_below("profiles"), format!("{folder}/profiles/")),
        DocumentKind::Waiver => (is_below("waivers"), format!("{folder}/waivers/")),
        DocumentKind::Tenant => (
            !is_below("profiles") && !is_below("waivers"),
            format!("{folder}/"),
        ),
    };

    if is_in_place {
        return None;
    }
    finding(
        format!("a {} may not stand in this file", kind.name()),
        format!("move it to {right_place}"),
    )
}

/// Whether a character makes a text invisible or changes a terminal. A description may hold tabs and
/// newlines.
fn is_refused(character: char, in_description: bool) -> bool {
    character.is_control() && !(in_description && matches!(character, '\n' | '\t'))
}

/// Whether a text below a node may hold a control character. Few do: a pass without the paths saves
/// the time of the one that finds them.
fn may_hold_control_character(node: &Node) -> bool {
    let is_unusual = |text: &str, in_description| {
        text.chars()
            .any(|character| !character.is_ascii() || is_refused(character, in_description))
    };

    match &node.value {
        NodeValue::String(text) => is_unusual(text, false),
        NodeValue::Map(entries) => entries.iter().any(|entry| match &entry.node.value {
            NodeValue::String(text) => is_unusual(text, entry.key == "description"),
            _ => may_hold_control_character(&entry.node),
        }),
        NodeValue::Seq(items) => items.iter().any(may_hold_control_character),
        _ => false,
    }
}

/// Reports escaped control characters.
pub(super) fn control_characters(root: &Node, out: &mut Vec<Diagnostic>) {
    if !may_hold_control_character(root) {
        return;
    }

    let mut path = Vec::new();
    root.leaves(&mut path, &mut |path, node| {
        let Some(text) = node.as_str() else { return };
        let in_description = path.last().is_some_and(|key| key == "description");
        let found = text
            .chars()
            .find(|character| is_refused(*character, in_description));

        if let Some(character) = found {
            let code = u32::from(character);
            let message = format!("the text holds the control character U+{code:04X}");
            out.retain(|finding| finding.span != node.span);
            out.push(Diagnostic::new(&CONTROL_CHARACTER, node.span, message).fix("remove it"));
        }
    });
}

/// At most sixty characters of a text, on one line.
pub fn shorten(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|character| match character.is_control() {
            true => '\u{fffd}',
            false => character,
        })
        .take(61)
        .collect();
    if clean.chars().count() > 60 {
        clean.chars().take(57).chain("...".chars()).collect()
    } else {
        clean
    }
}
