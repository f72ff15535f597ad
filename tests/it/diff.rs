//! `diff`: changed objects, and who gains or loses access.

use crate::support::{FLEET, Sandbox, json, tenant, two_tenants, two_tenants_with_an_edge};

/// Commits all files.
fn commit(sandbox: &Sandbox) {
    for args in [
        &["init", "-q"][..],
        &["add", "-A"],
        &["commit", "-qm", "fleet"],
    ] {
        sandbox.git(args).code(0);
    }
}

#[test]
fn diff_compares_objects_with_a_revision() {
    let sandbox = two_tenants();
    commit(&sandbox);
    assert_eq!(sandbox.run(&["diff"]).code(0).out, "");
    sandbox.write(
        "tenants/a.yaml",
        tenant(
            "a",
            "  quota: {pods: \"9\"}\n  members: [{group: x, role: viewer}]\n",
        ),
    );

    let ran = sandbox.run(&["diff", "HEAD"]).code(0);
    assert!(
        ran.out
            .contains("~ ResourceQuota/a/quota\n    spec.hard.pods: \"50\" -> \"9\""),
        "{}",
        ran.out
    );

    assert!(
        ran.out
            .contains("+ RoleBinding.rbac.authorization.k8s.io/a/viewer"),
        "{}",
        ran.out
    );

    assert!(!ran.out.contains("/b/"), "{}", ran.out);
    sandbox.run(&["diff", "--exit-code"]).code(1);
    assert!(
        sandbox
            .run(&["diff", "--format", "markdown"])
            .code(0)
            .out
            .contains("```diff")
    );

    assert!(
        sandbox
            .run(&["diff", "nowhere"])
            .code(2)
            .err
            .contains("there is no revision `nowhere`")
    );

    let ran = sandbox.run(&["check", "--since", "HEAD"]).code(0);
    assert!(ran.err.contains("0 errors"), "{}", ran.err);
    sandbox.write("tenants/b.yaml", tenant("b", "  quota: {pods: x}\n"));
    sandbox.git(&["add", "-A"]).code(0);
    sandbox.write("tenants/b.yaml", tenant("b", ""));
    sandbox.run(&["check"]).code(0);
    sandbox.run(&["check", "--staged"]).code(1);
    sandbox.git(&["commit", "-qm", "two"]).code(0);
    sandbox.write("tenants/b.yaml", tenant("b", "  quota: {pods: x}\n"));
    sandbox.run(&["check"]).code(1);

    sandbox.run(&["check", "--since", "HEAD"]).code(0);
}

#[test]
fn diff_prints_no_value_of_a_secret() {
    let sandbox = two_tenants();
    let secret = |v: &str| {
        format!(
            "apiVersion: v1\n\
             kind: Secret\n\
             metadata: {{name: s, namespace: a}}\n\
             stringData: {{p: {v}}}\n"
        )
    };

    sandbox.write("extra.yaml", secret("hunter2"));
    sandbox.write(
        "tenants/a.yaml",
        tenant("a", "  manifests: [../extra.yaml]\n"),
    );

    commit(&sandbox);
    sandbox.write("extra.yaml", secret("hunter3"));

    for format in ["text", "json", "markdown"] {
        let ran = sandbox.run(&["diff", "--format", format]).code(0);
        assert!(
            ran.out.contains("Secret/a/s") && !ran.all().contains("hunter"),
            "{}",
            ran.all()
        );
    }
}

#[test]
fn diff_says_who_gains_and_who_loses_access() {
    let sandbox = two_tenants_with_an_edge();
    commit(&sandbox);
    let ran = sandbox.run(&["diff", "--fail-on", "widens"]);
    assert!(
        ran.code == 0 && ran.err.contains("changes nothing of what tenants may"),
        "{ran:?}"
    );

    // Another edge.
    sandbox.write(
        "tenants/a.yaml",
        tenant(
            "a",
            "  network: {egress: [{tenant: b, ports: [{port: 8080}]}, {cidr: 192.0.2.0/24}]}\n",
        ),
    );

    let ran = sandbox.run(&["diff", "--fail-on", "widens"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out
            .contains("prod: widens tenant `a`\n  + `a` -> 192.0.2.0/24\n"),
        "{}",
        ran.out
    );

    assert_eq!(sandbox.run(&["diff"]).code, 0);
    let report = json(&sandbox.run(&["diff", "--format", "json"]).out);
    assert_eq!(
        (&report["class"], &report["isolation"]["prod"]["a"]["class"]),
        (&"widens".into(), &"widens".into())
    );

    assert!(
        sandbox
            .run(&["diff", "--format", "markdown"])
            .out
            .contains("+ `a` -> 192.0.2.0/24")
    );

    // Another person; an edge that goes.
    sandbox.write(
        "tenants/a.yaml",
        tenant("a", "  members: [{group: a-devs, role: developer}]\n"),
    );

    sandbox.write("tenants/b.yaml", tenant("b", ""));
    let ran = sandbox.run(&["diff", "--fail-on", "widens"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out
            .contains("+ group a-devs has ClusterRole `tenantry-developer` in `a`"),
        "{}",
        ran.out
    );

    assert!(
        ran.out
            .contains("prod: narrows tenant `b`\n  - `b` <- `a` on TCP/8080"),
        "{}",
        ran.out
    );
}

#[test]
fn a_narrower_edge_gives_no_access_and_a_wider_edge_does() {
    let sandbox = two_tenants_with_an_edge();
    let edge = |more: &str| {
        tenant(
            "a",
            &format!("  network: {{egress: [{{tenant: b, ports: [{{port: 8080}}]}}, {more}]}}\n"),
        )
    };

    sandbox.write("tenants/a.yaml", edge("{cidr: 192.0.2.0/24}"));
    commit(&sandbox);

    for less in [
        "{cidr: 192.0.2.0/24, ports: [{port: 443}]}",
        "{cidr: 192.0.2.128/25}",
        "{cidr: 192.0.2.1/32, ports: [{port: 53, protocol: UDP}]}",
    ] {
        sandbox.write("tenants/a.yaml", edge(less));
        let ran = sandbox.run(&["diff", "--fail-on", "widens"]);
        assert!(
            ran.code == 0
                && ran
                    .out
                    .contains("prod: narrows tenant `a`\n  - `a` -> 192.0.2.0/24\n"),
            "{less}: {ran:?}"
        );
    }

    for more in ["{cidr: 192.0.2.0/23}", "{cidr: 198.51.100.0/24}"] {
        sandbox.write("tenants/a.yaml", edge(more));
        assert_eq!(
            sandbox.run(&["diff", "--fail-on", "widens"]).code,
            1,
            "{more}"
        );
    }

    sandbox.write("tenants/b.yaml", tenant("b", ""));
    // Less alone is no reason to fail.
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    let ran = sandbox.run(&["diff", "--fail-on", "widens"]);

    assert!(
        ran.code == 0 && ran.err.contains("narrows what tenants may"),
        "{ran:?}"
    );
}

/// A template of the cluster or of each namespace.
const CLUSTER: &str = "templates/cluster/extra.yaml";
const NAMESPACE: &str = "templates/namespace/extra.yaml";

/// The class of a change of one file, and the line that says what the change does; the exit code has
/// to fit the class.
#[track_caller]
fn class_of(path: &str, before: &str, after: &str) -> (String, String) {
    let sandbox = two_tenants();
    if !before.is_empty() {
        sandbox.write(path, before);
    }
    commit(&sandbox);
    match after {
        "" => std::fs::remove_file(sandbox.path().join(path)).expect("a file"),
        after => sandbox.write(path, after),
    }

    let ran = sandbox.run(&["diff", "--fail-on", "widens"]);
    let report = json(&sandbox.run(&["diff", "--format", "json"]).out);
    let class = report["class"].as_str().expect("a class").to_owned();
    let fails = ["widens", "cannot-tell"].contains(&class.as_str());
    assert_eq!(ran.code, i32::from(fails), "{class}: {}", ran.all());
    (class, ran.all())
}

#[track_caller]
fn assert_class(path: &str, before: &str, after: &str, class: &str, says: &str) {
    let (found, text) = class_of(path, before, after);
    assert_eq!(found, class, "{text}");
    assert!(text.contains(says), "{says}: {text}");
}

fn binding(subject: &str, role: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: ClusterRoleBinding\n\
         metadata: {{name: extra}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\n\
         subjects: [{{kind: Group, apiGroup: rbac.authorization.k8s.io, name: \"{subject}\"}}]\n"
    )
}

#[test]
fn objects_of_the_platform_are_in_the_delta() {
    for subject in ["system:authenticated", "auditors"] {
        let says = format!("+ group {subject} has ClusterRole `view` everywhere");
        assert_class(CLUSTER, "", &binding(subject, "view"), "widens", &says);
        let lost = says.replace('+', "-");
        assert_class(CLUSTER, &binding(subject, "view"), "", "narrows", &lost);
    }
    // Less of the same, and another name of the same.
    let edit = binding("auditors", "edit");
    assert_class(CLUSTER, &edit, &binding("auditors", "view"), "narrows", "");
    let renamed = edit.replace("name: extra", "name: other");
    assert_class(CLUSTER, &edit, &renamed, "neutral", "changes nothing");

    let policy = "apiVersion: admissionregistration.k8s.io/v1\n\
                  kind: ValidatingAdmissionPolicy\n\
                  metadata: {name: p}\n\
                  spec:\n  \
                    matchConstraints: {resourceRules: [{apiGroups: [\"\"], apiVersions: [v1], \
                    operations: [CREATE], resources: [pods]}]}\n  \
                    validations: [{expression: \"false\"}]\n";
    assert_class(
        CLUSTER,
        policy,
        "",
        "widens",
        "ValidatingAdmissionPolicy p is removed",
    );
    let weaker = policy.replace("\"false\"", "\"true\"");
    assert_class(CLUSTER, policy, &weaker, "cannot-tell", "? admission:");
}

#[test]
fn what_is_not_evaluated_cannot_be_told() {
    let account = "apiVersion: v1\n\
                   kind: ServiceAccount\n\
                   metadata: {name: job, namespace: \"{{ namespace.name }}\", \
                   annotations: {iam.gke.io/gcp-service-account: job@x.example}}\n";
    assert_class(
        NAMESPACE,
        "",
        account,
        "cannot-tell",
        "? identity: ServiceAccount a/job",
    );
    let other = account.replace("job@x", "admin@x");
    assert_class(NAMESPACE, account, &other, "cannot-tell", "admin@x");

    let gadget = "apiVersion: example.org/v1\n\
                  kind: Gadget\n\
                  metadata: {name: g, namespace: \"{{ namespace.name }}\"}\n\
                  spec: {power: 1}\n";
    let more = gadget.replace("power: 1", "power: 2");
    assert_class(
        NAMESPACE,
        gadget,
        &more,
        "cannot-tell",
        "spec.power changed (not shown)",
    );
    assert_class(NAMESPACE, "", gadget, "cannot-tell", "Gadget a/g is added");

    let settings = "apiVersion: v1\n\
                    kind: ConfigMap\n\
                    metadata: {name: settings, namespace: \"{{ namespace.name }}\"}\n\
                    data: {color: red}\n";
    let blue = settings.replace("red", "blue");
    assert_class(NAMESPACE, settings, &blue, "neutral", "changes nothing");
}

#[test]
fn a_policy_of_another_kind_narrows_only_if_it_allows_nothing() {
    let policy = "apiVersion: projectcalico.org/v3\n\
                  kind: NetworkPolicy\n\
                  metadata: {name: p, namespace: \"{{ namespace.name }}\"}\n\
                  spec: {selector: all(), types: [Egress], egress: [{action: Allow}]}\n";
    let says = "? object: NetworkPolicy a/p is added";
    assert_class(NAMESPACE, "", policy, "cannot-tell", says);
    let denies = policy.replace("Allow", "Deny");
    assert_class(
        NAMESPACE,
        "",
        &denies,
        "narrows",
        "NetworkPolicy a/p is added",
    );
}

#[test]
fn a_rule_that_no_request_matches_gives_nobody_anything() {
    let role = |verbs: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\n\
             kind: Role\n\
             metadata: {{name: r, namespace: \"{{{{ namespace.name }}}}\"}}\n\
             rules: [{{apiGroups: [\"\"], resources: [secrets], verbs: [{verbs}], resourceNames: [a]}}]\n\
             ---\n\
             apiVersion: rbac.authorization.k8s.io/v1\n\
             kind: RoleBinding\n\
             metadata: {{name: r, namespace: \"{{{{ namespace.name }}}}\"}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}}\n\
             subjects: [{{kind: User, apiGroup: rbac.authorization.k8s.io, name: eve}}]\n"
        )
    };
    let nothing = role("create, deletecollection");
    assert_class(NAMESPACE, "", &nothing, "neutral", "changes nothing");
    assert_class(
        NAMESPACE,
        "",
        &role("create, patch"),
        "widens",
        "user eve has Role `r`",
    );
}

#[test]
fn a_workload_that_only_runs_gives_nobody_anything() {
    let deployment = |pod: &str| {
        format!(
            "apiVersion: apps/v1\n\
             kind: Deployment\n\
             metadata: {{name: web, namespace: \"{{{{ namespace.name }}}}\"}}\n\
             spec: {{selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, \
             spec: {{{pod}}}}}}}\n"
        )
    };
    let container = "containers: [{name: c, image: x, securityContext: {runAsNonRoot: true, \
                     allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]";
    let plain = deployment(&format!(
        "volumes: [{{name: v, emptyDir: {{}}}}], {container}"
    ));
    assert_class(NAMESPACE, "", &plain, "neutral", "changes nothing");

    for more in [
        "serviceAccountName: boss",
        "hostNetwork: true",
        "securityContext: {seLinuxOptions: {type: spc_t}}",
        "priorityClassName: high",
        "volumes: [{name: v, csi: {driver: nfs.csi.k8s.io}}]",
    ] {
        let asking = deployment(&format!("{more}, {container}"));
        let (class, text) = class_of(NAMESPACE, "", &asking);
        assert!(
            ["cannot-tell", "widens"].contains(&class.as_str()),
            "{more}: {text}"
        );
    }
}

#[test]
fn an_account_in_the_place_of_another_has_its_rights() {
    let bound = |name: &str, role: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\n\
             kind: RoleBinding\n\
             metadata: {{name: extra, namespace: \"{{{{ namespace.name }}}}\"}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\n\
             subjects: [{{kind: ServiceAccount, name: {name}, namespace: \"{{{{ namespace.name }}}}\"}}]\n"
        )
    };
    let old = bound("old", "edit");
    assert_class(
        NAMESPACE,
        &old,
        &bound("new", "edit"),
        "neutral",
        "changes nothing",
    );
    assert_class(NAMESPACE, &old, &bound("new", "view"), "narrows", "");
    assert_class(
        NAMESPACE,
        &old,
        &bound("new", "admin"),
        "widens",
        "/new has ClusterRole `admin`",
    );

    // Beside the other one it is one more.
    let both = format!(
        "{old}---\n{}",
        bound("new", "edit").replace("name: extra", "name: more")
    );
    assert_class(
        NAMESPACE,
        &old,
        &both,
        "widens",
        "/new has ClusterRole `edit`",
    );
}

#[test]
fn bounds_are_compared_by_number() {
    let quota = |pods: &str| tenant("a", &format!("  quota: {{pods: \"{pods}\"}}\n"));
    let path = "tenants/a.yaml";
    let more = "+ bound: quota of `a`: pods 10 -> 40";
    assert_class(path, &quota("10"), &quota("40"), "widens", more);
    let less = "- bound: quota of `a`: pods 40 -> 10";
    assert_class(path, &quota("40"), &quota("10"), "narrows", less);
    assert_class(
        path,
        &quota("1000"),
        &quota("1k"),
        "neutral",
        "changes nothing",
    );
}

#[test]
fn paths_are_compared_as_unions() {
    let path = "tenants/a.yaml";
    let egress = |rules: &str| tenant("a", &format!("  network: {{egress: [{rules}]}}\n"));
    let whole = egress("{cidr: 192.0.2.0/24, ports: [{port: 80, endPort: 89}]}");

    for same in [
        "{cidr: 192.0.2.0/24, ports: [{port: 80, endPort: 84}, {port: 85, endPort: 89}]}",
        "{cidr: 192.0.2.0/25, ports: [{port: 80, endPort: 89}]}, \
         {cidr: 192.0.2.128/25, ports: [{port: 80, endPort: 89}]}",
        "{cidr: 192.0.2.0/25, ports: [{port: 80, endPort: 89}]}, \
         {cidr: 192.0.2.128/25, ports: [{port: 80, endPort: 82}, {port: 83, endPort: 89}]}",
    ] {
        assert_class(path, &whole, &egress(same), "neutral", "changes nothing");
        assert_class(path, &egress(same), &whole, "neutral", "changes nothing");
    }

    let gap = "{cidr: 192.0.2.0/24, ports: [{port: 80, endPort: 84}, {port: 86, endPort: 89}]}";
    assert_class(path, &whole, &egress(gap), "narrows", "");
    assert_class(path, &egress(gap), &whole, "widens", "on TCP/80-89");
}

#[test]
fn a_tenant_that_the_revision_holds_cannot_be_told() {
    let broken = tenant("a", "  quota: {pods: x}\n");
    assert_class(
        "tenants/a.yaml",
        &broken,
        &tenant("a", ""),
        "cannot-tell",
        "`a` has an error in the revision",
    );
}

/// A tenant that has an error now is refused, and not said to change nothing.
#[test]
fn a_tenant_with_an_error_is_not_neutral() {
    let broken = tenant("a", "  quota: {pods: x}\n");
    let says = "`a` has an error: it is left out";
    let good = tenant("a", "");
    assert_class("tenants/a.yaml", &good, &broken, "cannot-tell", says);
}

/// A policy of a namespace that nothing else names: the first one closes.
#[test]
fn policies_of_the_platforms_namespaces_count() {
    let policy = |ingress: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\n\
             kind: NetworkPolicy\n\
             metadata: {{name: x, namespace: monitoring}}\n\
             spec: {{podSelector: {{}}, policyTypes: [Ingress], ingress: [{ingress}]}}\n"
        )
    };
    let added = "NetworkPolicy monitoring/x is added";
    assert_class(CLUSTER, "", &policy(""), "narrows", added);
    let removed = "NetworkPolicy monitoring/x is removed";
    assert_class(CLUSTER, &policy(""), "", "cannot-tell", removed);
    let open = "+ `monitoring` <- anything";
    assert_class(CLUSTER, &policy(""), &policy("{}"), "widens", open);
}

#[test]
fn what_applies_the_tree_is_in_the_delta() {
    let fleet = |flux: &str| format!("{FLEET}      flux: {{{flux}}}\n");
    let path = "tenants/fleet.yaml";
    let says = "? sync: Kustomization flux-system/(each unit of the tree): spec.serviceAccountName";
    let other = fleet("serviceAccount: admin");
    assert_class(path, FLEET, &other, "cannot-tell", says);
    let other = fleet("source: {kind: GitRepository, name: other}");
    assert_class(path, FLEET, &other, "cannot-tell", "spec.sourceRef.name");
    let other = fleet("version: \"2.9\"");
    assert_class(path, FLEET, &other, "neutral", "changes nothing");
}

#[test]
fn a_new_source_of_a_sync_is_named_beside_access() {
    let sync = |repository: &str| {
        let git = format!("git: {{url: \"https://git.example/{repository}\", branch: main}}");
        tenant("a", &format!("  sync: [{{name: apps, {git}}}]\n"))
    };
    let says = "? sync: GitRepository a/apps: spec.url";
    assert_class(
        "tenants/a.yaml",
        &sync("a"),
        &sync("b"),
        "cannot-tell",
        says,
    );
}

/// Today's lock has a tombstone of the tenant, and the lock of the revision has none.
#[test]
fn a_removed_tenant_is_compared_as_the_revision_has_it() {
    let sandbox = two_tenants();
    sandbox.run(&["render"]).code(0);
    commit(&sandbox);
    std::fs::remove_file(sandbox.path().join("tenants/b.yaml")).expect("it is there");
    sandbox.run(&["render", "--allow-removal", "b"]).code(0);

    let ran = sandbox.run(&["diff", "HEAD"]).code(0);
    let removed = ran.out.lines().filter(|line| line.starts_with("- "));
    let of_tenant = removed.filter(|line| line.contains("/b"));
    assert!(of_tenant.count() > 5, "{}", ran.all());
    assert!(!ran.all().contains("not compared"), "{}", ran.all());
}

/// A tenant with an error at an edge is rendered without the edge, and compared.
#[test]
fn an_error_that_holds_nobody_leaves_nobody_out() {
    let sandbox = crate::support::two_tenants_with_an_edge();
    sandbox.run(&["render"]).code(0);
    sandbox.git(&["init", "-q"]).code(0);
    sandbox.git(&["add", "-A"]).code(0);
    sandbox.git(&["commit", "-qm", "all"]).code(0);
    sandbox.write("tenants/b.yaml", crate::support::tenant("b", ""));

    let ran = sandbox.run(&["diff"]).code(1);
    assert!(ran.err.contains("network/one-sided-edge"), "{}", ran.err);
    assert!(!ran.err.contains("held"), "{}", ran.err);

    sandbox.write(
        "tenants/b.yaml",
        crate::support::tenant("b", "  quota: {pods: many}\n"),
    );
    let ran = sandbox.run(&["diff"]).code(1);
    let says = "held, and left out of the comparison: b\n";
    assert!(ran.err.contains(says), "{}", ran.err);
}

#[test]
fn a_folder_with_nothing_to_compare_is_an_error() {
    let sandbox = two_tenants();
    sandbox.write("file", "x");
    sandbox.write(
        "objects/m.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: a}\n",
    );
    sandbox.write(
        "others/m.yaml",
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n",
    );
    for (folder, says) in [
        ("missing", "there is no such folder"),
        ("file", "there is no such folder"),
        ("/dev/null", "there is no such folder"),
        ("objects", "has no Namespace object"),
        ("others", "no tenant that is rendered has a namespace of"),
    ] {
        let ran = sandbox.run(&["diff", "--against", folder]).code(2);
        assert!(ran.err.contains(says), "{folder}: {}", ran.err);
        assert_eq!(ran.out, "", "{folder}");
    }
}
