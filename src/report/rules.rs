//! The rules as a table, and one rule's manual.

use super::{examples, pretty};
use crate::catalog::RULES;
use crate::diagnostic::Rule;
use crate::graph::NOT_READ;
use crate::isolation::severity::{Severity, severity};
use crate::spec::did_you_mean;
use crate::spec::schema::DocumentKind;
use crate::tenancy::WAIVABLE;
use serde_json::json;

fn headline(rule: &Rule) -> &str {
    rule.doc
        .trim_start()
        .split("\n\n")
        .next()
        .and_then(|p| p.split("\n ##").next())
        .unwrap_or_default()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn waivable(rule: &Rule) -> bool {
    WAIVABLE.iter().any(|r| r.id == rule.id) || *rule != NOT_READ && severity(rule).is_some()
}

/// Every rule: id, level, severity, whether a Waiver can name it, what it finds.
pub fn rules_table() -> String {
    let width = RULES.iter().map(|r| r.id.len()).max().unwrap_or(0);
    let mut out = String::new();
    for rule in RULES {
        let waiver = if waivable(rule) { "waivable" } else { "" };
        let severity = severity(rule).map_or("", Severity::name);
        out.push_str(&format!(
            "{:width$}  {:7}  {severity:8}  {waiver:8}  {}\n",
            rule.id,
            rule.level.name(),
            one_line(headline(rule))
        ));
    }
    out
}

/// Every rule as JSON.
pub fn rules_json() -> String {
    let rules: Vec<_> = RULES
        .iter()
        .map(|rule| {
            let mut entry = json!({
                "id": rule.id,
                "level": rule.level.name(),
                "waivable": waivable(rule),
                "summary": one_line(headline(rule)),
            });
            if let Some(severity) = severity(rule) {
                entry["severity"] = severity.name().into();
            }
            entry
        })
        .collect();
    pretty(&json!({"schemaVersion": 1, "rules": rules}))
}

/// Names the nearest rule or kind of document, or the rule whose id ends with a name that has no
/// area.
fn unknown_rule(id: &str) -> String {
    let kinds = DocumentKind::ALL.map(|kind| kind.name().to_lowercase());
    let known = RULES.iter().map(|rule| rule.id);
    let near = did_you_mean(id, known.chain(kinds.iter().map(String::as_str)));
    let same_name = || {
        let end = format!("/{id}");
        let rule = RULES.iter().find(|rule| rule.id.ends_with(&end))?;
        Some(format!("did you mean `{}`?", rule.id))
    };
    let hint = Some(near)
        .filter(|near| !near.is_empty())
        .or_else(same_name)
        .unwrap_or_else(|| "`tenantry rules` lists the rules".to_owned());
    format!("there is no rule or field `{id}`; {hint}")
}

/// A rule's manual.
///
/// # Errors
/// The nearest rule, where there is none of the name.
pub fn explain(id: &str) -> Result<String, String> {
    let Some(rule) = RULES.iter().find(|r| r.id == id) else {
        return Err(unknown_rule(id));
    };
    let mut out = format!("# {}\n\nlevel: {}", rule.id, rule.level.name());
    if let Some(severity) = severity(rule) {
        out.push_str(&format!("; severity: {}", severity.name()));
    }
    if waivable(rule) {
        out.push_str("; a Waiver can permit it");
    }
    out.push_str("\n\n");
    out.push_str(&manual(rule));

    Ok(out)
}

/// The text of a rule's manual, in Markdown: the rule's own, with the example of a rule of the proof
/// before the fix.
pub fn manual(rule: &Rule) -> String {
    let mut out = String::new();
    let mut example = examples::section(rule);

    for line in rule.doc.trim().lines() {
        let line = line.strip_prefix(' ').unwrap_or(line);
        let is_heading = line.starts_with("## ");
        if is_heading && !out.ends_with("\n\n") {
            out.push('\n');
        }
        if line == "## Fix" {
            out.push_str(&example.take().unwrap_or_default());
        }
        out.push_str(line);
        out.push('\n');
        if is_heading {
            out.push('\n');
        }
    }

    out
}
