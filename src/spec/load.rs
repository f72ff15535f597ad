//! Reading files of specs: texts → checked and typed documents.

use super::schema::{self, DocumentKind};
use super::sound_part::sound_part;
use super::{
    FleetDoc, INVALID_VALUE, MISPLACED, ProfileDoc, Skipped, SpecFile, Specs, TenantDoc, WaiverDoc,
    check, check_schema, leaf, shapes,
};
use crate::diagnostic::{Diagnostic, Level, Scope};
use crate::document::{self, Node, NodeValue, Spanned, deserialize};
use crate::source::{Source, SourceId, SourceMap, Span, parent};
use indexmap::IndexSet;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The documents of some files of specs.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The documents.
    pub specs: Specs,
    /// The result of each of `specs.tenants`, in their order.
    pub made: Vec<T>,
    /// The sound parts of documents of tenants that have a fault, and their results: what else is wrong
    /// with them.
    pub faulty: Vec<(TenantDoc, T)>,
    /// The faults of the files.
    pub faults: Vec<Diagnostic>,
}

/// Builds the checker of tenants ahead of time. The first document would wait for it.
pub fn prepare() {
    schema::checker(DocumentKind::Tenant);
}

/// The place of a fleet's specs, and the files that are known to be the fleet's.
#[derive(Clone, Copy, Debug)]
pub struct FleetHome<'a> {
    /// The path of the fleet's file; its folder is the tenants folder.
    pub fleet: &'a str,
    /// Files that a tenant was rendered from before. Another file that names no `tenantry.dev`
    /// holds no specs.
    pub known: &'a IndexSet<&'a str>,
}

impl FleetHome<'_> {
    /// Whether a file may hold documents that all tenants share: a Fleet, a Profile or a Waiver.
    pub fn is_shared(&self, sources: &SourceMap, file: &SpecFile) -> bool {
        file.origin.is_none() && self.is_shared_path(&sources.get(file.source).path)
    }

    /// Whether a path of this repository is that of such a file.
    pub fn is_shared_path(&self, path: &str) -> bool {
        let is_below = |folder| check::lies_below(parent(self.fleet), folder, path);
        path == self.fleet || is_below("profiles") || is_below("waivers")
    }
}

/// Reads every document of some files. `resolve` takes each tenant as soon as it is read, and
/// returns the part to keep: the trees of ten thousand tenants are never in memory together.
pub fn load<T: Send>(
    sources: &SourceMap,
    files: &[&SpecFile],
    home: FleetHome<'_>,
    resolve: &(dyn Fn(TenantDoc) -> (TenantDoc, T) + Sync),
) -> Loaded<T> {
    let results: Vec<(Vec<ReadDocument<T>>, Vec<Diagnostic>)> = files
        .par_iter()
        .map(|file| {
            let reader = FileReader {
                source: sources.get(file.source),
                file,
                home,
                resolve,
            };
            reader.read()
        })
        .collect();

    let mut loaded = Loaded {
        specs: Specs::default(),
        made: Vec::with_capacity(files.len()),
        faulty: Vec::new(),
        faults: Vec::new(),
    };
    loaded.specs.tenants.reserve(files.len());

    for (documents, faults) in results {
        loaded.faults.extend(faults);
        for document in documents {
            loaded.add(document);
        }
    }

    loaded
}

/// Makes the faults of a document that defines a tenant a second time, in another file, those of that
/// file alone: anybody can write the name of another tenant, and must not hold it by that.
pub fn blame_files(
    docs: &[TenantDoc],
    is_shared: &dyn Fn(SourceId) -> bool,
    faults: &mut [Diagnostic],
) {
    let mut defined_in: BTreeMap<&str, Vec<SourceId>> = BTreeMap::new();
    for doc in docs {
        let files = defined_in.entry(&doc.name.value).or_default();
        files.push(doc.name.span.source);
    }

    for fault in faults {
        let Scope::Tenant(name) = &fault.scope else {
            continue;
        };
        let file = fault.span.source;
        let files = defined_in.get(name.as_str());
        let is_second = files.is_some_and(|files| !files.contains(&file));
        if is_second && !is_shared(file) {
            fault.scope = Scope::File(file);
        }
    }
}

/// Reads the built-in profiles.
pub fn load_profiles(
    sources: &SourceMap,
    ids: &[SourceId],
) -> (BTreeMap<String, ProfileDoc>, Vec<Diagnostic>) {
    let files: Vec<SpecFile> = ids
        .iter()
        .map(|source| SpecFile {
            source: *source,
            origin: None,
        })
        .collect();
    let files: Vec<&SpecFile> = files.iter().collect();

    let home = FleetHome {
        fleet: "builtin/fleet.yaml",
        known: &IndexSet::new(),
    };
    let loaded = load(sources, &files, home, &|doc| (doc, ()));
    (loaded.specs.profiles, loaded.faults)
}

/// A document that was read, with the result of a tenant.
enum ReadDocument<T> {
    Fleet(Box<FleetDoc>),
    Profile(Box<ProfileDoc>),
    Waiver(Box<WaiverDoc>),
    Tenant(Box<(TenantDoc, T)>),
    /// The fields without a fault of a tenant's faulty document.
    FaultyTenant(Box<(TenantDoc, T)>),
    Skipped(Skipped),
}

impl<T> Loaded<T> {
    fn add(&mut self, document: ReadDocument<T>) {
        let specs = &mut self.specs;
        match document {
            ReadDocument::Fleet(doc) => match &specs.fleet {
                None => specs.fleet = Some(*doc),
                Some(first) => self.faults.push(
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
                Some(first) => {
                    let message = format!("a second Profile `{}`", *doc.name);
                    self.faults.push(
                        Diagnostic::new(&MISPLACED, doc.name.span, message)
                            .related(first.name.span, "the first")
                            .fix("rename one of the two")
                            .scope(Scope::Fleet),
                    );
                }
            },
            ReadDocument::Waiver(doc) => specs.waivers.push(*doc),
            ReadDocument::Tenant(tenant) => {
                let (doc, result) = *tenant;
                specs.tenants.push(doc);
                self.made.push(result);
            }
            ReadDocument::FaultyTenant(tenant) => self.faulty.push(*tenant),
            ReadDocument::Skipped(skipped) => specs.skipped.push(skipped),
        }
    }
}

/// Reads the documents of one file.
struct FileReader<'a, T> {
    source: &'a Source,
    file: &'a SpecFile,
    home: FleetHome<'a>,
    resolve: &'a dyn Fn(TenantDoc) -> (TenantDoc, T),
}

impl<T> FileReader<'_, T> {
    fn read(&self) -> (Vec<ReadDocument<T>>, Vec<Diagnostic>) {
        let path = self.source.path.as_str();
        let is_fleet = path == self.home.fleet;
        let is_ours =
            is_fleet || self.source.text.contains("tenantry.dev") || self.home.known.contains(path);

        let (documents, mut faults) = match is_ours {
            true => document::parse(self.file.source, self.source),
            false => document::parse_foreign(self.file.source, self.source),
        };
        let turned = document::turned_text(self.file.source, self.source);
        faults.extend(turned.filter(|_| is_ours));

        for fault in &mut faults {
            if !is_ours {
                fault.level = Level::Warning;
                fault
                    .fix
                    .push_str("; the file names no tenantry.dev and is skipped");
            }
            if is_fleet {
                fault.scope = Scope::Fleet;
            }
        }

        let mut read = Vec::new();
        for document in documents {
            if !matches!(document.root.value, NodeValue::Null) {
                read.extend(self.document(document.root, &mut faults));
            }
        }
        (read, faults)
    }

    /// Checks one document and reads it. `None`, and a fault, if it has an error.
    fn document(&self, root: Node, out: &mut Vec<Diagnostic>) -> Option<ReadDocument<T>> {
        let kind = match check::classify(self.source, &root) {
            Ok(Some(kind)) => kind,
            Ok(None) => return Some(ReadDocument::Skipped(skipped(&root))),
            Err(fault) => {
                out.push(*fault);
                return None;
            }
        };

        let name = root
            .at(&["metadata", "name"])
            .and_then(|node| Some(Spanned::new(node.as_str()?.to_owned(), node.span)));
        let scope = self.scope(kind, name.as_deref().map(String::as_str), &root);

        let mut faults = self.faults(kind, &root);
        for fault in &mut faults {
            fault.scope = scope.clone();
        }
        let has_error = faults.iter().any(|fault| fault.level == Level::Error);
        let name = name.filter(|name| !has_error || leaf::reason("dns-label", name).is_none());
        if has_error {
            let faulty = match (kind, name) {
                (DocumentKind::Tenant, Some(name)) => self.faulty(name, &root, &faults),
                _ => None,
            };
            out.extend(faults);
            return faulty;
        }

        out.extend(faults);
        let name = name?;
        self.typed(kind, name, root)
            .map_err(|(message, span)| {
                out.push(Diagnostic::new(&INVALID_VALUE, span, message).scope(scope));
            })
            .ok()
    }

    /// Reads the fields without a fault of a tenant's faulty document; `None` if too few are left to make
    /// a tenant.
    fn faulty(
        &self,
        name: Spanned<String>,
        root: &Node,
        faults: &[Diagnostic],
    ) -> Option<ReadDocument<T>> {
        let part = sound_part(root, faults)?;
        let kind = DocumentKind::Tenant;
        let is_sound = !self
            .faults(kind, &part)
            .iter()
            .any(|fault| fault.level == Level::Error);
        match self.typed(kind, name, part) {
            Ok(ReadDocument::Tenant(tenant)) if is_sound => {
                Some(ReadDocument::FaultyTenant(tenant))
            }
            _ => None,
        }
    }

    /// The scope of a document's faults. A fault of a tenant-owned checkout concerns that checkout
    /// alone.
    fn scope(&self, kind: DocumentKind, name: Option<&str>, root: &Node) -> Scope {
        let tenant = match kind {
            _ if self.file.origin.is_some() => None,
            DocumentKind::Tenant => name,
            // What a tenant writes into a file of its own is no fault of the fleet, and none of
            // another tenant.
            _ if !self.home.is_shared_path(&self.source.path) => None,
            DocumentKind::Fleet | DocumentKind::Profile => return Scope::Fleet,
            DocumentKind::Waiver => root.at(&["spec", "tenant"]).and_then(Node::as_str),
        };

        tenant
            .filter(|name| leaf::reason("dns-label", name).is_none())
            .map_or(Scope::File(self.file.source), |name| {
                Scope::Tenant(name.to_owned())
            })
    }

    fn faults(&self, kind: DocumentKind, root: &Node) -> Vec<Diagnostic> {
        let mut faults =
            schema::checker(kind).map_or_else(Vec::new, |checker| check_schema(checker, root));
        check::control_characters(root, &mut faults);

        if let Some(spec) = root.get("spec") {
            shapes::check(kind, spec, &mut faults);
        }
        faults.extend(check::misplaced(
            self.source,
            self.file,
            kind,
            self.home.fleet,
            root,
        ));
        faults
    }

    /// Reads a document that its schema accepts into its type.
    ///
    /// # Errors
    /// The fault and its place.
    fn typed(
        &self,
        kind: DocumentKind,
        name: Spanned<String>,
        mut root: Node,
    ) -> Result<ReadDocument<T>, (String, Span)> {
        let span = root.span;
        let missing = || ("the document has no spec".to_owned(), span);
        let digest = match kind {
            DocumentKind::Fleet => root.digest(),
            _ => String::new(),
        };

        let metadata = root.take("metadata");
        let spec = root.take("spec").ok_or_else(missing)?;

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
                let doc = TenantDoc {
                    name,
                    metadata: metadata.ok_or_else(missing)?,
                    spec,
                    origin: self.file.origin.clone(),
                };
                ReadDocument::Tenant(Box::new((self.resolve)(doc)))
            }
        })
    }
}

fn skipped(root: &Node) -> Skipped {
    let text = |key| root.get(key).and_then(Node::as_str).unwrap_or("?");
    Skipped {
        span: root.span,
        what: format!("{} {}", text("apiVersion"), text("kind")),
    }
}
