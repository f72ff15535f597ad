//! A real API server as the oracle of what is rendered: it accepts every object of every fixture
//! fleet, strictly, and gives back every field that was set.

use crate::support::control_plane::ControlPlane;
use crate::support::{Ran, fixture_fleets, tool_or_say};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tenantry::document::parse_foreign;
use tenantry::kube::ObjectId;
use tenantry::kube::quantity::Quantity;
use tenantry::source::{Source, SourceId};

/// The documents of a text, by identity.
fn objects(text: &str) -> BTreeMap<ObjectId, Value> {
    let (documents, faults) = parse_foreign(SourceId(0), &Source::new("t", text));
    assert!(faults.is_empty(), "{faults:?}");
    let all = documents
        .iter()
        .filter_map(|d| Some((ObjectId::of(&d.root).ok()?, d.root.to_json())));
    all.collect()
}

/// What the server has otherwise than it was set: fields that are gone or differ. What it adds is
/// not counted.
fn lost(path: &str, set: &Value, got: &Value, out: &mut Vec<String>) {
    match (set, got) {
        (Value::Object(set), Value::Object(got)) => {
            for (key, value) in set {
                lost(
                    &format!("{path}/{key}"),
                    value,
                    got.get(key).unwrap_or(&Value::Null),
                    out,
                );
            }
        }
        (Value::Array(set), Value::Array(got)) if set.len() == got.len() => {
            for (i, (set, got)) in set.iter().zip(got).enumerate() {
                lost(&format!("{path}/{i}"), set, got, out);
            }
        }
        // What is empty need not be stored.
        (Value::Object(map), Value::Null) if map.is_empty() => {}
        (Value::Array(list), Value::Null) if list.is_empty() => {}
        (Value::String(a), Value::String(b)) if a != b => {
            let same = matches!((Quantity::parse(a), Quantity::parse(b)), (Ok(a), Ok(b)) if a == b);
            let quantity = path.contains("/spec/hard") || path.contains("/spec/limits");
            if !(same && quantity) {
                out.push(format!("{path}: set {a:?}, got {b:?}"));
            }
        }
        (set, got) if set != got => out.push(format!("{path}: set {set}, got {got}")),
        _ => {}
    }
}

/// Flux's kinds, and the namespaces that are not a tenant's.
fn prepare(plane: &ControlPlane) -> Option<()> {
    let folder = tool_or_say("flux-crds")?;
    let mut crds = String::new();

    for name in ["source", "kustomize", "helm", "notification"] {
        let text = std::fs::read_to_string(folder.join(format!("{name}-controller.yaml")))
            .expect("a file of the module");
        let source = Source::new("crds", text);
        let (documents, _) = parse_foreign(SourceId(0), &source);
        for document in documents.iter().filter(|d| {
            d.root.get("kind").and_then(|k| k.as_str()) == Some("CustomResourceDefinition")
        }) {
            crds.push_str("---\n");
            crds.push_str(source.slice(document.raw));
        }
    }

    plane.apply(&crds).code(0);
    plane
        .apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: flux-system}\n")
        .code(0);
    let crds = "crd/kustomizations.kustomize.toolkit.fluxcd.io crd/helmreleases.helm.toolkit.fluxcd.io crd/gitrepositories.source.toolkit.fluxcd.io crd/alerts.notification.toolkit.fluxcd.io";
    let mut wait = vec!["wait", "--for=condition=Established", "--timeout=60s"];
    wait.extend(crds.split(' '));
    plane.kubectl(&wait).code(0);

    Some(())
}

/// Applies everything that was rendered for a cluster, and counts the objects that came back as
/// they were set.
fn round_trip(plane: &ControlPlane, name: &str, folder: &Path, cluster: &str) -> usize {
    let mut wanted = BTreeMap::new();
    let mut text = String::new();
    // In the order in which Flux gets to them.
    let parts = ["entry", "platform", "tenants", "late"]
        .map(|part| folder.join("rendered").join(cluster).join(part));

    for part in parts
        .iter()
        .chain([&folder.join("clusters").join(cluster)])
        .filter(|p| p.exists())
    {
        for entry in walkdir::WalkDir::new(part)
            .sort_by_file_name()
            .into_iter()
            .filter_map(Result::ok)
        {
            if entry.file_type().is_file() {
                let one = std::fs::read_to_string(entry.path()).expect("a text");
                wanted.extend(objects(&one));
                text.push_str("---\n");
                text.push_str(&one);
            }
        }
    }

    let applied = plane.apply(&text);
    assert_eq!(applied.code, 0, "{name}/{cluster}: {}", applied.all());
    let said = applied
        .out
        .lines()
        .filter(|l| l.ends_with("serverside-applied"))
        .count();

    assert_eq!(said, wanted.len(), "{name}/{cluster}: {}", applied.out);
    let kinds: BTreeSet<String> = wanted.keys().map(ObjectId::type_name).collect();
    let kinds = kinds.into_iter().collect::<Vec<_>>().join(",");
    let got = plane
        .kubectl(&["get", &kinds, "--all-namespaces", "-o", "json"])
        .code(0);
    let list: Value = serde_json::from_str(&got.out).expect("JSON");
    let mut found: BTreeSet<ObjectId> = BTreeSet::new();
    let mut faults = Vec::new();

    for item in list["items"].as_array().expect("a list") {
        let (documents, _) = parse_foreign(SourceId(0), &Source::new("item", item.to_string()));
        let id = ObjectId::of(&documents[0].root).expect("an object");
        // What other fleets left is not asked about.
        let Some(set) = wanted.get(&id) else { continue };
        lost(&id.to_string(), set, item, &mut faults);
        found.insert(id);
    }

    assert!(faults.is_empty(), "{name}/{cluster}: {faults:#?}");
    assert_eq!(found.len(), wanted.len(), "{name}/{cluster}");
    found.len()
}

#[test]
fn a_real_server_accepts_every_object_and_keeps_every_field() {
    let Some(plane) = ControlPlane::get() else {
        return;
    };
    let Some(()) = prepare(plane) else { return };
    let (mut count, mut clusters) = (0, 0);

    for (name, sandbox) in fixture_fleets() {
        let ran = sandbox.run(&["render"]);
        // The design's example uses fields of later stages: whoever uses them is held, the others
        // are rendered.
        assert!(ran.code == 0 || name == "design", "{name}: {}", ran.all());
        let Ok(entries) = std::fs::read_dir(sandbox.path().join("rendered")) else {
            assert_eq!(name, "design", "{}", ran.all());
            continue;
        };

        let mut names: Vec<String> = entries
            .map(|e| {
                e.expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();

        names.sort();
        for cluster in names {
            count += round_trip(plane, &name, sandbox.path(), &cluster);
            clusters += 1;
        }
    }

    println!("{count} objects of {clusters} clusters, applied strictly, and read back");
    assert!(
        clusters >= 6 && count > 500,
        "{clusters} clusters, {count} objects"
    );
}

#[test]
fn the_server_refuses_invalid_objects() {
    let Some(plane) = ControlPlane::get() else {
        return;
    };
    let refused = |text: &str| -> Ran { plane.apply(text) };
    let policy = "apiVersion: networking.k8s.io/v1\n\
                  kind: NetworkPolicy\n\
                  metadata: {name: x, namespace: default}\n\
                  spec: {podSelector: {}, policyType: [Egress]}\n";
    let ran = refused(policy);
    assert!(
        ran.code != 0 && ran.err.contains("policyType"),
        "an unknown field passes: {}",
        ran.all()
    );

    let block = "apiVersion: networking.k8s.io/v1\n\
                 kind: NetworkPolicy\n\
                 metadata: {name: x, namespace: default}\n\
                 spec: {podSelector: {}, egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/8]}}]}]}\n";
    let ran = refused(block);
    assert!(
        ran.code != 0 && ran.err.contains("except"),
        "an except outside its block passes: {}",
        ran.all()
    );
}
