//! What is done to a live cluster so that it is seen least: one field more, a label that vouches, a
//! name that a shell reads.

use super::live::{fleet, found, ok, report, tenant};
use crate::support::flux_loop::FluxLoop;
use crate::support::{Sandbox, say};
use tenantry::live::drift::differences;
use tenantry::value::Value;

/// Objects that differ by what was not rendered: what is said to differ, nothing where only the
/// server's defaults do.
#[test]
fn one_field_more_is_a_difference_where_it_opens() {
    const POLICY: &str = r#""apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy""#;
    const ROLE: &str = r#""apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole""#;
    const GUARD: &str =
        r#""apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy""#;
    const BOUND: &str = r#""apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding""#;
    const APPLIES: &str =
        r#""apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization""#;
    const HOME: &str = r#""apiVersion": "v1", "kind": "Namespace""#;
    let cases = [
        // A selector of nothing is not another's.
        (
            POLICY,
            r#""spec": {"ingress": [{"from": [{"podSelector": {}}]}]}"#,
            r#""spec": {"ingress": [{"from": [{"namespaceSelector": {}}]}], "policyTypes": ["Ingress"]}"#,
            "spec.ingress[0].from[0].podSelector",
        ),
        (
            POLICY,
            r#""spec": {"ingress": [{"from": [{"podSelector": {}}]}]}"#,
            r#""spec": {"ingress": [{"from": [{"podSelector": {}, "namespaceSelector": {}}]}]}"#,
            "spec.ingress[0].from[0].namespaceSelector",
        ),
        (
            POLICY,
            r#""spec": {"egress": [{"ports": [{"port": 53}]}]}"#,
            r#""spec": {"egress": [{"ports": [{"port": 53, "protocol": "TCP"}]}], "policyTypes": ["Ingress", "Egress"]}"#,
            "",
        ),
        (
            POLICY,
            r#""spec": {"egress": [{"ports": [{"port": 53}]}]}"#,
            r#""spec": {"egress": [{"ports": [{"port": 53, "endPort": 65535, "protocol": "TCP"}]}], "policyTypes": ["Ingress", "Egress"]}"#,
            "spec.egress[0].ports[0].endPort",
        ),
        (
            POLICY,
            r#""spec": {"podSelector": {}, "egress": []}"#,
            r#""spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}"#,
            "spec.policyTypes",
        ),
        (
            POLICY,
            r#""spec": {"podSelector": {"matchLabels": {"a": ""}}}"#,
            r#""spec": {"podSelector": {}, "policyTypes": ["Ingress"]}"#,
            "spec.podSelector.matchLabels",
        ),
        (
            ROLE,
            r#""rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]"#,
            r#""rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "nonResourceURLs": ["*"]}]"#,
            "rules[0].nonResourceURLs",
        ),
        (
            ROLE,
            r#""rules": []"#,
            r#""rules": null, "aggregationRule": {"clusterRoleSelectors": [{}]}"#,
            "aggregationRule",
        ),
        (
            GUARD,
            r#""spec": {"validations": [{"expression": "false"}], "matchConstraints": {"resourceRules": [{"resources": ["*"]}]}}"#,
            r#""spec": {"failurePolicy": "Fail", "validations": [{"expression": "false"}], "matchConstraints": {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}, "resourceRules": [{"resources": ["*"], "scope": "*"}]}}"#,
            "",
        ),
        (
            GUARD,
            r#""spec": {"validations": [{"expression": "false"}]}"#,
            r#""spec": {"validations": [{"expression": "false"}], "matchConditions": [{"name": "x", "expression": "false"}]}"#,
            "spec.matchConditions",
        ),
        (
            GUARD,
            r#""spec": {"matchConstraints": {"resourceRules": [{"resources": ["*"]}]}}"#,
            r#""spec": {"matchConstraints": {"resourceRules": [{"resources": ["*"]}], "excludeResourceRules": [{"resources": ["*"]}]}}"#,
            "spec.matchConstraints.excludeResourceRules",
        ),
        (
            GUARD,
            r#""spec": {"matchConstraints": {"resourceRules": []}}"#,
            r#""spec": {"matchConstraints": {"resourceRules": [], "namespaceSelector": {"matchLabels": {"no": "where"}}}}"#,
            "spec.matchConstraints.namespaceSelector",
        ),
        (
            BOUND,
            r#""spec": {"policyName": "p"}"#,
            r#""spec": {"policyName": "p", "matchResources": {"objectSelector": {"matchLabels": {"no": "where"}}}}"#,
            "spec.matchResources",
        ),
        (
            APPLIES,
            r#""spec": {"sourceRef": {"name": "a"}}"#,
            r#""spec": {"force": false, "sourceRef": {"name": "a", "namespace": "evil"}}"#,
            "spec.sourceRef.namespace",
        ),
        // A key counts, whatever its value.
        (
            HOME,
            r#""metadata": {"labels": {"a": ""}}"#,
            r#""metadata": {"labels": {}}"#,
            "metadata.labels.a",
        ),
        (
            HOME,
            r#""metadata": {"labels": {"a": "b"}}"#,
            r#""metadata": {"labels": {"a": "b", "more": "c"}, "ownerReferences": [{"uid": "1"}]}"#,
            "metadata.ownerReferences",
        ),
        (
            HOME,
            r#""metadata": {"labels": {"a": "b"}}"#,
            r#""metadata": {"labels": {"a": "b", "more": "c"}}"#,
            "",
        ),
    ];
    for (kind, wanted, live, path) in cases {
        let read = |more: &str| -> Value {
            let more = if more.contains("\"metadata\"") {
                more.replacen("\"metadata\": {", "\"metadata\": {\"name\": \"x\", ", 1)
            } else {
                format!("\"metadata\": {{\"name\": \"x\"}}, {more}")
            };
            serde_json::from_str(&format!("{{{kind}, {more}}}"))
                .unwrap_or_else(|e| panic!("{e}: {more}"))
        };
        let (wanted, live) = (read(wanted), read(live));
        let id = tenantry::kube::ObjectId::of(&wanted).expect("an object");
        let found = differences(&id, &wanted, &live, |_| Value::default());
        let paths: Vec<&str> = found.iter().map(|d| d.path.as_str()).collect();
        let right = if path.is_empty() {
            paths.is_empty()
        } else {
            paths.iter().any(|p| p.starts_with(path))
        };
        assert!(right, "{path}: {paths:?}\n{wanted:?}\n{live:?}");
    }
}

/// What is done by kubectl, the rule and object that it is found by, a part of what is said, its
/// level, and what undoes it.
type Edit<'a> = (
    &'a [&'a str],
    &'a str,
    &'a str,
    &'a str,
    &'a str,
    &'a [&'a str],
);

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

#[test]
fn what_vouches_for_itself_is_not_believed() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let plane = &flux.plane;
    let binding = "create rolebinding evil -n blue --clusterrole=view --group=green-admins";
    let edits: &[Edit<'_>] = &[
        (
            &[
                binding,
                "label rolebinding evil -n blue tenantry.dev/owner=acme tenantry.dev/tenant=blue",
            ],
            "live/foreign",
            "RoleBinding blue/evil",
            "it gives ClusterRole view",
            "error",
            &["delete rolebinding evil -n blue"],
        ),
        (
            &[
                binding,
                "label rolebinding evil -n blue kustomize.toolkit.fluxcd.io/name=app kustomize.toolkit.fluxcd.io/namespace=blue",
            ],
            "live/foreign",
            "RoleBinding blue/evil",
            "it gives ClusterRole view",
            "error",
            &["delete rolebinding evil -n blue"],
        ),
        (
            &[
                binding,
                "label rolebinding evil -n blue kustomize.toolkit.fluxcd.io/name=tenant-blue kustomize.toolkit.fluxcd.io/namespace=flux-system",
            ],
            "live/foreign",
            "RoleBinding blue/evil",
            "it gives ClusterRole view",
            "error",
            &["delete rolebinding evil -n blue"],
        ),
        (
            &[
                "create role own -n blue --verb=get --resource=pods",
                "create rolebinding own -n blue --role=own --serviceaccount=blue:default",
            ],
            "live/foreign",
            "RoleBinding blue/own",
            "it gives Role own",
            "warning",
            &["delete role/own rolebinding/own -n blue"],
        ),
        (
            &[
                "patch networkpolicy allow-intra -n blue --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/ingress/0/from\",\"value\":[{\"namespaceSelector\":{}}]}]",
            ],
            "live/drifted",
            "NetworkPolicy blue/allow-intra",
            "podSelector",
            "error",
            &[],
        ),
        (
            &[
                "patch kustomization tenant-blue -n flux-system --type=merge -p {\"spec\":{\"sourceRef\":{\"namespace\":\"evil\"}}}",
            ],
            "live/drifted",
            "Kustomization flux-system/tenant-blue",
            "spec.sourceRef.namespace is \"evil\", and nothing was rendered",
            "error",
            &[
                "patch kustomization tenant-blue -n flux-system --type=json -p [{\"op\":\"remove\",\"path\":\"/spec/sourceRef/namespace\"}]",
            ],
        ),
        (
            &[
                "patch networkpolicy default-deny -n blue --type=merge -p {\"metadata\":{\"finalizers\":[\"evil.io/x\"]}}",
                "delete networkpolicy default-deny -n blue --wait=false",
            ],
            "live/not-converged",
            "NetworkPolicy blue/default-deny",
            "is being deleted: the finalizer `evil.io/x`",
            "error",
            &[
                "patch networkpolicy default-deny -n blue --type=merge -p {\"metadata\":{\"finalizers\":null}}",
            ],
        ),
        (
            &[
                "patch gitrepository flux-system -n flux-system --type=merge -p {\"spec\":{\"suspend\":true}}",
            ],
            "live/not-converged",
            "",
            "which holds the tree, holds `main@sha1:",
            "error",
            &[
                "patch gitrepository flux-system -n flux-system --type=merge -p {\"spec\":{\"suspend\":false}}",
            ],
        ),
        (
            &[
                "patch kustomization bootstrap -n flux-system --type=merge -p {\"spec\":{\"suspend\":true}}",
            ],
            "live/not-converged",
            "",
            "flux-system/bootstrap, which applies `tenantry`, is suspended",
            "warning",
            &[
                "patch kustomization bootstrap -n flux-system --type=merge -p {\"spec\":{\"suspend\":false}}",
            ],
        ),
        (
            &[
                "patch rolebinding owner -n blue --type=merge -p {\"metadata\":{\"finalizers\":[\"evil.io/x\"]}}",
            ],
            "live/drifted",
            "RoleBinding blue/owner",
            "metadata.finalizers is [\"evil.io/x\"], and nothing was rendered",
            "error",
            &[
                "patch rolebinding owner -n blue --type=merge -p {\"metadata\":{\"finalizers\":null}}",
            ],
        ),
        (
            &["delete gitrepository flux-system -n flux-system"],
            "live/not-converged",
            "",
            "which holds the tree, is not there",
            "error",
            &["SERVE"],
        ),
    ];
    for (does, rule, object, message, level, undoes) in edits {
        does.iter()
            .for_each(|command| ok(&plane.kubectl(&words(command))));
        let report = report(&flux, &repo);
        let all = found(&report, rule);
        assert!(
            all.iter().any(|(o, m)| o == object && m.contains(message)),
            "{does:?}: {all:#?}"
        );
        let findings = report["clusters"][0]["findings"]
            .as_array()
            .expect("findings");
        let one = findings
            .iter()
            .find(|f| f["rule"] == *rule && f["object"] == *object)
            .expect("it was found");
        assert_eq!(one["level"], *level, "{does:?}");
        assert_eq!(
            report["clusters"][0]["converged"],
            *level == "warning",
            "{does:?}"
        );
        for command in *undoes {
            match *command {
                "SERVE" => flux.serve(&repo),
                command => ok(&plane.kubectl(&words(command))),
            }
        }
        flux.reconcile(&["tenant-blue"]);
        flux.until(message, || {
            flux.verify(&repo, "admin", &["verify", "-q"]).code == 0
        });
    }
    say(&format!(
        "live: {} edits that vouch for themselves found",
        edits.len()
    ));
    // A name that a shell reads, pasted into one: nothing but kubectl is run.
    let name = "x; touch pwned $(touch pwned) `touch pwned` 'y #";
    let evil = format!(
        "{{\"apiVersion\": \"rbac.authorization.k8s.io/v1\", \"kind\": \"RoleBinding\", \"metadata\": {{\"name\": {name:?}, \"namespace\": \"blue\"}}, \
         \"roleRef\": {{\"apiGroup\": \"rbac.authorization.k8s.io\", \"kind\": \"ClusterRole\", \"name\": \"view\"}}, \
         \"subjects\": [{{\"kind\": \"Group\", \"name\": \"g\"}}]}}"
    );
    ok(&plane.kubectl_with(&["create", "-f", "-"], &evil));
    let now = report(&flux, &repo);
    let findings = now["clusters"][0]["findings"].as_array().expect("findings");
    let one = findings
        .iter()
        .find(|f| f["rule"] == "live/foreign")
        .expect("it was found");
    let fix = one["fix"].as_str().expect("a fix");
    let command = &fix[fix.find("kubectl delete").expect("a command")..];
    let script = format!("kubectl() {{ printf '%s\\n' \"$@\"; }}\n{command}");
    let pasted = Sandbox::with(&[]);
    let mut bash = std::process::Command::new("bash");
    let ran = crate::support::Ran::of(
        bash.current_dir(pasted.path())
            .args(["-ec", &script])
            .output()
            .expect("bash starts"),
    );
    assert_eq!(ran.code, 0, "{}", ran.all());
    let wanted = format!("delete\nrolebinding.rbac.authorization.k8s.io/{name}\n-n\nblue\n");
    assert!(ran.out == wanted && !pasted.has("pwned"), "{}", ran.out);
    ok(&plane.kubectl(&["delete", "rolebinding", name, "-n", "blue"]));
    // A spec that does not parse takes nothing from a cluster, and makes no object a stray.
    repo.write(
        "tenants/green.yaml",
        tenant("green").replace("owners:", "ownerz:"),
    );
    let broken = flux.verify(&repo, "admin", &["verify"]);
    assert!(
        broken.code == 1
            && !broken.out.contains("delete namespace")
            && !broken.out.contains("of the tenant `green`"),
        "{}",
        broken.all()
    );
    repo.write("tenants/green.yaml", tenant("green"));
    // Argo CD beside Flux: what it brings into a tenant's namespace, and its version.
    let definition = super::live::PLUGIN
        .replace(
            "globalnetworkpolicies.crd.projectcalico.org",
            "applications.argoproj.io",
        )
        .replace("crd.projectcalico.org", "argoproj.io")
        .replace("globalnetworkpolicies", "applications")
        .replace("GlobalNetworkPolicy", "Application")
        .replace("\"Cluster\"", "\"Namespaced\"")
        .replace("\"v1\", \"served\"", "\"v1alpha1\", \"served\"");
    ok(&plane.apply(&definition));
    ok(&plane.kubectl(&[
        "wait",
        "crd/applications.argoproj.io",
        "--for=condition=Established",
        "--timeout=30s",
    ]));
    ok(&plane.kubectl(&["create", "namespace", "argocd"]));
    let application = |sync: &str, health: &str| {
        let text = format!(
            r#"{{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {{"name": "shop", "namespace": "argocd"}},
            "spec": {{"destination": {{"server": "https://kubernetes.default.svc", "namespace": "blue"}}}},
            "status": {{"sync": {{"status": "{sync}"}}, "health": {{"status": "{health}", "message": "no image"}}}}}}"#
        );
        ok(&plane.apply(&text));
        found(&report(&flux, &repo), "live/not-converged")
    };
    assert_eq!(application("Synced", "Healthy"), []);
    for (sync, health, says) in [
        ("Synced", "Degraded", "is Degraded: no image"),
        ("OutOfSync", "Healthy", "is OutOfSync: it is not in sync"),
        ("Synced", "Missing", "is Missing"),
    ] {
        let said = application(sync, health);
        assert!(
            said.len() == 1 && said[0].0 == "Application argocd/shop" && said[0].1.contains(says),
            "{said:?}"
        );
    }
    let server = r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "argocd-server", "namespace": "argocd"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "server", "image": "quay.io/argoproj/argocd:v2.10.6"}]}}}}"#;
    ok(&plane.apply(server));
    let holes = found(&report(&flux, &repo), "live/known-hole");
    assert!(
        holes.len() == 1 && holes[0].1.contains("CVE-2024-31990") && holes[0].1.contains("2.10.7"),
        "{holes:?}"
    );
    ok(&plane.kubectl(&["delete", "crd", "applications.argoproj.io"]));
    ok(&plane.kubectl(&["delete", "namespace", "argocd"]));
    // External things: of a tenant by its name, and of one that nothing declares.
    repo.write(
        "external.yaml",
        "- {tenant: blue, thing: \"s3://blue-data\"}\n- {tenant: gone, thing: \"vault: gone/\"}\n",
    );
    let external = ["verify", "--format", "json", "--inventory", "external.yaml"];
    let ran = flux.verify(&repo, "admin", &external);
    let left = found(
        &serde_json::from_str(&ran.out).expect("JSON"),
        "live/orphaned",
    );
    let gone = (
        "vault: gone/".to_owned(),
        "vault: gone/ is of the tenant `gone`, which nothing declares".to_owned(),
    );
    assert!(
        left.contains(&gone) && !left.iter().any(|(o, _)| o.contains("blue-data")),
        "{left:?}"
    );
    for (text, says) in [
        ("- {tenant: blue}\n", "external.yaml:1:"),
        ("a: b\n", "it is no list"),
        ("- [\n", "external.yaml:"),
    ] {
        repo.write("external.yaml", text);
        let ran = flux.verify(&repo, "admin", &external);
        assert!(ran.code == 2 && ran.err.contains(says), "{}", ran.all());
    }
    std::fs::remove_file(repo.path().join("external.yaml")).expect("it was there");
    // What is left out is said.
    ok(&plane.kubectl(&["delete", "limitrange", "limits", "-n", "blue"]));
    let some = flux.verify(&repo, "admin", &["verify", "--only", "gitops"]);
    assert!(
        some.code == 0
            && some.out.contains("not converged")
            && some.out.contains("1 error left out"),
        "{}",
        some.all()
    );
    let one = flux.verify(&repo, "admin", &["verify", "--tenant", "green"]);
    assert!(
        one.code == 0 && one.out.contains("of green alone"),
        "{}",
        one.all()
    );
    flux.reconcile(&["tenant-blue"]);
    flux.until("the LimitRange", || {
        flux.verify(&repo, "admin", &["verify", "-q"]).code == 0
    });
}

/// What both specs declare is declared in a cluster too: no finding, and it is counted; the same
/// edge by hand is found.
#[test]
fn a_declared_edge_is_one_in_the_cluster_too() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let edge = |name: &str, way: &str, other: &str| {
        let network = format!("network: {{{way}: [{{tenant: {other}, ports: [{{port: 8080}}]}}]}}");
        repo.write(
            &format!("tenants/{name}.yaml"),
            tenant(name).replace("spec: {", &format!("spec: {{{network}, ")),
        );
    };
    edge("blue", "egress", "green");
    edge("green", "ingress", "blue");
    ok(&repo.run(&["render"]));
    repo.git(&["commit", "-aqm", "an edge"]);
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-qm", "its files"]);
    flux.push(&repo);
    ok(&flux.verify(&repo, "admin", &["verify", "--wait", "--timeout", "90"]));
    let proof = flux.verify(&repo, "admin", &["prove", "--live", "--only", "network"]);
    assert!(
        proof.code == 0 && proof.out.contains("1 edge declared on both sides"),
        "{}",
        proof.all()
    );
    // The other way, by hand, at both ends.
    let policy = |name: &str, way: &str, rule: &str, other: &str| {
        let text = format!(
            r#"{{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {{"name": "hand", "namespace": "{name}"}},
            "spec": {{"podSelector": {{}}, "policyTypes": ["{way}"], "{rule}": [{{"{}": [{{"namespaceSelector":
            {{"matchLabels": {{"kubernetes.io/metadata.name": "{other}"}}}}}}]}}]}}}}"#,
            if way == "Ingress" { "from" } else { "to" }
        );
        ok(&flux.plane.apply(&text));
    };
    policy("green", "Egress", "egress", "blue");
    policy("blue", "Ingress", "ingress", "green");
    let proof = flux.verify(&repo, "admin", &["prove", "--live", "--only", "network"]);
    let says = "pods of `green` reach `blue`";
    assert!(
        proof.code == 1 && proof.out.contains(says) && proof.out.contains("lets it out of `green`"),
        "{}",
        proof.all()
    );
    for home in ["blue", "green"] {
        ok(&flux
            .plane
            .kubectl(&["delete", "networkpolicy", "hand", "-n", home]));
    }
}
