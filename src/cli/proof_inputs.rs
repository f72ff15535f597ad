//! Collects the clusters that a proof or a question is about: rendered objects, and the manifests
//! and snapshots that the arguments name.

use super::CliError;
use super::args::{Cli, ExtraArgs};
use super::bounded::{self, MAX_SNAPSHOT};
use super::concerned::{
    Question, grantees, has_open_namespace, holders, leaves_namespaces, may_be_refused, owners,
};
use super::encoding::{decoded, is_utf16};
#[cfg(feature = "git")]
use super::files::Store;
use super::files::{DiskStore, FileContent, read_all};
#[cfg(feature = "git")]
use super::git::Revision;
use super::past::PastManifests;
use super::session::{Selection, Session};
#[cfg(feature = "git")]
use super::workspace::Workspace;
use super::workspace::working_folder;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tenantry::bundle::{ClusterBundle, RenderedObject};
use tenantry::diagnostic::{Diagnostic, Scope};
use tenantry::graph::{self, Cluster, ClusterObjects, NOT_READ};
use tenantry::source::{MAX_MANIFEST_BYTES, Source, SourceId, SourceMap, parent};
use tenantry::spec::FleetDoc;
use tenantry::tenancy::{self, ProofWaiver};
use tenantry::tree::entry_path;

/// The path that stands for the standard input.
const STANDARD_INPUT: &str = "-";

/// Why a file in UTF-16 is not read.
const UTF16: &str = "it is in UTF-16, which kubectl does not read: write UTF-8 (in PowerShell: Out-File -Encoding utf8)";

/// The inputs of a proof.
#[derive(Default)]
pub struct ProofInputs {
    /// The texts that the clusters' places point into.
    pub sources: SourceMap,
    /// The clusters, in the fleet's order.
    pub clusters: Vec<Cluster>,
    /// Whether there is a fleet, or manifests alone.
    pub has_fleet: bool,
    /// The findings about the fleet itself. A tenant with an error is not in the clusters.
    pub findings: Vec<Diagnostic>,
    /// The waivers of rules of the proof.
    pub waivers: Vec<ProofWaiver>,
    /// The number of lists that live clusters did not answer.
    pub missing_lists: usize,
}

/// Reads the fleet, if there is one, and the other inputs that the arguments name.
pub fn read(cli: &Cli, beside: &ExtraArgs) -> Result<ProofInputs, CliError> {
    read_with(cli, beside, None)
}

/// The same, with the files of the arguments if they were read before.
fn read_with(
    cli: &Cli,
    beside: &ExtraArgs,
    given: Option<GivenFiles>,
) -> Result<ProofInputs, CliError> {
    let session = match Session::open(cli, None) {
        Err(CliError::NoFleet(_)) if !(beside.also.is_empty() && beside.snapshot.is_empty()) => {
            return read_without_fleet(cli, beside);
        }
        opened => opened?,
    };
    refuse_without_fleet(beside)?;

    read_session(cli, beside, session, given)
}

/// The same as a revision has it: its specs, and the manifests of the repository. Other manifests and
/// snapshots are those on disk.
#[cfg(feature = "git")]
pub fn read_at(cli: &Cli, beside: &ExtraArgs, revision: &str) -> Result<ProofInputs, CliError> {
    let beside = ExtraArgs {
        revision: Some(revision.to_owned()),
        ..beside.clone()
    };
    let workspace = match Workspace::find(cli, None) {
        Err(CliError::NoFleet(_)) => return read_without_fleet(cli, &beside),
        found => found?,
    };

    let store = Revision::open(&workspace.root, revision)?;
    if matches!(store.read(&workspace.fleet), FileContent::Missing) {
        return Ok(ProofInputs::default());
    }
    let session = Session::read_at(cli, workspace, revision)?;
    read_session(cli, &beside, session, None)
}

#[cfg(not(feature = "git"))]
pub fn read_at(_: &Cli, _: &ExtraArgs, _: &str) -> Result<ProofInputs, CliError> {
    Err(CliError::Usage(
        "--since: built without the feature `git`".into(),
    ))
}

/// Refuses flags that say whose a namespace is beside a fleet, which says it.
fn refuse_without_fleet(beside: &ExtraArgs) -> Result<(), CliError> {
    let flags = [
        ("--platform-namespace", &beside.platform_namespace),
        ("--tenant-namespace", &beside.tenant_namespace),
    ];
    match flags.iter().find(|(_, given)| !given.is_empty()) {
        None => Ok(()),
        Some((flag, _)) => Err(CliError::Usage(format!(
            "{flag} is for manifests without a fleet; a fleet says it in spec.clusters[].platformNamespaces, \
             and by its tenants"
        ))),
    }
}

fn read_session(
    cli: &Cli,
    beside: &ExtraArgs,
    mut session: Session,
    given: Option<GivenFiles>,
) -> Result<ProofInputs, CliError> {
    let compiled = session.compile(Selection::default());
    let (bundles, findings) = (compiled.bundles, compiled.findings);
    let standings = compiled.standings;

    let given = given.map_or_else(|| GivenFiles::read(cli, beside), Ok)?;
    let mut extra = ExtraFiles::new(beside, given, &mut session.sources);
    extra.find_entries(cli, &session)?;
    assemble(
        beside,
        &mut session,
        &extra,
        &bundles,
        findings,
        &|tenant| standings.is_rendered(tenant),
    )
}

/// Reads the inputs of a proof: a fleet, or manifests with a namespace that is not the platform's. A
/// question needs no tenant.
pub fn read_to_prove(cli: &Cli, beside: &ExtraArgs) -> Result<ProofInputs, CliError> {
    let inputs = read(cli, beside)?;

    let is_empty =
        |cluster: &Cluster| cluster.tenants.is_empty() && cluster.unread_inputs.is_empty();
    let is_past = beside.revision.is_some();
    if !inputs.has_fleet && !is_past && inputs.clusters.iter().all(is_empty) {
        let unread = inputs.clusters.iter().flat_map(|one| &one.facts.unread);
        let unread: Vec<String> = unread
            .map(|(what, count)| format!("{what} ({count})"))
            .collect();
        let held = match unread.is_empty() {
            true => String::new(),
            false => format!(" (read by no plane: {})", unread.join(", ")),
        };
        return Err(CliError::Usage(format!(
            "there is no fleet here, and no Namespace among the manifests that is not the \
             platform's: nothing to prove{held}; give the Namespace objects of tenants, or name \
             them with --tenant-namespace"
        )));
    }
    Ok(inputs)
}

/// Reads the inputs of a question. Only the tenants that can decide the answer are rendered, if
/// they can be told; else the whole fleet is.
pub fn read_for(
    cli: &Cli,
    beside: &ExtraArgs,
    question: &Question<'_>,
) -> Result<ProofInputs, CliError> {
    let mut given = None;
    match read_concerned(cli, beside, question, &mut given)? {
        Some(inputs) => Ok(inputs),
        None => read_with(cli, beside, given),
    }
}

/// Reads the inputs of a question, with only the tenants that it concerns. This is sound because
/// every object that is rendered for a tenant is in a namespace of that tenant. `None` if the
/// tenants cannot be told. Puts the files of the arguments into `given` if it reads them.
fn read_concerned(
    cli: &Cli,
    beside: &ExtraArgs,
    question: &Question<'_>,
    given: &mut Option<GivenFiles>,
) -> Result<Option<ProofInputs>, CliError> {
    let mut session = match Session::open_lightly(cli) {
        Err(CliError::NoFleet(_)) => return Ok(None),
        opened => opened?,
    };

    if may_be_refused(&session) {
        return Ok(None);
    }

    if matches!(question, Question::Grants { .. }) && has_open_namespace(&session) {
        return Ok(None);
    }

    let mut tenants = match question {
        Question::Packets(namespaces) => owners(&session, namespaces.iter().copied()),
        Question::Grants { namespace, .. } => owners(&session, [*namespace]),
    };

    if tenants.is_empty() {
        return Ok(None);
    }
    if let Question::Grants { subject, .. } = question {
        tenants.extend(holders(&session, subject));
    }
    refuse_without_fleet(beside)?;
    let files = given.insert(GivenFiles::read(cli, beside)?);
    let mut extra = ExtraFiles::new(beside, files.clone(), &mut session.sources);
    extra.find_entries(cli, &session)?;

    loop {
        let (bundles, findings) = session.render_tenants(&tenants);
        let concerned = |name: &str| tenants.contains(name);
        let inputs = assemble(beside, &mut session, &extra, &bundles, findings, &concerned)?;

        let more = match question {
            Question::Packets(_) => BTreeSet::new(),
            Question::Grants { .. } if leaves_namespaces(&inputs) => return Ok(None),
            Question::Grants { .. } => match grantees(&session, &inputs) {
                Some(more) => more,
                None => return Ok(None),
            },
        };

        if more.is_subset(&tenants) {
            return Ok(Some(inputs));
        }
        tenants.extend(more);
        session.sources = inputs.sources;
    }
}

/// Reads manifests that no fleet describes: one cluster, or each that an argument names.
fn read_without_fleet(cli: &Cli, beside: &ExtraArgs) -> Result<ProofInputs, CliError> {
    let mut sources = SourceMap::default();
    let extra = ExtraFiles::new(beside, GivenFiles::read(cli, beside)?, &mut sources);

    let mut clusters = Vec::new();
    for name in clusters_without_fleet(beside, &extra)? {
        let inputs = extra.for_cluster(&mut sources, name)?;
        let called = name.map_or_else(String::new, |name| format!(" {name}"));
        let span = sources.add_path(&format!("the cluster{called}"));
        let options = graph::WithoutFleet {
            name,
            ..beside.without_fleet()
        };
        clusters.push(graph::without_fleet(inputs, span, &options));
    }

    Ok(ProofInputs {
        sources,
        clusters,
        has_fleet: false,
        findings: Vec::new(),
        waivers: Vec::new(),
        missing_lists: 0,
    })
}

/// The clusters that the arguments name, in their order, or one without a name. `--cluster` chooses
/// among them.
fn clusters_without_fleet<'e>(
    beside: &ExtraArgs,
    extra: &'e ExtraFiles,
) -> Result<Vec<Option<&'e str>>, CliError> {
    let of_manifests = extra.manifests.iter().map(|one| &one.cluster);
    let of_snapshots = extra.snapshots.iter().map(|one| &one.cluster);
    let mut names: Vec<&str> = Vec::new();
    for name in of_manifests.chain(of_snapshots).flatten() {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }

    let unknown = |name: &&String| !names.contains(&name.as_str());
    if let Some(name) = beside.cluster.iter().find(unknown) {
        let known = match names.is_empty() {
            true => "name clusters with --also NAME=DIR".to_owned(),
            false => format!("the arguments name {}", names.join(", ")),
        };
        return Err(CliError::Usage(format!(
            "there is no cluster `{name}`: {known}"
        )));
    }

    let is_chosen =
        |name: &&str| beside.cluster.is_empty() || beside.cluster.iter().any(|one| one == name);
    let chosen = names.iter().copied().filter(is_chosen);
    Ok(match names.is_empty() {
        true => vec![None],
        false => chosen.map(Some).collect(),
    })
}

/// Builds the clusters of rendered bundles and extra inputs. `concerned` names the tenants that were
/// to be rendered.
fn assemble(
    beside: &ExtraArgs,
    session: &mut Session,
    extra: &ExtraFiles,
    bundles: &[ClusterBundle<RenderedObject>],
    findings: Vec<Diagnostic>,
    concerned: &dyn Fn(&str) -> bool,
) -> Result<ProofInputs, CliError> {
    let mut inputs = ProofInputs {
        sources: std::mem::take(&mut session.sources),
        clusters: Vec::new(),
        has_fleet: true,
        findings,
        waivers: session.resolved.tenancy.proof_waivers.clone(),
        missing_lists: 0,
    };

    let Some(fleet) = session.resolved.fleet() else {
        return Ok(inputs);
    };
    check_names(fleet, beside, extra)?;

    // A tenant with an error is not rendered: every verdict about it is unknown.
    let unread = graph::unread(&inputs.findings);
    let failing = tenancy::failing(&inputs.findings);
    let left_out = |name: &str| failing.contains(name) || !concerned(name);

    for bundle in bundles {
        let name = fleet.spec.clusters[bundle.cluster].name.as_str();
        if !beside.cluster.is_empty() && !beside.cluster.iter().any(|c| c == name) {
            continue;
        }

        let mut extra = extra.for_cluster(&mut inputs.sources, Some(name))?;
        extra.faults.extend(unread.iter().cloned());
        inputs.clusters.push(graph::cluster(
            fleet,
            &session.resolved.tenancy,
            ClusterObjects::Rendered(bundle),
            extra,
            beside.group_by.as_deref(),
            &left_out,
        ));
    }

    Ok(inputs)
}

/// Checks that the fleet has every cluster that the arguments name.
fn check_names(fleet: &FleetDoc, beside: &ExtraArgs, extra: &ExtraFiles) -> Result<(), CliError> {
    let names: BTreeSet<&str> = fleet
        .spec
        .clusters
        .iter()
        .map(|cluster| cluster.name.as_str())
        .collect();

    let named = extra
        .manifests
        .iter()
        .filter_map(|manifests| manifests.cluster.as_deref())
        .chain(beside.cluster.iter().map(String::as_str));

    match named.into_iter().find(|name| !names.contains(name)) {
        None => Ok(()),
        Some(unknown) => {
            let known = names.into_iter().collect::<Vec<_>>().join(", ");
            Err(CliError::Usage(format!(
                "there is no cluster `{unknown}`; the fleet has {known}"
            )))
        }
    }
}

/// The files that `--also` and `--snapshot` name. They are read once in a run, since the standard
/// input cannot be read again.
#[derive(Clone)]
struct GivenFiles {
    manifests: Vec<GivenManifests>,
    /// Shared, since a snapshot may be as large as [`MAX_SNAPSHOT`].
    snapshots: Arc<[Snapshot]>,
}

/// The files of one `--also`.
#[derive(Clone)]
struct GivenManifests {
    /// The cluster that they are for; every cluster if `None`.
    cluster: Option<String>,
    /// The name of each file in reports, and its text or the reason why it cannot be read.
    files: Vec<(String, Result<String, String>)>,
}

/// The inputs that stand beside rendered objects.
struct ExtraFiles {
    manifests: Vec<AlsoManifests>,
    snapshots: Arc<[Snapshot]>,
    /// How manifests are read: objects are kept if one of the inputs has an admission policy.
    options: graph::ReadOptions,
    /// The manifests that are entry files of the tree, each with the cluster that it is for. Files for
    /// which the argument names a cluster are not among them.
    entries: BTreeMap<SourceId, String>,
}

/// The manifests of one `--also`.
struct AlsoManifests {
    /// The cluster that they are for; every cluster if `None`.
    cluster: Option<String>,
    ids: Vec<SourceId>,
    faults: Vec<Diagnostic>,
}

/// The text of one `--snapshot`.
struct Snapshot {
    /// The cluster that it is of; every cluster if `None`.
    cluster: Option<String>,
    path: String,
    text: String,
}

impl GivenFiles {
    /// Reads every file that the arguments name, each once.
    fn read(cli: &Cli, beside: &ExtraArgs) -> Result<Self, CliError> {
        let start = working_folder(cli)?;
        let arguments = beside.also.iter().chain(&beside.snapshot);
        let piped = arguments
            .filter(|argument| split_cluster(argument).1 == STANDARD_INPUT)
            .count();
        if piped > 1 {
            return Err(CliError::Usage(
                "the standard input (-) can be given once".into(),
            ));
        }
        if piped > 0 && beside.revision.is_some() {
            return Err(CliError::Usage(
                "--since: the standard input (-) can be read once: name a file".into(),
            ));
        }

        let past = PastManifests::open(&start, beside.revision.as_deref())?;
        let manifests = beside
            .also
            .iter()
            .map(|argument| GivenManifests::read(argument, &start, past.as_ref()))
            .collect::<Result<Vec<_>, CliError>>()?;
        let snapshots = beside
            .snapshot
            .iter()
            .map(|argument| Snapshot::read(argument, &start))
            .collect::<Result<_, CliError>>()?;

        Ok(Self {
            manifests,
            snapshots,
        })
    }
}

impl GivenManifests {
    fn read(argument: &str, start: &Path, past: Option<&PastManifests>) -> Result<Self, CliError> {
        let (cluster, path) = split_cluster(argument);
        if path == STANDARD_INPUT {
            let limit = MAX_MANIFEST_BYTES as u64;
            let read = read_standard_input(limit)?;
            let text = manifest_text(read.map_or(FileContent::TooLarge(limit), FileContent::Bytes));
            let label = "standard input".to_owned();
            let files = text.map(|text| (label, text)).into_iter().collect();
            return Ok(Self { cluster, files });
        }
        let full = start.join(path);
        let is_there = full.exists();
        if !is_there && past.is_none() {
            return Err(CliError::Usage(format!(
                "--also {path}: there is no such file or folder"
            )));
        }
        if is_there && !full.is_dir() && !full.is_file() {
            let limit = MAX_MANIFEST_BYTES as u64;
            let bytes = bounded::read(&full, limit).map_err(CliError::io(&full))?;
            let text = manifest_text(FileContent::Bytes(bytes));
            let files = text.map(|text| (path.to_owned(), text));
            let files = files.into_iter().collect();
            return Ok(Self { cluster, files });
        }
        let (disk, files, prefix) = open_manifests(start, path)?;

        if files.is_empty() {
            return Err(CliError::Usage(format!(
                "--also {path}: there is no YAML or JSON file in it"
            )));
        }

        let of_past = past.and_then(|past| past.read(&start.join(path)));
        let contents = of_past.unwrap_or_else(|| read_all(&disk, files));
        let prefix = prefix.trim_start_matches("./").trim_end_matches('/');
        let label = |file: String| match prefix {
            "" | "." => file,
            _ => format!("{prefix}/{file}"),
        };

        let files = contents
            .into_iter()
            .filter_map(|(file, read)| Some((label(file), manifest_text(read)?)))
            .collect();
        Ok(Self { cluster, files })
    }
}

impl ExtraFiles {
    /// Adds the texts to the sources of a run.
    fn new(beside: &ExtraArgs, given: GivenFiles, sources: &mut SourceMap) -> Self {
        let manifests: Vec<AlsoManifests> = given
            .manifests
            .into_iter()
            .map(|manifests| AlsoManifests::new(manifests, sources))
            .collect();

        let ids = manifests.iter().flat_map(|manifests| &manifests.ids);
        let has_policies = ids
            .map(|id| &*sources.get(*id).text)
            .chain(
                given
                    .snapshots
                    .iter()
                    .map(|snapshot| snapshot.text.as_str()),
            )
            .any(graph::has_policies);

        Self {
            manifests,
            snapshots: given.snapshots,
            options: graph::ReadOptions {
                keeps: has_policies,
                namespace: beside.manifest_namespace.as_deref().map(Into::into),
            },
            entries: BTreeMap::new(),
        }
    }

    /// Finds the entry files of the tree among the manifests whose argument names no cluster, as
    /// `--also clusters`: each is for its own cluster.
    fn find_entries(&mut self, cli: &Cli, session: &Session) -> Result<(), CliError> {
        let Some(fleet) = session.resolved.fleet() else {
            return Ok(());
        };
        let start = working_folder(cli)?;
        let base = &session.workspace.tree_base;
        let clusters = fleet.spec.clusters.iter().map(|c| c.name.as_str());
        let own: BTreeMap<PathBuf, &str> = clusters
            .filter_map(|name| {
                let path = base.join(entry_path(fleet, name).ok()?);
                Some((path.canonicalize().ok()?, name))
            })
            .collect();

        let unnamed = self.manifests.iter().filter(|m| m.cluster.is_none());
        for id in unnamed.flat_map(|manifests| &manifests.ids) {
            let path = start.join(&session.sources.get(*id).path).canonicalize();
            if let Some(name) = path.ok().and_then(|path| own.get(&path)) {
                self.entries.insert(*id, (*name).to_owned());
            }
        }
        Ok(())
    }

    /// The inputs that are for one cluster; those that name no cluster are for each.
    fn for_cluster(
        &self,
        sources: &mut SourceMap,
        cluster: Option<&str>,
    ) -> Result<graph::ExtraFacts, CliError> {
        let applies = |named: &Option<String>| named.is_none() || named.as_deref() == cluster;
        let manifests = || self.manifests.iter().filter(|m| applies(&m.cluster));

        let ids = manifests().flat_map(|m| m.ids.iter().copied());
        let is_own = |id: &SourceId| {
            let entry_of = self.entries.get(id);
            entry_of.is_none_or(|name| cluster == Some(name.as_str()))
        };
        let ids: Vec<SourceId> = ids.filter(is_own).collect();
        let reading = graph::read_with(sources, &ids, &self.options);
        let mut inputs = graph::ExtraFacts {
            facts: reading.facts,
            faults: reading.faults,
            has_unread_files: reading.has_unread_files,
            closed_world: false,
            lists_every_kind: false,
            bytes: Vec::new(),
            keeps_objects: self.options.keeps,
        };

        for unread in manifests().filter(|m| !m.faults.is_empty()) {
            inputs.faults.extend(unread.faults.iter().cloned());
            inputs.has_unread_files = true;
        }

        for snapshot in self.snapshots.iter().filter(|s| applies(&s.cluster)) {
            snapshot.add_to(&mut inputs, sources)?;
        }
        Ok(inputs)
    }
}

impl AlsoManifests {
    /// Adds the texts to the sources, and a finding for each file that cannot be read.
    fn new(given: GivenManifests, sources: &mut SourceMap) -> Self {
        let mut manifests = Self {
            cluster: given.cluster,
            ids: Vec::new(),
            faults: Vec::new(),
        };

        for (label, text) in given.files {
            match text {
                Ok(text) => manifests.ids.push(sources.add(Source::new(label, text))),
                Err(reason) => {
                    let span = sources.add_path(&label);
                    let message = format!("{label} cannot be read: {reason}");
                    let finding = Diagnostic::new(&NOT_READ, span, message)
                        .fix("mend it, or leave it out")
                        .scope(Scope::Fleet);
                    manifests.faults.push(finding);
                }
            }
        }
        manifests
    }
}

/// Opens the folder of `--also`, or the folder of the one file that it names. Returns the folder,
/// the files in it to read, and the path to show in front of their names.
fn open_manifests<'a>(
    start: &Path,
    path: &'a str,
) -> Result<(DiskStore, Vec<String>, &'a str), CliError> {
    let full = start.join(path);
    if !full.is_file() {
        let disk = DiskStore::new(&full)?.for_manifests();
        let files = disk.manifests()?;
        return Ok((disk, files, path));
    }

    let disk = DiskStore::new(full.parent().unwrap_or(start))?.for_manifests();
    let name = full.file_name().and_then(|name| name.to_str());
    let files = vec![name.unwrap_or_default().to_owned()];
    Ok((disk, files, parent(path)))
}

/// The text of a manifest, or the reason why it cannot be read; `None` if the file is gone.
fn manifest_text(read: FileContent) -> Option<Result<String, String>> {
    match read {
        FileContent::Bytes(bytes) if is_utf16(&bytes) => Some(Err(UTF16.to_owned())),
        FileContent::Bytes(bytes) => {
            Some(String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()))
        }
        FileContent::TooLarge(size) => {
            Some(Err(format!("it has {size} bytes; at most 64 MiB are read")))
        }
        FileContent::Unreadable(reason) => Some(Err(reason)),
        FileContent::Outside { target } => Some(Err(format!(
            "it is a symbolic link to {}, outside the folder, and such links are not followed",
            target.display()
        ))),
        FileContent::Missing => None,
    }
}

impl Snapshot {
    fn read(argument: &str, start: &Path) -> Result<Self, CliError> {
        let (cluster, path) = split_cluster(argument);
        let bytes = if path == STANDARD_INPUT {
            read_standard_input(MAX_SNAPSHOT)?.ok_or_else(|| {
                let fault = format!("--snapshot -: it is larger than {MAX_SNAPSHOT} bytes");
                CliError::Usage(fault)
            })?
        } else {
            let full = start.join(path);
            bounded::read(&full, MAX_SNAPSHOT).map_err(CliError::io(&full))?
        };

        Ok(Self {
            cluster,
            path: path.to_owned(),
            text: snapshot_text(bytes, path)?,
        })
    }

    /// Adds the objects to the inputs of a cluster. Every cluster has objects of each kind of RBAC:
    /// only a snapshot with all four kinds can be of all grants, and closes the world.
    fn add_to(
        &self,
        inputs: &mut graph::ExtraFacts,
        sources: &mut SourceMap,
    ) -> Result<(), CliError> {
        let span = sources.add_path(&self.path);
        let facts = graph::read_snapshot(&self.text, span, inputs.keeps_objects)
            .map_err(|e| CliError::Usage(format!("--snapshot {}: {e}", self.path)))?;

        let has = |kind: &str| facts.objects.iter().any(|object| object.id.kind == kind);
        inputs.closed_world |= ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]
            .into_iter()
            .all(has);
        inputs.lists_every_kind |= self.text.starts_with(graph::COMPLETE_SNAPSHOT);
        inputs.bytes.extend(self.text.as_bytes());
        inputs.facts.append(facts);
        Ok(())
    }
}

/// The text of a snapshot: UTF-8, or UTF-16 with a byte order mark, as PowerShell writes it.
fn snapshot_text(bytes: Vec<u8>, path: &str) -> Result<String, CliError> {
    let fault = || CliError::Usage(format!("--snapshot {path}: it is not UTF-8"));
    decoded(bytes).ok_or_else(fault)
}

/// Reads the standard input; `None` if it has more bytes than the limit.
fn read_standard_input(limit: u64) -> Result<Option<Vec<u8>>, CliError> {
    bounded::read_standard_input(limit).map_err(CliError::io("standard input"))
}

/// Splits `CLUSTER=PATH`, or a path alone.
fn split_cluster(argument: &str) -> (Option<String>, &str) {
    match argument.split_once('=') {
        Some((cluster, path)) if !cluster.contains('/') => (Some(cluster.to_owned()), path),
        _ => (None, argument),
    }
}
