//! The kinds, fields and resources of each minor of Kubernetes, held against the API documents of its
//! own release: the table of fields is made of `swagger.json`, and these tests read the documents of
//! OpenAPI v3 and the discovery.

use crate::support::{FLEET, Sandbox, documents, root, say, tenant, tool, tool_or_say};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use tenantry::kube::resources;
use tenantry::kube::validation::{self, NEWEST_MINOR, OLDEST_MINOR};
use tenantry::kube::{ObjectId, kinds};

/// A kind, by apiVersion and name.
type KindKey = (String, String);

/// A step from an object to one within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Field(String),
    Item,
    /// A value of a map, whose key is `k`.
    Entry,
}

/// The paths of the fields of a kind, each with a value that it takes.
type Fields = BTreeMap<Vec<Step>, Value>;

/// The releases of `tests/control-plane/minors.txt`, by minor.
fn releases() -> Option<BTreeMap<u32, PathBuf>> {
    let folder = tool_or_say("kubernetes-apis")?;
    let list = std::fs::read_to_string(root().join("tests/control-plane/minors.txt"));
    let list = list.expect("a list of releases");
    let release = |line: &str| {
        let version = line.split(' ').next().expect("a version");
        let minor = version.split('.').nth(1).expect("a minor");
        (minor.parse().expect("a number"), folder.join(version))
    };
    Some(list.lines().map(release).collect())
}

fn read_json(path: &Path) -> Value {
    let bytes = std::fs::read(path).expect("a readable file");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// The files of a folder whose names begin and end so.
fn files(folder: &Path, start: &str, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut all: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    all.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(start) && name.ends_with(end))
    });
    all.sort();
    all
}

/// The kinds of a release that are `applied`, or the other ones, with their fields, from its documents of
/// OpenAPI v3.
fn kinds_of(release: &Path, applied: bool) -> BTreeMap<KindKey, Fields> {
    let mut all = BTreeMap::new();
    for path in files(&release.join("v3"), "api", "_openapi.json") {
        let document = read_json(&path);
        let Some(schemas) = document["components"]["schemas"].as_object() else {
            continue;
        };
        for schema in schemas.values() {
            let names = schema["x-kubernetes-group-version-kind"].as_array();
            let [name] = names.map_or(&[][..], Vec::as_slice) else {
                continue;
            };
            let metadata = schema["properties"]["metadata"].to_string();
            if !metadata.contains(".meta.v1.ObjectMeta\"")
                || is_applied(&document, name) != Some(applied)
            {
                continue;
            }
            let text = |key: &str| name[key].as_str().unwrap_or_default().to_owned();
            let version = match text("group").as_str() {
                "" => text("version"),
                group => format!("{group}/{}", text("version")),
            };
            let mut fields = Fields::new();
            add_fields(
                schemas,
                schema,
                &mut Vec::new(),
                &mut Vec::new(),
                &mut fields,
            );
            all.insert((version, text("kind")), fields);
        }
    }
    all
}

/// The operations of a kind at paths of its own, and not at those below an object of another kind.
fn operations<'d>(document: &'d Value, name: &Value) -> BTreeSet<&'d str> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let own = paths.filter(|(path, _)| !path.contains("{name}/"));
    own.flat_map(|(_, path)| path.as_object().into_iter().flatten())
        .filter(|(_, operation)| operation["x-kubernetes-group-version-kind"] == *name)
        .map(|(method, _)| method.as_str())
        .collect()
}

/// Whether a kind has an operation that applies it; `None` if it has no operation in the document.
fn is_applied(document: &Value, name: &Value) -> Option<bool> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let mut all = paths.flat_map(|(_, path)| path.as_object().into_iter().flatten());
    all.find(|(_, operation)| operation["x-kubernetes-group-version-kind"] == *name)?;
    Some(operations(document, name).contains("patch"))
}

/// A schema, and the name by which it was found, if it stands elsewhere.
fn resolve<'d>(schemas: &'d Map<String, Value>, schema: &'d Value) -> (&'d Value, Option<&'d str>) {
    let target = [&schema["$ref"], &schema["allOf"][0]["$ref"]];
    let target = target.iter().find_map(|target| target.as_str());
    match target.and_then(|target| target.rsplit('/').next()) {
        Some(name) => (&schemas[name], Some(name)),
        None => (schema, None),
    }
}

/// Adds the fields below a schema. A schema that holds itself is followed once.
fn add_fields<'d>(
    schemas: &'d Map<String, Value>,
    schema: &'d Value,
    path: &mut Vec<Step>,
    around: &mut Vec<&'d str>,
    fields: &mut Fields,
) {
    let (schema, name) = resolve(schemas, schema);
    if name.is_some_and(|name| around.contains(&name)) {
        return;
    }
    around.extend(name);
    for (key, sub) in schema["properties"].as_object().into_iter().flatten() {
        path.push(Step::Field(key.clone()));
        fields.insert(path.clone(), sample(resolve(schemas, sub).0));
        add_fields(schemas, sub, path, around, fields);
        path.pop();
    }
    let inner = [
        (Step::Item, &schema["items"]),
        (Step::Entry, &schema["additionalProperties"]),
    ];
    for (step, sub) in inner {
        if sub.is_object() {
            path.push(step);
            add_fields(schemas, sub, path, around, fields);
            path.pop();
        }
    }
    if name.is_some() {
        around.pop();
    }
}

/// A value that a schema takes, as empty as it can be.
fn sample(schema: &Value) -> Value {
    let format = schema["format"].as_str().unwrap_or_default();
    match (schema["type"].as_str().unwrap_or_default(), format) {
        ("string", "date-time") => json!("2026-01-01T00:00:00Z"),
        ("string", "byte") => json!("YQ=="),
        ("string", _) => json!("a"),
        ("integer" | "number", _) => json!(1),
        ("boolean", _) => json!(true),
        ("array", _) => json!([]),
        _ if schema["oneOf"].is_array() => json!(1),
        _ => json!({}),
    }
}

/// The path as a refusal writes it.
fn write_path(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Field(key) if text.is_empty() => text.push_str(key),
            Step::Field(key) => text.push_str(&format!(".{key}")),
            Step::Item => text.push_str("[0]"),
            Step::Entry => text.push_str(".k"),
        }
    }
    text
}

/// An object of a kind with one field.
fn object_with(kind: &KindKey, path: &[Step], value: &Value) -> Value {
    let wrap = |inner: Value, step: &Step| match step {
        Step::Field(key) => json!({key: inner}),
        Step::Item => json!([inner]),
        Step::Entry => json!({"k": inner}),
    };
    let mut object = path.iter().rev().fold(value.clone(), wrap);
    object["apiVersion"] = json!(kind.0);
    object["kind"] = json!(kind.1);
    object
}

fn id_of(kind: &KindKey) -> ObjectId {
    ObjectId {
        group: kind.0.split_once('/').map_or("", |(group, _)| group).into(),
        kind: kind.1.as_str().into(),
        namespace: "default".into(),
        name: "a".into(),
    }
}

/// The minors that are tried: those of the table, and two at each side, for which its ends count.
fn tried() -> impl Iterator<Item = (u32, u32)> {
    let all = OLDEST_MINOR - 2..=NEWEST_MINOR + 2;
    all.map(|minor| (minor, minor.clamp(OLDEST_MINOR, NEWEST_MINOR)))
}

#[test]
fn the_table_of_fields_is_what_the_script_writes() {
    let Some(folder) = tool_or_say("kubernetes-apis") else {
        return;
    };
    let script = root().join("tests/control-plane/schema.py");
    let output = Command::new(tool("python"))
        .arg(script)
        .arg(folder)
        .output();
    let output = output.expect("Python starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let table = std::fs::read(root().join("src/kube/validation/schema.txt")).expect("a table");
    assert!(
        output.stdout == table,
        "src/kube/validation/schema.txt is not what tests/control-plane/schema.py writes"
    );
}

#[test]
fn the_known_minors_are_those_of_the_table() {
    let table = std::fs::read_to_string(root().join("src/kube/validation/schema.txt"));
    let table = table.expect("a table");
    let head = table.lines().next().expect("a head");
    let words = head.split([' ', ',']);
    let versions = words.filter_map(|word| word.strip_prefix("v1."));
    let minors: Vec<u32> = versions
        .map(|version| {
            version
                .split('.')
                .next()
                .and_then(|minor| minor.parse().ok())
        })
        .map(|minor| minor.expect("a minor"))
        .collect();
    assert_eq!(minors, (OLDEST_MINOR..=NEWEST_MINOR).collect::<Vec<u32>>());
}

#[test]
fn each_minor_has_the_kinds_and_fields_of_its_release() {
    let Some(releases) = releases() else {
        return;
    };
    let by_minor: BTreeMap<u32, BTreeMap<KindKey, Fields>> = releases
        .par_iter()
        .map(|(minor, release)| (*minor, kinds_of(release, true)))
        .collect();
    let all: BTreeSet<&KindKey> = by_minor.values().flat_map(BTreeMap::keys).collect();
    assert!(all.len() > 120, "{}", all.len());

    for kind in &all {
        let id = id_of(kind);
        let has = |minor: u32| by_minor[&minor].contains_key(*kind);
        for (minor, counts) in tried() {
            let unserved = validation::find_unserved(&id, &kind.0, Some(minor));
            assert_eq!(
                unserved.is_none(),
                has(counts),
                "{kind:?} in {minor}: {unserved:?}"
            );
        }
        assert_eq!(
            validation::find_unserved(&id, &kind.0, None),
            None,
            "{kind:?}"
        );
    }

    let checked: Vec<(usize, usize)> = all
        .par_iter()
        .map(|kind| {
            let of_kind = |minor: &u32| Some((*minor, by_minor[minor].get(*kind)?));
            let by_minor: BTreeMap<u32, &Fields> = releases.keys().filter_map(of_kind).collect();
            check_fields_of(kind, &by_minor)
        })
        .collect();
    let fields: usize = checked.iter().map(|(fields, _)| fields).sum();
    let partial: usize = checked.iter().map(|(_, partial)| partial).sum();
    say(&format!(
        "kubernetes_minors: {} kinds, {fields} paths of fields, {partial} of them not in every minor that has the kind",
        all.len()
    ));
    assert!(fields > 10_000 && partial > 500, "{fields}, {partial}");
}

#[test]
fn what_no_release_applies_is_refused_in_each_minor() {
    let Some(releases) = releases() else {
        return;
    };
    let mut all: BTreeSet<KindKey> = BTreeSet::new();
    for release in releases.values() {
        all.extend(kinds_of(release, false).into_keys());
    }
    for (version, kind) in [
        ("policy/v1", "Eviction"),
        ("autoscaling/v1", "Scale"),
        ("authentication.k8s.io/v1", "TokenRequest"),
        ("authentication.k8s.io/v1", "TokenReview"),
        ("v1", "Binding"),
        ("v1", "ComponentStatus"),
    ] {
        assert!(all.contains(&(version.to_owned(), kind.to_owned())));
    }

    for kind in &all {
        for minor in tried().map(|(minor, _)| Some(minor)).chain([None]) {
            let unserved = validation::find_unserved(&id_of(kind), &kind.0, minor);
            let is_request = unserved.is_some_and(|unserved| unserved.is_request);
            assert!(is_request, "{kind:?} in {minor:?}");
        }
    }
}

/// Holds the verdict of each field of a kind against the releases that have the kind. Returns how many
/// fields there are, and how many of them not every release has.
fn check_fields_of(kind: &KindKey, by_minor: &BTreeMap<u32, &Fields>) -> (usize, usize) {
    let fields: Fields = by_minor
        .values()
        .flat_map(|fields| fields.iter())
        .map(|(path, value)| (path.clone(), value.clone()))
        .collect();
    let is_partial = |path: &Vec<Step>| by_minor.values().any(|has| !has.contains_key(path));

    for (path, value) in &fields {
        let object = object_with(kind, path, value);
        let made = tenantry::value::Value::from(&object);
        let check = |minor| validation::check_fields(&id_of(kind), &kind.0, &made, minor);
        assert_eq!(check(None), None, "{object}");
        // The ends of the range tell whether a field of every minor is taken; the others only repeat it.
        let minors = tried()
            .filter(|(minor, _)| is_partial(path) || [OLDEST_MINOR, NEWEST_MINOR].contains(minor));
        for (minor, counts) in minors {
            let Some(has) = by_minor.get(&counts) else {
                continue;
            };
            let refusal = check(Some(minor));
            assert_eq!(
                refusal.is_none(),
                has.contains_key(path),
                "{object} in {minor}"
            );
            let Some(refusal) = refusal else {
                continue;
            };
            // It is refused at the field itself, or at one around it that is as new.
            let at = write_path(path);
            assert!(at.starts_with(&refusal.field), "{at}: {}", refusal.field);
            let range = refusal.minors.expect("minors that have it");
            let mut having = by_minor.iter().filter(|(_, has)| has.contains_key(path));
            let is_within = having.all(|(minor, _)| {
                range.since().is_none_or(|since| since <= *minor)
                    && range.until().is_none_or(|until| *minor <= until)
            });
            assert!(is_within, "{object}: {refusal}");
        }
    }

    let partial = fields.keys().filter(|path| is_partial(path)).count();
    (fields.len(), partial)
}

#[test]
fn a_field_of_no_minor_is_refused_in_each() {
    let kind = ("apps/v1".to_owned(), "Deployment".to_owned());
    let object = json!({"spec": {"template": {"spec": {"containers": [{"imagee": "a"}]}}}});
    let made = tenantry::value::Value::from(&object);
    for minor in tried().map(|(minor, _)| Some(minor)).chain([None]) {
        let refusal = validation::check_fields(&id_of(&kind), &kind.0, &made, minor);
        let refusal = refusal.expect("a refusal");
        assert_eq!(refusal.field, "spec.template.spec.containers[0].imagee");
        assert_eq!(refusal.minors, None, "{refusal}");
    }
}

/// A resource that a release serves, by group and plural.
type ResourceKey = (String, String);

#[derive(Default)]
struct Discovered {
    is_namespaced: bool,
    names: BTreeSet<String>,
    subresources: BTreeSet<String>,
}

/// The resources of a release, from its discovery.
fn resources_of(release: &Path) -> BTreeMap<ResourceKey, Discovered> {
    let mut all: BTreeMap<ResourceKey, Discovered> = BTreeMap::new();
    for path in files(&release.join("discovery"), "api", ".json") {
        let list = read_json(&path);
        if list["kind"] != "APIResourceList" {
            continue;
        }
        let version = list["groupVersion"].as_str().expect("a version");
        let group = version.split_once('/').map_or("", |(group, _)| group);
        for resource in list["resources"].as_array().into_iter().flatten() {
            let name = resource["name"].as_str().expect("a name");
            let (plural, sub) = name.split_once('/').unwrap_or((name, ""));
            let known = all
                .entry((group.to_owned(), plural.to_owned()))
                .or_default();
            if !sub.is_empty() {
                known.subresources.insert(sub.to_owned());
                continue;
            }
            known.is_namespaced = resource["namespaced"] == true;
            let names = resource["shortNames"].as_array().into_iter().flatten();
            let names = names.chain([&resource["singularName"]]);
            known
                .names
                .extend(names.filter_map(Value::as_str).map(str::to_owned));
        }
    }
    all
}

#[test]
fn each_minor_has_the_resources_of_its_discovery() {
    /// What rules name, and no server serves.
    const ONLY_AUTHORIZED: [&str; 5] = ["groups", "signers", "uids", "userextras", "users"];
    let Some(releases) = releases() else {
        return;
    };
    for (minor, release) in &releases {
        let found = resources_of(release);
        assert!(found.len() > 50, "1.{minor}");
        let is_served = |known: &resources::ApiResource| {
            known.is_served_by(u8::try_from(*minor).expect("a minor"))
                && !ONLY_AUTHORIZED.contains(&known.plural)
        };
        let ours: BTreeSet<ResourceKey> = resources::groups()
            .iter()
            .flat_map(|group| {
                let served = group.resources.iter().filter(|known| is_served(known));
                served.map(|known| (group.name.to_owned(), known.plural.to_owned()))
            })
            .collect();
        let theirs: BTreeSet<ResourceKey> = found.keys().cloned().collect();
        assert_eq!(ours, theirs, "1.{minor}");

        for ((group, plural), resource) in &found {
            let known = resources::find(group, plural).expect("a row");
            let is_namespaced = known.scope == kinds::Scope::Namespaced;
            assert_eq!(is_namespaced, resource.is_namespaced, "{plural}");
            let mut names = resource.names.iter();
            assert!(
                names.all(|name| known.names.contains(&name.as_str())),
                "{plural}"
            );
            let mut subresources = resource.subresources.iter();
            assert!(
                subresources.all(|name| known.subresources.contains(&name.as_str())),
                "{plural} {:?}",
                resource.subresources
            );
        }
    }
}

const POD: &str = "apiVersion: v1
kind: Pod
metadata: {name: a, namespace: red}
spec:
  hostnameOverride: a
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: a
      image: registry.example/a@sha256:0000000000000000000000000000000000000000000000000000000000000000
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
";

const ATTRIBUTES: &str = "---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: a, namespace: red}
spec: {spec: {devices: {requests: [{name: a, exactly: {deviceClassName: b}}]}}}
";

#[test]
fn an_object_is_held_against_the_minor_of_each_cluster() {
    let fleet = |first: &str, second: &str| {
        FLEET.replace(
            "    - name: prod\n",
            &format!(
                "    - {{name: one{first}}}\n    - {{name: two{second}}}\n  \
                 tenantKinds: [resource.k8s.io/ResourceClaimTemplate]\n"
            ),
        )
    };
    let check = |first: &str, second: &str| {
        Sandbox::with(&[
            ("tenants/fleet.yaml", &fleet(first, second)),
            (
                "tenants/red.yaml",
                &tenant("red", "  clusters: [one, two]\n  manifests: [m.yaml]\n"),
            ),
            ("tenants/m.yaml", &format!("{POD}{ATTRIBUTES}")),
        ])
        .run(&["check"])
    };

    let (old, new) = (", kubernetes: \"1.33\"", ", kubernetes: \"1.34\"");
    for (first, second) in [
        ("", ""),
        (new, ""),
        (new, new),
        (", kubernetes: \"1.40\"", new),
    ] {
        check(first, second).code(0);
    }
    for (first, second) in [(old, ""), (new, old), (old, old)] {
        let all = check(first, second).code(1).all();
        for part in [
            "tenants/m.yaml:5:",
            "spec.hostnameOverride is no field of this kind in Kubernetes 1.33; it was added in 1.34",
            "remove spec.hostnameOverride; or, if the cluster runs another version",
            "tenants/m.yaml:13:",
            "Kubernetes 1.33 does not serve ResourceClaimTemplate in resource.k8s.io/v1; \
             it was added in 1.34",
        ] {
            assert!(all.contains(part), "{part}\n{all}");
        }
    }
}

#[test]
fn an_object_of_a_template_is_held_against_the_minor_of_the_cluster() {
    let template = "apiVersion: batch/v1\nkind: CronJob\n\
                    metadata: {name: t, namespace: \"{{ namespace.name }}\"}\n\
                    spec:\n  schedule: '@daily'\n  jobTemplate: {spec: {template: {spec: {\
                    restartPolicy: Never, hostnameOverride: a, containers: [{name: a, image: b}]}}}}\n";
    let claim = "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\n\
                 metadata: {name: t, namespace: \"{{ namespace.name }}\"}\n\
                 spec: {devices: {requests: [{name: a, exactly: {deviceClassName: b}}]}}\n";
    let check = |minor: &str, text: &str| {
        let fleet = FLEET.replace("- name: prod", &format!("- {{name: prod{minor}}}"));
        Sandbox::with(&[
            ("tenants/fleet.yaml", &fleet),
            ("tenants/red.yaml", &tenant("red", "")),
            ("templates/namespace/t.yaml", text),
        ])
        .run(&["check"])
    };

    for text in [template, claim] {
        check("", text).code(0);
        check(", kubernetes: \"1.34\"", text).code(0);
        let all = check(", kubernetes: \"1.33\"", text).code(1).all();
        assert!(all.contains("bundle/object-invalid"), "{all}");
        assert!(all.contains("Kubernetes 1.33"), "{all}");
        assert!(all.contains("it was added in 1.34"), "{all}");
        let fix = "mend the template; or, if the cluster runs another version, write it into";
        assert!(all.contains(fix), "{all}");
    }
    check("", &template.replace("schedule", "shedule")).code(1);
}

/// Each fault of a version or a kind is told of verbatim objects and of those of templates.
#[test]
fn what_no_server_applies_is_refused_in_files_and_in_templates() {
    const REQUEST: &str = "it is a request or a report";
    const UNKNOWN: &str = "Kubernetes 1.30 to 1.37 do not serve";
    let fleet = FLEET.replace(
        "- name: prod\n",
        "- name: prod\n  tenantKinds: [policy/Eviction, autoscaling/Scale, \
         authentication.k8s.io/TokenRequest, authorization.k8s.io/LocalSubjectAccessReview, \
         storage.k8s.io/CSIStorageCapacity, events.k8s.io/Evnt, \
         extensions/Ingress, metrics.k8s.io/PodMetrics, snapshot.storage.k8s.io/VolumeSnapshot]\n",
    );
    for (version, kind, reason, fix) in [
        ("policy/v1", "Eviction", REQUEST, "remove it"),
        ("autoscaling/v1", "Scale", REQUEST, "remove it"),
        (
            "authentication.k8s.io/v1",
            "TokenRequest",
            REQUEST,
            "remove it",
        ),
        (
            "authorization.k8s.io/v1",
            "LocalSubjectAccessReview",
            REQUEST,
            "remove it",
        ),
        (
            "storage.k8s.io/v9",
            "CSIStorageCapacity",
            UNKNOWN,
            "api-resources",
        ),
        ("events.k8s.io/v1", "Evnt", UNKNOWN, "api-resources"),
        ("extensions/v1beta1", "Ingress", UNKNOWN, "api-resources"),
        ("metrics.k8s.io/v1", "PodMetrics", "", ""),
        ("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "", ""),
    ] {
        let object =
            format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a, namespace: red}}\n");
        let ran = Sandbox::with(&[
            ("tenants/fleet.yaml", &fleet),
            (
                "tenants/red.yaml",
                &tenant("red", "  manifests: [m.yaml]\n"),
            ),
            ("tenants/m.yaml", &object),
        ])
        .run(&["check"]);
        let all = ran.all();
        assert_eq!(ran.code, i32::from(!reason.is_empty()), "{all}");
        for part in [reason, fix] {
            assert!(all.contains(part), "{part}: {all}");
        }

        let template = object.replace("namespace: red", "namespace: \"{{ namespace.name }}\"");
        let ran = Sandbox::with(&[
            ("tenants/fleet.yaml", &fleet),
            ("tenants/red.yaml", &tenant("red", "")),
            ("templates/namespace/t.yaml", &template),
        ])
        .run(&["check"]);
        let all = ran.all();
        assert_eq!(ran.code, i32::from(!reason.is_empty()), "{all}");
        assert!(all.contains(reason), "{all}");
    }
}

/// Servers before 1.36 take unusual spellings of networks and addresses.
#[test]
fn networks_are_held_against_the_minor_of_the_cluster() {
    let policy = |block: Value| {
        let kind = (
            "networking.k8s.io/v1".to_owned(),
            "NetworkPolicy".to_owned(),
        );
        let spec = json!({"podSelector": {}, "egress": [{"to": [{"ipBlock": block}]}]});
        (kind, spec)
    };
    let service = |field: &str, text: &str| {
        let kind = ("v1".to_owned(), "Service".to_owned());
        let spec = json!({"type": "LoadBalancer", "ports": [{"port": 80}], field: [text]});
        (kind, spec)
    };
    let refusal = |(kind, spec): &(KindKey, Value), minor: Option<u32>| {
        let made = json!({"apiVersion": kind.0, "kind": kind.1,
            "metadata": {"name": "a", "namespace": "default"}, "spec": spec});
        let made = tenantry::value::Value::from(&made);
        validation::check(&id_of(kind), &kind.0, &made, minor)
    };

    let networks = ["10.0.0.1/8", "10.0.0.0/08", "::ffff:10.0.0.0/104"];
    let mut unusual = vec![service("externalIPs", "10.01.2.3")];
    for network in networks {
        unusual.push(policy(json!({"cidr": network})));
        unusual.push(service("loadBalancerSourceRanges", network));
    }
    for one in &unusual {
        for minor in [Some(36), Some(37), Some(40), None] {
            assert!(refusal(one, minor).is_some(), "{one:?} in {minor:?}");
        }
        for minor in [28, 30, 35] {
            assert_eq!(refusal(one, Some(minor)), None, "{one:?} in {minor}");
        }
    }

    // What comes after it is checked all the same.
    let outside = policy(json!({"cidr": "10.0.0.1/8", "except": ["11.0.0.0/8"]}));
    let found = refusal(&outside, Some(33)).expect("a refusal");
    assert!(found.field.contains("except"), "{found}");
}

#[test]
fn what_is_rendered_is_of_every_minor() {
    let mut files = vec![root().join("rendered")];
    let mut checked = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(self::files(&path, "", ""));
            continue;
        }
        let path = path.strip_prefix(root()).expect("a path within").to_owned();
        for object in documents(path.to_str().expect("a text")) {
            let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
            let kind = (text("apiVersion"), text("kind"));
            let made = tenantry::value::Value::from(&object);
            for minor in OLDEST_MINOR..=NEWEST_MINOR {
                let id = id_of(&kind);
                let unserved = validation::find_unserved(&id, &kind.0, Some(minor));
                assert_eq!(unserved, None, "{}", path.display());
                let refusal = validation::check_fields(&id, &kind.0, &made, Some(minor));
                assert_eq!(refusal, None, "{}", path.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}
