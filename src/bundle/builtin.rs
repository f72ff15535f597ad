//! The profiles and templates that are part of the program.

use crate::source::{Source, SourceId, SourceMap};
use include_dir::{Dir, include_dir};

static BUILTIN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");
static BUILTIN_PROFILES: [(&str, &str); 3] = [
    (
        "restricted",
        include_str!("../spec/builtin/restricted.yaml"),
    ),
    ("baseline", include_str!("../spec/builtin/baseline.yaml")),
    ("adopted", include_str!("../spec/builtin/adopted.yaml")),
];

/// Adds the built-in profiles to the sources.
pub fn builtin_profiles(sources: &mut SourceMap) -> Vec<SourceId> {
    let add = |(name, text): &(&str, &str)| {
        sources.add(Source::built_in(
            &format!("builtin/profiles/{name}.yaml"),
            text,
            format!("profile {name} (built in)"),
        ))
    };
    BUILTIN_PROFILES.iter().map(add).collect()
}

/// The built-in templates: the path below `templates/`, and the text.
pub fn builtin_templates() -> Vec<(String, &'static str)> {
    let mut all: Vec<(String, &str)> = BUILTIN
        .dirs()
        .flat_map(Dir::files)
        .filter_map(|file| Some((file.path().to_str()?.to_owned(), file.contents_utf8()?)))
        .collect();
    all.sort();
    all
}
