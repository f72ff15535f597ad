//! Every way to become somebody, and its harmless neighbour: whether `can` follows it.

use crate::isolation::cluster;
use tenantry::graph::rbac::{AccessRequest, Subject};
use tenantry::isolation::Plane;
use tenantry::isolation::question::{AccessQuestion, can};

/// Three namespaces. In beta Secrets are read by jane, by the group of beta, and by an account of
/// alpha. In alpha there is a token of that account.
const OBJECTS: &str = r#"---
{apiVersion: v1, kind: Namespace, metadata: {name: alpha, labels: {tenant: alpha}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: beta, labels: {tenant: beta}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: gamma}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: boss, namespace: alpha}}
---
{apiVersion: v1, kind: Secret, type: kubernetes.io/service-account-token,
 metadata: {name: boss-token, namespace: alpha, annotations: {kubernetes.io/service-account.name: boss}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: of-boss, namespace: alpha}, spec: {serviceAccountName: boss, containers: [{name: c, image: x}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: of-default, namespace: alpha}, spec: {containers: [{name: c, image: x}]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: readers, namespace: beta}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: local, namespace: gamma}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: beta}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: readers}
subjects:
- {kind: User, apiGroup: rbac.authorization.k8s.io, name: jane}
- {kind: Group, apiGroup: rbac.authorization.k8s.io, name: beta-admins}
- {kind: ServiceAccount, name: boss, namespace: alpha}
"#;

/// Where the rules of alpha's people are bound.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    InTheCluster,
    InAlpha,
}
use Bound::{InAlpha, InTheCluster};

/// What alpha's people are granted, and whether they read beta's Secrets by it.
struct Way {
    bound: Bound,
    /// The rules, each as `group resources verbs names`, with commas within each.
    rules: &'static [&'static str],
    reads: bool,
}

const fn yes(bound: Bound, rules: &'static [&'static str]) -> Way {
    Way {
        bound,
        rules,
        reads: true,
    }
}

const fn no(bound: Bound, rules: &'static [&'static str]) -> Way {
    Way {
        bound,
        rules,
        reads: false,
    }
}

static WAYS: [Way; 61] = [
    // Operators that run pods, and engines that apply, as an account that the object names.
    yes(
        InAlpha,
        &["opentelemetry.io opentelemetrycollectors create"],
    ),
    yes(InAlpha, &["monitoring.coreos.com prometheuses patch"]),
    no(InAlpha, &["monitoring.coreos.com servicemonitors create"]),
    yes(InAlpha, &["kappctrl.k14s.io apps create"]),
    yes(InAlpha, &["gitops.kluctl.io kluctldeployments update"]),
    no(InAlpha, &["tekton.dev tasks,pipelines create"]),
    no(InAlpha, &["- serviceaccounts/token deletecollection boss"]),
    // Impersonation.
    yes(InTheCluster, &["- users impersonate"]),
    yes(InTheCluster, &["- users impersonate jane"]),
    no(InTheCluster, &["- users impersonate joe"]),
    no(InAlpha, &["- users impersonate jane"]),
    yes(
        InTheCluster,
        &[
            "- users impersonate joe",
            "- groups impersonate beta-admins",
        ],
    ),
    no(InTheCluster, &["- groups impersonate beta-admins"]),
    no(
        InTheCluster,
        &[
            "- users impersonate joe",
            "- groups impersonate gamma-admins",
        ],
    ),
    yes(
        InTheCluster,
        &["- users impersonate joe", "- groups impersonate"],
    ),
    yes(InAlpha, &["- serviceaccounts impersonate boss"]),
    no(InAlpha, &["- serviceaccounts impersonate default"]),
    no(
        InTheCluster,
        &["authentication.k8s.io userextras/scopes impersonate"],
    ),
    no(InTheCluster, &["- users IMPERSONATE"]),
    no(InTheCluster, &["core users impersonate"]),
    // Tokens.
    yes(InAlpha, &["- serviceaccounts/token create"]),
    yes(InAlpha, &["- serviceaccounts/token create boss"]),
    no(InAlpha, &["- serviceaccounts/token get boss"]),
    yes(InAlpha, &["- secrets get"]),
    yes(InAlpha, &["- secrets list"]),
    yes(InAlpha, &["- secrets watch boss-token"]),
    no(InAlpha, &["- secrets get other"]),
    no(InAlpha, &["- secrets create"]),
    yes(InAlpha, &["- secrets create", "- secrets get mine"]),
    // Pods, and what makes pods.
    yes(InAlpha, &["- pods create"]),
    no(InAlpha, &["- pods create mine"]),
    yes(InAlpha, &["- pods create,patch mine"]),
    yes(InAlpha, &["- pods/exec create"]),
    yes(InAlpha, &["- pods/exec create of-boss"]),
    yes(InAlpha, &["- pods/exec create not-in-the-inputs"]),
    no(InAlpha, &["- pods/exec create of-default"]),
    no(InAlpha, &["- pods/* create"]),
    yes(InAlpha, &["batch jobs create"]),
    no(InAlpha, &["batch jobs create mine"]),
    no(InAlpha, &["- jobs create"]),
    yes(InAlpha, &["argoproj.io workflows create"]),
    yes(InAlpha, &["tekton.dev taskruns create"]),
    yes(InAlpha, &["tekton.dev pipelineruns create"]),
    no(InAlpha, &["tekton.dev tasks create"]),
    yes(
        InAlpha,
        &["kustomize.toolkit.fluxcd.io kustomizations create"],
    ),
    // Bindings and roles.
    yes(
        InTheCluster,
        &[
            "rbac.authorization.k8s.io clusterroles bind",
            "rbac.authorization.k8s.io rolebindings create",
        ],
    ),
    yes(
        InTheCluster,
        &[
            "rbac.authorization.k8s.io clusterroles bind edit",
            "rbac.authorization.k8s.io clusterrolebindings create",
        ],
    ),
    no(
        InTheCluster,
        &[
            "rbac.authorization.k8s.io clusterroles bind view",
            "rbac.authorization.k8s.io rolebindings create",
        ],
    ),
    yes(
        InTheCluster,
        &[
            "rbac.authorization.k8s.io roles bind readers",
            "rbac.authorization.k8s.io rolebindings patch readers",
        ],
    ),
    yes(
        InTheCluster,
        &[
            "rbac.authorization.k8s.io roles bind readers",
            "rbac.authorization.k8s.io rolebindings create",
        ],
    ),
    // A Role counts in its own namespace only.
    no(
        InTheCluster,
        &[
            "rbac.authorization.k8s.io roles bind local",
            "rbac.authorization.k8s.io rolebindings create",
        ],
    ),
    no(
        InTheCluster,
        &["rbac.authorization.k8s.io clusterroles bind"],
    ),
    no(
        InAlpha,
        &[
            "rbac.authorization.k8s.io clusterroles bind",
            "rbac.authorization.k8s.io clusterrolebindings create",
        ],
    ),
    yes(
        InTheCluster,
        &["rbac.authorization.k8s.io clusterroles escalate,update"],
    ),
    no(
        InTheCluster,
        &["rbac.authorization.k8s.io clusterroles escalate"],
    ),
    no(
        InTheCluster,
        &["rbac.authorization.k8s.io clusterroles update"],
    ),
    // Certificates.
    yes(
        InTheCluster,
        &[
            "certificates.k8s.io certificatesigningrequests create,get",
            "certificates.k8s.io certificatesigningrequests/approval update",
            "certificates.k8s.io signers approve kubernetes.io/kube-apiserver-client",
        ],
    ),
    no(
        InTheCluster,
        &[
            "certificates.k8s.io certificatesigningrequests create,get",
            "certificates.k8s.io signers approve kubernetes.io/kube-apiserver-client",
        ],
    ),
    no(
        InTheCluster,
        &[
            "certificates.k8s.io certificatesigningrequests create,get",
            "certificates.k8s.io certificatesigningrequests/approval update",
            "certificates.k8s.io signers approve example.com/serving",
        ],
    ),
    no(
        InAlpha,
        &[
            "certificates.k8s.io certificatesigningrequests create,get",
            "certificates.k8s.io certificatesigningrequests/approval update",
            "certificates.k8s.io signers approve",
        ],
    ),
    // Resources of another group, and ones that nobody serves.
    no(InTheCluster, &["example.com secrets get"]),
];

/// A rule as a flow mapping.
fn rule(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let list = |word: &str| {
        let items: Vec<String> = word.split(',').map(|item| format!("{item:?}")).collect();
        format!("[{}]", items.join(", "))
    };
    let group = words[0].trim_start_matches('-');
    let names = words.get(3).map_or_else(String::new, |word| {
        format!(", resourceNames: {}", list(word))
    });
    format!(
        "{{apiGroups: [{group:?}], resources: {}, verbs: {}{names}}}",
        list(words[1]),
        list(words[2])
    )
}

fn grant(way: &Way) -> String {
    let rules: Vec<String> = way.rules.iter().map(|text| rule(text)).collect();
    let (prefix, home) = match way.bound {
        InTheCluster => ("Cluster", ""),
        InAlpha => ("", ", namespace: alpha"),
    };
    format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {prefix}Role\nmetadata: {{name: extra{home}}}\n\
         rules: [{}]\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {prefix}RoleBinding\n\
         metadata: {{name: extra{home}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {prefix}Role, name: extra}}\n\
         subjects: [{{kind: Group, apiGroup: rbac.authorization.k8s.io, name: alpha-admins}}]\n",
        rules.join(", ")
    )
}

#[test]
fn can_follows_every_way_to_become_somebody() {
    let request = AccessRequest {
        verb: "get",
        resource: "secrets",
        namespace: "beta",
        ..AccessRequest::default()
    };
    let question = AccessQuestion::Resource(request);
    let people = Subject::Group("alpha-admins".into());

    let mut wrong = Vec::new();
    for way in &WAYS {
        let texts = [
            ("objects.yaml".to_owned(), OBJECTS.to_owned()),
            ("grant.yaml".to_owned(), grant(way)),
        ];
        let (_, cluster) = cluster(&texts);
        assert!(
            cluster.unread_inputs.is_empty(),
            "{:?}",
            cluster.unread_inputs
        );

        let steps = can(&cluster, &people, &question, false);
        if steps.is_some() != way.reads {
            wrong.push(format!("{:?}: {steps:?}", way.rules));
        }
        assert!(
            can(&cluster, &people, &question, true).is_none(),
            "{:?}",
            way.rules
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn usual_operators_as_installed_give_tenants_nothing() {
    let text = std::fs::read_to_string(
        crate::support::root().join("fixtures/isolation/operators-as-installed.yaml"),
    );
    let texts = [
        crate::isolation::base(),
        ("operators.yaml".to_owned(), text.expect("the fixture")),
    ];
    let (_, cluster) = cluster(&texts);
    let proof = tenantry::isolation::prove(&cluster);

    let open: Vec<_> = proof
        .findings
        .iter()
        .filter(|finding| finding.plane == Plane::Api && finding.verdict.is_some())
        .map(|finding| finding.diagnostic.message.clone())
        .collect();
    assert!(open.is_empty(), "{open:#?}");
}

#[test]
fn a_rule_that_reaches_nobody_is_no_finding() {
    let refuted = |text: &str| {
        let way = no(InTheCluster, &[]);
        let rules: Vec<String> = text.split("; ").map(rule).collect();
        let rules = format!("rules: [{}]", rules.join(", "));
        let people = "{kind: Group, apiGroup: rbac.authorization.k8s.io, name: alpha-admins}";
        let account = "{kind: ServiceAccount, name: boss, namespace: alpha}";
        let granted = grant(&way)
            .replacen("rules: []", &rules, 1)
            .replacen(people, account, 1);
        let texts = [
            ("objects.yaml".to_owned(), OBJECTS.to_owned()),
            ("grant.yaml".to_owned(), granted),
        ];
        let proof = tenantry::isolation::prove(&cluster(&texts).1);
        let mut findings = proof.findings.iter();
        findings.any(|finding| {
            finding.diagnostic.rule.id == "api/cluster-binding" && finding.verdict.is_some()
        })
    };

    for text in [
        "- secrets get",
        "- nodes/proxy get",
        "example.org secrets get",
        "keda.sh clustertriggerauthentications create",
        "keda.sh triggerauthentications get",
        "user.openshift.io users get",
        "oauth.openshift.io oauthaccesstokens list",
        "quota.openshift.io clusterresourcequotas patch",
        "crd.antrea.io networkpolicies list",
        "crd.antrea.io clusternetworkpolicies create",
        "operator.openshift.io ingresscontrollers list",
        "management.cattle.io tokens list",
        "security.openshift.io securitycontextconstraints use",
        "security.openshift.io securitycontextconstraints use restricted,privileged",
        "certificates.k8s.io certificatesigningrequests,certificatesigningrequests/nodeclient create",
        "certificates.k8s.io certificatesigningrequests create; \
         certificates.k8s.io certificatesigningrequests/approval update; \
         certificates.k8s.io signers approve example.com/own,kubernetes.io/kube-apiserver-client",
    ] {
        assert!(refuted(text), "{text}");
    }
    for text in [
        "- secrets GET",
        "v1 secrets get",
        "core secrets get",
        "authentication.k8s.io userextras/scopes impersonate",
        "keda.sh clustertriggerauthentications get",
        "user.openshift.io users get ~",
        "project.openshift.io projects get,list",
        "oauth.openshift.io oauthaccesstokens delete",
        "quota.openshift.io clusterresourcequotas list",
        "policy podsecuritypolicies use",
        "crd.antrea.io clusternetworkpolicies list",
        "snapshot.storage.k8s.io volumesnapshotcontents list",
        "security.openshift.io securitycontextconstraints use restricted,restricted-v2",
        "certificates.k8s.io certificatesigningrequests/nodeclient create",
        "certificates.k8s.io certificatesigningrequests,certificatesigningrequests/selfnodeclient create",
        "certificates.k8s.io certificatesigningrequests create; \
         certificates.k8s.io certificatesigningrequests/approval update; \
         certificates.k8s.io signers approve example.com/own",
    ] {
        assert!(!refuted(text), "{text}");
    }
}
