//! Manifests beside a fleet: what of them is read, what is refused or filled in later, and that it is
//! said.

use crate::support::{FLEET, Sandbox, pipe, tenant};

/// Two tenants that are closed to each other, as the namespaces `alpha` and `beta`.
fn closed() -> Sandbox {
    let sandbox = Sandbox::new();
    let tenant = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: \
             {{pod-security.kubernetes.io/enforce: restricted}}}}\n---\n\
             apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
             metadata: {{name: deny, namespace: {name}}}\n\
             spec: {{podSelector: {{}}, policyTypes: [Ingress, Egress]}}\n---\n\
             apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: quota, namespace: {name}}}\n\
             spec: {{hard: {{pods: \"10\", requests.cpu: \"4\", requests.memory: 8Gi, limits.cpu: \"8\", \
             limits.memory: 16Gi, requests.storage: 10Gi, persistentvolumeclaims: \"4\"}}}}\n"
        )
    };
    sandbox.write("base/alpha.yaml", tenant("alpha"));
    sandbox.write("base/beta.yaml", tenant("beta"));
    sandbox
}

/// What a proof says of the base with one more file.
fn beside(file: &str, text: &str) -> (i32, String) {
    let sandbox = closed();
    sandbox.write(&format!("base/{file}"), text);
    let ran = sandbox.run(&["prove", "--also", "base"]);
    (ran.code, ran.all())
}

/// An object of a kind, with fields below it.
fn object(version: &str, kind: &str, metadata: &str, rest: &str) -> String {
    format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{{metadata}}}\n{rest}\n")
}

/// Whether the proof is not sound, and says each of some words.
fn says(text: &str, words: &[&str]) {
    let (code, out) = beside("more.yaml", text);
    assert_eq!(code, 1, "{text}\n{out}");
    for word in words {
        assert!(out.contains(word), "{word} is not in\n{out}");
    }
}

fn is_clean(text: &str) {
    let (code, out) = beside("more.yaml", text);
    assert_eq!(code, 0, "{text}\n{out}");
}

#[test]
fn an_object_that_its_applier_places_is_said() {
    for (version, kind) in [
        ("v1", "Endpoints"),
        ("v1", "PersistentVolumeClaim"),
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
        ("cert-manager.io/v1", "Certificate"),
        ("monitoring.coreos.com/v1", "ServiceMonitor"),
        ("external-secrets.io/v1", "ExternalSecret"),
        ("source.toolkit.fluxcd.io/v1", "GitRepository"),
        ("traefik.io/v1alpha1", "IngressRoute"),
    ] {
        let placed_later = object(version, kind, "name: extra", "");
        says(&placed_later, &[&format!("{kind} extra"), "no namespace"]);
    }

    says(
        &object(
            "v1",
            "ConfigMap",
            "name: argocd-rbac-cm",
            "data: {policy.csv: a}",
        ),
        &["ConfigMap argocd-rbac-cm", "no namespace"],
    );

    // What belongs to the cluster, and what only holds data.
    is_clean(&object(
        "cert-manager.io/v1",
        "ClusterIssuer",
        "name: a",
        "",
    ));
    is_clean(&object("v1", "ConfigMap", "name: a", "data: {a: b}"));
}

#[test]
fn what_is_filled_in_later_is_said_wherever_it_decides() {
    let policy = |peer: &str| {
        object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "name: extra, namespace: beta",
            &format!("spec: {{podSelector: {{}}, ingress: [{{from: [{peer}]}}]}}"),
        )
    };
    says(
        &policy("{ipBlock: {cidr: \"${net}\"}}"),
        &["NetworkPolicy beta/extra", "${net}"],
    );
    says(
        &policy("{namespaceSelector: {matchLabels: {\"${key}\": a}}}"),
        &["${key}"],
    );
    says(
        &object(
            "v1",
            "Service",
            "name: a, namespace: beta",
            "spec: {ports: [{port: 80}], selector: {app: \"{{ .Values.app }}\"}}",
        ),
        &["spec.selector.app", "{{ .Values.app }}"],
    );

    says(
        &object(
            "v1",
            "PersistentVolume",
            "name: a",
            "spec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}, nfs: {server: a, path: \"/${dir}\"}}",
        ),
        &["spec.nfs.path"],
    );
    says(
        &policy("{podSelector: {matchExpressions: [{key: a, operator: In, values: [\"${b}\"]}]}}"),
        &["${b}"],
    );

    for (version, kind, spec) in [
        (
            "cert-manager.io/v1",
            "Certificate",
            "spec: {dnsNames: [\"${host}\"], issuerRef: {name: a, kind: ClusterIssuer}}",
        ),
        (
            "traefik.io/v1alpha1",
            "IngressRoute",
            "spec: {routes: [{match: \"Host(`${host}`)\", kind: Rule}]}",
        ),
    ] {
        let named_later = object(version, kind, "name: a, namespace: beta", spec);
        says(&named_later, &["${host}"]);
    }

    // What a definition says of its fields, and notes for people.
    is_clean(&object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "name: things.example.org",
        "spec: {group: example.org, names: {kind: Thing, plural: things}, scope: Namespaced, \
         versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: \
         {type: object, description: \"such as ${podselector:NAME}\"}}}]}",
    ));
    is_clean(&object(
        "v1",
        "Service",
        "name: a, namespace: beta, annotations: {note: \"see ${docs}\"}",
        "spec: {ports: [{port: 80}], selector: {app: a}}",
    ));
    says(
        &object(
            "v1",
            "Service",
            "name: a, namespace: beta, annotations: {external-dns.alpha.kubernetes.io/hostname: \"${host}\"}",
            "spec: {ports: [{port: 80}], selector: {app: a}}",
        ),
        &["${host}"],
    );

    // A script, an image and the data of a ConfigMap decide nothing.
    is_clean(&object(
        "v1",
        "ConfigMap",
        "name: a, namespace: beta",
        "data: {run: \"echo ${HOME}\"}",
    ));
    is_clean(&object(
        "v1",
        "Pod",
        "name: a, namespace: beta",
        "spec: {containers: [{name: c, image: \"a:${tag}\", args: [\"${HOME}\"], \
         env: [{name: A, value: \"${b}\"}], securityContext: {runAsNonRoot: true, \
         allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, \
         seccompProfile: {type: RuntimeDefault}}}]}",
    ));
}

#[test]
fn what_an_overlay_lists_and_nobody_gave_is_said() {
    let overlay = |resources: &str| format!("resources: {resources}\n");
    for missing in ["[gone.yaml]", "[../other]", "['git.example//x?ref=1']"] {
        let (code, out) = beside("kustomization.yaml", &overlay(missing));
        assert_eq!(code, 1, "{out}");
        assert!(
            out.contains("not among the inputs") || out.contains("remote"),
            "{out}"
        );
    }

    let (code, out) = beside("kustomization.yaml", &overlay("[alpha.yaml, ./beta.yaml]"));
    assert_eq!(code, 0, "{out}");
}

#[test]
fn a_floor_that_the_server_refuses_is_none() {
    let sandbox = closed();
    let refused = "apiVersion: v1\nkind: Namespace\nmetadata: {name: gamma, labels: \
                   {pod-security.kubernetes.io/enforce: restricted}}\n---\n\
                   apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
                   metadata: {name: Deny_All, namespace: gamma}\n\
                   spec: {podSelector: {}, policyTypes: [Ingress]}\n---\n\
                   apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
                   metadata: {name: out, namespace: beta}\n\
                   spec: {podSelector: {}, policyTypes: [Egress], egress: [{}]}\n";
    sandbox.write("base/gamma.yaml", refused);

    let ran = sandbox
        .run(&["prove", "--also", "base", "--only", "network"])
        .code(1);
    assert!(ran.out.contains("network/open-namespace"), "{}", ran.out);
    assert!(
        ran.out.contains("metadata.name is `Deny_All`"),
        "{}",
        ran.out
    );
    let ran = sandbox.run(&["reach", "beta", "gamma", "--also", "base"]);
    assert!(
        ran.out.starts_with("beta -> gamma: yes") || ran.out.contains("yes"),
        "{}",
        ran.out
    );
}

#[test]
fn a_hook_closes_nothing() {
    let quota = |annotation: &str| {
        object(
            "v1",
            "ResourceQuota",
            &format!("name: more, namespace: beta, annotations: {{{annotation}}}"),
            "spec: {hard: {pods: \"4\"}}",
        )
    };
    says(
        &quota("janitor/ttl: 1h"),
        &["ResourceQuota beta/more", "janitor/ttl"],
    );
    says(
        &quota("kapp.k14s.io/noop: ''"),
        &["ResourceQuota beta/more", "kapp.k14s.io/noop"],
    );
    for hook in [
        "helm.sh/hook: pre-install",
        "argocd.argoproj.io/hook: PostSync",
        "argocd.argoproj.io/hook: Skip",
    ] {
        says(&quota(hook), &["ResourceQuota beta/more", "hook"]);
    }
    is_clean(&quota("helm.sh/resource-policy: keep"));
}

#[test]
fn an_object_within_another_is_read() {
    let binding = "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, \
                   metadata: {name: inner, namespace: beta}, \
                   roleRef: {kind: ClusterRole, name: edit}, \
                   subjects: [{kind: ServiceAccount, name: a, namespace: alpha}]}";
    for (version, kind, spec) in [
        (
            "work.open-cluster-management.io/v1",
            "ManifestWork",
            format!("workload: {{manifests: [{binding}]}}"),
        ),
        (
            "kubernetes.crossplane.io/v1alpha2",
            "Object",
            format!("forProvider: {{manifest: {binding}}}"),
        ),
        (
            "work.karmada.io/v1alpha1",
            "Work",
            format!("workload: {{manifests: [{binding}]}}"),
        ),
        (
            "addon.open-cluster-management.io/v1alpha1",
            "AddOnTemplate",
            format!("agentSpec: {{workload: {{manifests: [{binding}]}}}}"),
        ),
        (
            "capsule.clastix.io/v1beta2",
            "GlobalTenantResource",
            format!("resources: [{{rawItems: [{binding}]}}]"),
        ),
        (
            "hive.openshift.io/v1",
            "SyncSet",
            format!("resources: [{binding}]"),
        ),
        (
            "fluxcd.controlplane.io/v1",
            "ResourceSet",
            format!("serviceAccountName: a, resources: [{binding}]"),
        ),
    ] {
        let outer = object(
            version,
            kind,
            "name: o, namespace: hub",
            &format!("spec: {{{spec}}}"),
        );
        says(
            &outer,
            &["RoleBinding beta/inner", "api/cross-tenant-binding"],
        );
    }

    for (version, kind, spec, words) in [
        (
            "hive.openshift.io/v1",
            "SyncSet",
            "patches: [{kind: RoleBinding, name: a}]",
            "spec.patches",
        ),
        (
            "redhatcop.redhat.io/v1alpha1",
            "NamespaceConfig",
            "templates: [{objectTemplate: a}]",
            "spec.templates",
        ),
        (
            "fleet.cattle.io/v1alpha1",
            "Bundle",
            "resources: [{content: a}]",
            "texts within it",
        ),
    ] {
        let metadata = "name: o, namespace: hub";
        let outer = object(version, kind, metadata, &format!("spec: {{{spec}}}"));
        says(&outer, &[&format!("{kind} hub/o"), words]);
    }

    let chart = object(
        "helm.cattle.io/v1",
        "HelmChart",
        "name: c, namespace: kube-system",
        "spec: {chart: x}",
    );
    says(&chart, &["HelmChart kube-system/c", "not among the inputs"]);
    let list = format!(
        "apiVersion: v1\nkind: List\nitems: [{{apiVersion: v1, kind: List, items: [{binding}]}}]\n"
    );
    says(&list, &["RoleBinding beta/inner"]);
}

#[test]
fn the_items_of_a_typed_list_are_of_its_kind() {
    let list = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBindingList\nitems:\n\
                - metadata: {name: inner, namespace: beta}\n\
                \x20 roleRef: {kind: ClusterRole, name: edit}\n\
                \x20 subjects: [{kind: ServiceAccount, name: a, namespace: alpha}]\n";
    says(
        list,
        &["RoleBinding beta/inner", "api/cross-tenant-binding"],
    );
    is_clean("apiVersion: v1\nkind: List\nitems: null\n");

    let sandbox = closed();
    sandbox.write(
        "list.json",
        "{\"kind\": \"ServiceAccountList\", \"apiVersion\": \"v1\", \
         \"items\": [{\"metadata\": {\"name\": \"a\", \"namespace\": \"alpha\"}}]}",
    );
    sandbox
        .run(&["prove", "--also", "base", "--snapshot", "list.json"])
        .code(0);
}

#[test]
fn a_name_that_is_no_text_is_said() {
    for (metadata, words) in [
        ("name: a, namespace: on", "metadata.namespace is a boolean"),
        ("name: y", "metadata.name is a boolean"),
        ("name: 123", "metadata.name is a number"),
        ("generateName: migrate-", "generateName"),
    ] {
        says(&object("v1", "ServiceAccount", metadata, ""), &[words]);
    }
}

#[test]
fn what_is_missing_beside_a_file_that_cannot_be_read_is_unknown() {
    let sandbox = closed();
    sandbox.write(
        "base/gamma.yaml",
        object(
            "v1",
            "Namespace",
            "name: gamma, labels: {pod-security.kubernetes.io/enforce: restricted}",
            "",
        ),
    );
    let refuted = sandbox
        .run(&["prove", "--also", "base", "--only", "resources"])
        .code(1);
    assert!(refuted.out.contains("refuted"), "{}", refuted.out);

    sandbox.write("base/torn.yaml", "a: 1\na: 2\n");
    let unknown = sandbox
        .run(&["prove", "--also", "base", "--only", "resources"])
        .code(1);
    assert!(
        unknown.out.contains("resources  unknown"),
        "{}",
        unknown.out
    );
}

#[test]
fn a_large_file_and_the_standard_input_are_read() {
    let sandbox = closed();
    let item = object(
        "v1",
        "ConfigMap",
        "name: a, namespace: alpha",
        &format!("data: {{a: {}}}", "x".repeat(900)),
    );
    sandbox.write("base/large.yaml", vec![item; 2000].join("---\n"));
    sandbox.run(&["prove", "--also", "base"]).code(0);

    let input = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
                 metadata: {name: piped, namespace: beta}\n\
                 roleRef: {kind: ClusterRole, name: edit}\n\
                 subjects: [{kind: ServiceAccount, name: a, namespace: alpha}]\n";
    let mut command = sandbox.command(&["prove", "--also", "base", "--also", "-"]);
    let ran = pipe(&mut command, input);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.out.contains("RoleBinding beta/piped"), "{}", ran.out);
}

#[test]
fn a_snapshot_of_powershell_is_read() {
    let sandbox = closed();
    let text = "{\"kind\": \"ServiceAccount\", \"apiVersion\": \"v1\", \
                \"metadata\": {\"name\": \"a\", \"namespace\": \"alpha\"}}";
    let mut wide: Vec<u8> = vec![0xff, 0xfe];
    wide.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    for bytes in [format!("\u{feff}{text}").into_bytes(), wide] {
        std::fs::write(sandbox.path().join("s.json"), bytes).expect("a file");
        sandbox
            .run(&["prove", "--also", "base", "--snapshot", "s.json"])
            .code(0);
    }
}

#[test]
fn a_quota_that_counts_nothing_is_said() {
    for (key, word) in [
        ("count/deployments", "count/deployments.apps"),
        (
            "count/persistentvolumes",
            "no namespace has such a resource",
        ),
        (
            "count/ingresses.extensions",
            "no namespace has such a resource",
        ),
    ] {
        let spec = tenant("red", &format!("  quota: {{{key}: \"4\"}}\n"));
        let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET), ("tenants/red.yaml", &spec)]);
        let ran = sandbox.run(&["check"]).code(0);
        let all = ran.all();
        assert!(
            all.contains("resources/quota-without-effect") && all.contains(word),
            "{all}"
        );
    }

    for key in [
        "count/deployments.apps",
        "requests.nvidia.com/gpu",
        "count/widgets.example.org",
    ] {
        let spec = tenant("red", &format!("  quota: {{{key}: \"4\"}}\n"));
        let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET), ("tenants/red.yaml", &spec)]);
        let all = sandbox.run(&["check"]).code(0).all();
        assert!(!all.contains("quota-without-effect"), "{all}");
    }
}

#[test]
fn a_manifest_of_a_tenant_that_the_server_refuses_is_an_error() {
    let config = |data: &str| object("v1", "ConfigMap", "name: a, namespace: red", data);
    for (text, field) in [
        (config("data: {a: 1}"), "data.a must be a string"),
        (config("dat: {a: b}"), "dat is no field of this kind"),
        (
            object(
                "v1",
                "Secret",
                "name: a, namespace: red",
                "data: {a: \"not base64\"}",
            ),
            "a value in data must be base64",
        ),
        (
            object(
                "v1",
                "Service",
                "name: a, namespace: red",
                "spec: {ports: [{port: 0}]}",
            ),
            "spec.ports[0].port must be a port",
        ),
        (
            object(
                "apps/v1",
                "Deployment",
                "name: a, namespace: red",
                "spec: {replicas: two, selector: {}, template: {}}",
            ),
            "spec.replicas must be a whole number",
        ),
    ] {
        let spec = tenant("red", "  manifests: [m.yaml]\n");
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            ("tenants/red.yaml", &spec),
            ("tenants/m.yaml", &text),
        ]);
        let all = sandbox.run(&["check"]).code(1).all();
        assert!(
            all.contains("bundle/manifest-refused") && all.contains(field),
            "{field}: {all}"
        );
    }
}

#[test]
fn the_files_of_a_tenant_are_bounded_together_and_over_its_clusters() {
    let file = |name: usize| {
        let line = format!("    {}\n", "x".repeat(90));
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{name}, namespace: a}}\ndata:\n  a: |\n{}",
            line.repeat(9_000)
        )
    };
    for (files, clusters, how) in [
        (4, 1, None),
        (6, 1, Some("bytes together")),
        (1, 90, Some("bytes on all clusters together")),
        (2, 90, Some("bytes on all clusters together")),
    ] {
        let named: Vec<String> = (0..files).map(|at| format!("../m/{at}.yaml")).collect();
        let listed: Vec<String> = (0..clusters)
            .map(|at| format!("    - name: c{at}\n"))
            .collect();
        let fleet = FLEET.replace("    - name: prod\n", &listed.concat());
        let on: Vec<String> = (0..clusters).map(|at| format!("c{at}")).collect();
        let more = format!(
            "  clusters: [{}]\n  manifests: [{}]\n",
            on.join(", "),
            named.join(", ")
        );
        let spec = tenant("a", &more);
        let sandbox = Sandbox::with(&[("tenants/fleet.yaml", &fleet), ("tenants/a.yaml", &spec)]);
        for at in 0..files {
            sandbox.write(&format!("m/{at}.yaml"), file(at));
        }

        let ran = sandbox.run(&["check"]);
        match how {
            None => assert_eq!(ran.code, 0, "{}", ran.all()),
            Some(how) => {
                let says =
                    ran.code == 1 && ran.all().contains(how) && ran.all().contains("held: a\n");
                assert!(says, "{files} files on {clusters} clusters: {}", ran.all());
            }
        }
    }
}
