//! The cache: what a clean run left for the next one, in a file of the user's, outside the
//! repository.
//!
//! Nothing that a repository holds is believed to stand for a check: whoever writes a pull request
//! could write that too. A file that cannot be read, or written, is as none. What it holds, and
//! when it counts: [`tenantry::incremental`].

use super::Fault;
use super::args::Cli;
use super::files::{Read, Store};
use super::output::talk;
use super::place::{Place, working_folder};
use super::session::{Inputs, Session, today};
use super::write::replace;
use super::written::Written;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};
use tenantry::compile::Compiled;
use tenantry::incremental::{self, Run, State, Verdict, tree_digest};
use tenantry::report::plural;
use tenantry::tenancy::Context;
use tenantry::tree::{FileEntry, half};

/// What the file begins with.
const HEAD: &str = "tenantry cache ";
/// Another build may say something else, whatever version it calls itself.
const BUILD: &str = env!("TENANTRY_BUILD");
/// Largest cache that is read, in bytes: ten times that of 100,000 tenants.
const MAX_BYTES: u64 = 256 << 20;
/// How often the choice is widened before all is looked at.
const TRIES: usize = 4;
/// A cache that nobody wrote for so long is of a checkout that is gone.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The cache of a fleet and its tree.
pub struct Cache {
    file: PathBuf,
    /// The digest of what is no file of specs.
    base: String,
    today: String,
    /// The digest of the tree as it was read.
    tree: String,
    inputs: incremental::Inputs,
    /// What the run before left, and the digest of it.
    before: Option<(State, String)>,
}

/// How a run left the tree.
pub enum Left<'a> {
    /// As it found it; and whether that is as it should be.
    AsRead(bool),
    /// Written: the text of the lock, and the records.
    Written(String, BTreeMap<&'a str, &'a FileEntry>),
}

impl Cache {
    /// That of a fleet; nothing where it is switched off, where there is no folder for it, or where
    /// an input cannot be read.
    pub fn open(cli: &Cli, place: &Place, inputs: &Inputs) -> Option<Self> {
        if cli.no_cache || !cli.source.is_empty() {
            return None;
        }
        let folder = folder(cli)?;
        // Whoever may write into the repository could say there what was checked.
        if [&place.root, &place.tree_base]
            .into_iter()
            .any(|inside| lies_in(&folder, inside))
        {
            if cli.verbose {
                talk(
                    cli,
                    &format!("no cache is kept in the repository: {}", folder.display()),
                );
            }
            return None;
        }
        let tree = place
            .tree_base
            .canonicalize()
            .unwrap_or_else(|_| place.tree_base.clone())
            .join(&place.tree);
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            hasher
                .update(&(bytes.len() as u64).to_le_bytes())
                .update(bytes);
        };
        add(place.root.to_string_lossy().as_bytes());
        add(tree.to_string_lossy().as_bytes());
        add(place.fleet.as_bytes());
        let file = folder.join(format!("{}.json", half(&hasher.finalize())));
        hasher.update(BUILD.as_bytes());
        let program = std::env::current_exe().and_then(std::fs::metadata).ok()?;
        let written = program
            .modified()
            .ok()
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        hasher.update(format!("{} {written:?}", program.len()).as_bytes());
        for (path, read) in &inputs.templates {
            let Read::Bytes(bytes) = read else {
                return None;
            };
            hasher
                .update(path.as_bytes())
                .update(&[0])
                .update(blake3::hash(bytes).as_bytes());
        }
        let digests = inputs.specs.par_iter().map(|(path, read)| match read {
            Read::Bytes(bytes) => Some((path.clone(), half(&blake3::hash(bytes)))),
            _ => None,
        });
        let mut cache = Self {
            file,
            base: half(&hasher.finalize()),
            today: today(cli).ok()?.to_string(),
            tree: inputs.written.as_ref()?.digest(),
            inputs: digests.collect::<Option<_>>()?,
            before: None,
        };
        cache.before = cache.load();
        Some(cache)
    }

    fn load(&self) -> Option<(State, String)> {
        std::fs::metadata(&self.file)
            .ok()
            .filter(|meta| meta.is_file() && meta.len() <= MAX_BYTES)?;
        let text = std::fs::read_to_string(&self.file).ok()?;
        let (digest, json) = text.strip_prefix(HEAD)?.split_once('\n')?;
        if blake3::hash(json.as_bytes()).to_hex().as_str() != digest {
            return None;
        }
        let state: State = serde_json::from_str(json).ok()?;
        state
            .fits(&self.base, &self.today, &self.tree)
            .then(|| (state, digest.to_owned()))
    }

    /// A session over what changed since a clean run; nothing where that does not stand for all.
    /// What it comes to counts only where nothing is found.
    pub fn session(
        &mut self,
        cli: &Cli,
        place: &Place,
        store: &dyn Store,
        inputs: &mut Inputs,
        render: bool,
    ) -> Result<Option<Session>, Fault> {
        let mut more = BTreeSet::new();
        for _ in 0..TRIES {
            self.read_again(place, inputs)?;
            let fits =
                |(state, _): &&(State, String)| state.fits(&self.base, &self.today, &self.tree);
            let Some((before, _)) = self.before.as_ref().filter(fits) else {
                return Ok(None);
            };
            let Some(choice) = before.choose(&self.inputs, &more, render) else {
                return Ok(None);
            };
            let some = inputs.some(&choice.paths);
            let context = Context {
                unwritten: !render,
                ..Context::default()
            };
            let mut session = Session::read_inputs(cli, place.clone(), store, some, context)?;
            match before.judge(&choice, &mut session.front, &session.sources) {
                Verdict::Holds => {
                    session.choice = Some(choice);
                    return Ok(Some(session));
                }
                Verdict::Widen(names) => more.extend(names),
                Verdict::Fails => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Reads the lock and the records again where a session took them: what is left of a run is of
    /// what that run read.
    pub fn read_again(&mut self, place: &Place, inputs: &mut Inputs) -> Result<(), Fault> {
        if inputs.written.is_none() {
            let written = Written::read(place)?;
            self.tree = written.digest();
            inputs.written = Some(written);
        }
        Ok(())
    }

    /// Leaves what a run came to for the next one; nothing where it found anything.
    pub fn leave(&self, session: &Session, compiled: &Compiled, left: Left<'_>) {
        let (tree, files, rendered) = match left {
            Left::AsRead(rendered) => {
                let files = session
                    .front
                    .lock
                    .files
                    .iter()
                    .map(|(path, entry)| (path.as_str(), entry))
                    .collect();
                (self.tree.clone(), files, rendered)
            }
            Left::Written(lock, files) => {
                (tree_digest(&lock, files.values().copied()), files, true)
            }
        };
        let after = State::after(Run {
            base: &self.base,
            today: &self.today,
            inputs: &self.inputs,
            before: self
                .before
                .as_ref()
                .map(|(state, _)| state)
                .zip(session.choice.as_ref()),
            front: &session.front,
            sources: &session.sources,
            compiled,
            tree,
            files,
            rendered,
        });
        let Some(Ok(json)) = after.map(|state| serde_json::to_string(&state)) else {
            return;
        };
        let digest = blake3::hash(json.as_bytes()).to_hex();
        if self
            .before
            .as_ref()
            .is_some_and(|(_, before)| before == digest.as_str())
        {
            return;
        }
        // Without a cache the next run takes longer, and no more.
        if let Some(folder) = self.file.parent()
            && std::fs::create_dir_all(folder).is_ok()
        {
            let _ = replace(&self.file, format!("{HEAD}{digest}\n{json}").as_bytes());
            forget_old(folder);
        }
    }
}

/// Whether a folder that may not be there yet lies in another, through whatever links.
fn lies_in(folder: &Path, other: &Path) -> bool {
    let there = folder.ancestors().find_map(|path| path.canonicalize().ok());
    there
        .zip(other.canonicalize().ok())
        .is_some_and(|(folder, other)| folder.starts_with(other))
}

/// Removes the caches that nobody writes any more.
fn forget_old(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = path.extension().is_some_and(|e| e == "json")
            && path.file_stem().is_some_and(|s| s.len() == 32);
        let age = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|at| at.elapsed().ok());
        if ours && age.is_some_and(|age| age > KEPT) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Says how much of the fleet was looked at, where that was not everything.
pub fn say(cli: &Cli, session: &Session) {
    if let Some(choice) = session.choice.as_ref().filter(|_| cli.verbose) {
        let read = session
            .front
            .tenancy
            .tenants
            .iter()
            .filter(|t| !choice.settled.contains(&t.name.value))
            .count();
        let all = read + choice.settled.len();
        talk(
            cli,
            &format!(
                "looked at: {read} of {}; the others are as they were",
                plural(all, "tenant")
            ),
        );
    }
}

/// The folder of all caches.
fn folder(cli: &Cli) -> Option<PathBuf> {
    if let Some(folder) = cli.cache_dir.as_ref().filter(|folder| !folder.is_empty()) {
        return Some(working_folder(cli).ok()?.join(folder));
    }
    let own = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || {
        Some(
            std::env::home_dir()
                .filter(|home| home.is_absolute())?
                .join(".cache"),
        )
    };
    Some(own.or_else(home)?.join("tenantry"))
}
