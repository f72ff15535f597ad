//! What is said to be refused by a Pod Security level is refused by a real API server, and the other way
//! round: every field of a pod is changed in many ways.

use crate::support::control_plane::ControlPlane;
use crate::support::{FLEET, Sandbox, documents, pointers, say, tenant};
use serde_json::{Value, json};
use tenantry::kube::ObjectId;
use tenantry::kube::validation::{PodLevel, check_pod};

/// Values that a field is given in place of its own.
fn others() -> Vec<Value> {
    let texts = [
        "RuntimeDefault",
        "Localhost",
        "Unconfined",
        "Default",
        "Unmasked",
        "NET_BIND_SERVICE",
        "SYS_ADMIN",
        "CHOWN",
        "ALL",
        "container_t",
        "spc_t",
        "kernel.shm_rmid_forced",
        "kernel.msgmax",
        "net.ipv4.tcp_rmem",
        "windows",
        "linux",
        "",
    ];
    let mut all: Vec<Value> = texts.iter().map(|text| json!(text)).collect();
    all.extend([
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(80),
        json!([]),
        json!({}),
    ]);
    all
}

#[test]
fn the_server_refuses_the_pods_that_we_refuse_and_no_others() {
    let Some(plane) = ControlPlane::get() else {
        return;
    };
    let levels = [
        ("baseline", PodLevel::Baseline),
        ("restricted", PodLevel::Restricted),
    ];
    for (name, _) in levels {
        let labels = json!({"pod-security.kubernetes.io/enforce": name});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}});
        plane.ask(&[json!({"method": "POST", "path": "/api/v1/namespaces", "body": namespace})]);
        plane.ask(&[json!({"method": "POST", "path": format!("/api/v1/namespaces/{name}/serviceaccounts"), "body": account})]);
    }

    let (mut wrong, mut refused, mut asked) = (Vec::new(), 0, 0);
    for pod in documents("fixtures/server/pods.yaml") {
        let fields = pointers(&pod["spec"], "/spec");
        let mut changed = vec![("nothing".to_owned(), pod.clone())];
        for field in &fields {
            for other in others() {
                let mut object = pod.clone();
                *object.pointer_mut(field).expect("a field") = other.clone();
                changed.push((format!("{field} = {other}"), object));
            }
        }
        for (name, level) in levels {
            let requests: Vec<Value> = changed
                .iter()
                .map(|(_, object)| json!({"method": "POST", "path": format!("/api/v1/namespaces/{name}/pods?dryRun=All"), "body": object}))
                .collect();
            for ((change, object), answer) in changed.iter().zip(plane.ask(&requests)) {
                let message = answer["body"]["message"].as_str().unwrap_or_default();
                let by_level = message.contains("violates PodSecurity");
                if answer["code"] != 201 && !by_level {
                    continue;
                }
                asked += 1;
                refused += usize::from(by_level);
                let object = tenantry::value::Value::from(object);
                let id = ObjectId::of(&object).expect("an object");
                let ours = check_pod(&id, &object, level);
                if ours.is_some() != by_level {
                    let said = ours.map_or("taken".to_owned(), |refusal| refusal.to_string());
                    wrong.push(format!(
                        "{} {name}: {change}\n  ours: {said}\n  server: {} {message}",
                        pod["metadata"]["name"], answer["code"]
                    ));
                }
            }
        }
    }
    say(&format!(
        "pod security: {asked} pods, {refused} refused, {} differ",
        wrong.len()
    ));
    assert!(
        wrong.is_empty() && refused > 100,
        "{} differ\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

#[test]
fn pods_are_held_against_the_level_of_their_namespace() {
    let pod = "{containers: [{name: a, image: b}]}";
    let objects = [
        ("v1", "Pod", format!("spec: {pod}\n"), 1),
        (
            "apps/v1",
            "Deployment",
            format!(
                "spec: {{selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {pod}}}}}\n"
            ),
            0,
        ),
        (
            "batch/v1",
            "Job",
            format!(
                "spec: {{template: {{spec: {}}}}}\n",
                pod.replace("{c", "{restartPolicy: Never, c")
            ),
            0,
        ),
    ];
    for (version, kind, spec, code) in objects {
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            (
                "tenants/red.yaml",
                &tenant("red", "  manifests: [m.yaml]\n"),
            ),
            (
                "tenants/m.yaml",
                &format!(
                    "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x, namespace: red}}\n{spec}"
                ),
            ),
        ]);
        let all = sandbox.run(&["check"]).code(code).all();
        let rule = if code == 1 {
            "bundle/manifest-refused"
        } else {
            "bundle/pods-refused"
        };
        assert!(
            all.contains(rule) && all.contains("tenants/m.yaml:4:"),
            "{kind}: {all}"
        );

        let loose = spec.replace("{name: a,", "{name: a, securityContext: {allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}},");
        sandbox.write("tenants/m.yaml", format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x, namespace: red}}\n{loose}"));
        let all = sandbox.run(&["check"]).code(0).all();
        assert!(!all.contains("refused"), "{kind}: {all}");
    }
}

#[test]
fn a_pod_of_another_group_is_no_pod() {
    let file = "apiVersion: example.com/v1\nkind: Pod\nmetadata: {name: x, namespace: red}\nspec: {containers: [{name: a, image: b}]}\n";
    let fleet = FLEET.replace("spec:\n", "spec:\n  tenantKinds: [example.com/Pod]\n");
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", &fleet),
        (
            "tenants/red.yaml",
            &tenant("red", "  manifests: [m.yaml]\n"),
        ),
        ("tenants/m.yaml", file),
    ]);
    let all = sandbox.run(&["check"]).code(0).all();
    assert!(!all.contains("refused"), "{all}");
}

#[test]
fn a_quota_of_none_leaves_what_is_there() {
    let file = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: red}\n";
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        (
            "tenants/red.yaml",
            &tenant("red", "  manifests: [m.yaml]\n"),
        ),
        ("tenants/m.yaml", file),
    ]);
    sandbox.run(&["render"]).code(0);
    let spec = tenant(
        "red",
        "  manifests: [m.yaml]\n  quota: {configmaps: \"0\"}\n",
    );
    sandbox.write("tenants/red.yaml", spec);
    sandbox.run(&["check"]).code(0);

    sandbox.write(
        "tenants/m.yaml",
        format!("{file}---\n{}", file.replace("name: x", "name: y")),
    );
    let all = sandbox.run(&["check"]).code(1).all();
    assert!(
        all.contains("tenants/m.yaml:5:") && !all.contains("tenants/m.yaml:1:"),
        "{all}"
    );
}

#[test]
fn a_kind_that_the_quota_or_the_server_does_not_have_is_refused() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: red}\n";
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: x, namespace: red}\nspec:\n  rules:\n  - host: a..b\n    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}\n";
    let cases = [
        (
            "  quota: {\"count/configmaps\": \"0\"}\n",
            config.to_owned(),
            1,
        ),
        ("  quota: {configmaps: \"0\"}\n", config.to_owned(), 1),
        ("", config.replace("v1", "v2"), 1),
        (
            "",
            "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: x, namespace: red}\n"
                .to_owned(),
            1,
        ),
        (
            "",
            "apiVersion: apps/v9\nkind: Deployment\nmetadata: {name: x, namespace: red}\n"
                .to_owned(),
            1,
        ),
        ("  allow: {ingressHosts: [a.b]}\n", ingress.to_owned(), 6),
    ];
    for (spec, file, line) in cases {
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            (
                "tenants/red.yaml",
                &tenant("red", &format!("{spec}  manifests: [m.yaml]\n")),
            ),
            ("tenants/m.yaml", &file),
        ]);
        let all = sandbox.run(&["check"]).code(1).all();
        assert!(
            all.contains("bundle/manifest-refused")
                && all.contains(&format!("tenants/m.yaml:{line}:")),
            "{file}: {all}"
        );
    }
}
