//! Documents → typed Fleet, Profile, Waiver and Tenant.
//!
//! A document is held against its JSON Schema first, where it stands; what a schema cannot say is
//! checked after. A tenant and a profile stay trees until they are merged, so that every value
//! keeps its place; the schema has settled that the merged tree converts.

mod check;
pub mod duration;
pub mod field_tree;
pub mod fields;
pub mod fleet;
pub mod leaf;
pub mod schema;
pub mod tenant;

pub use check::{
    CONTROL_CHARACTER, INVALID_VALUE, MISPLACED, MISSING_FIELD, NO_FLEET, NO_KIND, NULL, ONE_OF,
    UNKNOWN_FIELD, UNKNOWN_KIND, WRONG_TYPE, check_schema, shorten,
};

use crate::diagnostic::{Diagnostic, Level, Scope, nearest};
use crate::document::{self, Document, Node, Spanned, deserialize};
use crate::source::{Source, SourceId, SourceMap, Span, parent};
use fleet::FleetSpec;
use indexmap::IndexSet;
use rayon::prelude::*;
use schema::DocumentKind;
use std::collections::BTreeMap;
use tenant::{ProfileSpec, WaiverSpec};

/// A file to read specs from.
#[derive(Clone, Debug)]
pub struct SpecFile {
    /// The text.
    pub source: SourceId,
    /// The name of the checkout it comes from, if that is one of the fleet's sources.
    pub origin: Option<String>,
}

/// The fleet.
#[derive(Debug)]
pub struct FleetDoc {
    /// Its name.
    pub name: Spanned<String>,
    /// What it says.
    pub spec: FleetSpec,
    /// The digest of its document.
    pub digest: String,
}

/// A profile.
#[derive(Debug)]
pub struct ProfileDoc {
    /// Its name.
    pub name: Spanned<String>,
    /// What it says.
    pub spec: ProfileSpec,
    /// The tree of its `defaults`.
    pub defaults: Option<Node>,
    /// The tree of its `ceiling`.
    pub ceiling: Option<Node>,
}

/// A waiver.
#[derive(Debug)]
pub struct WaiverDoc {
    /// Its name.
    pub name: Spanned<String>,
    /// What it says.
    pub spec: WaiverSpec,
}

/// A tenant, not merged yet.
#[derive(Debug)]
pub struct TenantDoc {
    /// Its name.
    pub name: Spanned<String>,
    /// The tree of its `metadata`.
    pub metadata: Node,
    /// The tree of its `spec`.
    pub spec: Node,
    /// The name of the checkout it comes from, if that is one of the fleet's sources.
    pub origin: Option<String>,
}

impl TenantDoc {
    /// Who it is, without what it says: ten thousand trees are many.
    #[must_use]
    pub fn without_body(self) -> Self {
        let span = self.name.span;
        let nothing = || Node::new(span, document::NodeValue::Null);
        Self {
            metadata: nothing(),
            spec: nothing(),
            ..self
        }
    }
}

/// A document that is not ours.
#[derive(Debug)]
pub struct Skipped {
    /// Where it stands.
    pub span: Span,
    /// Its group, version and kind.
    pub what: String,
}

/// Every document of a fleet.
#[derive(Debug, Default)]
pub struct Specs {
    /// The fleet, if its file could be read.
    pub fleet: Option<FleetDoc>,
    /// Profiles by name, without the built-in ones.
    pub profiles: BTreeMap<String, ProfileDoc>,
    /// Waivers, in the order of their files.
    pub waivers: Vec<WaiverDoc>,
    /// Tenants, in the order of their files; who they are, once they are resolved.
    pub tenants: Vec<TenantDoc>,
    /// Documents of other groups.
    pub skipped: Vec<Skipped>,
}

enum ReadDocument<T> {
    Fleet(Box<FleetDoc>),
    Profile(Box<ProfileDoc>),
    Waiver(Box<WaiverDoc>),
    Tenant(Box<(TenantDoc, T)>),
    Skipped(Skipped),
}

/// What files of specs hold.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The documents.
    pub specs: Specs,
    /// What became of each of `specs.tenants`.
    pub made: Vec<T>,
    /// What is wrong with the files.
    pub faults: Vec<Diagnostic>,
}

/// Makes the checkers of schemas, which the first document would wait for.
pub fn prepare() {
    schema::checker(DocumentKind::Tenant);
}

/// Where a fleet's specs are, and whose files are known.
#[derive(Clone, Copy, Debug)]
pub struct Home<'a> {
    /// The path of the fleet's file; its folder is the tenants folder.
    pub fleet: &'a str,
    /// Files that a tenant was rendered from before. Another file that names no `tenantry.dev` is
    /// somebody else's.
    pub known: &'a IndexSet<&'a str>,
}

impl Home<'_> {
    /// Whether a file may hold what all tenants share: the Fleet, Profiles and Waivers stand
    /// nowhere else.
    pub fn is_shared(&self, sources: &SourceMap, input: &SpecFile) -> bool {
        let path = sources.get(input.source).path.as_str();
        let below = |folder| check::lies_below(parent(self.fleet), folder, path);
        input.origin.is_none() && (path == self.fleet || below("profiles") || below("waivers"))
    }
}

/// Reads every document of some files. Each tenant's is handed on as soon as it is read, and what
/// comes back is kept of it: ten thousand trees are never all there at once.
pub fn load<T: Send>(
    sources: &SourceMap,
    inputs: &[&SpecFile],
    home: Home<'_>,
    resolve: &(dyn Fn(TenantDoc) -> (TenantDoc, T) + Sync),
) -> Loaded<T> {
    let results: Vec<(Vec<ReadDocument<T>>, Vec<Diagnostic>)> = inputs
        .par_iter()
        .map(|input| load_file(sources.get(input.source), input, home, resolve))
        .collect();

    let (mut specs, mut made, mut faults) = (
        Specs::default(),
        Vec::with_capacity(inputs.len()),
        Vec::new(),
    );

    specs.tenants.reserve(inputs.len());
    for (reads, more) in results {
        faults.extend(more);
        for read in reads {
            match read {
                ReadDocument::Fleet(doc) => match &specs.fleet {
                    None => specs.fleet = Some(*doc),
                    Some(first) => faults.push(
                        Diagnostic::new(&MISPLACED, doc.name.span, "a second Fleet")
                            .related(first.name.span, "the first")
                            .fix("keep one Fleet a folder")
                            .scope(Scope::Fleet),
                    ),
                },
                ReadDocument::Profile(doc) => match specs.profiles.get(&doc.name.value) {
                    None => {
                        specs.profiles.insert(doc.name.value.clone(), *doc);
                    }
                    Some(first) => faults.push(
                        Diagnostic::new(
                            &MISPLACED,
                            doc.name.span,
                            format!("a second Profile `{}`", *doc.name),
                        )
                        .related(first.name.span, "the first")
                        .fix("rename one of the two")
                        .scope(Scope::Fleet),
                    ),
                },
                ReadDocument::Waiver(doc) => specs.waivers.push(*doc),
                ReadDocument::Tenant(tenant) => {
                    let (doc, one) = *tenant;
                    specs.tenants.push(doc);
                    made.push(one);
                }
                ReadDocument::Skipped(skipped) => specs.skipped.push(skipped),
            }
        }
    }

    Loaded {
        specs,
        made,
        faults,
    }
}

/// Reads the built-in profiles: documents of our own, that cannot be wrong.
pub fn load_profiles(
    sources: &SourceMap,
    ids: &[SourceId],
) -> (BTreeMap<String, ProfileDoc>, Vec<Diagnostic>) {
    let inputs: Vec<SpecFile> = ids
        .iter()
        .map(|source| SpecFile {
            source: *source,
            origin: None,
        })
        .collect();
    let home = Home {
        fleet: "builtin/fleet.yaml",
        known: &IndexSet::new(),
    };
    let loaded = load(sources, &inputs.iter().collect::<Vec<_>>(), home, &|doc| {
        (doc, ())
    });
    (loaded.specs.profiles, loaded.faults)
}

fn load_file<T>(
    source: &Source,
    input: &SpecFile,
    home: Home<'_>,
    resolve: &dyn Fn(TenantDoc) -> (TenantDoc, T),
) -> (Vec<ReadDocument<T>>, Vec<Diagnostic>) {
    let is_fleet = source.path == home.fleet;
    let ours = source.text.contains("tenantry.dev")
        || is_fleet
        || home.known.contains(source.path.as_str());
    let (documents, mut faults) = if ours {
        document::parse(input.source, source)
    } else {
        document::parse_foreign(input.source, source)
    };

    if !ours {
        for fault in &mut faults {
            fault.level = Level::Warning;
            fault.fix = format!(
                "{}; the file names no tenantry.dev and is skipped",
                fault.fix
            );
        }
    }

    if is_fleet {
        for fault in &mut faults {
            fault.scope = Scope::Fleet;
        }
    }

    let mut reads = Vec::new();
    for document in documents {
        let (read, more) = load_document(source, input, home.fleet, document, resolve);
        reads.extend(read);
        faults.extend(more);
    }

    (reads, faults)
}

fn load_document<T>(
    source: &Source,
    input: &SpecFile,
    fleet_path: &str,
    document: Document,
    resolve: &dyn Fn(TenantDoc) -> (TenantDoc, T),
) -> (Option<ReadDocument<T>>, Vec<Diagnostic>) {
    let root = document.root;
    if matches!(root.value, document::NodeValue::Null) {
        return (None, Vec::new());
    }
    let kind = match check::classify(source, &root) {
        Ok(Some(kind)) => kind,
        Ok(None) => {
            let text = |key| root.get(key).and_then(Node::as_str).unwrap_or("?");
            let what = format!("{} {}", text("apiVersion"), text("kind"));
            return (
                Some(ReadDocument::Skipped(Skipped {
                    span: root.span,
                    what,
                })),
                Vec::new(),
            );
        }
        Err(fault) => return (None, vec![*fault]),
    };

    let name = root
        .at(&["metadata", "name"])
        .and_then(|n| Some(Spanned::new(n.as_str()?.to_owned(), n.span)));
    let named = name
        .as_ref()
        .filter(|n| leaf::reason("dns-label", n).is_none());
    let scope = match (kind, named) {
        // What a tenant-owned checkout gets wrong concerns that checkout alone.
        _ if input.origin.is_some() => Scope::File(input.source),
        (DocumentKind::Fleet | DocumentKind::Profile, _) => Scope::Fleet,
        (DocumentKind::Tenant, Some(name)) => Scope::Tenant(name.value.clone()),
        (DocumentKind::Waiver, _) => match root.at(&["spec", "tenant"]).and_then(Node::as_str) {
            Some(tenant) if leaf::reason("dns-label", tenant).is_none() => {
                Scope::Tenant(tenant.to_owned())
            }
            _ => Scope::File(input.source),
        },
        (DocumentKind::Tenant, None) => Scope::File(input.source),
    };

    let mut faults =
        schema::checker(kind).map_or_else(Vec::new, |checker| check_schema(checker, &root));
    check::control_characters(&root, &mut faults);

    if let Some(spec) = root.get("spec") {
        match kind {
            DocumentKind::Tenant => check::tenant_shapes(spec, &mut faults),
            DocumentKind::Profile => {
                for part in ["defaults", "ceiling"] {
                    if let Some(part) = spec.get(part) {
                        check::tenant_shapes(part, &mut faults);
                    }
                }
            }
            DocumentKind::Fleet => {
                for subject in spec.get("sharedSubjects").map_or(&[][..], Node::items) {
                    check::one_of(subject, &check::SUBJECT, true, "a subject", &mut faults);
                }
            }
            DocumentKind::Waiver => {}
        }
    }

    if let Some(fault) = check::misplaced(source, input, kind, fleet_path, &root) {
        faults.push(fault);
    }
    for fault in &mut faults {
        fault.scope = scope.clone();
    }
    if faults.iter().any(|f| f.level == Level::Error) {
        return (None, faults);
    }
    let Some(name) = name else {
        return (None, faults);
    };

    match read_typed(kind, name, root, input, resolve) {
        Ok(read) => (Some(read), faults),
        Err((message, span)) => {
            faults.push(Diagnostic::new(&INVALID_VALUE, span, message).scope(scope));
            (None, faults)
        }
    }
}

fn read_typed<T>(
    kind: DocumentKind,
    name: Spanned<String>,
    mut root: Node,
    input: &SpecFile,
    resolve: &dyn Fn(TenantDoc) -> (TenantDoc, T),
) -> Result<ReadDocument<T>, (String, Span)> {
    let span = root.span;
    let missing = || ("the document has no spec".to_owned(), span);
    let digest = if kind == DocumentKind::Fleet {
        root.digest()
    } else {
        String::new()
    };

    let (metadata, spec) = (
        root.take("metadata"),
        root.take("spec").ok_or_else(missing)?,
    );

    Ok(match kind {
        DocumentKind::Fleet => ReadDocument::Fleet(Box::new(FleetDoc {
            name,
            spec: deserialize(&spec)?,
            digest,
        })),
        DocumentKind::Profile => ReadDocument::Profile(Box::new(ProfileDoc {
            name,
            spec: deserialize(&spec)?,
            defaults: spec.get("defaults").cloned(),
            ceiling: spec.get("ceiling").cloned(),
        })),
        DocumentKind::Waiver => ReadDocument::Waiver(Box::new(WaiverDoc {
            name,
            spec: deserialize(&spec)?,
        })),
        DocumentKind::Tenant => {
            let metadata = metadata.ok_or_else(missing)?;
            ReadDocument::Tenant(Box::new(resolve(TenantDoc {
                name,
                metadata,
                spec,
                origin: input.origin.clone(),
            })))
        }
    })
}

/// The known name nearest to an unknown one, as the end of a sentence.
pub fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(unknown, known).map_or_else(String::new, |name| format!("did you mean `{name}`?"))
}

/// The known name nearest to an unknown one, or the first known ones: never nothing.
pub fn one_of_these<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(unknown, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "there is none".to_owned(),
        None => format!(
            "known: {}",
            known
                .iter()
                .take(12)
                .copied()
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}
