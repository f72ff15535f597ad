//! The rules as a table, and one rule's manual.

use crate::catalog::RULES;
use crate::diagnostic::Rule;
use crate::spec::did_you_mean;
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
    WAIVABLE.iter().any(|r| r.id == rule.id)
}

/// Every rule: id, level, whether a Waiver can name it, what it finds.
pub fn rules_table() -> String {
    let width = RULES.iter().map(|r| r.id.len()).max().unwrap_or(0);
    let mut out = String::new();
    for rule in RULES {
        let waiver = if waivable(rule) { "waivable" } else { "" };
        out.push_str(&format!(
            "{:width$}  {:7}  {waiver:8}  {}\n",
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
        .map(
            |r| json!({"id": r.id, "level": r.level.name(), "waivable": waivable(r), "summary": one_line(headline(r))}),
        )
        .collect();
    format!(
        "{}\n",
        serde_json::to_string_pretty(&json!({"schemaVersion": 1, "rules": rules}))
            .unwrap_or_default()
    )
}

/// A rule's manual.
///
/// # Errors
/// The nearest rule, where there is none of the name.
pub fn explain(id: &str) -> Result<String, String> {
    let Some(rule) = RULES.iter().find(|r| r.id == id) else {
        let hint = did_you_mean(id, RULES.iter().map(|r| r.id));
        return Err(format!(
            "there is no rule `{id}`; {}",
            if hint.is_empty() {
                "`tenantry rules` lists them"
            } else {
                &hint
            }
        ));
    };
    let mut out = format!("# {}\n\nlevel: {}", rule.id, rule.level.name());
    if waivable(rule) {
        out.push_str("; a Waiver can permit it");
    }
    out.push_str("\n\n");
    for line in rule.doc.lines() {
        let line = line.strip_prefix(' ').unwrap_or(line);
        if line.starts_with("## ") && !out.ends_with("\n\n") {
            out.push('\n');
        }
        out.push_str(line);
        out.push('\n');
        if line.starts_with("## ") {
            out.push('\n');
        }
    }
    Ok(out)
}
