//! Durations that a controller written in Go could not read, wherever a tenant can write one.

use crate::support::{FLEET, Sandbox, tenant, tool};
use std::fs;
use std::path::Path;
use tenantry::document::{Node, parse_foreign};
use tenantry::source::{Source, SourceId};

/// One nanosecond more than Go holds.
const TOO_LONG: &str = "2562047h47m16854775808ns";

#[test]
fn a_duration_that_go_cannot_hold_is_refused_at_its_line() {
    let mut kinds = Vec::new();
    let mut manifests = Vec::new();

    for crd in custom_resource_definitions(&tool("flux-crds")) {
        let fields = duration_fields(&crd);
        if fields.is_empty() {
            continue;
        }
        kinds.push(format!("{}/{}", crd.group, crd.kind));
        let objects: Vec<String> = fields.iter().map(|path| object(&crd, path)).collect();
        manifests.push((
            format!("extra/{}-{}.yaml", crd.group, crd.kind),
            objects.join("---\n"),
            objects.len(),
        ));
    }

    let objects: usize = manifests.iter().map(|(_, _, count)| count).sum();
    assert!(
        objects > 20,
        "found {objects} duration fields in Flux's CRDs"
    );

    let names: Vec<&str> = manifests.iter().map(|(path, ..)| path.as_str()).collect();
    let list = names.join(", ../").replacen("extra", "../extra", 1);
    let sandbox = Sandbox::with(&[
        (
            "tenants/fleet.yaml",
            &format!("{FLEET}  tenantKinds: [{}]\n", kinds.join(", ")),
        ),
        (
            "tenants/red.yaml",
            &tenant("red", &format!("  manifests: [{list}]\n")),
        ),
        ("tenants/blue.yaml", &tenant("blue", "")),
    ]);

    for (path, text, _) in &manifests {
        sandbox.write(path, text);
    }

    let ran = sandbox.run(&["check"]).code(1);
    for (path, text, _) in &manifests {
        for (index, line) in text.lines().enumerate() {
            if let Some(column) = line.find(TOO_LONG) {
                let span = format!("{path}:{}:{}", index + 1, column + 1);
                assert!(ran.out.contains(&span), "{span}: {line}\n{}", ran.out);
            }
        }
    }

    sandbox.run(&["render"]).code(1);
    assert!(sandbox.has("rendered/prod/tenants/blue/blue.yaml"));
    assert!(!sandbox.has("rendered/prod/tenants/red"));
}

#[test]
fn durations_in_range_and_other_strings_pass() {
    let object = "apiVersion: example.org/v1\nkind: Timer\n\
                  metadata: {name: t, namespace: red}\n\
                  spec: {every: 2562047h47m16s, cpu: 1000m, hash: 99999999999999999999}\n";
    let quantity = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: red}\n\
                    data: {amount: 99999999999999999999m}\n";
    let sandbox = Sandbox::with(&[
        (
            "tenants/fleet.yaml",
            &format!("{FLEET}  tenantKinds: [example.org/Timer]\n"),
        ),
        (
            "tenants/red.yaml",
            &tenant("red", "  manifests: [../t.yaml, ../c.yaml]\n"),
        ),
        (
            "t.yaml",
            &object.replace("99999999999999999999", "\"99999999999999999999\""),
        ),
        ("c.yaml", quantity),
    ]);

    sandbox.run(&["check"]).code(0);
}

#[test]
fn a_template_cannot_render_such_a_duration() {
    let template = "apiVersion: example.org/v1\nkind: Timer\n\
                    metadata: {name: t, namespace: \"{{ namespace.name }}\"}\n\
                    spec: {every: \"{{ tenant.parameters.every }}\"}\n";
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        (
            "tenants/red.yaml",
            &tenant("red", "  parameters: {every: 9999999999999h}\n"),
        ),
        ("templates/namespace/timer.yaml", template),
    ]);
    let ran = sandbox.run(&["check"]).code(1);
    assert!(ran.out.contains("bundle/object-invalid"), "{}", ran.out);
    assert!(ran.out.contains("9999999999999h"), "{}", ran.out);
}

struct Crd {
    group: String,
    version: String,
    kind: String,
    schema: serde_json::Value,
}

/// The versions of the definitions that lie in a folder.
fn custom_resource_definitions(folder: &Path) -> Vec<Crd> {
    let mut files: Vec<_> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.expect("an entry").into_path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();

    files.sort();

    let mut crds = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a text");
        let (documents, _) = parse_foreign(SourceId(0), &Source::new("crd.yaml", text));
        for document in documents {
            if document.root.get("kind").and_then(Node::as_str) == Some("CustomResourceDefinition")
            {
                crds.extend(served_version(&document.root.to_json()));
            }
        }
    }

    crds
}

fn served_version(definition: &serde_json::Value) -> Option<Crd> {
    let text = |pointer: &str| definition.pointer(pointer)?.as_str().map(str::to_owned);
    let versions = definition.pointer("/spec/versions")?.as_array()?;
    let version = versions.iter().find(|v| v["storage"] == true)?;
    Some(Crd {
        group: text("/spec/group")?,
        kind: text("/spec/names/kind")?,
        version: version["name"].as_str()?.to_owned(),
        schema: version.pointer("/schema/openAPIV3Schema")?.clone(),
    })
}

/// The paths of the fields below `spec` that Flux's schema marks as durations by their pattern.
fn duration_fields(crd: &Crd) -> Vec<Vec<String>> {
    fn walk(schema: &serde_json::Value, path: &[String], out: &mut Vec<Vec<String>>) {
        if schema["pattern"]
            .as_str()
            .is_some_and(|p| p.contains("(ms|s|m|h)"))
        {
            out.push(path.to_vec());
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let mut below = path.to_vec();
            below.push(name.clone());
            walk(field, &below, out);
        }
    }

    let mut out = Vec::new();
    walk(
        &crd.schema["properties"]["spec"],
        &["spec".to_owned()],
        &mut out,
    );

    out
}

/// An object that has one field beside its identity.
fn object(crd: &Crd, path: &[String]) -> String {
    let mut text = format!(
        "apiVersion: {}/{}\nkind: {}\nmetadata: {{name: {}, namespace: red}}\n",
        crd.group,
        crd.version,
        crd.kind,
        path.join("-").to_lowercase()
    );

    for (depth, name) in path.iter().enumerate() {
        text.push_str(&format!("{}{name}:", "  ".repeat(depth)));
        let last = depth + 1 == path.len();
        text.push_str(&if last {
            format!(" {TOO_LONG}\n")
        } else {
            "\n".to_owned()
        });
    }

    text
}
