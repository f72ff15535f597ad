//! Each rule of the proof: a case that raises it, one that raises nothing, and every known way to
//! break a clean fleet.

use crate::support::{documents, root, say, seed};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tenantry::catalog::RULES;
use tenantry::document;
use tenantry::graph::rbac::Subject;
use tenantry::graph::{self, Cluster, Parts, TenantNode};
use tenantry::isolation::{self, ClusterProof, Verdict};
use tenantry::report;
use tenantry::source::{Source, SourceId, SourceMap};

fn folder() -> PathBuf {
    root().join("fixtures/isolation")
}

/// The cluster of some manifests: the tenants are blue and green, by the label of their namespaces.
pub fn cluster(texts: &[(String, String)]) -> (SourceMap, Cluster) {
    changed_cluster(texts, |_| {})
}

/// The cluster of some manifests, with what else is known of it.
pub fn changed_cluster(
    texts: &[(String, String)],
    change: impl FnOnce(&mut Parts),
) -> (SourceMap, Cluster) {
    let mut sources = SourceMap::default();
    let ids: Vec<SourceId> = texts
        .iter()
        .map(|(path, text)| sources.add(Source::new(path.as_str(), text.as_str())))
        .collect();

    let mut reading = graph::read(&sources, &ids, true);
    let span = sources.add_path("tenants.yaml");
    graph::builtin::add(&mut reading.facts, span, false);
    let tenant = |name: &str| TenantNode {
        name: name.into(),
        span,
        subjects: vec![Subject::Group(format!("{name}-admins").into())],
        namespaces: Vec::new(),
        reaches: Vec::new(),
    };

    let mut parts = Parts {
        engine_namespace: "flux-system".into(),
        facts: reading.facts,
        tenants: vec![tenant("blue"), tenant("green")],
        unread_inputs: reading.faults,
        ..Parts::default()
    };
    change(&mut parts);

    (
        sources,
        Cluster::new(parts, &|_, labels, _| labels.get("tenant").map(Into::into)),
    )
}

pub fn base() -> (String, String) {
    (
        "base.yaml".into(),
        fs::read_to_string(folder().join("base.yaml")).expect("base.yaml"),
    )
}

/// The objects of a text.
pub fn objects(text: &str) -> Vec<Value> {
    let mut sources = SourceMap::default();
    let id = sources.add(Source::new("objects.yaml", text));
    let (documents, faults) = document::parse_foreign(id, sources.get(id));
    assert!(faults.is_empty(), "{faults:?}");
    documents
        .iter()
        .map(|d| document::TreeValue::to_json(&d.root))
        .collect()
}

/// `Kind namespace/name`.
pub fn named(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    format!(
        "{} {}/{}",
        text(&object["kind"]),
        text(&metadata["namespace"]),
        text(&metadata["name"])
    )
}

/// The base without some objects, which a case replaces or takes away.
pub fn without(gone: &BTreeSet<String>) -> (String, String) {
    let (path, text) = base();
    let kept = objects(&text)
        .into_iter()
        .filter(|o| !gone.contains(&named(o)));
    (path, kept.map(|o| format!("---\n{o}\n")).collect())
}

/// The rules that a proof reports.
fn rules(proof: &ClusterProof) -> BTreeSet<String> {
    let found = proof
        .findings
        .iter()
        .map(|f| f.diagnostic.rule.id)
        .chain(proof.unread_inputs.iter().map(|d| d.rule.id));
    found.map(str::to_owned).collect()
}

fn prove(folder: &Path) -> (SourceMap, ClusterProof) {
    let mut texts = Vec::new();
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|e| e.expect("a file").path())
        .collect();

    files.sort();
    for file in files {
        let name = file
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        texts.push((
            format!("case/{name}"),
            fs::read_to_string(&file).expect("text"),
        ));
    }

    let added: BTreeSet<String> = texts
        .iter()
        .flat_map(|(_, text)| objects(text))
        .map(|o| named(&o))
        .collect();

    texts.insert(0, without(&added));
    let (sources, cluster) = cluster(&texts);
    let proof = isolation::prove(&cluster);

    (sources, proof)
}

#[test]
fn each_rule_is_raised_by_its_bad_case_and_by_no_good_one() {
    let mut asked = 0;
    for rule in RULES.iter().filter(|r| isolated(r.id)) {
        let name = rule.id.replace('/', "-");
        let case = folder().join("rules").join(&name);
        assert!(
            case.join("bad").is_dir() && case.join("good").is_dir(),
            "add fixtures/isolation/rules/{name}/bad and good"
        );

        let (sources, proof) = prove(&case.join("bad"));
        let mut expected: BTreeSet<String> = fs::read_to_string(case.join("expect"))
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect();

        expected.insert(rule.id.to_owned());
        assert_eq!(rules(&proof), expected, "{name}/bad");
        let finding = proof
            .findings
            .iter()
            .find(|f| f.diagnostic.rule.id == rule.id)
            .expect("found");

        let path = sources.path(finding.diagnostic.span);
        assert!(
            path.starts_with("case/"),
            "{name}: it points at {path}, and not at what is wrong"
        );

        assert!(!finding.diagnostic.fix.is_empty(), "{name}: no fix");
        if finding.verdict == Some(Verdict::Refuted) {
            assert!(
                !finding.diagnostic.related.is_empty(),
                "{name}: refuted without a chain"
            );
        }

        let (_, proof) = prove(&case.join("good"));
        assert_eq!(rules(&proof), BTreeSet::new(), "{name}/good");
        asked += 2;
    }

    say(&format!("isolation: {asked} cases of rules"));
    assert!(asked >= 50);
}

/// Rules of the proof: those whose file is in a folder of a plane. Others of the same areas are
/// found in specs.
fn isolated(id: &str) -> bool {
    let source = |entry: walkdir::DirEntry| fs::read_to_string(entry.path()).unwrap_or_default();
    let files = walkdir::WalkDir::new(root().join("src/isolation"))
        .into_iter()
        .filter_map(Result::ok);
    files
        .filter(|e| e.file_type().is_file())
        .map(source)
        .any(|text| text.contains(&format!("= \"{id}\"")))
}

#[test]
fn the_base_is_clean() {
    let (_, cluster) = cluster(&[base()]);
    let proof = isolation::prove(&cluster);
    assert_eq!(rules(&proof), BTreeSet::new());
    let verdicts: Vec<Verdict> = proof.planes.iter().map(|p| p.verdict).collect();
    use Verdict::Assumed;
    assert_eq!(verdicts, [Assumed; 6]);
    assert_eq!((proof.size.tenants, proof.size.namespaces), (2, 3));
}

/// A way to break a clean fleet.
pub struct Hole {
    pub name: String,
    pub finds: String,
    pub add: Vec<Value>,
    pub remove: Vec<String>,
}

impl Hole {
    /// What it replaces or takes away.
    pub fn changes(&self) -> BTreeSet<String> {
        self.add
            .iter()
            .map(named)
            .chain(self.remove.iter().cloned())
            .collect()
    }
}

pub fn holes() -> Vec<Hole> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    documents("fixtures/isolation/holes.yaml")
        .iter()
        .map(|hole| Hole {
            name: hole["hole"].as_str().expect("a name").to_owned(),
            finds: hole["finds"].as_str().expect("a rule").to_owned(),
            add: list(&hole["add"]),
            remove: list(&hole["remove"])
                .iter()
                .map(|r| r.as_str().expect("an object").to_owned())
                .collect(),
        })
        .collect()
}

/// What is found in the base, with some holes in it.
fn broken(holes: &[&Hole]) -> ClusterProof {
    let gone: BTreeSet<String> = holes.iter().flat_map(|h| h.changes()).collect();
    let mut texts = vec![without(&gone)];
    for (at, hole) in holes.iter().enumerate() {
        let all: String = hole.add.iter().map(|o| format!("---\n{o}\n")).collect();
        texts.push((format!("hole-{at}.yaml"), all));
    }
    isolation::prove(&cluster(&texts).1)
}

/// Whether two holes replace the same object: the second then undoes the first.
fn meet(a: &Hole, b: &Hole) -> bool {
    !a.changes().is_disjoint(&b.changes())
}

#[test]
fn every_hole_is_found_alone_and_in_pairs() {
    let holes = holes();
    assert!(holes.len() >= 60, "{}", holes.len());

    for hole in &holes {
        let found = rules(&broken(&[hole]));
        assert!(
            found.contains(&hole.finds),
            "{}: found {found:?}",
            hole.name
        );
        // What else is found belongs to it: a hole has few faces.
        assert!(found.len() <= 2, "{}: found {found:?}", hole.name);
    }

    let known: BTreeSet<&str> = holes.iter().map(|h| h.finds.as_str()).collect();
    let missing: Vec<&str> = RULES
        .iter()
        .map(|r| r.id)
        .filter(|id| isolated(id) && !known.contains(id))
        .collect();

    assert!(missing.is_empty(), "add a hole for: {missing:?}");

    // Pairs, by a seed that can be given again.
    let seed = seed();
    let mut state = seed | 1;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % holes.len()
    };

    let mut pairs = 0;
    while pairs < 600 {
        let (a, b) = (&holes[draw()], &holes[draw()]);
        if meet(a, b) {
            continue;
        }
        pairs += 1;
        let found = rules(&broken(&[a, b]));
        // An unread policy makes the network of its namespaces unknown: nothing else is said of
        // them.
        let hides = |one: &Hole, other: &Hole| {
            one.finds == "network/unread-policy" && other.finds.starts_with("network/")
        };

        for (hole, other) in [(a, b), (b, a)] {
            let said = found.contains(&hole.finds) || hides(other, hole) || heals(hole, other);
            assert!(
                said,
                "{} with {}: found {found:?} (TENANTRY_SEED={seed})",
                hole.name, other.name
            );
        }
    }

    say(&format!(
        "isolation: {} holes, and {pairs} pairs of them, all found (TENANTRY_SEED={seed})",
        holes.len()
    ));
}

/// Whether one hole changes another into a third thing: half of an edge becomes a whole one when
/// the other half comes; a policy that selects every pod, whatever it lets in, closes a namespace
/// that was open to all; a namespace with other labels is no longer let in by those it had.
fn heals(hole: &Hole, other: &Hole) -> bool {
    if hole.finds == "network/cross-tenant-ingress"
        && other.add.iter().any(|o| o["kind"] == "Namespace")
    {
        return true;
    }
    ["network/half-open", "network/open-namespace"].contains(&hole.finds.as_str())
        && other.finds.starts_with("network/")
}

/// Each rule's manual says what it finds, why it matters, how to mend it, and what it maps to. Its
/// example is the case that the test above runs.
#[test]
fn every_rule_has_an_example_and_maps_to_a_control() {
    let own: Vec<_> = RULES.iter().filter(|r| isolated(r.id)).collect();
    for rule in &own {
        let manual = report::explain(rule.id).expect("a rule");
        let (bad, good) = manual
            .split_once("This raises the rule:")
            .and_then(|(_, example)| example.split_once("This does not:"))
            .unwrap_or_else(|| panic!("{}: no example", rule.id));
        let fence = |text: &str| text.split("```").nth(1).map(str::to_owned);
        let (bad, good) = (
            fence(bad).expect("manifests"),
            fence(good).expect("manifests"),
        );
        assert!(bad.contains("kind: ") && bad != good, "{}", rule.id);

        for part in ["## Why it matters", "## Fix"] {
            assert!(rule.doc.contains(part), "{}: no {part}", rule.id);
        }
        // Half of an edge maps to what a whole one maps to.
        if rule.id != "network/half-open" {
            let references = rule
                .doc
                .split("## References")
                .nth(1)
                .unwrap_or_else(|| panic!("{}: no references", rule.id));
            assert!(references.trim().len() > 10, "{}", rule.id);
        }
    }

    say(&format!("isolation: {} rules with a manual", own.len()));
}
