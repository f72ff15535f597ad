//! What is said to be refused is refused by a real API server, and the other way round: every field
//! of an object of each kind is changed in many ways.

use crate::support::control_plane::ControlPlane;
use crate::support::{documents, pointers, say};
use serde_json::{Value, json};
use tenantry::kube::validation::{self, Refusal};
use tenantry::kube::{ObjectId, kinds, resources};

/// Values that a field is given in place of its own.
fn values() -> Vec<Value> {
    let texts = [
        "",
        "a",
        "A",
        "a b",
        "a--b",
        "-a",
        "a.b",
        "a.b.c",
        "a/b",
        "x/y/z",
        "a_b",
        "80",
        "8080a",
        "Default_Deny",
        "TCP",
        "tcp",
        "Ingress",
        "In",
        "Exists",
        "None",
        "*",
        "500m",
        "1.5",
        "-1",
        "0",
        "1Gi",
        "1e3",
        "5k5",
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.0.0.5/8",
        "010.0.0.0/8",
        "10.0.0.0/33",
        "::ffff:10.0.0.0/104",
        "2001:db8::/32",
        "10.0.0.1",
        "127.0.0.1",
        "Role",
        "ClusterRole",
        "Group",
        "User",
        "ServiceAccount",
        "rbac.authorization.k8s.io",
        "Pod",
        "Container",
        "Deny",
        "Warn",
        "NodePort",
        "ExternalName",
        "LoadBalancer",
        "ClusterIP",
        "Block",
        "ReadWriteOncePod",
        "line\nbreak",
        "..",
    ];
    let mut all: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    all.push(json!("a".repeat(64)));
    all.push(json!("a".repeat(254)));
    for other in [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(80),
        json!(-1),
        json!(65535),
        json!(65536),
        json!(1.5),
        json!(3_000_000_000_i64),
        json!([]),
        json!({}),
        json!(["a"]),
        json!(["Ingress", "Egress", "Ingress"]),
        json!({"a": "b"}),
        json!({"a": 1}),
        json!({"a b": "c"}),
        json!([{}]),
        json!({"pods": "1.5"}),
        json!({"replicasets": "1"}),
        json!({"storage": "0"}),
        json!({"cpu": "2", "hugepages-2Mi": "4Mi"}),
        json!({"matchLabels": {"a": "b c"}}),
        json!(["BestEffort", "NotBestEffort"]),
        json!(["Deny", "Warn"]),
        json!(["ReadWriteOnce", "ReadWriteOncePod"]),
    ] {
        all.push(other);
    }
    all
}

/// The objects that differ from one in one field, each with what was changed.
fn mutations(object: &Value) -> Vec<(String, Value)> {
    let mut all = vec![("nothing".to_owned(), object.clone())];
    // What the object is stays.
    let names = ["/apiVersion", "/kind", "/metadata", "/metadata/namespace"];
    let is_kept = |field: &String| !names.contains(&field.as_str());
    let fields = pointers(object, "").into_iter().filter(is_kept);

    for field in fields {
        for value in values() {
            let mut other = object.clone();
            *other.pointer_mut(&field).expect("a field") = value.clone();
            all.push((format!("{field} = {value}"), other));
        }
        let mut other = object.clone();
        if let Some(Value::Object(entries)) = other.pointer_mut(&field) {
            entries.insert("noSuchField".into(), json!("x"));
            all.push((format!("{field}/noSuchField"), other));
        }
    }
    all
}

fn ours(object: &Value) -> Option<Box<Refusal>> {
    let id = ObjectId {
        group: object["apiVersion"]
            .as_str()
            .and_then(|v| v.split_once('/'))
            .map_or("", |(group, _)| group)
            .into(),
        kind: object["kind"].as_str().expect("a kind").into(),
        namespace: object["metadata"]["namespace"]
            .as_str()
            .unwrap_or_default()
            .into(),
        name: object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .into(),
    };
    let value = tenantry::value::Value::from(object);
    validation::check(
        &id,
        object["apiVersion"].as_str().expect("a version"),
        &value,
        Some(36),
    )
}

/// The request by which an object would be created.
fn request(object: &Value) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let (_, row) = resources::find_named(&kind, Some(group)).expect("a row");
    let base = match group {
        "" => format!("/api/{version}"),
        _ => format!("/apis/{version}"),
    };
    let place = match row.scope {
        kinds::Scope::Namespaced => "/namespaces/default",
        kinds::Scope::Cluster => "",
    };
    let path = format!(
        "{base}{place}/{}?dryRun=All&fieldValidation=Strict",
        row.plural
    );
    json!({"method": "POST", "path": path, "body": object})
}

/// Whether a refusal of the server is one that is not looked for: an expression that does not compile,
/// what an admission plugin says, and names that are taken.
fn is_beyond(change: &str, answer: &Value) -> bool {
    let message = answer["body"]["message"].as_str().unwrap_or_default();
    // Of pods only a part is checked.
    let of_pods = ["Pod", "Deployment", "CronJob"]
        .iter()
        .any(|kind| change.starts_with(&format!("\"{kind}\"")));
    of_pods
        || change.contains("xpression")
        || answer["code"] != 422 && answer["code"] != 400
        || message.contains("compilation failed")
}

#[test]
fn the_server_refuses_what_we_refuse_and_nothing_else() {
    let Some(plane) = ControlPlane::get() else {
        return;
    };
    let all: Vec<(String, Value)> = documents("fixtures/server/objects.yaml")
        .iter()
        .flat_map(|object| {
            let name = format!("{} {}", object["kind"], object["metadata"]["name"]);
            mutations(object)
                .into_iter()
                .map(move |(change, other)| (format!("{name}: {change}"), other))
        })
        .collect();

    let requests: Vec<Value> = all.iter().map(|(_, object)| request(object)).collect();
    let answers = plane.ask(&requests);
    let (mut wrong, mut refused) = (Vec::new(), 0);
    for ((change, object), answer) in all.iter().zip(&answers) {
        let ours = ours(object);
        let taken = answer["code"] == 201;
        refused += usize::from(!taken);
        if ours.is_some() == taken && (ours.is_some() || !is_beyond(change, answer)) {
            let said = ours.map_or("taken".to_owned(), |refusal| refusal.to_string());
            wrong.push(format!(
                "{change}\n  ours: {said}\n  server: {} {}",
                answer["code"], answer["body"]["message"]
            ));
        }
    }

    say(&format!(
        "validation: {} objects, {refused} of them refused by the API server, {} differ",
        all.len(),
        wrong.len()
    ));
    assert!(
        wrong.is_empty(),
        "{} differ, such as\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

/// Names of each form and length, of which each kind takes some.
fn names() -> Vec<String> {
    let lengths = [
        1, 10, 11, 51, 52, 53, 57, 58, 59, 62, 63, 64, 65, 252, 253, 254, 300,
    ];
    let mut all: Vec<String> = lengths.map(|length| "a".repeat(length)).into();
    all.push(format!("a.{}", "b".repeat(100)));
    all.push(format!("{}.b", "a".repeat(61)));
    let texts = [
        "",
        " ",
        "-",
        ".",
        "..",
        "...",
        "0",
        "1a",
        "a1",
        "-a",
        "a-",
        "a-b",
        "a--b",
        "a.b",
        "a..b",
        ".a",
        "a.",
        "a-.b",
        "a.-b",
        "A",
        "aB",
        "a_b",
        "a:b",
        "a/b",
        "a%b",
        "a b",
        " a",
        "a ",
        "a~b",
        "a@b",
        "a,b",
        "é",
        "a\u{200b}",
        "a\n",
        "*",
        "system:a",
        "192.0.2.1",
        "192.0.2.01",
        "2001:db8::1",
        "2001:DB8::1",
        "::ffff:192.0.2.1",
        "tenant.example",
    ];
    all.extend(texts.map(str::to_owned));
    all
}

#[test]
fn the_names_that_the_server_refuses_are_refused_of_each_kind() {
    let Some(plane) = ControlPlane::get() else {
        return;
    };
    let mut objects = documents("fixtures/server/names.yaml");
    objects.extend(documents("fixtures/server/objects.yaml"));
    // Admission refuses each Pod for want of a service account; its name is that of a PodTemplate.
    objects.retain(|object| object["kind"] != "Pod");
    let mut all: Vec<Value> = objects.clone();
    for object in &objects {
        for name in names() {
            let mut other = object.clone();
            other["metadata"]["name"] = json!(name);
            all.push(other);
        }
    }

    let requests: Vec<Value> = all.iter().map(request).collect();
    let answers = plane.ask(&requests);
    // As they are, all are taken: what a changed one is refused for is its name.
    let as_they_are: Vec<String> = objects
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| answer["code"] != 201)
        .map(|(object, answer)| format!("{object}: {}", answer["body"]["message"]))
        .collect();
    assert!(as_they_are.is_empty(), "{}", as_they_are.join("\n"));

    let (mut wrong, mut refused) = (Vec::new(), 0);
    for (object, answer) in all.iter().zip(&answers) {
        let (ours, taken) = (ours(object), answer["code"] == 201);
        refused += usize::from(!taken);
        if ours.is_some() == taken {
            let said = ours.map_or("taken".to_owned(), |refusal| refusal.to_string());
            wrong.push(format!(
                "{} {}\n  ours: {said}\n  server: {} {}",
                object["kind"],
                object["metadata"]["name"],
                answer["code"],
                answer["body"]["message"]
            ));
        }
    }

    say(&format!(
        "validation: {} names of {} objects, {refused} of them refused by the API server, {} differ",
        all.len() - objects.len(),
        objects.len(),
        wrong.len()
    ));
    assert!(
        wrong.is_empty(),
        "{} differ, such as\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
