//! The clusters that a question is asked about: rendered objects, manifests beside them, snapshots.

use super::args::{Beside, Cli};
use super::files::{Disk, Read, read_all};
use super::session::{Selection, Session};
use super::workspace::working_folder;
use super::{Fault, output};
use std::collections::BTreeSet;
use std::path::Path;
use tenantry::bundle::{ClusterBundle, Keep};
use tenantry::diagnostic::{Diagnostic, Level, Scope};
use tenantry::graph::rbac::Subject;
use tenantry::graph::{self, Cluster, Input, NOT_READ};
use tenantry::source::{Source, SourceId, SourceMap, parent};
use tenantry::tenancy::model::Tenant;

/// Largest snapshot that is read, in bytes.
const MAX_SNAPSHOT: u64 = 1 << 30;

/// ProofInputs, and what was found on the way to them.
pub struct ProofInputs {
    /// Every text.
    pub sources: SourceMap,
    /// The clusters, in the fleet's order.
    pub all: Vec<Cluster>,
    /// What is wrong with the fleet itself: tenants with errors are left out.
    pub findings: Vec<Diagnostic>,
}

/// Manifests for a cluster, or for all.
struct Manifests {
    cluster: Option<String>,
    ids: Vec<SourceId>,
    faults: Vec<Diagnostic>,
}

/// What a question is about.
pub enum Question<'a> {
    /// Packets between two namespaces.
    Packets([&'a str; 2]),
    /// What is granted in a namespace, and to whom.
    Grants(&'a str),
}

/// Reads a fleet where there is one, and what stands beside it.
pub fn read(cli: &Cli, beside: &Beside) -> Result<ProofInputs, Fault> {
    let mut session = match Session::open(cli, None) {
        Err(Fault::NoFleet(_)) if !(beside.also.is_empty() && beside.snapshot.is_empty()) => {
            return without_fleet(cli, beside);
        }
        opened => opened?,
    };
    let compiled = session.compile(Selection::default(), Keep::Values);
    assemble(
        cli,
        beside,
        &mut session,
        &compiled.bundles,
        compiled.findings,
    )
}

/// The same for a question: only what it is about is rendered, where that can be told.
pub fn about(cli: &Cli, beside: &Beside, question: &Question<'_>) -> Result<ProofInputs, Fault> {
    match part(cli, beside, question)? {
        Some(clusters) => Ok(clusters),
        None => read(cli, beside),
    }
}

/// What of a fleet a question is about. The rest need not be rendered: whatever is rendered of a
/// tenant is in a namespace of its own.
fn part(cli: &Cli, beside: &Beside, question: &Question<'_>) -> Result<Option<ProofInputs>, Fault> {
    let mut session = match Session::open_lightly(cli) {
        Err(Fault::NoFleet(_)) => return Ok(None),
        opened => opened?,
    };
    // A tenant's own files, templates and requirements may be refused, and what is refused makes
    // every answer unknown.
    let requires = |t: &Tenant| t.on.iter().any(|on| !on.requires.is_empty());
    if session.own_templates
        || !session.manifests.is_empty()
        || session.front.tenancy.tenants.iter().any(requires)
    {
        return Ok(None);
    }
    let mut wanted = match question {
        Question::Packets(namespaces) => owners(&session, namespaces.iter().copied()),
        Question::Grants(namespace) => owners(&session, [*namespace]),
    };
    while !wanted.is_empty() {
        let (bundles, findings) = session.some(&wanted);
        let found = assemble(cli, beside, &mut session, &bundles, findings)?;
        let more = match question {
            Question::Packets(_) => BTreeSet::new(),
            Question::Grants(_) => match grantees(&session, &found) {
                Some(more) => more,
                // It is granted to service accounts wherever they are.
                None => break,
            },
        };
        if more.is_subset(&wanted) {
            return Ok(Some(found));
        }
        wanted.extend(more);
        session.sources = found.sources;
    }
    Ok(None)
}

fn without_fleet(cli: &Cli, beside: &Beside) -> Result<ProofInputs, Fault> {
    let mut sources = SourceMap::default();
    let also = read_also(cli, beside, &mut sources)?;
    let guarded = guarded(cli, beside, &sources, &also)?;
    let mut all = gather(&sources, &also, None, guarded);
    snapshots(cli, beside, &mut sources, None, &mut all)?;
    let cluster = graph::without_fleet(&mut sources, all, beside.group_by.as_deref());
    if cluster.tenants.is_empty() && cluster.blind.is_empty() {
        let message = "there is no fleet here, and no namespace among the manifests that is not the platform's: nothing to prove";
        return Err(Fault::Usage(message.into()));
    }
    Ok(ProofInputs {
        sources,
        all: vec![cluster],
        findings: Vec::new(),
    })
}

/// The tenants that have namespaces.
fn owners<'a>(
    session: &Session,
    namespaces: impl IntoIterator<Item = &'a str>,
) -> BTreeSet<String> {
    let namespaces: BTreeSet<&str> = namespaces.into_iter().collect();
    let has = |t: &&Tenant| {
        t.on.iter().any(|on| {
            on.namespaces
                .iter()
                .any(|n| namespaces.contains(n.name.as_str()))
        })
    };
    session
        .front
        .tenancy
        .tenants
        .iter()
        .filter(has)
        .map(|t| t.name.value.clone())
        .collect()
}

/// The tenants whose service accounts are granted something; nothing where that may be any.
///
/// Whoever acts as one of them has a grant in its namespace, or in the whole cluster.
fn grantees(session: &Session, clusters: &ProofInputs) -> Option<BTreeSet<String>> {
    let bindings = clusters
        .all
        .iter()
        .flat_map(|c| &c.rbac.bindings)
        .filter(|b| b.origin.input != Input::Builtin);
    let mut namespaces = BTreeSet::new();
    for (subject, _) in bindings.flat_map(|b| &b.subjects) {
        match subject {
            Subject::ServiceAccount(namespace, _) => _ = namespaces.insert(namespace.as_str()),
            Subject::Group(name) => match name.strip_prefix("system:serviceaccounts") {
                Some("") => return None,
                Some(namespace) => _ = namespaces.insert(namespace.trim_start_matches(':')),
                None if name == "system:authenticated" => return None,
                None => {}
            },
            Subject::User(_) => {}
        }
    }
    Some(owners(session, namespaces))
}

/// Puts clusters together of what was rendered and what stands beside.
fn assemble(
    cli: &Cli,
    beside: &Beside,
    session: &mut Session,
    bundles: &[ClusterBundle],
    findings: Vec<Diagnostic>,
) -> Result<ProofInputs, Fault> {
    let mut sources = std::mem::take(&mut session.sources);
    let also = read_also(cli, beside, &mut sources)?;
    let mut clusters = ProofInputs {
        sources,
        all: Vec::new(),
        findings,
    };
    let Some(fleet) = session.front.fleet() else {
        return Ok(clusters);
    };
    let names: BTreeSet<&str> = fleet
        .spec
        .clusters
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    let named = also.iter().filter_map(|m| m.cluster.as_deref());
    if let Some(unknown) = named
        .chain(beside.cluster.iter().map(String::as_str))
        .find(|n| !names.contains(n))
    {
        let known = names.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Fault::Usage(format!(
            "there is no cluster `{unknown}`; the fleet has {known}"
        )));
    }
    let guarded = guarded(cli, beside, &clusters.sources, &also)?;
    for bundle in bundles {
        let name = fleet.spec.clusters[bundle.cluster].name.as_str();
        if !beside.cluster.is_empty() && !beside.cluster.iter().any(|c| c == name) {
            continue;
        }
        let mut all = gather(&clusters.sources, &also, Some(name), guarded);
        snapshots(cli, beside, &mut clusters.sources, Some(name), &mut all)?;
        // A tenant that was left out makes every verdict about it unknown.
        all.faults.extend(
            clusters
                .findings
                .iter()
                .filter(|d| d.level == Level::Error)
                .cloned(),
        );
        let key = beside.group_by.as_deref();
        clusters.all.push(graph::cluster(
            fleet,
            &session.front.tenancy,
            bundle,
            &mut clusters.sources,
            all,
            key,
            &|_| false,
        ));
    }
    Ok(clusters)
}

/// `CLUSTER=PATH`, or a path.
fn split(text: &str) -> (Option<String>, &str) {
    match text.split_once('=') {
        Some((cluster, path)) if !cluster.contains('/') => (Some(cluster.to_owned()), path),
        _ => (None, text),
    }
}

fn read_also(cli: &Cli, beside: &Beside, sources: &mut SourceMap) -> Result<Vec<Manifests>, Fault> {
    let start = working_folder(cli)?;
    let mut all = Vec::new();
    for text in &beside.also {
        let (cluster, path) = split(text);
        let full = start.join(path);
        // A file alone is read beside nothing.
        let (disk, files, prefix) = match full.is_file() {
            true => {
                let name = full
                    .file_name()
                    .and_then(|n| n.to_str())
                    .unwrap_or_default()
                    .to_owned();
                (
                    Disk::new(full.parent().unwrap_or(&start))?,
                    vec![name],
                    parent(path),
                )
            }
            false => {
                let disk = Disk::new(&full)?;
                let files = disk.manifests()?;
                (disk, files, path)
            }
        };
        if files.is_empty() {
            return Err(Fault::Usage(format!(
                "--also {path}: there is no YAML or JSON file in it"
            )));
        }
        let prefix = prefix.trim_start_matches("./").trim_end_matches('/');
        let mut manifests = Manifests {
            cluster,
            ids: Vec::new(),
            faults: Vec::new(),
        };
        for (file, read) in read_all(&disk, files) {
            let label = if prefix.is_empty() || prefix == "." {
                file
            } else {
                format!("{prefix}/{file}")
            };
            let text = match read {
                Read::Bytes(bytes) => {
                    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
                }
                Read::TooLarge(size) => Err(format!("it has {size} bytes; at most 1 MiB is read")),
                Read::Unreadable(reason) => Err(reason),
                Read::Outside => Err("it leads out of the folder".to_owned()),
                Read::Missing => continue,
            };
            match text {
                Ok(text) => manifests.ids.push(sources.add(Source::new(label, text))),
                Err(reason) => {
                    let span = sources.add_path(&label);
                    let finding = Diagnostic::new(
                        &NOT_READ,
                        span,
                        format!("{label} cannot be read: {reason}"),
                    );
                    manifests
                        .faults
                        .push(finding.fix("mend it, or leave it out").scope(Scope::Fleet));
                }
            }
        }
        all.push(manifests);
    }
    Ok(all)
}

/// Whether there are admission policies in any of what stands beside.
fn guarded(
    cli: &Cli,
    beside: &Beside,
    sources: &SourceMap,
    also: &[Manifests],
) -> Result<bool, Fault> {
    if also
        .iter()
        .flat_map(|m| &m.ids)
        .any(|id| graph::has_policies(&sources.get(*id).text))
    {
        return Ok(true);
    }
    let start = working_folder(cli)?;
    for text in &beside.snapshot {
        if graph::has_policies(&snapshot(&start, split(text).1)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn gather(
    sources: &SourceMap,
    also: &[Manifests],
    cluster: Option<&str>,
    guarded: bool,
) -> graph::Beside {
    let ours = |m: &&Manifests| m.cluster.is_none() || m.cluster.as_deref() == cluster;
    let ids: Vec<SourceId> = also
        .iter()
        .filter(ours)
        .flat_map(|m| m.ids.iter().copied())
        .collect();
    let reading = graph::read(sources, &ids, guarded);
    let mut faults = reading.faults;
    faults.extend(
        also.iter()
            .filter(ours)
            .flat_map(|m| m.faults.iter().cloned()),
    );
    graph::Beside {
        facts: reading.facts,
        faults,
        closed: false,
        bytes: Vec::new(),
        guarded,
    }
}

/// The text of a snapshot.
fn snapshot(start: &Path, path: &str) -> Result<String, Fault> {
    let full = start.join(path);
    let size = std::fs::metadata(&full).map_err(Fault::io(&full))?.len();
    if size > MAX_SNAPSHOT {
        return Err(Fault::Usage(format!(
            "--snapshot {path}: it has {size} bytes; at most {MAX_SNAPSHOT} are read"
        )));
    }
    std::fs::read_to_string(&full).map_err(Fault::io(&full))
}

fn snapshots(
    cli: &Cli,
    beside: &Beside,
    sources: &mut SourceMap,
    cluster: Option<&str>,
    all: &mut graph::Beside,
) -> Result<(), Fault> {
    let start = working_folder(cli)?;
    for text in &beside.snapshot {
        let (name, path) = split(text);
        if name.is_some() && name.as_deref() != cluster {
            continue;
        }
        let text = snapshot(&start, path)?;
        let span = sources.add_path(path);
        let facts = graph::read_snapshot(&text, span, all.guarded)
            .map_err(|e| Fault::Usage(format!("--snapshot {path}: {e}")))?;
        // It closes the world only where it holds every kind that decides: each cluster has some of
        // each.
        let has = |kind: &str| facts.objects.iter().any(|t| t.id.kind == kind);
        all.closed |= ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]
            .iter()
            .all(|kind| has(kind));
        all.bytes.extend(text.as_bytes());
        all.facts.append(facts);
    }
    Ok(())
}

/// Prints a chain: its steps with their places.
pub fn chain(sources: &SourceMap, steps: &[(tenantry::source::Span, String)]) -> Result<(), Fault> {
    for (number, (span, text)) in steps.iter().enumerate() {
        // Names come from manifests of anybody: none moves the terminal's cursor.
        let text: String = text
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        output::data(&format!(
            "  {}. {text}\n     {}\n",
            number + 1,
            sources.locate(*span)
        ))?;
    }
    Ok(())
}
