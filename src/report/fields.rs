//! The reference of all fields: docs/fields.md.

use crate::spec::field_table::{FieldRow, OF_EVERY_FIELD, field_rows};
use crate::spec::schema::DocumentKind;

/// The text above the tables.
static HEAD: &str = "\
<!-- Generated from the types in src/spec/ and their doc comments. To change it, change the doc
comment, then run `cargo run -- schema --docs docs/fields.md`. -->

# Fields

Every field of every kind of document. `tenantry explain RULE` prints a rule's manual, and
[docs/tenant.md](tenant.md) shows a tenant that uses every field. `[]` in a path stands for each
item of a list. An object that stands in several places is listed once.

The column *default* says what holds if the field is left out. A profile may set another default for
its tenants ([docs/merging.md](merging.md)). The defaults of a tenant's `spec` below are those of the
built-in profile `restricted`.
";

/// The reference as Markdown: a table for each kind of document.
///
/// A cell is empty only if a doc comment lacks a line; a test refuses that.
pub fn fields_table() -> String {
    let mut out = HEAD.to_owned();
    let rules: Vec<String> = OF_EVERY_FIELD.iter().map(|id| format!("`{id}`")).collect();
    out.push_str(&format!(
        "\nThese rules guard every field, and are not repeated: {}.\n",
        rules.join(", ")
    ));

    for (kind, fields) in field_rows() {
        out.push_str(&format!(
            "\n## {}\n\n{}\n\n",
            kind.name(),
            kind.description()
        ));
        out.push_str("| field | type | default | meaning, and what it renders | rules |\n");
        out.push_str("|---|---|---|---|---|\n");
        for field in &fields {
            out.push_str(&row(kind, field));
        }
    }

    out
}

fn row(kind: DocumentKind, field: &FieldRow) -> String {
    let listed = field.listed_at.as_ref().map(|home| {
        let owner = match home.kind == kind {
            true => String::new(),
            false => format!("a {}'s ", home.kind.name()),
        };
        format!(" Its fields are those of {owner}`{}`.", home.path)
    });

    let renders = field
        .renders
        .as_ref()
        .map_or_else(String::new, |text| format!(" **Renders:** {text}"));

    let rules: Vec<String> = field
        .rules
        .iter()
        .flatten()
        .map(|id| format!("`{id}`"))
        .collect();

    let rules = match (&field.rules, rules.as_slice()) {
        (Some(_), []) => "none".to_owned(),
        (None, _) if field.is_object => "those of its fields".to_owned(),
        (_, rules) => rules.join(", "),
    };

    let cells = [
        format!("`{}`", field.path),
        field.type_name.clone(),
        field.default.clone().unwrap_or_default(),
        format!("{}{}{renders}", field.meaning, listed.unwrap_or_default()),
        rules,
    ];

    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| {} |\n", cells.join(" | "))
}
