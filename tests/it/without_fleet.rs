//! Manifests that no fleet describes: their clusters, the platform's namespaces, and objects that name
//! no namespace.

use crate::support::{Sandbox, pipe};

/// A Namespace with its floor, as far as the api plane asks.
fn namespace(name: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n")
}

/// A binding of a service account to Kubernetes' own ClusterRole `view`.
fn binding(name: &str, namespace: &str, [home, account]: [&str; 2]) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
         metadata: {{name: {name}, namespace: {namespace}}}\n\
         roleRef: {{kind: ClusterRole, name: view, apiGroup: rbac.authorization.k8s.io}}\n\
         subjects: [{{kind: ServiceAccount, name: {account}, namespace: {home}}}]\n---\n"
    )
}

/// A ClusterRoleBinding of a service account to `cluster-admin`.
fn administrator([home, account]: [&str; 2]) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\n\
         metadata: {{name: {account}-is-admin}}\n\
         roleRef: {{kind: ClusterRole, name: cluster-admin, apiGroup: rbac.authorization.k8s.io}}\n\
         subjects: [{{kind: ServiceAccount, name: {account}, namespace: {home}}}]\n---\n"
    )
}

#[test]
fn named_folders_are_clusters_of_their_own() {
    let both = namespace("red") + &namespace("blue");
    let sandbox = Sandbox::with(&[
        ("shared/all.yaml", &both),
        ("open/x.yaml", &binding("x", "blue", ["red", "app"])),
        ("closed/x.yaml", &binding("x", "blue", ["blue", "app"])),
    ]);
    let inputs = [
        "--also",
        "shared",
        "--also",
        "open=open",
        "--also",
        "closed=closed",
    ];
    let prove =
        |more: &[&str]| sandbox.run(&[&["prove", "--only", "api"], &inputs[..], more].concat());

    let ran = prove(&[]).code(1);
    for line in ["open: refuted; 2 tenants", "closed: assumed; 2 tenants"] {
        assert!(ran.out.contains(line), "{}", ran.out);
    }
    assert!(prove(&["--cluster", "open"]).code(1).out.contains("error["));
    let ran = prove(&["--cluster", "closed"]).code(0);
    assert!(!ran.out.contains("open: "), "{}", ran.out);

    let ran = prove(&["--cluster", "other"]).code(2);
    assert!(
        ran.err.contains("the arguments name open, closed"),
        "{ran:?}"
    );

    // A question is answered by each cluster.
    let ask = ["can", "sa:red:app", "list", "pods", "-n", "blue"];
    let ran = sandbox.run(&[&ask[..], &inputs].concat()).code(0);
    assert!(
        ran.out.contains("open: yes") && ran.out.contains("closed: no"),
        "{}",
        ran.out
    );
}

#[test]
fn usual_namespaces_of_platforms_are_no_tenants() {
    let objects = namespace("shop")
        + &namespace("monitoring")
        + &namespace("infra-dns")
        + &administrator(["monitoring", "prometheus"])
        + &administrator(["infra-dns", "dns"]);
    let sandbox = Sandbox::with(&[("all/x.yaml", &objects)]);
    let prove =
        |more: &[&str]| sandbox.run(&[&["prove", "--only", "api", "--also", "all"], more].concat());

    let ran = prove(&[]).code(1);
    assert!(
        ran.out.contains("the platform's by name: monitoring ("),
        "{}",
        ran.out
    );
    assert!(ran.all().contains("infra-dns/dns"), "{}", ran.all());
    assert!(
        !ran.all().contains("monitoring/prometheus"),
        "{}",
        ran.all()
    );

    let ran = prove(&["--platform-namespace", "infra-*"]).code(0);
    assert!(
        ran.out
            .contains("the platform's by name: infra-dns, monitoring ("),
        "{}",
        ran.out
    );
    let ran = prove(&[
        "--platform-namespace",
        "infra-*",
        "--tenant-namespace",
        "mon*",
    ])
    .code(1);
    assert!(ran.all().contains("monitoring/prometheus"), "{}", ran.all());

    // A label that names the tenant is stronger than the usual names.
    let labelled = objects.replace(
        "{name: monitoring}",
        "{name: monitoring, labels: {team: m}}",
    );
    sandbox.write("all/x.yaml", labelled);
    let ran = prove(&["--group-by", "team"]).code(1);
    assert!(ran.all().contains("monitoring/prometheus"), "{}", ran.all());
}

#[test]
fn a_fleet_says_itself_whose_a_namespace_is() {
    let sandbox = crate::support::two_tenants();
    for flag in ["--platform-namespace", "--tenant-namespace"] {
        let ran = sandbox.run(&["prove", flag, "x"]).code(2);
        assert!(ran.err.contains("platformNamespaces"), "{ran:?}");
    }
}

#[test]
fn objects_without_a_namespace_are_placed() {
    let chart = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {app: web}}\n\
                 spec: {containers: [{name: c, image: c}]}\n---\n\
                 apiVersion: v1\nkind: Pod\nmetadata: {name: db, labels: {app: db}}\n\
                 spec: {containers: [{name: c, image: c}]}\n---\n\
                 apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db}\n\
                 spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}\n---\n\
                 apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n\
                 metadata: {name: own}\nrules: []\n";
    let sandbox = Sandbox::with(&[("other.yaml", &namespace("other"))]);
    let ask = |more: &[&str]| {
        let question = ["reach", "shop/web", "shop/db", "--also", "-"];
        pipe(&mut sandbox.command(&[&question[..], more].concat()), chart)
    };

    let ran = ask(&["-n", "shop"]).code(1);
    assert!(
        ran.out.contains("cluster: no") && ran.out.contains("NetworkPolicy shop/db"),
        "{ran:?}"
    );
    // Without a place, no one knows which pods these are.
    assert_eq!(ask(&[]).code, 2);

    // What names a namespace stays there.
    let named = chart.replace(
        "metadata: {name: db}",
        "metadata: {name: db, namespace: other}",
    );
    let question = ["reach", "shop/web", "shop/db", "--also", "-", "-n", "shop"];
    let ran = pipe(&mut sandbox.command(&question), &named);
    assert!(
        ran.code == 0 && ran.out.contains("no policy governs"),
        "{ran:?}"
    );
}

#[test]
fn an_import_leaves_out_the_namespaces_that_are_named() {
    let objects = namespace("shop")
        + &namespace("infra-dns")
        + &binding("own", "shop", ["shop", "app"])
        + &binding("own", "infra-dns", ["infra-dns", "app"]);
    let sandbox = Sandbox::with(&[("all/x.yaml", &objects)]);
    let import = |more: &[&str]| {
        let args = ["import", "all", "--dry-run", "--owner", "group:platform"];
        let args = [&args, more].concat();
        sandbox.run(&args).all()
    };

    let report = import(&[]);
    assert!(
        report.contains("2 tenants") && !report.contains("--platform-namespace"),
        "{report}"
    );
    let report = import(&["--platform-namespace", "infra-*"]);
    assert!(
        report.contains("1 tenant:") && report.contains("`--platform-namespace` names it"),
        "{report}"
    );
}

#[test]
fn two_files_of_one_object_may_be_of_two_clusters() {
    let role = |verb: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: x}}\n\
             rules: [{{apiGroups: [''], resources: [pods], verbs: [{verb}]}}]\n"
        )
    };
    let apart = Sandbox::with(&[
        ("m/one/a.yaml", &(namespace("red") + &role("get"))),
        ("m/two/a.yaml", &(namespace("red") + &role("list"))),
    ]);
    let ran = apart.run(&["prove", "--also", "m", "--only", "gitops"]);
    assert!(
        ran.out.contains("gitops/second-definition")
            && ran
                .out
                .contains("fix: if the two files are of different clusters")
            && ran.out.contains("--also NAME=DIR"),
        "{}",
        ran.out
    );

    let both = namespace("red") + &role("get") + "---\n" + &role("list");
    let together = Sandbox::with(&[("m/a.yaml", &both)]);
    let ran = together.run(&["prove", "--also", "m", "--only", "gitops"]);
    assert!(
        ran.out.contains("fix: remove one of the two") && !ran.out.contains("NAME=DIR"),
        "{}",
        ran.out
    );
}

#[test]
fn findings_without_a_tenant_are_explained() {
    let overlay = "resources: [missing.yaml]\n";
    let sandbox = Sandbox::with(&[("m/kustomization.yaml", overlay)]);
    let ran = sandbox.run(&["prove", "--also", "m"]).code(1);
    assert!(
        ran.out.contains("no namespace counts as a tenant's")
            && ran.out.contains("--tenant-namespace")
            && !ran.out.contains("nothing to prove"),
        "{}",
        ran.out
    );
}

#[test]
fn reasons_that_are_cut_off_are_counted() {
    let missing: Vec<String> = (0..8).map(|at| format!("missing{at}.yaml")).collect();
    let overlay = format!("resources: [a.yaml, {}]\n", missing.join(", "));
    let both = namespace("red") + &namespace("blue");
    let sandbox = Sandbox::with(&[("m/kustomization.yaml", &overlay), ("m/a.yaml", &both)]);
    for question in [
        &["can", "user:x", "get", "pods", "-n", "red"][..],
        &["reach", "red", "blue"],
        &["who-can", "get", "pods", "-n", "red"],
    ] {
        let ran = sandbox.run(&[question, &["--also", "m"]].concat());
        assert!(
            ran.out.contains("unknown") && ran.out.contains("and 3 more"),
            "{question:?}: {ran:?}"
        );
    }

    // What mends it is what `prove` says.
    let fix = "fix: give it with --also";
    for question in [
        &["prove"][..],
        &["can", "user:x", "get", "pods", "-n", "red"],
        &["reach", "red", "blue"],
        &["who-can", "get", "pods", "-n", "red"],
    ] {
        let ran = sandbox.run(&[question, &["--also", "m"]].concat());
        assert!(ran.out.contains(fix), "{question:?}: {ran:?}");
    }
}

#[test]
fn a_role_of_kubernetes_has_no_line() {
    let sandbox = Sandbox::with(&[("m.yaml", &(namespace("red") + &namespace("blue")))]);
    let ran = sandbox.run(&["who-can", "get", "pods", "-n", "red", "--also", "m.yaml"]);
    assert!(
        ran.out.contains("Kubernetes' own") && !ran.out.contains("the cluster:1:1"),
        "{}",
        ran.out
    );
}
