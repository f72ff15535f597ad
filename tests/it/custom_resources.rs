//! Objects of custom kinds are held against the CustomResourceDefinitions that the fleet names, and a
//! real API server has the same opinion.

use crate::support::control_plane::ControlPlane;
use crate::support::{FLEET, Ran, Sandbox, fixture, say, tenant, tool, tool_or_say};
use serde_json::{Value, json};
use tenantry::bundle::{CustomDefinitions, DefinitionFile};
use tenantry::document::parse_foreign;
use tenantry::kube::{ObjectId, validation};
use tenantry::source::{Source, SourceId, SourceMap};

const GROUP: &str = "units.example.com";

/// Texts that a field of any type is given.
const TEXTS: [&str; 46] = [
    "",
    "a",
    "ab",
    "abcde",
    "A",
    "ä",
    "a b",
    "a 1",
    "a/b",
    "1",
    "5%",
    "true",
    "1h",
    "P1D",
    "1 day",
    "v1",
    "2020-01-01",
    "2020-02-30",
    "2020-01-01T00:00:00Z",
    "2020-01-01t10:00:60z",
    "2020-01-01T10:00:00.5+01:00",
    "2020-01-01 10:00:00Z",
    "10.0.0.1",
    "010.0.0.1",
    "::1",
    "::ffff:1.2.3.4",
    "10.0.0.1/8",
    "10.0.0.0/33",
    "::/129",
    "http://a.example",
    "/a",
    "mailto:a",
    "a@b.example",
    "a.example",
    "a.b",
    "-a",
    "a_b",
    "YQ==",
    "YQ",
    "!",
    "123e4567-e89b-12d3-a456-426614174000",
    "123e4567e89b12d3a456426614174000",
    "a٣",
    "a ٣",
    "ä 1",
    "٣%",
];

/// Values that a field of any type is given.
fn values() -> Vec<Value> {
    let mut all: Vec<Value> = TEXTS.iter().map(|text| json!(text)).collect();
    all.extend([
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(5),
        json!(7),
        json!(10),
        json!(11),
        json!(-1),
        json!(0.5),
        json!(2.0),
        json!(3_000_000_000_i64),
        json!(u64::MAX),
        json!(i64::MAX),
        json!([]),
        json!(["a"]),
        json!(["a", "a"]),
        json!(["ab", "b", "c"]),
        json!([1]),
        json!([null]),
        json!([{}]),
        json!([null, {}]),
        json!({}),
        json!({"a": "b"}),
        json!({"a": 1}),
        json!({"a": null}),
        json!({"a": {"b": "c"}}),
        json!({"a": "x", "b": "yy"}),
        json!({"b": "yy"}),
        json!({"a": "abcd"}),
        json!({"x": 1}),
        json!({"known": 1}),
        json!({"a": "1", "b": "2", "c": "3"}),
    ]);
    all.extend(objects_within());
    all
}

/// Objects within an object, and lists with keys.
fn objects_within() -> Vec<Value> {
    vec![
        json!({"apiVersion": "v1", "kind": "A"}),
        json!({"apiVersion": "a/b/c", "kind": "A"}),
        json!({"apiVersion": "v1", "kind": "a b"}),
        json!({"apiVersion": 1, "kind": "A"}),
        json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}),
        json!({"apiVersion": "v1", "kind": "A", "metadata": {"noSuchField": "a"}}),
        json!({"apiVersion": "v1", "kind": "A", "metadata": {"name": 1}}),
        json!([{"key": "a"}, {"key": "a"}]),
        json!([{"key": "a"}, {"key": "a", "protocol": "tcp"}]),
        json!([{"key": "a"}, {"key": "a", "protocol": "udp"}]),
        json!([{"key": "a", "protocol": null}]),
        json!([{"value": 1}]),
        json!([{"key": "a", "noSuchField": 1}]),
    ]
}

/// Values at the bounds of a schema.
fn bounds(schema: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for limit in ["minimum", "maximum"].map(|key| schema[key].as_i64()) {
        all.extend(
            limit
                .into_iter()
                .flat_map(|n| [n - 1, n, n + 1])
                .map(|n| json!(n)),
        );
    }
    for limit in ["minLength", "maxLength"].map(|key| schema[key].as_u64()) {
        let lengths = limit
            .into_iter()
            .flat_map(|n| [n.saturating_sub(1), n, n + 1]);
        all.extend(
            lengths
                .filter(|n| *n < 5000)
                .map(|n| json!("a".repeat(n as usize))),
        );
    }
    all.extend(schema["enum"].as_array().into_iter().flatten().cloned());
    all
}

/// A value that a schema takes, with the fields that it must have.
fn sample(schema: &Value) -> Value {
    if let Some(default) = schema.get("default") {
        return default.clone();
    }
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten();
            let names = required.filter_map(Value::as_str);
            let fields = names.map(|name| (name.to_owned(), sample(&schema["properties"][name])));
            Value::Object(fields.collect())
        }
        Some("array") => match schema["minItems"].as_u64() {
            Some(1..) => json!([sample(&schema["items"])]),
            _ => json!([]),
        },
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(true),
        Some("string") if schema["pattern"].is_string() => {
            let pattern = schema["pattern"].as_str().unwrap_or_default();
            let samples = [
                ("ms|s|m|h", "1h"),
                ("oci://", "oci://a"),
                ("http", "http://a"),
            ];
            let found = samples.iter().find(|(part, _)| pattern.contains(part));
            json!(found.map_or("ab", |(_, text)| text))
        }
        Some("string") if schema["format"] == "date-time" => json!("2020-01-01T00:00:00Z"),
        _ => json!("ab"),
    }
}

/// A step from a value to one within it.
#[derive(Clone, Debug)]
enum Step {
    Field(String),
    Item,
}

/// The ways to each schema within a schema.
fn ways(schema: &Value, way: &[Step], out: &mut Vec<Vec<Step>>) {
    let below = |step: Step| [way, &[step]].concat();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let way = below(Step::Field(name.clone()));
        ways(field, &way, out);
        out.push(way);
    }
    if schema["items"].is_object() {
        let way = below(Step::Item);
        ways(&schema["items"], &way, out);
        out.push(way);
    }
    if schema["additionalProperties"].is_object() {
        let way = below(Step::Field("anyKey".into()));
        ways(&schema["additionalProperties"], &way, out);
        out.push(way);
    }
    if schema["type"] == "object" {
        out.push(below(Step::Field("noSuchField".into())));
    }
}

fn schema_of<'a>(schema: &'a Value, step: &Step) -> &'a Value {
    match step {
        Step::Item => &schema["items"],
        Step::Field(name) => match schema["properties"].get(name) {
            Some(field) => field,
            None => &schema["additionalProperties"],
        },
    }
}

/// Puts a value at the end of a way. What is not there on the way is made.
fn put(at: &mut Value, schema: &Value, way: &[Step], value: &Value) {
    let Some((step, rest)) = way.split_first() else {
        *at = value.clone();
        return;
    };
    let below = schema_of(schema, step);
    let next = match step {
        Step::Field(name) => {
            if !at.is_object() {
                *at = sample(schema);
            }
            let Value::Object(fields) = at else { return };
            fields.entry(name.clone()).or_insert_with(|| sample(below))
        }
        Step::Item => {
            if at.as_array().is_none_or(Vec::is_empty) {
                *at = json!([sample(below)]);
            }
            &mut at[0]
        }
    };
    put(next, below, rest, value);
}

/// A definition without its rules in CEL.
fn without_cel(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("x-kubernetes-validations");
            fields.values_mut().for_each(without_cel);
        }
        Value::Array(items) => items.iter_mut().for_each(without_cel),
        _ => {}
    }
}

/// The definitions in a text.
fn definitions(text: &str) -> Vec<Value> {
    let (documents, _) = parse_foreign(SourceId(0), &Source::new("t", text));
    let roots = documents.iter().map(|document| document.root.to_json());
    let objects = roots.flat_map(|root| match root["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![root],
    });
    objects
        .filter(|object| object["kind"] == "CustomResourceDefinition")
        .collect()
}

/// Those of Flux, in a group of the test's own and without rules in CEL.
fn flux_definitions() -> Option<Vec<Value>> {
    let folder = tool_or_say("flux-crds")?;
    let mut all = Vec::new();
    for name in [
        "source",
        "kustomize",
        "helm",
        "notification",
        "image-automation",
    ] {
        let path = folder.join(format!("{name}-controller.yaml"));
        let text = std::fs::read_to_string(path).expect("a file of the module");
        let text = text.replace("toolkit.fluxcd.io", GROUP);
        all.extend(definitions(&text));
    }
    for one in &mut all {
        without_cel(one);
        one["metadata"]["annotations"] = json!({});
    }
    Some(all)
}

fn load(texts: &[String]) -> CustomDefinitions {
    let mut sources = SourceMap::default();
    let mut files = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let source = sources.add(Source::new(format!("{at}.yaml"), text.clone()));
        let span = sources.add_path("tenants/fleet.yaml");
        files.push(DefinitionFile { span, source });
    }
    let mut faults = Vec::new();
    let loaded = CustomDefinitions::load(&sources, &files, &mut faults);
    assert!(faults.is_empty(), "{faults:?}");
    loaded
}

/// What is refused of an object, if anything is.
fn ours(loaded: &CustomDefinitions, object: &Value) -> Option<String> {
    let made = tenantry::value::Value::from(object);
    let id = ObjectId::of(&made).expect("an object");
    let version = object["apiVersion"].as_str().expect("a version");
    let refusal = validation::check(&id, version, &made, None).map(|refusal| refusal.to_string());
    refusal.or_else(|| loaded.check(&id, &made).map(|fault| fault.reason))
}

/// A kind in a version, and the requests that apply changed objects of it.
struct Kind {
    version: String,
    kind: String,
    group: String,
    plural: String,
    schema: Value,
}

fn served(definition: &Value) -> Vec<Kind> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let versions = spec["versions"].as_array().expect("versions");
    let served = versions.iter().filter(|version| version["served"] == true);
    served
        .map(|version| Kind {
            version: text(&version["name"]),
            kind: text(&spec["names"]["kind"]),
            group: text(&spec["group"]),
            plural: text(&spec["names"]["plural"]),
            schema: version["schema"]["openAPIV3Schema"].clone(),
        })
        .collect()
}

impl Kind {
    fn object(&self) -> Value {
        let mut object = json!({
            "apiVersion": format!("{}/{}", self.group, self.version),
            "kind": self.kind,
            "metadata": {"name": "x", "namespace": "default"},
        });
        if self.schema["properties"]["spec"].is_object() {
            object["spec"] = sample(&self.schema["properties"]["spec"]);
        }
        object
    }

    /// Every `step`th object that differs from a sound one in one field.
    fn changed(&self, step: usize) -> Vec<Value> {
        let mut all = vec![self.object()];
        let mut found = Vec::new();
        ways(&self.schema, &[], &mut found);
        for way in found {
            let first = way.first();
            let is_meta = |name: &str| ["apiVersion", "kind", "metadata"].contains(&name);
            if matches!(first, Some(Step::Field(name)) if is_meta(name)) {
                continue;
            }
            let schema = way
                .iter()
                .fold(&self.schema, |schema, step| schema_of(schema, step));
            for value in values().iter().chain(&bounds(schema)) {
                let mut object = self.object();
                put(&mut object, &self.schema, &way, value);
                all.push(object);
            }
        }
        all.into_iter().step_by(step).collect()
    }

    fn request(&self, object: &Value) -> Value {
        let path = format!(
            "/apis/{}/{}/namespaces/default/{}/x?fieldManager=t&force=true&dryRun=All",
            self.group, self.version, self.plural
        );
        json!({"method": "PATCH", "path": path, "type": "application/apply-patch+yaml", "body": object})
    }
}

fn install(plane: &ControlPlane, all: &[Value]) {
    let texts: Vec<String> = all.iter().map(Value::to_string).collect();
    plane.apply(&texts.join("\n---\n")).code(0);
    let names = all
        .iter()
        .filter_map(|one| one["metadata"]["name"].as_str());
    let names: Vec<String> = names.map(|name| format!("crd/{name}")).collect();
    let mut wait = vec!["wait", "--for=condition=Established", "--timeout=60s"];
    wait.extend(names.iter().map(String::as_str));
    plane.kubectl(&wait).code(0);
}

/// Fails unless the server and the definitions agree on changed objects of each kind.
fn compare(plane: &ControlPlane, all: &[Value], step: usize) {
    install(plane, all);
    let texts: Vec<String> = all.iter().map(Value::to_string).collect();
    let loaded = load(&texts);

    let (mut refused, mut taken, mut wrong) = (0, 0, Vec::new());
    for kind in all.iter().flat_map(served) {
        let objects = kind.changed(step);
        let requests: Vec<Value> = objects.iter().map(|object| kind.request(object)).collect();
        for (object, answer) in objects.iter().zip(plane.ask(&requests)) {
            let is_taken = matches!(answer["code"].as_u64(), Some(200 | 201));
            match is_taken {
                true => taken += 1,
                false => refused += 1,
            }
            let ours = ours(&loaded, object);
            if ours.is_none() != is_taken {
                let message = &answer["body"]["message"];
                wrong.push(format!("{object}\n  ours: {ours:?}\n  server: {message}"));
            }
        }
    }
    say(&format!(
        "custom kinds: {refused} objects refused, {taken} taken, {} wrong",
        wrong.len()
    ));
    assert!(refused > 500 && taken > 500, "{refused} {taken}");
    let shown: Vec<&String> = wrong.iter().take(40).collect();
    assert!(wrong.is_empty(), "{} wrong: {shown:#?}", wrong.len());
}

#[test]
fn the_server_refuses_the_same_objects_of_a_kind_with_every_keyword() {
    let Some(plane) = ControlPlane::get() else {
        return;
    };
    let all = definitions(&fixture("custom-resources/definitions.yaml"));
    let namespaced: Vec<Value> = all
        .into_iter()
        .filter(|one| one["spec"]["scope"] == "Namespaced")
        .collect();
    compare(plane, &namespaced, 1);
}

#[test]
fn the_server_refuses_the_same_objects_of_the_kinds_of_flux() {
    let (Some(plane), Some(all)) = (ControlPlane::get(), flux_definitions()) else {
        return;
    };
    compare(plane, &all, 7);
}

const WIDGET: &str = "apiVersion: units.example.com/v1
kind: Widget
metadata:
  name: w
  namespace: red
spec:
  size: 1
";

/// A fleet that names definitions, with a tenant that has a manifest.
fn fleet(named: &str, manifest: &str) -> Sandbox {
    let kinds = "[units.example.com/Widget, units.example.com/Region, units.example.com/Bare]";
    Sandbox::with(&[
        (
            "tenants/fleet.yaml",
            &format!("{FLEET}  tenantKinds: {kinds}\n{named}"),
        ),
        (
            "tenants/red.yaml",
            &tenant("red", "  manifests: [m.yaml]\n"),
        ),
        ("tenants/m.yaml", manifest),
        (
            "definitions.yaml",
            &fixture("custom-resources/definitions.yaml"),
        ),
    ])
}

const NAMED: &str = "  customResourceDefinitions: [../definitions.yaml]\n";

fn check(manifest: &str) -> Ran {
    fleet(NAMED, manifest).run(&["check"])
}

/// A change of the widget, the line that is refused then, and the reason.
const REFUSED: [(&str, &str, usize, &str); 11] = [
    ("size: 1", "size: 11", 7, "spec.size must be at most 10"),
    (
        "size: 1",
        "size: one",
        7,
        "spec.size must be a whole number",
    ),
    ("size: 1", "mode: slow", 6, "spec lacks `size`"),
    (
        "size: 1",
        "size: 1\n  sise: 1",
        8,
        "spec.sise is no field of this kind",
    ),
    (
        "size: 1",
        "size: 1\n  name: X9",
        8,
        "spec.name must match ^[a-z]+$",
    ),
    (
        "size: 1",
        "size: 1\n  map: [{key: a}, {key: a}]",
        8,
        "spec.map has two items with the same key and protocol",
    ),
    (
        "size: 1",
        "size: 1\n  list:\n    - 1",
        9,
        "spec.list[0] must be a string (quote it)",
    ),
    (
        "com/v1",
        "com/v1alpha1",
        1,
        "the version v1alpha1 is not served; served are: v1, v1beta1",
    ),
    (
        "com/v1",
        "com/v3",
        1,
        "the version v3 is not served; served are: v1, v1beta1",
    ),
    (
        "kind: Widget",
        "kind: Region",
        5,
        "the kind is one of the cluster",
    ),
    (
        "kind: Widget",
        "kind: Bare",
        6,
        "spec is no field of this kind",
    ),
];

#[test]
fn a_verbatim_object_that_its_definition_refuses_is_an_error_at_its_line() {
    check(WIDGET).code(0);
    for (from, to, line, message) in REFUSED {
        let all = check(&WIDGET.replace(from, to)).code(1).all();
        assert!(all.contains("bundle/manifest-refused"), "{to}: {all}");
        assert!(
            all.contains(&format!("tenants/m.yaml:{line}:")),
            "{to}: {all}"
        );
        assert!(all.contains(message), "{to}: {all}");
        // Where no definition is named, nothing is known of the kind.
        fleet("", &WIDGET.replace(from, to)).run(&["check"]).code(0);
    }
}

#[test]
fn a_value_of_a_custom_object_is_not_shown() {
    for field in [
        "size: hunter2",
        "size: 1\n  name: hunter2",
        "size: 1\n  mode: hunter2",
    ] {
        let all = check(&WIDGET.replace("size: 1", field)).code(1).all();
        let messages = all
            .lines()
            .filter(|line| line.contains("would not be applied"));
        let messages: Vec<&str> = messages.collect();
        assert!(!messages.is_empty(), "{all}");
        assert!(
            messages.iter().all(|line| !line.contains("hunter2")),
            "{all}"
        );
    }
}

#[test]
fn a_template_cannot_render_an_object_that_its_definition_refuses() {
    let template = "apiVersion: units.example.com/v1\nkind: Widget\n\
                    metadata: {name: t, namespace: \"{{ namespace.name }}\"}\n\
                    spec: {size: 1}\n";
    let sandbox = fleet(NAMED, WIDGET);
    sandbox.write("templates/namespace/widget.yaml", template);
    sandbox.run(&["check"]).code(0);
    sandbox.write(
        "templates/namespace/widget.yaml",
        template.replace('1', "11"),
    );
    let all = sandbox.run(&["check"]).code(1).all();
    assert!(all.contains("bundle/object-invalid"), "{all}");
}

#[test]
fn a_file_without_a_definition_is_an_error_of_the_fleet() {
    let files = [
        ("missing.yaml", None, "the file missing.yaml does not exist"),
        ("../../x.yaml", None, "leads out of the repository"),
        (
            "a.yaml",
            Some(WIDGET),
            "a.yaml holds no CustomResourceDefinition",
        ),
        ("a.yaml", Some("a: [\n"), "a.yaml cannot be read"),
        (
            "a.yaml",
            Some(""),
            "a.yaml holds no CustomResourceDefinition",
        ),
    ];
    for (path, text, message) in files {
        let named = format!("  customResourceDefinitions:\n    - ../{path}\n");
        let sandbox = fleet(&named, WIDGET);
        if let Some(text) = text {
            sandbox.write(path, text);
        }
        let all = sandbox.run(&["check"]).code(1).all();
        let lines = sandbox.read("tenants/fleet.yaml").lines().count();
        assert!(
            all.contains(&format!("tenants/fleet.yaml:{lines}:")),
            "{path}: {all}"
        );
        assert!(all.contains(message), "{path}: {all}");
        let rule = match path.starts_with("../..") {
            true => "source/outside-root",
            false => "bundle/custom-resource-definition",
        };
        assert!(all.contains(rule), "{path}: {all}");
    }

    let twice = "  customResourceDefinitions: [../definitions.yaml, ../again.yaml]\n";
    let sandbox = fleet(twice, WIDGET);
    sandbox.write("again.yaml", fixture("custom-resources/definitions.yaml"));
    let all = sandbox.run(&["check"]).code(1).all();
    assert!(
        all.contains("widgets.units.example.com is there twice"),
        "{all}"
    );
}

#[test]
fn a_schema_that_cannot_be_read_leaves_the_other_ones() {
    let sandbox = fleet(
        NAMED,
        &WIDGET
            .replace("kind: Widget", "kind: Bare")
            .replace("spec:", "nonsense:"),
    );
    let text = fixture("custom-resources/definitions.yaml");
    sandbox.write("definitions.yaml", text.replace("'^[a-z]+$'", "'^[a-z'"));
    let all = sandbox.run(&["check"]).code(1).all();
    assert!(all.contains("bundle/definition-not-read"), "{all}");
    assert!(
        all.contains("the schema of widgets.units.example.com v1"),
        "{all}"
    );
    assert!(all.contains("nonsense is no field of this kind"), "{all}");

    sandbox.write("tenants/m.yaml", WIDGET.replace("size: 1", "size: 100"));
    sandbox.run(&["check"]).code(0);
}

#[test]
fn what_is_rendered_for_flux_fits_the_definitions_of_flux() {
    let folder = tool("flux-crds");
    let sandbox = fleet(
        "  customResourceDefinitions: [../source.yaml, ../kustomize.yaml, ../helm.yaml]\n",
        WIDGET,
    );
    for name in ["source", "kustomize", "helm"] {
        let text = std::fs::read_to_string(folder.join(format!("{name}-controller.yaml")));
        sandbox.write(&format!("{name}.yaml"), text.expect("a file of the module"));
    }
    let sync = "  manifests: [m.yaml]\n  sync:\n    - name: app\n      git: {url: \"https://example.com/a.git\", branch: main}\n";
    sandbox.write("tenants/red.yaml", tenant("red", sync));
    sandbox.run(&["check"]).code(0);

    // They are held against them.
    let text = sandbox.read("source.yaml");
    sandbox.write(
        "source.yaml",
        text.replace("^(http|https|ssh)://", "^never://"),
    );
    let all = sandbox.run(&["check"]).code(1).all();
    assert!(
        all.contains("bundle/object-invalid") && all.contains("spec.url must match"),
        "{all}"
    );
}
