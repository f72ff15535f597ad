//! The example of each rule of the proof: manifests that raise it, and manifests that do not.
//!
//! They are the cases of the tests, so that an example is never untrue.

use crate::diagnostic::Rule;
use include_dir::{Dir, include_dir};
use std::fmt::Write;

static EXAMPLES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/fixtures/isolation/rules");

/// The example of a rule, as a section of its manual; `None` if it is no rule of the proof.
pub fn section(rule: &Rule) -> Option<String> {
    let folder = EXAMPLES.get_dir(rule.id.replace('/', "-"))?;
    let bad = manifests(folder.get_dir(folder.path().join("bad"))?);
    let good = manifests(folder.get_dir(folder.path().join("good"))?);

    let mut out = String::from("## Example\n\n");
    let intro = "Two tenants, `blue` and `green`, each have a closed namespace of their own name.";
    let _ = write!(out, "{intro} This raises the rule:\n\n");
    let _ = write!(
        out,
        "```yaml\n{bad}```\n\nThis does not:\n\n```yaml\n{good}```\n\n"
    );
    Some(out)
}

/// The manifests of a folder, in one text. A file of another name than `objects.yaml` is named.
fn manifests(folder: &Dir<'_>) -> String {
    let mut texts = Vec::new();
    for file in folder.files() {
        let name = file.path().file_name().unwrap_or_default();
        let text = file.contents_utf8().unwrap_or_default();
        texts.push(match name.to_str() {
            Some("objects.yaml") | None => text.to_owned(),
            Some(name) => format!("# {name}\n{text}"),
        });
    }
    texts.join("---\n")
}
