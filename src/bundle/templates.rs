//! The templates of a run: the built-in ones, with a fleet's own over and beside them.

use super::{TEMPLATE_MISPLACED, Template, builtin_templates, short};
use crate::diagnostic::{Diagnostic, Scope};
use crate::source::{Source, SourceId, SourceMap, Span};
use std::collections::BTreeMap;

/// The templates of a run.
#[derive(Debug, Default)]
pub struct Templates {
    pub(super) cluster: Vec<Template>,
    pub(super) tenant: Vec<Template>,
    pub(super) namespace: Vec<Template>,
    pub(super) sync: Vec<Template>,
    pub(super) compat: Vec<Template>,
    /// A digest over all texts, built-in ones included.
    pub digest: String,
}

impl Templates {
    /// Reads the built-in templates, with a fleet's own over and beside them. Every fault is the
    /// fleet's.
    pub fn load(sources: &mut SourceMap, own: &[(String, SourceId)]) -> (Self, Vec<Diagnostic>) {
        let mut all: BTreeMap<String, SourceId> = BTreeMap::new();
        for (path, text) in builtin_templates() {
            let id = sources.add(Source::built_in(
                &format!("builtin/templates/{path}"),
                text,
                format!("template {path} (built in)"),
            ));
            all.insert(path, id);
        }

        all.extend(own.iter().cloned());
        let mut templates = Self::default();
        let mut faults = Vec::new();
        let mut hasher = blake3::Hasher::new();

        for (path, id) in all {
            let source = sources.get(id);
            hasher
                .update(path.as_bytes())
                .update(&[0])
                .update(source.text.as_bytes())
                .update(&[0]);

            let (template, more) = Template::parse(&path, id, source);
            faults.extend(more);

            match path.split('/').next() {
                Some("cluster") => templates.cluster.push(template),
                Some("tenant") => templates.tenant.push(template),
                Some("namespace") => templates.namespace.push(template),
                Some("sync") => templates.sync.push(template),
                Some("compat") => templates.compat.push(template),
                _ => faults.push(
                    Diagnostic::new(
                        &TEMPLATE_MISPLACED,
                        Span::file(id),
                        format!("`{path}` is in no folder that is used"),
                    )
                    .fix("move it to templates/cluster, templates/tenant, templates/namespace or templates/sync")
                    .scope(Scope::Fleet),
                ),
            }
        }

        templates.digest = short(&hasher);
        (templates, faults)
    }
}
