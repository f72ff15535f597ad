//! `can`: the reasons of each answer, and the ways to act as others that the proof knows.

use crate::isolation::{base, cluster};
use crate::support::{Sandbox, fixture, root};
use serde_json::json;
use std::fmt::Write;
use tenantry::graph::rbac::{AccessRequest, Subject};
use tenantry::isolation::question::{self, AccessQuestion, Word};

/// Asks about a resource of the core group.
fn ask<'a>(verb: &'a str, resource: &'a str, namespace: &'a str) -> AccessQuestion<'a> {
    AccessQuestion::Resource(AccessRequest {
        verb,
        resource,
        namespace,
        ..AccessRequest::default()
    })
}

/// What the chain of a finding says of a bad case, as a question.
struct Chain {
    fixture: &'static str,
    subject: &'static str,
    /// The verb, the resource and the namespace.
    asks: [&'static str; 3],
}

const fn chain(fixture: &'static str, subject: &'static str, asks: [&'static str; 3]) -> Chain {
    Chain {
        fixture,
        subject,
        asks,
    }
}

/// One for each rule of the api plane.
const CHAINS: [Chain; 9] = [
    chain(
        "argo-cd-policy",
        "group:blue-admins",
        ["get", "secrets", "green"],
    ),
    chain(
        "cluster-binding",
        "group:blue-admins",
        ["list", "pods", "green"],
    ),
    chain(
        "cross-tenant-binding",
        "sa:blue:app",
        ["get", "secrets", "green"],
    ),
    chain(
        "dangling-role",
        "group:blue-admins",
        ["delete", "services", "blue"],
    ),
    chain(
        "lost-subject",
        "sa:team-that-left:ci",
        ["list", "pods", "blue"],
    ),
    chain(
        "operator-kind",
        "group:blue-admins",
        ["get", "secrets", "green"],
    ),
    chain(
        "shared-membership",
        "user:arn:aws:iam::1:role/developers",
        ["list", "pods", "green"],
    ),
    chain("shared-subject", "group:webops", ["list", "pods", "green"]),
    chain("wide-subject", "user:somebody", ["list", "pods", "green"]),
];

#[test]
fn what_a_finding_of_the_api_plane_says_is_not_denied() {
    let folders = std::fs::read_dir(root().join("fixtures/isolation/rules")).expect("fixtures");
    let names = folders.map(|folder| folder.expect("a folder").file_name());
    let of_api = names.filter(|name| name.to_string_lossy().starts_with("api-"));
    assert_eq!(
        of_api.count(),
        CHAINS.len(),
        "a chain for each rule of the api plane"
    );

    // No other bad case has a finding of the api plane.
    let all = std::fs::read_dir(root().join("fixtures/isolation/rules")).expect("fixtures");
    for folder in all {
        let folder = folder.expect("a folder");
        let name = folder.file_name().to_string_lossy().into_owned();
        let bad = folder.path().join("bad/objects.yaml");
        let Ok(case) = std::fs::read_to_string(bad) else {
            continue;
        };
        let (_, cluster) = cluster(&[base(), ("case.yaml".into(), case)]);
        let proof = tenantry::isolation::prove(&cluster);
        let is_refuted = proof.findings.iter().any(|finding| {
            finding.verdict.is_some() && finding.diagnostic.rule.id.starts_with("api/")
        });
        assert!(!is_refuted || name.starts_with("api-"), "{name}");
    }

    for chain in &CHAINS {
        let case = fixture(&format!(
            "isolation/rules/api-{}/bad/objects.yaml",
            chain.fixture
        ));
        let (_, cluster) = cluster(&[base(), ("case.yaml".into(), case)]);
        let subject = Subject::parse(chain.subject).expect("a subject");
        let [verb, resource, namespace] = chain.asks;
        let answer = question::answer(&cluster, &subject, &ask(verb, resource, namespace), false);
        assert_ne!(answer.word, Word::No, "{}: {answer:?}", chain.fixture);
        assert!(!answer.steps.is_empty(), "{}: {answer:?}", chain.fixture);
    }
}

/// Two namespaces, an administrator in `beta`, and a role of `eve` with some rules: in the whole
/// cluster, or in `alpha`.
fn with_rules(of_cluster: bool, rules: &[&str], more: &str) -> Sandbox {
    let (kind, place) = match of_cluster {
        true => ("Cluster", ""),
        false => ("", ", namespace: alpha"),
    };
    let api = "apiVersion: rbac.authorization.k8s.io/v1";
    let mut text = String::new();
    for name in ["alpha", "beta"] {
        let _ = write!(
            text,
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels: \
             {{pod-security.kubernetes.io/enforce: restricted}}\n---\n\
             apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: own, namespace: {name}}}\n---\n"
        );
    }
    let _ = write!(
        text,
        "{api}\nkind: RoleBinding\nmetadata: {{name: own, namespace: beta}}\n\
         roleRef: {{kind: ClusterRole, name: admin, apiGroup: rbac.authorization.k8s.io}}\n\
         subjects: [{{kind: ServiceAccount, name: own, namespace: beta}}]\n---\n\
         {api}\nkind: {kind}Role\nmetadata: {{name: eve{place}}}\nrules: [{}]\n---\n\
         {api}\nkind: {kind}RoleBinding\nmetadata: {{name: eve{place}}}\n\
         roleRef: {{kind: {kind}Role, name: eve, apiGroup: rbac.authorization.k8s.io}}\n\
         subjects: [{{kind: User, name: eve, apiGroup: rbac.authorization.k8s.io}}]\n---\n{more}",
        rules.join(", ")
    );
    Sandbox::with(&[("all.yaml", &text)])
}

/// Asks whether eve reads the Secrets of `beta`.
fn eve(sandbox: &Sandbox) -> String {
    sandbox
        .run(&[
            "can", "user:eve", "get", "secrets", "-n", "beta", "--also", "all.yaml",
        ])
        .out
}

/// A rule of RBAC: the group, the resource and the verb.
fn rule([group, resource, verb]: [&str; 3]) -> String {
    format!("{{apiGroups: ['{group}'], resources: ['{resource}'], verbs: ['{verb}']}}")
}

/// A way to act as others in the whole cluster, and a part of it that is none.
struct ClusterWay {
    rights: &'static [[&'static str; 3]],
    word: &'static str,
    /// The rights of a neighbour that gives nothing.
    harmless: &'static [[&'static str; 3]],
}

const ADMISSION: &str = "admissionregistration.k8s.io";

const CLUSTER_WAYS: [ClusterWay; 8] = [
    ClusterWay {
        rights: &[["", "nodes/proxy", "create"]],
        word: "yes",
        harmless: &[["", "nodes/metrics", "get"]],
    },
    ClusterWay {
        rights: &[[ADMISSION, "mutatingwebhookconfigurations", "patch"]],
        word: "yes",
        harmless: &[[ADMISSION, "mutatingwebhookconfigurations", "get"]],
    },
    ClusterWay {
        rights: &[
            [ADMISSION, "mutatingadmissionpolicies", "create"],
            [ADMISSION, "mutatingadmissionpolicybindings", "create"],
        ],
        word: "yes",
        harmless: &[[ADMISSION, "mutatingadmissionpolicies", "list"]],
    },
    ClusterWay {
        rights: &[
            ["", "persistentvolumes", "create"],
            ["", "persistentvolumeclaims", "create"],
            ["", "pods", "create"],
        ],
        word: "yes",
        harmless: &[["", "persistentvolumes", "create"]],
    },
    ClusterWay {
        rights: &[
            ["", "namespaces", "patch"],
            ["apps", "deployments", "create"],
        ],
        word: "yes",
        harmless: &[["", "namespaces", "patch"]],
    },
    ClusterWay {
        rights: &[[ADMISSION, "validatingwebhookconfigurations", "create"]],
        word: "unknown",
        harmless: &[[ADMISSION, "validatingwebhookconfigurations", "list"]],
    },
    ClusterWay {
        rights: &[["apiregistration.k8s.io", "apiservices", "create"]],
        word: "unknown",
        harmless: &[["apiregistration.k8s.io", "apiservices", "get"]],
    },
    ClusterWay {
        rights: &[["", "nodes", "patch"]],
        word: "unknown",
        harmless: &[["", "nodes", "list"]],
    },
];

#[test]
fn powers_over_nodes_and_admission_are_followed() {
    for way in &CLUSTER_WAYS {
        for (rights, word) in [(way.rights, way.word), (way.harmless, "no")] {
            let rules: Vec<String> = rights.iter().map(|right| rule(*right)).collect();
            let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
            let out = eve(&with_rules(true, &rules, ""));
            assert!(
                out.starts_with(&format!("cluster: {word}")),
                "{rights:?}: {out}"
            );
        }
    }
}

const SOURCE: &str = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\n\
                      metadata: {name: apps, namespace: alpha}\n\
                      spec: {url: https://git.example/apps, interval: 5m}\n---\n\
                      apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n\
                      metadata: {name: apps, namespace: beta}\n\
                      spec: {serviceAccountName: own, path: ./, interval: 5m, prune: true, \
                      sourceRef: {kind: GitRepository, name: apps, namespace: alpha}}\n";

#[test]
fn whoever_writes_a_source_acts_as_what_applies_it() {
    let patch = rule(["source.toolkit.fluxcd.io", "gitrepositories", "patch"]);
    let out = eve(&with_rules(false, &[&patch], SOURCE));
    assert!(
        out.starts_with("cluster: yes")
            && out.contains("from which Kustomization beta/apps applies")
            && out.contains("acts as service account beta/own"),
        "{out}"
    );

    let read = rule(["source.toolkit.fluxcd.io", "gitrepositories", "get"]);
    let other = patch.replace("verbs:", "resourceNames: [other], verbs:");
    let create = patch.replace("patch", "create");
    for rule in [&read, &other, &create] {
        let out = eve(&with_rules(false, &[rule], SOURCE));
        assert!(out.starts_with("cluster: no"), "{rule}: {out}");
    }

    // A name that is not taken yet can be created.
    let (_, kustomization) = SOURCE.split_once("---\n").expect("two objects");
    let out = eve(&with_rules(false, &[&create], kustomization));
    assert!(out.starts_with("cluster: yes"), "{out}");
}

/// A Deployment of a controller of Flux, with an argument.
fn controller(name: &str, argument: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: flux-system}}\n\
         spec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    \
         metadata: {{labels: {{app: {name}}}}}\n    \
         spec: {{containers: [{{name: manager, args: [{argument}]}}]}}\n"
    )
}

#[test]
fn what_names_no_account_applies_as_every_controller_says() {
    let patch = rule(["source.toolkit.fluxcd.io", "gitrepositories", "patch"]);
    let flux = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: flux-system}\n";
    let source = SOURCE.replace("serviceAccountName: own, ", "") + flux;
    let closed = controller("kustomize-controller", "--default-service-account=own");
    let open = controller("kustomize-controller-shard1", "--concurrent=4");

    for (controllers, whom) in [
        (closed.clone(), "acts as service account beta/own"),
        (String::new(), "acts as group system:masters"),
        (closed + &open, "acts as group system:masters"),
    ] {
        let more = format!("{source}{controllers}");
        let out = eve(&with_rules(false, &[&patch], &more));
        assert!(
            out.starts_with("cluster: yes") && out.contains(whom),
            "{controllers}: {out}"
        );
    }
}

#[test]
fn a_request_about_a_namespace_is_in_it() {
    let get = rule(["", "namespaces", "get"]);
    let sandbox = with_rules(false, &[&get], "");
    for (namespace, word) in [("alpha", "yes"), ("beta", "no")] {
        let question = ["can", "user:eve", "get", "namespaces", namespace];
        let ran = sandbox.run(&[&question[..], &["--also", "all.yaml"]].concat());
        assert!(
            ran.out.starts_with(&format!("cluster: {word}")),
            "{namespace}: {}",
            ran.out
        );
    }

    // So a RoleBinding there lets one lift its Pod Security.
    let pods = rule(["", "pods", "create"]);
    let patch = rule(["", "namespaces", "patch"]);
    let out = eve(&with_rules(false, &[&pods, &patch], ""));
    assert!(
        out.starts_with("cluster: yes") && out.contains("takes Pod Security off"),
        "{out}"
    );
    let other = patch.replace("verbs:", "resourceNames: [beta], verbs:");
    let out = eve(&with_rules(false, &[&pods, &other], ""));
    assert!(out.starts_with("cluster: no"), "{out}");
}

/// A RoleBinding in `beta` to the role `admin`.
fn admins(group: &str) -> String {
    format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
         metadata: {{name: admins, namespace: beta}}\n\
         roleRef: {{kind: ClusterRole, name: admin, apiGroup: rbac.authorization.k8s.io}}\n\
         subjects: [{{kind: Group, name: '{group}', apiGroup: rbac.authorization.k8s.io}}]\n"
    )
}

#[test]
fn every_namespace_has_a_default_account() {
    let infra = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: infra\n  labels: \
                 {pod-security.kubernetes.io/enforce: restricted}\n---\n\
                 apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
                 metadata: {name: eve, namespace: infra}\n\
                 roleRef: {kind: ClusterRole, name: edit, apiGroup: rbac.authorization.k8s.io}\n\
                 subjects: [{kind: User, name: eve, apiGroup: rbac.authorization.k8s.io}]\n";
    let harmless = rule(["", "pods", "get"]);
    for (group, word) in [("infra", "yes"), ("other", "no")] {
        let more = format!(
            "{infra}{}",
            admins(&format!("system:serviceaccounts:{group}"))
        );
        let out = eve(&with_rules(false, &[&harmless], &more));
        assert!(
            out.starts_with(&format!("cluster: {word}")),
            "{group}: {out}"
        );
    }
}

#[test]
fn the_accounts_of_a_namespace_are_service_accounts() {
    let sandbox = with_rules(
        false,
        &[&rule(["", "pods", "get"])],
        &admins("system:serviceaccounts"),
    );
    let ran = sandbox.run(&[
        "can",
        "group:system:serviceaccounts:alpha",
        "get",
        "secrets",
        "-n",
        "beta",
        "--also",
        "all.yaml",
    ]);
    assert!(ran.out.starts_with("cluster: yes"), "{}", ran.out);
}

#[test]
fn argo_cd_applies_as_its_controller() {
    let argo = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\n\
                metadata: {name: argocd}\n\
                roleRef: {kind: ClusterRole, name: cluster-admin, apiGroup: rbac.authorization.k8s.io}\n\
                subjects: [{kind: ServiceAccount, name: argocd-application-controller, namespace: NS}]\n";
    let create = rule(["argoproj.io", "applications", "create"]);
    let out = eve(&with_rules(false, &[&create], &argo.replace("NS", "alpha")));
    assert!(out.starts_with("cluster: yes"), "{out}");

    // Elsewhere, it depends on how Argo CD is set up.
    let out = eve(&with_rules(
        false,
        &[&create],
        &argo.replace("NS", "argocd"),
    ));
    assert!(
        out.starts_with("cluster: no") && out.contains("application.namespaces"),
        "{out}"
    );
}

#[test]
fn objects_say_who_a_user_is() {
    let group = "apiVersion: user.openshift.io/v1\nkind: Group\nmetadata: {name: admins}\n\
                 users: [WHO]\n---\n\
                 apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
                 metadata: {name: admins, namespace: beta}\n\
                 roleRef: {kind: ClusterRole, name: admin, apiGroup: rbac.authorization.k8s.io}\n\
                 subjects: [{kind: Group, name: admins, apiGroup: rbac.authorization.k8s.io}]\n";
    let harmless = rule(["", "pods", "get"]);
    let out = eve(&with_rules(
        false,
        &[&harmless],
        &group.replace("WHO", "eve"),
    ));
    assert!(
        out.starts_with("cluster: yes") && out.contains("Group admins names eve"),
        "{out}"
    );
    let out = eve(&with_rules(
        false,
        &[&harmless],
        &group.replace("WHO", "adam"),
    ));
    assert!(out.starts_with("cluster: no"), "{out}");
}

#[test]
fn an_account_with_the_cloud_identity_of_a_person_is_that_person() {
    let role = "arn:aws:iam::1:role/deploy";
    let more = format!(
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: cloud, namespace: alpha, \
         annotations: {{eks.amazonaws.com/role-arn: \"{role}\"}}}}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: aws-auth, namespace: kube-system}}\n\
         data: {{mapRoles: \"[{{rolearn: 'WHO', username: deploy, groups: [system:masters]}}]\"}}\n"
    );
    let pods = rule(["", "pods", "create"]);
    let out = eve(&with_rules(false, &[&pods], &more.replace("WHO", role)));
    assert!(
        out.starts_with("cluster: yes") && out.contains("ConfigMap kube-system/aws-auth names,"),
        "{out}"
    );
    let out = eve(&with_rules(
        false,
        &[&pods],
        &more.replace("WHO", "arn:aws:iam::1:role/other"),
    ));
    assert!(out.starts_with("cluster: no"), "{out}");
}

#[test]
fn what_the_inputs_do_not_say_is_unknown() {
    let hook = "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\n\
                metadata: {name: hook}\n\
                webhooks: [{name: h.example.com, sideEffects: None, admissionReviewVersions: [v1], \
                clientConfig: {service: {name: hook, namespace: NS}}}]\n";
    let pods = rule(["", "pods", "create"]);
    let out = eve(&with_rules(false, &[&pods], &hook.replace("NS", "alpha")));
    assert!(
        out.starts_with("cluster: unknown") && out.contains("which answers"),
        "{out}"
    );
    let out = eve(&with_rules(false, &[&pods], &hook.replace("NS", "beta")));
    assert!(out.starts_with("cluster: no"), "{out}");

    let store = "apiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\n\
                 metadata: {name: store}\n\
                 spec: {provider: {kubernetes: {remoteNamespace: beta, \
                 auth: {serviceAccount: {name: own, namespace: beta}}}}}\n";
    let fetch = rule(["external-secrets.io", "externalsecrets", "create"]);
    let out = eve(&with_rules(false, &[&fetch], store));
    assert!(
        out.starts_with("cluster: unknown") && out.contains("ClusterSecretStore"),
        "{out}"
    );
    let read = rule(["external-secrets.io", "externalsecrets", "get"]);
    assert!(eve(&with_rules(false, &[&read], store)).starts_with("cluster: no"));

    // A role that no input holds.
    let undefined = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
                     metadata: {name: more, namespace: beta}\n\
                     roleRef: {kind: ClusterRole, name: readers, apiGroup: rbac.authorization.k8s.io}\n\
                     subjects: [{kind: User, name: eve, apiGroup: rbac.authorization.k8s.io}]\n";
    let out = eve(&with_rules(false, &[&pods], undefined));
    assert!(
        out.starts_with("cluster: unknown") && out.contains("which no input defines"),
        "{out}"
    );

    // In another namespace, it counts for what the accounts there may do.
    let read = rule(["", "pods", "get"]);
    let elsewhere = undefined.replace("namespace: beta", "namespace: alpha");
    let out = eve(&with_rules(false, &[&read], &elsewhere));
    assert!(out.starts_with("cluster: no"), "{out}");
    let more = format!("{elsewhere}{}", admins("system:serviceaccounts:alpha"));
    let out = eve(&with_rules(false, &[&read], &more));
    assert!(
        out.starts_with("cluster: unknown") && out.contains("may let it act"),
        "{out}"
    );
}

#[test]
fn a_no_says_what_is_missing() {
    let secrets = |verb| rule(["", "secrets", verb]);
    for (of_cluster, rule, reason) in [
        (
            false,
            secrets("get"),
            "Role alpha/eve (RoleBinding alpha/eve) allows it in `alpha` only",
        ),
        (
            true,
            secrets("get").replace("verbs:", "resourceNames: [a, b], verbs:"),
            "allows it in the whole cluster for a, b only",
        ),
        (
            true,
            secrets("delete"),
            "allows delete on it in the whole cluster only",
        ),
        (
            true,
            rule(["", "secrets/status", "get"]),
            "on secrets/status only",
        ),
        (
            true,
            rule(["extensions", "secrets", "get"]),
            "in extensions only",
        ),
    ] {
        let out = eve(&with_rules(of_cluster, &[&rule], ""));
        assert!(
            out.starts_with(
                "cluster: no: the binding of user eve does not allow get secrets in `beta`"
            ) && out.contains(reason)
                && out.contains("all.yaml:"),
            "{rule}: {out}"
        );
    }

    let sandbox = with_rules(false, &[&secrets("get")], "");
    let can = |subject: &str| {
        let args = [
            "can", subject, "get", "secrets", "-n", "beta", "--also", "all.yaml",
        ];
        sandbox.run(&args).out
    };
    let out = can("user:evee");
    assert!(
        out.contains(
            "no binding but Kubernetes' own names user evee or a group of it: did you mean `eve`?"
        ),
        "{out}"
    );
    let out = can("sa:alpha:owm");
    assert!(out.contains("did you mean `own`?"), "{out}");
}

#[test]
fn an_unknown_resource_is_said() {
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
                      metadata: {name: widgets.example.com}\nspec: {}\n";
    let sandbox = with_rules(
        false,
        &[&rule(["example.com", "widgets", "get"])],
        definition,
    );
    let can = |verb: &str, resource: &str, namespace: &str| {
        let args = [
            "can", "user:eve", verb, resource, "-n", namespace, "--also", "all.yaml",
        ];
        sandbox.run(&args)
    };

    // A resource of a CustomResourceDefinition needs no group.
    assert!(can("get", "widgets", "alpha").code(0).err.is_empty());
    for (verb, resource, namespace, reason) in [
        ("get", "secrtes", "alpha", "did you mean `secrets`?"),
        ("get", "widgtes", "alpha", "did you mean `widgets`?"),
        ("craete", "secrets", "alpha", "did you mean `create`?"),
        ("get", "secrets", "alpah", "did you mean `alpha`?"),
    ] {
        let ran = can(verb, resource, namespace).code(2);
        assert!(ran.err.contains(reason), "{resource}: {ran:?}");
    }
    for (resource, reason) in [
        (
            "deploymnts.apps",
            "the API group `apps` has no resource `deploymnts`: did you mean",
        ),
        (
            "pods/exce",
            "pods have no subresource `exce`: did you mean `exec`?",
        ),
        (
            "things.exmple.com",
            "no API group `exmple.com`: did you mean `example.com`?",
        ),
        ("nodes", "nodes are in no namespace"),
    ] {
        let ran = can("get", resource, "alpha").code(1);
        assert!(
            ran.err.contains(&format!("note: {reason}")) || ran.err.contains(reason),
            "{resource}: {ran:?}"
        );
        assert!(ran.out.starts_with("cluster: no"), "{ran:?}");
    }
}

#[test]
fn who_is_bound_by_kubernetes_alone_is_not_said_to_be_unbound() {
    let sandbox = with_rules(false, &[], "");
    for (subject, wanted) in [
        (
            "group:system:authenticated",
            "Kubernetes' own bindings of group",
        ),
        (
            "user:system:kube-scheduler",
            "Kubernetes' own bindings of user",
        ),
        (
            "user:nobody-of-all",
            "no binding but Kubernetes' own names user",
        ),
    ] {
        let ran = sandbox.run(&["can", subject, "delete", "nodes", "--also", "all.yaml"]);
        let is_asked = ran.out.contains("did you mean");
        assert!(ran.out.contains(wanted) && !is_asked, "{subject}: {ran:?}");
    }
}

#[test]
fn a_controller_of_a_cloud_is_unknown_until_a_snapshot_has_its_roles() {
    let account = "apiVersion: v1\nkind: ServiceAccount\n\
                   metadata: {name: addon, namespace: kube-system}\n";
    let manifests = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: beta}}\n---\n\
         apiVersion: v1\nkind: Namespace\nmetadata: {{name: kube-system}}\n---\n{account}"
    );
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": "x", "namespace": "beta"}, "rules": []},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "x", "namespace": "beta"}, "subjects": [],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"}},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "x"}, "rules": []},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "x"}, "subjects": [],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "x"}},
    ]});
    let sandbox = Sandbox::with(&[("all.yaml", &manifests), ("live.json", &list.to_string())]);
    let ask = |account: &str, more: &[&str]| {
        let subject = format!("sa:kube-system:{account}");
        let question = [
            "can", &subject, "delete", "secrets", "-n", "beta", "--also", "all.yaml",
        ];
        sandbox.run(&[&question[..], more].concat()).out
    };

    for more in [&[][..], &["--direct"]] {
        let out = ask("of-a-cloud", more);
        let why = "may be a controller of the cloud, or of another version of Kubernetes";
        assert!(out.contains(": unknown") && out.contains(why), "{out}");
        let out = ask("namespace-controller", more);
        assert!(out.contains(": yes"), "{out}");
    }
    for account in ["of-a-cloud", "namespace-controller"] {
        let out = ask(account, &["--snapshot", "live.json"]);
        assert!(out.contains(": no"), "{out}");
    }
    // An account that an input makes, or that each namespace has, is none of them.
    for other in ["addon", "default"] {
        let out = ask(other, &[]);
        assert!(out.contains(": no"), "{out}");
    }
}
