//! The cache: what a clean run left for the next one, in a file of the user's, outside the repository.
//!
//! Nothing that a repository holds is believed to stand for a check: whoever writes a pull request could write that too. A
//! file that cannot be read, or written, is as none. What it holds, and when it counts: [`tenantry::incremental`].

use super::Fault;
use super::args::Cli;
use super::files::{Read, Store};
use super::output::talk;
use super::session::{Inputs, Place, Session, today};
use super::write::replace;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use tenantry::compile::Compiled;
use tenantry::incremental::{self, State, Verdict};
use tenantry::report::plural;
use tenantry::tenancy::Context;
use tenantry::tree::FileEntry;

/// What the file begins with; another number once what it holds means something else.
const HEAD: &str = "tenantry cache 1 ";
/// Another build may say something else, whatever version it calls itself.
const BUILD: &str = env!("TENANTRY_BUILD");
/// How often the choice is widened before all is looked at.
const TRIES: usize = 4;

/// The cache of a fleet and its tree.
pub struct Cache {
    file: PathBuf,
    /// The digest of what is no file of specs.
    base: String,
    today: String,
    inputs: incremental::Inputs,
    before: Option<State>,
}

/// What a run that looked at a part of the fleet, or at all of it, leaves behind.
pub struct Left<'a> {
    /// The session.
    pub session: &'a Session,
    /// What came of it.
    pub compiled: &'a Compiled,
    /// The text of the lock, as it is now.
    pub lock: String,
    /// The records of the tree, as they are now.
    pub files: BTreeMap<&'a str, &'a FileEntry>,
    /// Whether they are of this run.
    pub rendered: bool,
}

impl<'a> Left<'a> {
    /// Of a run that wrote nothing: `rendered` says that it found the tree as it should be.
    pub fn as_read(session: &'a Session, compiled: &'a Compiled, rendered: bool) -> Self {
        let files = session.front.lock.files.iter().map(|(path, entry)| (path.as_str(), entry)).collect();
        Self { session, compiled, lock: incremental::lock_text(&session.front, &session.sources), files, rendered }
    }
}

impl Cache {
    /// That of a fleet; nothing where it is switched off, where there is no folder for it, or where an input cannot be read.
    pub fn open(cli: &Cli, place: &Place, inputs: &Inputs) -> Option<Self> {
        if cli.no_cache || !cli.source.is_empty() {
            return None;
        }
        let folder = folder(cli)?;
        let tree = place.tree_base.canonicalize().unwrap_or_else(|_| place.tree_base.clone()).join(&place.tree);
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        };
        add(place.root.to_string_lossy().as_bytes());
        add(tree.to_string_lossy().as_bytes());
        add(place.fleet.as_bytes());
        let file = folder.join(format!("{}.json", hex(&hasher)));
        let mut hasher = hasher.clone();
        hasher.update(BUILD.as_bytes());
        for (path, read) in &inputs.templates {
            let Read::Bytes(bytes) = read else { return None };
            hasher.update(path.as_bytes()).update(&[0]).update(blake3::hash(bytes).as_bytes());
        }
        let digests = inputs.specs.par_iter().map(|(path, read)| match read {
            Read::Bytes(bytes) => Some((path.clone(), blake3::hash(bytes).to_hex().as_str()[..32].to_owned())),
            _ => None,
        });
        let inputs: incremental::Inputs = digests.collect::<Option<_>>()?;
        let mut cache = Self { file, base: hex(&hasher), today: today(cli).ok()?.to_string(), inputs, before: None };
        cache.before = cache.load();
        Some(cache)
    }

    fn load(&self) -> Option<State> {
        let text = std::fs::read_to_string(&self.file).ok()?;
        let (digest, json) = text.strip_prefix(HEAD)?.split_once('\n')?;
        if blake3::hash(json.as_bytes()).to_hex().as_str() != digest {
            return None;
        }
        let state: State = serde_json::from_str(json).ok()?;
        let in_time = state.day.as_ref().is_none_or(|day| *day == self.today);
        (state.base == self.base && in_time).then_some(state)
    }

    /// A session over what changed since a clean run; nothing where that does not stand for all. What it comes to counts only
    /// where nothing is found.
    pub fn session(
        &self,
        cli: &Cli,
        place: &Place,
        store: &dyn Store,
        inputs: &Inputs,
        render: bool,
    ) -> Result<Option<Session>, Fault> {
        let Some(before) = &self.before else { return Ok(None) };
        let mut more = BTreeSet::new();
        for _ in 0..TRIES {
            let Some(choice) = before.choose(&self.inputs, &more, render) else { return Ok(None) };
            let some = inputs.some(&choice.paths);
            let mut session = Session::read_inputs(cli, place.clone(), store, some, Context::default())?;
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

    /// Leaves what a run came to for the next one; nothing where it found anything.
    pub fn leave(&self, left: &Left<'_>) {
        let session = left.session;
        let before = self.before.as_ref().zip(session.choice.as_ref());
        let after = State::after(
            &session.front,
            &session.sources,
            left.compiled,
            &self.inputs,
            before,
            &left.lock,
            &left.files,
            left.rendered,
        );
        let Some(mut state) = after else { return };
        state.base = self.base.clone();
        state.day = (!session.front.specs.waivers.is_empty()).then(|| self.today.clone());
        let Ok(json) = serde_json::to_string(&state) else { return };
        if self.before.as_ref().is_some_and(|before| serde_json::to_string(before).is_ok_and(|old| old == json)) {
            return;
        }
        let text = format!("{HEAD}{}\n{json}", blake3::hash(json.as_bytes()).to_hex());
        // Without a cache the next run takes longer, and no more.
        if let Some(folder) = self.file.parent()
            && std::fs::create_dir_all(folder).is_ok()
        {
            let _ = replace(&self.file, text.as_bytes());
        }
    }
}

/// Says how much of the fleet was looked at, where that was not everything.
pub fn say(cli: &Cli, session: &Session) {
    if let Some(choice) = session.choice.as_ref().filter(|_| cli.verbose) {
        let read = session.front.tenancy.tenants.iter().filter(|t| !choice.settled.contains(&t.name.value)).count();
        talk(cli, &format!("looked at: {}, as the others are as they were", plural(read, "tenant")));
    }
}

/// The folder of all caches.
fn folder(cli: &Cli) -> Option<PathBuf> {
    if let Some(folder) = &cli.cache_dir {
        return Some(folder.clone());
    }
    let own = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    Some(own.or_else(|| Some(std::env::home_dir()?.join(".cache")))?.join("tenantry"))
}

fn hex(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex().as_str()[..32].to_owned()
}
