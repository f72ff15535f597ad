//! The manual of a field, in the form of `kubectl explain`.

use crate::spec::fields::{self, Field, FoundField};
use crate::spec::schema::API_VERSION;

/// Describes a field by a path such as `tenant.spec.network.egress`, in lines of at most `width`
/// characters. `recursive` lists all fields below it by name and type alone.
///
/// # Errors
/// A sentence that names the nearest field, or the fields that there are.
pub fn explain_field(path: &str, recursive: bool, width: usize) -> Result<String, String> {
    let FoundField { kind, field, depth } = fields::find(path)?;

    let mut out = format!("KIND:       {}\nVERSION:    {API_VERSION}\n", kind.name());
    if depth > 0 {
        out.push_str(&format!("\nFIELD: {}\n", signature(&field)));
    }
    if let Some(default) = &field.default {
        out.push_str(&format!("DEFAULT: {default}\n"));
    }

    if !field.values.is_empty() {
        out.push_str("ENUM:\n");
        for allowed in &field.values {
            let about = allowed.description.as_deref();
            let line = about.map_or_else(
                || allowed.value.clone(),
                |about| format!("{}: {about}", allowed.value),
            );
            wrap(&mut out, &line, 4, width);
        }
    }

    if !field.description.is_empty() {
        out.push_str("\nDESCRIPTION:\n");
        wrap(&mut out, &field.description, 4, width);
        if let Some(description) = &field.type_description {
            wrap(&mut out, description, 4, width);
        }
    }

    if !field.fields.is_empty() {
        out.push_str("\nFIELDS:\n");
        if recursive {
            names(&mut out, &field, 2);
        } else {
            for below in &field.fields {
                described(&mut out, below, width);
            }
        }
    }

    Ok(out)
}

/// The name and type of a field.
fn signature(field: &Field) -> String {
    let required = if field.required { " -required-" } else { "" };
    format!("{} <{}>{required}", field.name, field.type_name)
}

/// Writes a field with its values and its description.
fn described(out: &mut String, field: &Field, width: usize) {
    out.push_str(&format!("  {}\n", signature(field)));
    if !field.values.is_empty() {
        let values: Vec<&str> = field.values.iter().map(|v| v.value.as_str()).collect();
        out.push_str(&format!("  enum: {}\n", values.join(", ")));
    }
    if let Some(default) = &field.default {
        out.push_str(&format!("  default: {default}\n"));
    }
    wrap(out, &field.description, 4, width);
    out.push('\n');
}

/// Writes the names and types of all fields below one.
fn names(out: &mut String, field: &Field, indent: usize) {
    for below in &field.fields {
        out.push_str(&format!("{:indent$}{}\n", "", signature(below)));
        names(out, below, indent + 2);
    }
}

/// Writes a Markdown text in lines of at most `width` characters. The paragraphs and the items of
/// lists stay apart; a word that is longer than a line has a line of its own.
fn wrap(out: &mut String, text: &str, indent: usize, width: usize) {
    let mut paragraphs: Vec<Vec<&str>> = Vec::new();
    let mut ended = true;

    for line in text.lines() {
        if ended || line.starts_with("- ") {
            paragraphs.push(Vec::new());
        }
        ended = line.trim().is_empty();
        if let Some(paragraph) = paragraphs.last_mut() {
            paragraph.extend(line.split_whitespace());
        }
    }

    let prefix = " ".repeat(indent);
    for words in paragraphs.iter().filter(|words| !words.is_empty()) {
        let mut line = prefix.clone();
        for word in words {
            let is_first = line.len() == indent;
            if !is_first && line.chars().count() + 1 + word.chars().count() > width {
                out.push_str(&line);
                out.push('\n');
                line = prefix.clone();
            } else if !is_first {
                line.push(' ');
            }
            line.push_str(word);
        }
        out.push_str(&line);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_described_as_kubectl_describes_fields() {
        let text = explain_field("tenant.spec.network.egress", false, 80).expect("a field");
        let start = "KIND:       Tenant\nVERSION:    tenantry.dev/v1alpha1\n\n\
                     FIELD: egress <[]Peer>\n\nDESCRIPTION:\n";
        assert!(text.starts_with(start), "{text}");
        assert!(text.contains("\nFIELDS:\n  fqdn <string>\n"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }

    #[test]
    fn recursive_lists_names_and_types() {
        let text = explain_field("tenant.spec.network", true, 80).expect("a field");
        let nested = "  egress <[]Peer>\n    fqdn <string>\n";
        assert!(text.contains(nested), "{text}");
        assert!(
            text.contains("\n      port <integer|string> -required-\n"),
            "{text}"
        );
    }

    #[test]
    fn allowed_values_are_listed_with_their_meaning() {
        let text = explain_field("tenant.spec.network.isolation", false, 80).expect("a field");
        assert!(text.contains("\nENUM:\n    namespace: "), "{text}");
    }

    #[test]
    fn lists_and_long_words_keep_their_lines() {
        let mut out = String::new();
        wrap(&mut out, "a b\nc\n\n- one\n- a-very-long-word x", 2, 8);
        assert_eq!(out, "  a b c\n  - one\n  -\n  a-very-long-word\n  x\n");
    }
}
