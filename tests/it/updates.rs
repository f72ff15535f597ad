//! Fields that no update may change: what is said to be refused is refused by a real API server, and the
//! other way round; and a verbatim file that changes one is refused at its line.

use crate::support::control_plane::ControlPlane;
use crate::support::{Sandbox, documents, pointers, say, tenant};
use serde_json::{Value, json};
use tenantry::kube::validation::check_update;
use tenantry::kube::{ObjectId, kinds};

/// Values that a field is given in place of its own.
fn others(value: &Value) -> Vec<Value> {
    let texts = [
        "b",
        "3",
        "2Gi",
        "1m",
        "Parallel",
        "OrderedReady",
        "RollingUpdate",
        "Block",
        "Filesystem",
        "ReadWriteMany",
        "Indexed",
        "NonIndexed",
        "Never",
        "OnFailure",
        "FailJob",
        "Ignore",
        "NotIn",
        "IPv4",
        "FQDN",
        "ClusterRole",
        "User",
        "Exact",
        "All",
        "10.96.0.45",
        "Yw==",
        "example.org/other",
        "ClusterIP",
        "NodePort",
        "LoadBalancer",
        "0 4 * * *",
        "Allow",
        "Replace",
    ];
    match value {
        Value::String(text) => {
            let all = texts
                .iter()
                .map(|other| json!(other))
                .chain([json!(format!("{text}x"))]);
            all.filter(|other| other != value).collect()
        }
        Value::Number(number) => [0, 1, 2, 3, 7]
            .map(|n| json!(n))
            .into_iter()
            .filter(|n| *n != json!(number))
            .collect(),
        Value::Bool(flag) => vec![json!(!flag)],
        _ => Vec::new(),
    }
}

/// Replaces a text wherever it is the value of a field, and adds a key to every mapping of labels.
fn everywhere(value: &mut Value, change: &dyn Fn(&mut Value)) {
    change(value);
    match value {
        Value::Object(entries) => entries
            .iter_mut()
            .for_each(|(_, value)| everywhere(value, change)),
        Value::Array(items) => items.iter_mut().for_each(|value| everywhere(value, change)),
        _ => {}
    }
}

/// The objects that differ from one, each with what was changed.
fn mutations(object: &Value) -> Vec<(String, Value)> {
    let mut all = vec![("nothing".to_owned(), object.clone())];
    // What the object is stays.
    let names = ["/apiVersion", "/kind", "/metadata"];
    let is_kept = |field: &String| {
        let of = |name: &&str| field == name || field.starts_with(&format!("{name}/"));
        !names.iter().any(of)
    };
    let fields: Vec<String> = pointers(object, "").into_iter().filter(is_kept).collect();
    for field in &fields {
        let value = object.pointer(field).expect("a value").clone();
        for other in others(&value) {
            let mut changed = object.clone();
            *changed.pointer_mut(field).expect("a field") = other.clone();
            all.push((format!("{field} = {other}"), changed));
        }
        let (parent, key) = field.rsplit_once('/').expect("a pointer");
        let mut without = object.clone();
        if let Some(Value::Object(entries)) = without.pointer_mut(parent) {
            entries.remove(&key.replace("~1", "/"));
            all.push((format!("{field} is removed"), without));
        }
        if let Value::Array(items) = &value {
            let mut changed = object.clone();
            *changed.pointer_mut(field).expect("a field") = json!(items[1..]);
            all.push((format!("{field} is shorter"), changed));
        }
    }
    let spec = object["spec"].clone();
    for (what, key) in [("app", "app"), ("another", "other")] {
        let mut changed = spec.clone();
        everywhere(&mut changed, &|value| {
            for name in ["labels", "matchLabels"] {
                if let Some(Value::Object(labels)) = value.get_mut(name) {
                    labels.insert(key.into(), json!("changed"));
                }
            }
        });
        let mut other = object.clone();
        if !spec.is_null() && changed != spec {
            other["spec"] = changed;
            all.push((format!("the label {what} everywhere"), other));
        }
    }
    if let Some(data) = object.get("data") {
        let mut other = object.clone();
        other["data"] = data.clone();
        other["data"]["more"] = data
            .as_object()
            .and_then(|d| d.values().next())
            .cloned()
            .unwrap_or_default();
        all.push(("a key more".into(), other));
    }
    all
}

/// The request by which Flux applies an object.
fn apply(object: &Value, dry: bool) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind, name) = (
        text(&object["apiVersion"]),
        text(&object["kind"]),
        text(&object["metadata"]["name"]),
    );
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let plural = kinds::plural(group, &kind);
    let base = if group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{version}")
    };
    let dry = if dry { "&dryRun=All" } else { "" };
    let path = format!(
        "{base}/namespaces/updates/{plural}/{name}?fieldManager=kustomize-controller&force=true{dry}"
    );
    json!({"method": "PATCH", "path": path, "type": "application/apply-patch+yaml", "body": object})
}

fn ours(old: &Value, new: &Value) -> Option<String> {
    let id = ObjectId::of(&tenantry::value::Value::from(old)).expect("an object");
    let value = |object: &Value| tenantry::value::Value::from(object);
    check_update(&id, &value(old), &value(new)).map(|refusal| refusal.to_string())
}

/// What is known to differ: the size of a claim is not looked for, since it may grow once the claim is
/// bound; a count of 0 stands for 1.
fn is_beyond(change: &str) -> bool {
    change.starts_with("PersistentVolumeClaim sample: /spec/resources")
        || change.ends_with("/count = 0")
}

#[test]
fn the_server_refuses_the_updates_that_we_refuse_and_no_others() {
    let Some(plane) = ControlPlane::get() else {
        return;
    };
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "updates"}});
    plane.ask(&[json!({"method": "POST", "path": "/api/v1/namespaces", "body": namespace})]);
    let objects = documents("fixtures/server/updates.yaml");
    let applied = plane.ask(
        &objects
            .iter()
            .map(|object| apply(object, false))
            .collect::<Vec<_>>(),
    );
    for (object, answer) in objects.iter().zip(&applied) {
        let code = answer["code"].as_u64().unwrap_or_default();
        assert!(code == 200 || code == 201, "{}: {answer}", object["kind"]);
    }

    let mut all = Vec::new();
    for object in &objects {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let called = format!(
            "{} {}",
            text(&object["kind"]),
            text(&object["metadata"]["name"])
        );
        let changed = mutations(object).into_iter();
        all.extend(changed.map(|(change, other)| (format!("{called}: {change}"), object, other)));
    }
    let fresh = |object: &Value| {
        let mut other = object.clone();
        other["metadata"]["name"] = json!("fresh");
        if other["spec"]["clusterIP"].is_string() && other["spec"]["clusterIP"] == "10.96.0.44" {
            other["spec"]["clusterIP"] = json!("10.96.0.46");
        }
        other
    };
    let made = plane.ask(
        &all.iter()
            .map(|(_, _, other)| apply(&fresh(other), true))
            .collect::<Vec<_>>(),
    );
    let updated = plane.ask(
        &all.iter()
            .map(|(_, _, other)| apply(other, true))
            .collect::<Vec<_>>(),
    );

    let (mut wrong, mut refused) = (Vec::new(), 0);
    for (((change, old, new), made), updated) in all.iter().zip(&made).zip(&updated) {
        let is_made = made["code"] == 201;
        let is_refused = updated["code"] != 200;
        if !is_made || is_beyond(change) {
            continue;
        }
        refused += usize::from(is_refused);
        let ours = ours(old, new);
        if ours.is_some() != is_refused {
            wrong.push(format!(
                "{change}\n  ours: {}\n  server: {} {}",
                ours.unwrap_or_else(|| "taken".into()),
                updated["code"],
                updated["body"]["message"]
            ));
        }
    }
    say(&format!(
        "updates: {} changes, {refused} refused as updates alone, {} differ",
        all.len(),
        wrong.len()
    ));
    assert!(wrong.is_empty() && refused > 100, "{}", wrong.join("\n"));
}

const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: red}
spec:
  selector:
    matchLabels: {app: web}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: a, image: b}]}
";

/// An update: the object before and after, and whether the API server refuses it.
struct Update {
    old: Value,
    new: Value,
    is_refused: bool,
}

#[test]
fn absent_fields_and_forms_of_quantities_are_compared_as_the_server_does() {
    let config = |more: Value| {
        let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "immutable": true, "metadata": {"name": "a", "namespace": "b"}});
        for (key, value) in more.as_object().expect("fields") {
            object[key] = value.clone();
        }
        object
    };
    let secret = |more: Value| {
        let mut object = config(more);
        object["kind"] = json!("Secret");
        object
    };
    let sets = |spec: Value| json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "a", "namespace": "b"}, "spec": spec});
    let claims = |amount: &str| json!({"volumeClaimTemplates": [{"spec": {"resources": {"requests": {"storage": amount}}}}]});
    let update = |old: Value, new: Value, is_refused: bool| Update {
        old,
        new,
        is_refused,
    };

    let all = [
        update(
            config(json!({"data": {"a": "1"}})),
            config(json!({"data": {"a": "1.0"}})),
            true,
        ),
        update(sets(claims("1Gi")), sets(claims("1024Mi")), false),
        update(config(json!({"data": {"a": "1"}})), config(json!({})), true),
        update(config(json!({})), config(json!({"data": {"a": "1"}})), true),
        update(config(json!({"data": {}})), config(json!({})), false),
        update(sets(claims("1Gi")), sets(json!({})), true),
        update(sets(json!({})), sets(claims("1Gi")), true),
        update(
            sets(json!({"podManagementPolicy": "Parallel"})),
            sets(json!({})),
            true,
        ),
        update(
            sets(json!({"podManagementPolicy": "OrderedReady"})),
            sets(json!({})),
            false,
        ),
        update(secret(json!({"type": "Opaque"})), secret(json!({})), false),
        update(
            secret(json!({"type": "example.org/kind"})),
            secret(json!({})),
            true,
        ),
        update(
            secret(json!({"data": {"a": "Yg=="}})),
            secret(json!({"stringData": {"a": "b"}})),
            false,
        ),
    ];
    for Update {
        old,
        new,
        is_refused,
    } in &all
    {
        assert_eq!(ours(old, new).is_some(), *is_refused, "{old} to {new}");
    }
}

/// Writes a fleet with one tenant below a folder, renders it with arguments, and commits it.
fn rendered_below(folder: &str, args: &[&str]) -> Sandbox {
    let sandbox = Sandbox::with(&[]);
    let tenants = format!("{folder}/tenants");
    sandbox.write(&format!("{tenants}/fleet.yaml"), crate::support::FLEET);
    sandbox.write(
        &format!("{tenants}/red.yaml"),
        tenant("red", "  manifests: [m.yaml]\n"),
    );
    sandbox.write(&format!("{tenants}/m.yaml"), DEPLOYMENT);
    sandbox.git(&["init", "-q", "-b", "main"]).code(0);
    sandbox.run(&[&["render"], args].concat()).code(0);
    sandbox.git(&["add", "-A"]).code(0);
    sandbox.git(&["commit", "-q", "-m", "one"]).code(0);
    sandbox
}

#[test]
fn a_change_is_refused_wherever_the_fleet_and_its_tree_lie() {
    let changed = DEPLOYMENT.replace("app: web", "app: api");
    let rerender = |sandbox: &Sandbox| {
        for file in sandbox
            .files()
            .keys()
            .filter(|path| path.contains("rendered/"))
        {
            let text = sandbox.read(file);
            sandbox.write(file, text.replace("app: web", "app: api"));
        }
    };
    let refused = |ran: crate::support::Ran| {
        let all = ran.code(1).all();
        assert!(
            all.contains("selector.matchLabels.app is immutable"),
            "{all}"
        );
    };
    let fleet = ["--fleet", "platform/tenants/fleet.yaml"];
    let check = [&["check"], &fleet[..]].concat();

    let sandbox = rendered_below("platform", &fleet);
    sandbox.run(&check).code(0);
    sandbox.write("platform/tenants/m.yaml", &changed);
    refused(sandbox.run(&check));
    refused(sandbox.run(&[&check[..], &["--since", "HEAD"]].concat()));
    rerender(&sandbox);
    sandbox.run(&check).code(0);
    refused(sandbox.run(&[&check[..], &["--since", "HEAD"]].concat()));
    refused(sandbox.run(&[&["render", "--check", "--since", "HEAD"], &fleet[..]].concat()));
    sandbox.git(&["add", "-A"]).code(0);
    refused(sandbox.run(&[&check[..], &["--staged"]].concat()));

    let beside = [&fleet[..], &["--tree", "out/rendered"]].concat();
    let sandbox = rendered_below("platform", &beside);
    sandbox.write("platform/tenants/m.yaml", &changed);
    refused(sandbox.run(&[&["render"], &beside[..]].concat()));
    rerender(&sandbox);
    refused(sandbox.run(&[&["render", "--check", "--since", "HEAD"], &beside[..]].concat()));
}

#[test]
fn a_change_of_an_applied_selector_is_refused_at_its_line() {
    for place in ["own", "shared"] {
        let fleet = format!(
            "{}  delivery: {{manifests: {place}}}\n",
            crate::support::FLEET
        );
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", &fleet),
            (
                "tenants/red.yaml",
                &tenant("red", "  manifests: [m.yaml]\n"),
            ),
            ("tenants/m.yaml", DEPLOYMENT),
        ]);
        sandbox.run(&["render"]).code(0);
        sandbox.git(&["init", "-q", "-b", "main"]).code(0);
        sandbox.git(&["add", "-A"]).code(0);
        sandbox.git(&["commit", "-q", "-m", "one"]).code(0);

        sandbox.write("tenants/m.yaml", DEPLOYMENT.replace("image: b", "image: c"));
        sandbox.run(&["check"]).code(0);

        let changed = DEPLOYMENT.replace("app: web", "app: api");
        sandbox.write("tenants/m.yaml", &changed);
        let all = sandbox.run(&["check"]).code(1).all();
        assert!(
            all.contains("bundle/manifest-refused") && all.contains("tenants/m.yaml:6:"),
            "{all}"
        );
        sandbox.write(
            "tenants/m.yaml",
            changed.replace(
                "metadata: {name: d",
                "metadata: {annotations: {kustomize.toolkit.fluxcd.io/force: Enabled}, name: d",
            ),
        );
        sandbox.run(&["check"]).code(0);

        // A change that renders its own tree is held against the revision.
        sandbox.write("tenants/m.yaml", &changed);
        for file in sandbox
            .files()
            .keys()
            .filter(|path| path.starts_with("rendered/"))
        {
            let text = sandbox.read(file);
            sandbox.write(file, text.replace("app: web", "app: api"));
        }
        sandbox.run(&["check"]).code(0);
        sandbox.run(&["check", "--since", "HEAD"]).code(1);
        sandbox.git(&["add", "-A"]).code(0);
        sandbox.run(&["check", "--staged"]).code(1);
    }
}
