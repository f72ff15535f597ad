//! What a clean run leaves for the next one: which tenants need not be looked at again.
//!
//! A tenant is *settled* where the next run would say nothing about it and write what is there: the
//! run before found nothing to say about the whole fleet, its own file is as it was, and so is
//! everything that it shares with others (the program, the fleet, profiles, waivers, templates, the
//! lock, the records), and so are the files of its peers. Then its files are kept as their records
//! say, as those of tenants that `--tenant` leaves out. Its claims and edges count by its records.
//! Peers are found by name, since a tenant reaches another only where one of the two names the
//! other.
//!
//! Whoever runs over what changed alone must find nothing; else everything is looked at, and that
//! run's findings are the answer. So nothing is ever reported from here, and a fleet with a warning
//! has no use of it.

use crate::compile::{Compiled, Front};
use crate::diagnostic::Scope;
use crate::source::{SourceId, Sources};
use crate::tenancy::model::Tenant;
use crate::tenancy::{Thing, claims};
use crate::tree::{FileEntry, claims_and_edges, half, namespaces_of};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Of fewer tenants, those that changed are looked at whatever share they are.
const SMALL: usize = 100;

/// The inputs of a run: path and digest of each file of specs, in the order of the paths.
pub type Inputs = Vec<(String, String)>;

/// What a clean run left.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// A digest over what all depends on and is no file of specs: the program, where things are,
    /// the templates.
    base: String,
    /// The day, where there are waivers.
    day: Option<String>,
    /// The digest of each file of specs that is not one tenant's alone, by path.
    shared: BTreeMap<String, String>,
    /// A digest over the lock and the records of the tree.
    tree: String,
    /// The tenants, by the path of their files.
    tenants: BTreeMap<String, Known>,
}

/// A tenant of a clean run.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    /// The digest of its file.
    digest: String,
    name: String,
    /// The tenants that it names.
    peers: Vec<String>,
    objects: usize,
    waivers: usize,
    /// Whether its records in the tree say what it claims and reaches.
    recorded: bool,
    /// Whether its files in the tree are what it is rendered to.
    rendered: bool,
    /// Whether it names other files, which are not watched.
    names_files: bool,
}

/// What of a fleet is looked at.
#[derive(Debug, Default)]
pub struct Choice {
    /// The files of specs that are read.
    pub paths: BTreeSet<String>,
    /// Tenants that are settled, whether they are read (for their peers' sake) or not.
    pub settled: BTreeSet<String>,
    /// Files that changed, or are new.
    changed: BTreeSet<String>,
    /// How many objects the settled ones have.
    pub objects: usize,
    /// How many waivers the settled ones use.
    pub waivers: usize,
}

/// Whether a run over a [`Choice`] stands for one over everything.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does, so far.
    Holds,
    /// These tenants are to be looked at too.
    Widen(BTreeSet<String>),
    /// It does not.
    Fails,
}

/// What a run began with, and what it came to.
#[derive(Debug)]
pub struct Run<'a> {
    /// The digest of what is no file of specs.
    pub base: &'a str,
    /// The day.
    pub today: &'a str,
    /// The files of specs.
    pub inputs: &'a Inputs,
    /// What the run before left, and what of the fleet was looked at, where that was not
    /// everything.
    pub before: Option<(&'a State, &'a Choice)>,
    /// Specs and tenants.
    pub front: &'a Front,
    /// The texts.
    pub sources: &'a Sources,
    /// What came out.
    pub compiled: &'a Compiled,
    /// The [`tree_digest`] that the next run will find.
    pub tree: String,
    /// The records that it will find, by path.
    pub files: BTreeMap<&'a str, &'a FileEntry>,
    /// Whether they are what this run renders.
    pub rendered: bool,
}

impl State {
    /// Whether it is of the same program, place, templates, day (where that counts) and tree.
    pub fn fits(&self, base: &str, today: &str, tree: &str) -> bool {
        self.base == base && self.tree == tree && self.day.as_ref().is_none_or(|day| day == today)
    }

    /// What is to be looked at, now that the inputs are these; nothing where that is everything.
    /// `more` are tenants that are looked at in any case; `render` says that files are to be
    /// written.
    pub fn choose(&self, inputs: &Inputs, more: &BTreeSet<String>, render: bool) -> Option<Choice> {
        let mut seen = 0;
        let mut changed = BTreeSet::new();
        for (path, digest) in inputs {
            match (self.tenants.get(path), self.shared.get(path)) {
                (Some(known), _) => {
                    seen += 1;
                    if known.digest != *digest {
                        changed.insert(path.clone());
                    }
                }
                (None, Some(shared)) if shared == digest => seen += 1,
                (None, Some(_)) => return None,
                (None, None) => {
                    changed.insert(path.clone());
                }
            }
        }
        if seen != self.tenants.len() + self.shared.len() {
            return None;
        }
        let mut peers: HashMap<&str, Vec<&str>> = HashMap::with_capacity(self.tenants.len());
        for known in self.tenants.values() {
            for peer in &known.peers {
                peers.entry(&known.name).or_default().push(peer);
                peers.entry(peer).or_default().push(&known.name);
            }
        }
        let with_peers = |names: &BTreeSet<&str>| -> BTreeSet<String> {
            let peers = names.iter().filter_map(|name| peers.get(name)).flatten();
            peers.chain(names).map(|name| (*name).to_owned()).collect()
        };
        let own = changed
            .iter()
            .filter_map(|path| Some(self.tenants.get(path)?.name.as_str()));
        let mut named = with_peers(&own.collect());
        named.extend(more.iter().cloned());
        let sure =
            |known: &Known| known.recorded && (known.rendered || !render) && !known.names_files;
        let unsure = self.tenants.values().filter(|known| !sure(known));
        named.extend(unsure.map(|known| known.name.clone()));
        let read = with_peers(&named.iter().map(String::as_str).collect());
        if self.tenants.len() > SMALL && read.len() * 2 > self.tenants.len() {
            return None;
        }
        let mut choice = Choice::default();
        for (path, known) in &self.tenants {
            if read.contains(&known.name) {
                choice.paths.insert(path.clone());
            }
            if !named.contains(&known.name) {
                choice.settled.insert(known.name.clone());
                choice.objects += known.objects;
                choice.waivers += known.waivers;
            }
        }
        choice
            .paths
            .extend(changed.iter().chain(self.shared.keys()).cloned());
        choice.changed = changed;
        Some(choice)
    }

    /// Looks at what became of a choice. Findings about tenants that were only read are dropped:
    /// their peers are missing.
    pub fn judge(&self, choice: &Choice, front: &mut Front, sources: &Sources) -> Verdict {
        front
            .findings
            .retain(|d| !matches!(&d.scope, Scope::Tenant(name) if choice.settled.contains(name)));
        if !front.findings.is_empty() || front.stopped() || !suits(front) {
            return Verdict::Fails;
        }
        let single = single_tenants(front, sources);
        let known: HashMap<&str, &String> = self
            .tenants
            .iter()
            .map(|(path, k)| (k.name.as_str(), path))
            .collect();
        for path in &choice.changed {
            let sound =
                single
                    .get(path.as_str())
                    .is_some_and(|name| match self.tenants.get(path) {
                        Some(before) => before.name == *name,
                        None => !known.contains_key(name),
                    });
            if !sound {
                return Verdict::Fails;
            }
        }
        let mut more = BTreeSet::new();
        for tenant in front
            .tenancy
            .tenants
            .iter()
            .filter(|t| !choice.settled.contains(&t.name.value))
        {
            let path = sources.path(tenant.name.place);
            // A peer that is named anew lets it in anew.
            let anew = choice.changed.contains(path);
            for (peer, at) in tenant
                .peers
                .iter()
                .filter_map(|peer| Some((peer, known.get(peer.as_str())?)))
            {
                if !choice.paths.contains(*at) || (anew && choice.settled.contains(peer)) {
                    more.insert(peer.clone());
                }
            }
        }
        if more.is_empty() {
            Verdict::Holds
        } else {
            Verdict::Widen(more)
        }
    }

    /// What a run leaves; nothing where it had anything to say, or was over something that is not
    /// watched.
    pub fn after(run: Run<'_>) -> Option<Self> {
        let Run {
            front,
            sources,
            compiled,
            before,
            ..
        } = run;
        if !compiled.findings.is_empty() || !compiled.held.is_empty() || !suits(front) {
            return None;
        }
        let mut objects: HashMap<&str, usize> = HashMap::new();
        for bundle in compiled.bundles.iter().flat_map(|b| &b.tenants) {
            *objects.entry(&bundle.tenant).or_default() += bundle.objects().count();
        }
        let paths = single_tenants(front, sources);
        // Tenants that share a file are not told apart.
        if paths.len() != front.specs.tenants.len() {
            return None;
        }
        let as_recorded = Recorded::new(front, &run.files)?;
        let looked_at =
            |name: &str| before.is_none_or(|(_, choice)| !choice.settled.contains(name));
        let tenants = front
            .tenancy
            .tenants
            .iter()
            .filter(|t| looked_at(&t.name.value));
        let made: HashMap<&str, &Tenant> =
            tenants.map(|t| (sources.path(t.name.place), t)).collect();
        let mut state = Self {
            base: run.base.to_owned(),
            day: (!front.specs.waivers.is_empty()).then(|| run.today.to_owned()),
            tree: run.tree,
            ..Self::default()
        };
        for (path, digest) in run.inputs {
            let known = made.get(path.as_str()).map(|tenant| {
                let name = &tenant.name.value;
                Known {
                    digest: digest.clone(),
                    name: name.clone(),
                    peers: tenant.peers.clone(),
                    objects: objects.get(name.as_str()).copied().unwrap_or_default(),
                    waivers: front
                        .tenancy
                        .waivers_used
                        .get(name)
                        .copied()
                        .unwrap_or_default(),
                    recorded: as_recorded.agrees(tenant),
                    rendered: run.rendered,
                    names_files: tenant.on.iter().any(|on| !on.manifests.is_empty()),
                }
            });
            match known.or_else(|| before.and_then(|(state, _)| state.tenants.get(path).cloned())) {
                Some(known) => state.tenants.insert(path.clone(), known).is_some(),
                None => state.shared.insert(path.clone(), digest.clone()).is_some(),
            };
        }
        Some(state)
    }
}

/// What the records of a tree say of each tenant on each cluster: claims, edges, namespaces.
struct Recorded<'a> {
    clusters: Vec<String>,
    said: HashMap<(&'a str, &'a str), [Vec<String>; 3]>,
}

impl<'a> Recorded<'a> {
    /// Nothing where the records of two tenants claim one thing: who has it is then for a run over
    /// everything to say.
    fn new(front: &Front, files: &BTreeMap<&str, &'a FileEntry>) -> Option<Self> {
        let fleet = front.fleet()?;
        let shared = claims::shared(fleet);
        let mut holders: HashMap<String, &str> = HashMap::new();
        let mut said: HashMap<(&str, &str), [Vec<String>; 3]> = HashMap::new();
        for (tenant, entry) in files
            .values()
            .filter_map(|entry| Some((entry.tenant.as_deref()?, entry)))
        {
            let [claims, edges, namespaces] = said.entry((tenant, entry.on.as_str())).or_default();
            let things =
                namespaces_of(entry).map(|home| Thing::namespace(&entry.on, home).to_string());
            for thing in things.chain(
                entry
                    .claims
                    .iter()
                    .filter(|c| !shared.contains(*c))
                    .map(str::to_owned),
            ) {
                if holders
                    .insert(thing, tenant)
                    .is_some_and(|other| other != tenant)
                {
                    return None;
                }
            }
            claims.extend(entry.claims.iter().map(str::to_owned));
            edges.extend(entry.edges.iter().map(str::to_owned));
            namespaces.extend(namespaces_of(entry).map(str::to_owned));
        }
        said.values_mut().flatten().for_each(|list| list.sort());
        Some(Self {
            clusters: fleet
                .spec
                .clusters
                .iter()
                .map(|c| c.name.to_string())
                .collect(),
            said,
        })
    }

    fn agrees(&self, tenant: &Tenant) -> bool {
        let known = self.clusters.iter().filter(|on| {
            self.said
                .contains_key(&(tenant.name.value.as_str(), on.as_str()))
        });
        let same = tenant.on.iter().all(|on| {
            let Some(said) = self.said.get(&(
                tenant.name.value.as_str(),
                self.clusters[on.cluster].as_str(),
            )) else {
                return false;
            };
            let (claims, edges) = claims_and_edges(tenant, on.cluster, &self.clusters);
            let mut namespaces: Vec<String> =
                on.namespaces.iter().map(|n| n.name.clone()).collect();
            namespaces.sort();
            *said == [claims, edges, namespaces]
        });
        same && known.count() == tenant.on.len()
    }
}

/// Whether a fleet has nothing that sums or looks over all tenants, and nothing that comes from
/// outside.
fn suits(front: &Front) -> bool {
    let fleet = front.fleet().map(|f| &f.spec);
    fleet.is_some_and(|f| {
        f.sources.iter().flatten().next().is_none()
            && f.clusters.iter().all(|c| c.capacity.is_none())
    }) && front
        .tenancy
        .tenants
        .iter()
        .flat_map(|t| &t.on)
        .all(|on| on.requires.is_empty())
}

/// The files that hold one tenant and nothing else, each with the tenant's name.
fn single_tenants<'a>(front: &'a Front, sources: &'a Sources) -> BTreeMap<&'a str, &'a str> {
    let mut count: HashMap<SourceId, usize> = HashMap::new();
    let specs = &front.specs;
    let places = specs
        .tenants
        .iter()
        .map(|t| t.name.place)
        .chain(specs.skipped.iter().map(|s| s.place));
    let places = places.chain(specs.profiles.values().map(|p| p.name.place));
    let places = places.chain(specs.waivers.iter().map(|w| w.name.place));
    for place in places.chain(specs.fleet.iter().map(|f| f.name.place)) {
        *count.entry(place.source).or_default() += 1;
    }
    let single = specs
        .tenants
        .iter()
        .filter(|t| count.get(&t.name.place.source) == Some(&1));
    single
        .map(|t| (sources.path(t.name.place), t.name.value.as_str()))
        .collect()
}

/// A digest over a lock's text and the records of a tree, in any order.
pub fn tree_digest<'a>(lock: &str, files: impl Iterator<Item = &'a FileEntry>) -> String {
    let mut files: Vec<&FileEntry> = files.collect();
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let digests: Vec<blake3::Hash> = files.par_iter().map(|entry| entry.content()).collect();
    let mut hasher = blake3::Hasher::new();
    hasher.update(lock.as_bytes()).update(&[0]);
    for digest in digests {
        hasher.update(digest.as_bytes());
    }
    half(&hasher.finalize())
}
