//! `init`: a fleet that renders, from nothing or beside what is there.

use crate::shell::args::{Cli, Init};
use crate::shell::commands::schema;
use crate::shell::files::{Disk, Read, Store, git_root};
use crate::shell::session::own_source_default;
use crate::shell::workspace::working_folder;
use crate::shell::write::replace;
use crate::shell::{Fault, Outcome, output};
use std::path::Path;
use tenantry::document;
use tenantry::source::{Source, SourceId};
use tenantry::tree::Applied;

/// What is there already that a fleet must know of.
struct Found {
    /// Folders of `clusters/` that hold a Flux bootstrap: a cluster each, with the namespace and
    /// source of its sync.
    clusters: Vec<(String, Option<Bootstrap>)>,
    /// Paths that something applies.
    applied: Vec<Applied>,
}

/// What a cluster's bootstrap is called, where that is not the usual.
#[derive(Clone, PartialEq, Eq)]
pub struct Bootstrap {
    namespace: String,
    kind: String,
    name: String,
}

/// Runs the command.
pub fn run(cli: &Cli, args: &Init) -> Result<Outcome, Fault> {
    let _ = args.flux;
    let dir = working_folder(cli)?;
    let fleet = dir.join("tenants/fleet.yaml");
    if fleet.exists() {
        return Err(Fault::Usage(format!(
            "{} is there already",
            fleet.display()
        )));
    }
    let root = git_root(&dir).unwrap_or_else(|| dir.clone());
    let found = look(&dir)?;
    for applied in found
        .applied
        .iter()
        .filter(|a| a.reads_here(&[own_source_default()]))
    {
        let covers = |ours: &str| {
            applied.path.is_empty()
                || applied.path == ours
                || ours.starts_with(&format!("{}/", applied.path))
        };
        let listed = dir.join(&applied.path).join("kustomization.yaml").exists();
        if (covers("rendered") || covers("tenants")) && !listed {
            return Err(Fault::Usage(format!(
                "{} applies `{}`: tenants/ and rendered/ would be applied too. Run init in a folder that nothing applies, \
                 and set delivery.repositoryPath (tenantry explain gitops/path-applied-twice)",
                applied.by,
                if applied.path.is_empty() {
                    "./"
                } else {
                    &applied.path
                }
            )));
        }
    }
    let name = root
        .file_name()
        .and_then(|n| n.to_str())
        .map(label)
        .filter(|n| !n.is_empty());
    let text = fleet_text(&name.unwrap_or_else(|| "fleet".into()), &found.clusters);
    for folder in ["tenants/profiles", "tenants/waivers"] {
        let folder = dir.join(folder);
        std::fs::create_dir_all(&folder).map_err(Fault::io(&folder))?;
        keep(&folder.join(".gitkeep"))?;
    }
    schema::write(&dir.join("schemas"))?;
    replace(&fleet, text.as_bytes())?;
    attributes(&dir.join(".gitattributes"))?;
    output::status(cli, "wrote tenants/fleet.yaml, schemas/ and .gitattributes");
    output::status(
        cli,
        "next: tenantry new tenant NAME --owner group:GROUP && tenantry render",
    );
    Ok(Outcome::Clean)
}

fn keep(path: &Path) -> Result<(), Fault> {
    if path.exists() {
        Ok(())
    } else {
        replace(path, b"")
    }
}

fn look(dir: &Path) -> Result<Found, Fault> {
    let disk = Disk::new(dir)?;
    let mut found = Found {
        clusters: Vec::new(),
        applied: Vec::new(),
    };
    for path in disk.list("", &[])? {
        let Read::Bytes(bytes) = disk.read(&path) else {
            continue;
        };
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        if let Some(cluster) = path
            .strip_prefix("clusters/")
            .and_then(|p| p.split_once('/'))
            .filter(|(_, rest)| {
                rest.ends_with("gotk-sync.yaml") || rest.starts_with("flux-system/")
            })
            .map(|(c, _)| c)
        {
            let cluster = label(cluster);
            let sync = bootstrap(&path, &text);
            match found.clusters.iter_mut().find(|(name, _)| *name == cluster) {
                Some((_, known)) => *known = known.take().or(sync),
                None if cluster.is_empty() => {}
                None => found.clusters.push((cluster, sync)),
            }
        }
        if !text.contains("toolkit.fluxcd.io") && !text.contains("argoproj.io") {
            continue;
        }
        let (documents, _) = document::parse_foreign(SourceId(0), &Source::new(path, text));
        found
            .applied
            .extend(documents.iter().filter_map(|d| Applied::of(&d.root)));
    }
    Ok(found)
}

/// The sync that a bootstrap wrote.
fn bootstrap(path: &str, text: &str) -> Option<Bootstrap> {
    let (documents, _) = document::parse_foreign(SourceId(0), &Source::new(path, text));
    documents.iter().find_map(|d| {
        let text = |keys: &[&str]| {
            d.root
                .at(keys)
                .and_then(document::Node::as_str)
                .map(str::to_owned)
        };
        Applied::of(&d.root)?;
        Some(Bootstrap {
            namespace: text(&["metadata", "namespace"])?,
            kind: text(&["spec", "sourceRef", "kind"])?,
            name: text(&["spec", "sourceRef", "name"])?,
        })
    })
}

/// A text as a DNS label.
pub fn label(text: &str) -> String {
    let mapped: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(63)
        .collect();
    mapped.trim_matches('-').to_owned()
}

/// The text of a fleet, with comments that teach.
fn fleet_text(name: &str, clusters: &[(String, Option<Bootstrap>)]) -> String {
    let fallback = [("production".to_owned(), None)];
    let clusters = if clusters.is_empty() {
        &fallback[..]
    } else {
        clusters
    };
    let mut text = format!(
        "# yaml-language-server: $schema=../schemas/fleet.json
# The fleet: its clusters, what tenants may be called, and how the tree is delivered.
# Every field: tenantry schema fleet. Every rule: tenantry rules.
apiVersion: tenantry.dev/v1alpha1
kind: Fleet
metadata:
  name: {name}
spec:
  # What tenants may put on their namespaces: whole keys, or prefixes that end in `/`.
  tenantMetadata:
    labels:
      - team
  clusters:
"
    );
    for (cluster, sync) in clusters {
        text.push_str(&format!(
            "    - name: {cluster}
      # Take your cluster's own ranges: they are then left out of every network that a tenant may reach.
      # podCIDRs: [10.244.0.0/16]
      # serviceCIDRs: [10.96.0.0/12]
      # nodeCIDRs: [192.168.0.0/24]
      # apiServer: [192.168.0.10/32]
"
        ));
        if let Some(sync) = sync
            .as_ref()
            .filter(|s| (s.namespace.as_str(), s.name.as_str()) != ("flux-system", "flux-system"))
        {
            text.push_str(&format!(
                "      flux:
        namespace: {}
        source:
          kind: {}
          name: {}
",
                sync.namespace, sync.kind, sync.name
            ));
        }
    }
    text.push_str(
        "  delivery:
    engine: flux
    # The one file that goes where the cluster's Flux looks. It applies rendered/CLUSTER, nothing else does.
    entry: \"clusters/{{ cluster }}/tenantry.yaml\"
  waivers:
    # The longest time for which a rule may be loosened.
    maxDays: 180
",
    );
    text
}

fn attributes(path: &Path) -> Result<(), Fault> {
    // What is written is what is read: no checkout ends its lines otherwise.
    let lines = [
        "rendered/** linguist-generated=true -text",
        "clusters/**/tenantry.yaml -text",
        "tenantry.lock -text",
    ];
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => {
            return Err(Fault::Io {
                path: path.to_owned(),
                source: e,
            });
        }
    };
    let missing: Vec<&str> = lines
        .into_iter()
        .filter(|line| !text.lines().any(|l| l == *line))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let newline = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    replace(
        path,
        format!("{text}{newline}{}\n", missing.join("\n")).as_bytes(),
    )
}
