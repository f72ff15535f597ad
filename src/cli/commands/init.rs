//! `init`: a fleet that renders, from nothing or beside what is there.

use crate::cli::args::{Cli, InitArgs};
use crate::cli::bounded;
use crate::cli::commands::schema;
use crate::cli::files::{DiskStore, FileContent, Store, git_root};
use crate::cli::workspace::working_folder;
use crate::cli::write::{refuse_links, replace};
use crate::cli::{CliError, Outcome, output};
use std::path::Path;
use tenantry::delivery::{self, AppliedPath, Engine, RepositorySurvey, TreeSource};
use tenantry::source::{MAX_BYTES, Source, SourceId};

/// Runs the command.
pub fn run(cli: &Cli, args: &InitArgs) -> Result<Outcome, CliError> {
    let dir = working_folder(cli)?;
    let fleet = dir.join("tenants/fleet.yaml");

    let gitkeep = [
        dir.join("tenants/profiles/.gitkeep"),
        dir.join("tenants/waivers/.gitkeep"),
    ];
    let gitattributes = dir.join(".gitattributes");
    let schemas = dir.join("schemas");
    let written = gitkeep.iter().chain([&fleet, &gitattributes]).cloned();
    for path in written.chain(schema::paths(&schemas)) {
        refuse_links(&dir, &path)?;
    }
    if fleet.exists() {
        return Err(CliError::Usage(format!(
            "{} is there already",
            fleet.display()
        )));
    }

    let engine = args.engine();
    let found = survey(&dir)?;
    refuse_applied(&dir, engine, &found)?;

    let root = git_root(&dir).unwrap_or_else(|| dir.clone());
    let name = root
        .file_name()
        .and_then(|name| name.to_str())
        .map(label)
        .filter(|name| !name.is_empty());

    let name = name.unwrap_or_else(|| "fleet".into());
    let text = fleet_text(&name, engine, &found.bootstraps);
    for file in &gitkeep {
        let folder = file.parent().unwrap_or(&dir);
        std::fs::create_dir_all(folder).map_err(CliError::io(folder))?;
        keep(file)?;
    }

    schema::write(&schemas)?;
    replace(&fleet, text.as_bytes())?;
    attributes(&gitattributes)?;
    output::status(cli, "wrote tenants/fleet.yaml, schemas/ and .gitattributes");
    output::status(
        cli,
        "next: tenantry new tenant NAME --owner group:GROUP && tenantry render",
    );

    Ok(Outcome::Clean)
}

/// Refuses a folder that an engine applies already: it would apply the new files too.
fn refuse_applied(dir: &Path, engine: Engine, found: &RepositorySurvey) -> Result<(), CliError> {
    let made = delivery::conventions(engine).source.clone();
    let sources: Vec<TreeSource> = made.map(TreeSource::Object).into_iter().collect();

    for applied in found
        .applied
        .iter()
        .filter(|applied| applied.reads_here(&sources))
    {
        let covers = |ours: &str| {
            applied.path.is_empty()
                || applied.path == ours
                || ours.starts_with(&format!("{}/", applied.path))
        };

        let listed = dir.join(&applied.path).join("kustomization.yaml").exists();
        if (covers("rendered") || covers("tenants")) && !listed {
            return Err(CliError::Usage(format!(
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

    Ok(())
}

fn keep(path: &Path) -> Result<(), CliError> {
    if path.exists() {
        Ok(())
    } else {
        replace(path, b"")
    }
}

/// What the files of a folder say of engines that already apply it.
fn survey(dir: &Path) -> Result<RepositorySurvey, CliError> {
    let disk = DiskStore::new(dir)?;
    let mut found = RepositorySurvey::default();
    for path in disk.list("", &[])? {
        if let FileContent::Bytes(bytes) = disk.read(&path)
            && let Ok(text) = String::from_utf8(bytes)
        {
            found.add(SourceId(0), &Source::new(path, text));
        }
    }
    Ok(found)
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
fn fleet_text(name: &str, engine: Engine, bootstraps: &[(String, Option<AppliedPath>)]) -> String {
    let mut clusters: Vec<(String, Option<&AppliedPath>)> = Vec::new();
    for (folder, found) in bootstraps {
        let cluster = label(folder);
        match clusters.iter_mut().find(|(known, _)| *known == cluster) {
            Some((_, known)) => *known = known.or(found.as_ref()),
            None if cluster.is_empty() => {}
            None => clusters.push((cluster, found.as_ref())),
        }
    }

    if clusters.is_empty() {
        clusters.push(("production".to_owned(), None));
    }

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

    for (cluster, bootstrap) in clusters {
        text.push_str(&format!(
            "    - name: {cluster}
      # Take your cluster's own ranges: they are then left out of every network that a tenant may reach.
      # podCIDRs: [10.244.0.0/16]
      # serviceCIDRs: [10.96.0.0/12]
      # nodeCIDRs: [192.168.0.0/24]
      # apiServer: [192.168.0.10/32]
"
        ));
        if let Some(bootstrap) = bootstrap {
            text.push_str(&delivery::cluster_fields(engine, bootstrap));
        }
    }

    let title = delivery::conventions(engine).title;
    let engine = engine.as_str();
    text.push_str(&format!(
        "  delivery:
    engine: {engine}
    # The one file that goes where the cluster's {title} looks. It applies rendered/CLUSTER, nothing else does.
    entry: \"clusters/{{{{ cluster }}}}/tenantry.yaml\"
  waivers:
    # The longest time for which a rule may be loosened.
    maxDays: 180
"
    ));

    text
}

fn attributes(path: &Path) -> Result<(), CliError> {
    // What is written is what is read: no checkout ends its lines otherwise.
    let lines = [
        "rendered/** linguist-generated=true -text",
        "clusters/**/tenantry.yaml -text",
        "tenantry.lock -text",
    ];

    let text = match bounded::read_text(path, MAX_BYTES as u64) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => {
            return Err(CliError::Io {
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
