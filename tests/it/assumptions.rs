//! The table of assumptions: each row is documented, is raised where it applies, and is removed by
//! what its row names.

use super::isolation::{base, changed_cluster, holes, named, objects, without};
use crate::support::{Sandbox, json, root, tenant, two_tenants};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use tenantry::graph::{self, Parts};
use tenantry::isolation::assumptions::{ASSUMPTIONS, SCOPE};
use tenantry::isolation::{self, ClusterProof, Plane, Verdict};
use tenantry::source::Span;

/// What is changed of the base, and what else is known of the cluster.
#[derive(Default)]
struct Inputs {
    /// Objects that are added, or replace those of the same kind and name.
    objects: String,
    snapshot: &'static str,
    has_fleet: bool,
    closed_world: bool,
    lists_every_kind: bool,
    plugin: Option<&'static str>,
    pod_network: Option<&'static str>,
}

impl Inputs {
    fn of(objects: &str) -> Self {
        Self {
            objects: objects.to_owned(),
            ..Self::default()
        }
    }

    fn proof(&self) -> ClusterProof {
        let changed: BTreeSet<String> = objects(&self.objects).iter().map(named).collect();
        let texts = [
            without(&changed),
            ("case.yaml".into(), self.objects.clone()),
        ];
        let change = |parts: &mut Parts| {
            parts.has_fleet = self.has_fleet;
            parts.closed_world = self.closed_world;
            parts.lists_every_kind = self.lists_every_kind;
            parts.plugin = self.plugin.map(Into::into);
            let network: Option<ipnet::IpNet> =
                self.pod_network.map(|net| net.parse().expect("a network"));
            parts.pod_networks.extend(network);
            if !self.snapshot.is_empty() {
                let span = Span::file(parts.tenants[0].span.source);
                let facts = graph::read_snapshot(self.snapshot, span, true).expect("a snapshot");
                parts.facts.append(facts);
            }
        };
        isolation::prove(&changed_cluster(&texts, change).1)
    }
}

/// The names of the assumptions of a proof.
fn assumed(proof: &ClusterProof) -> BTreeSet<&'static str> {
    let planes = proof.planes.iter();
    let assumptions = planes.flat_map(|plane| &plane.assumptions);
    assumptions.map(|assumption| assumption.name).collect()
}

/// An assumption, inputs that leave it open, and inputs that do not.
struct Case {
    name: &'static str,
    raised_by: Inputs,
    removed_by: Vec<Inputs>,
}

fn case(name: &'static str, raised_by: Inputs, removed_by: Vec<Inputs>) -> Case {
    Case {
        name,
        raised_by,
        removed_by,
    }
}

/// A role of blue's people in blue, with one rule.
fn role(rule: &str) -> Inputs {
    Inputs::of(&format!(
        "---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: extra, namespace: blue}}
rules: [{rule}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: extra, namespace: blue}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: extra}}
subjects: [{{kind: Group, name: blue-admins, apiGroup: rbac.authorization.k8s.io}}]
"
    ))
}

/// A binding of a harmless role in the whole cluster.
fn bound(subject: &str) -> String {
    format!(
        "---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: see-classes}}
rules: [{{apiGroups: [storage.k8s.io], resources: [storageclasses], verbs: [get]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: see-classes}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: see-classes}}
subjects: [{subject}]
"
    )
}

/// A policy of blue that lets its pods send somewhere.
fn egress(to: &str, ports: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: allow-internet, namespace: blue}}
spec:
  podSelector: {{}}
  policyTypes: [Egress]
  egress: [{{to: [{to}], ports: {ports}}}]
"
    )
}

/// An object of each namespace of the base.
fn in_each(object: &str) -> String {
    let namespaces = ["blue", "green", "green-jobs"];
    let each =
        namespaces.map(|namespace| format!("---\n{}", object.replace("NAMESPACE", namespace)));
    each.concat()
}

const GROUP: &str = "{kind: Group, name: operators, apiGroup: rbac.authorization.k8s.io}";
const ACCOUNT: &str = "{kind: ServiceAccount, name: agent, namespace: tools}";

fn cases() -> Vec<Case> {
    let mut cases = cases_of_access();
    cases.extend(cases_of_network());
    cases.extend(cases_of_delivery());
    cases.extend(cases_of_shares());
    cases
}

fn cases_of_access() -> Vec<Case> {
    let argo = |policy: &str| {
        Inputs::of(&format!(
            "---
apiVersion: v1
kind: ConfigMap
metadata: {{name: argocd-rbac-cm, namespace: argocd}}
data: {{policy.csv: \"{policy}\"}}
"
        ))
    };
    let guard = "---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: guard}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {apiGroups: [networking.k8s.io], apiVersions: [v1], operations: ['*'], resources: [networkpolicies]}
  validations: [{expression: \"false\"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: guard}
spec: {policyName: guard, validationActions: [Deny]}
";
    let guarded = |verb: &str| {
        let right = format!(
            "{{apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [{verb}]}}"
        );
        Inputs::of(&(role(&right).objects + guard))
    };

    vec![
        case(
            "no-other-grants",
            Inputs::default(),
            vec![Inputs {
                closed_world: true,
                ..Inputs::default()
            }],
        ),
        case(
            "declared-subjects",
            Inputs::of(&bound(GROUP)),
            vec![
                Inputs {
                    has_fleet: true,
                    ..Inputs::of(&bound(GROUP))
                },
                Inputs::of(&bound(&GROUP.replace("operators", "system:masters"))),
                Inputs::default(),
            ],
        ),
        case(
            "declared-subjects",
            Inputs {
                has_fleet: true,
                ..Inputs::of(&bound(ACCOUNT))
            },
            vec![
                Inputs::of(
                    &(bound(ACCOUNT)
                        + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: tools}\n"),
                ),
                Inputs::of(&bound(&ACCOUNT.replace("tools", "kube-system"))),
            ],
        ),
        case(
            "operators-closed",
            role("{apiGroups: [cert-manager.io], resources: [certificates], verbs: [create]}"),
            vec![role(
                "{apiGroups: [cert-manager.io], resources: [certificates], verbs: [get]}",
            )],
        ),
        case(
            "argo-cd-readers",
            argo("g, blue-admins, role:readonly"),
            vec![argo(
                "p, role:blue, applications, get, blue/*, allow\\ng, blue-admins, role:blue",
            )],
        ),
        case("policies-deny", guarded("patch"), vec![guarded("get")]),
        case(
            "converged",
            Inputs {
                snapshot: r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue", "uid": "1"}}"#,
                ..Inputs::default()
            },
            vec![Inputs::default()],
        ),
    ]
}

fn cases_of_network() -> Vec<Case> {
    let to_monitoring =
        "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}";
    let monitoring = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: monitoring}\n";
    let sends = |ports: &str| Inputs::of(&(egress(to_monitoring, ports) + monitoring));
    let dns = "[{port: 53, protocol: UDP}]";
    let web = "[{port: 80}]";
    let plugin = "---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: calico-node, namespace: kube-system}
spec:
  selector: {matchLabels: {app: calico}}
  template: {metadata: {labels: {app: calico}}, spec: {containers: [{name: node, image: calico}]}}
";
    let cilium = |block: &str| Inputs {
        plugin: Some("cilium"),
        pod_network: Some("10.244.0.0/16"),
        ..Inputs::of(&egress(block, web))
    };
    let argo = "---
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: platform, namespace: argocd}
spec: {sourceRepos: ['https://git.example/platform'], destinations: [{namespace: tools, server: x}]}
";
    let argo_namespace = "---
apiVersion: v1
kind: Namespace
metadata: {name: argocd}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: argocd}
spec: {podSelector: {}, policyTypes: [Ingress]}
";

    let unread = || Inputs {
        lists_every_kind: true,
        ..Inputs::default()
    };
    vec![
        case(
            "plugin-enforces",
            Inputs {
                plugin: Some("flannel"),
                ..Inputs::default()
            },
            vec![
                Inputs {
                    plugin: Some("calico"),
                    ..Inputs::default()
                },
                Inputs::of(plugin),
            ],
        ),
        case(
            "controllers-closed",
            Inputs::of(argo),
            vec![
                Inputs::of(&format!("{argo}{argo_namespace}")),
                Inputs::default(),
            ],
        ),
        case("no-forwarding", sends(web), vec![sends(dns)]),
        case("platform-servers", sends(web), vec![sends(dns)]),
        case(
            "metadata-service",
            Inputs::of(&egress("{ipBlock: {cidr: 0.0.0.0/0}}", web)),
            vec![Inputs::of(&egress(
                "{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}",
                web,
            ))],
        ),
        case("no-other-policies", Inputs::default(), vec![unread()]),
        case(
            "pod-networks",
            Inputs::default(),
            vec![
                Inputs {
                    pod_network: Some("10.244.0.0/16"),
                    ..Inputs::default()
                },
                Inputs {
                    plugin: Some("cilium"),
                    ..Inputs::default()
                },
            ],
        ),
        case(
            "networks-select-no-pods",
            cilium("{ipBlock: {cidr: 10.0.0.0/8}}"),
            vec![
                cilium("{ipBlock: {cidr: 10.0.0.0/8, except: [10.244.0.0/16]}}"),
                Inputs {
                    plugin: None,
                    ..cilium("{ipBlock: {cidr: 10.0.0.0/8}}")
                },
            ],
        ),
    ]
}

fn cases_of_delivery() -> Vec<Case> {
    let instance = "---
apiVersion: fluxcd.controlplane.io/v1
kind: FluxInstance
metadata: {name: flux, namespace: flux-system}
spec: {distribution: {version: 2.x}, cluster: {multitenant: true}}
";
    let root_sync = "---
apiVersion: configsync.gke.io/v1beta1
kind: RootSync
metadata: {name: root, namespace: config-management-system}
spec: {git: {repo: 'https://git.example/platform'}}
";
    let kustomization = "---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: root, namespace: flux-system}
spec: {interval: 1h, path: ./, prune: true, sourceRef: {kind: GitRepository, name: platform}}
";
    vec![
        case(
            "no-other-syncs",
            Inputs::default(),
            vec![Inputs {
                lists_every_kind: true,
                ..Inputs::default()
            }],
        ),
        case(
            "flux-lockdown",
            Inputs::default(),
            vec![Inputs::of(instance)],
        ),
        case(
            "platform-repositories",
            Inputs::of(root_sync),
            vec![Inputs::of(kustomization)],
        ),
    ]
}

fn cases_of_shares() -> Vec<Case> {
    let all = "apiVersion: v1
kind: ResourceQuota
metadata: {name: quota, namespace: NAMESPACE}
spec:
  hard:
    pods: '10'
    requests.cpu: '1'
    requests.memory: 1Gi
    requests.ephemeral-storage: 1Gi
    requests.storage: 1Gi
    count/configmaps: '10'
    count/secrets: '10'
    count/jobs.batch: '10'
";
    let classes = "apiVersion: v1
kind: ResourceQuota
metadata: {name: classes, namespace: NAMESPACE}
spec:
  hard: {pods: '0'}
  scopeSelector:
    matchExpressions:
      - scopeName: PriorityClass
        operator: In
        values: [system-cluster-critical, system-node-critical]
";
    let elastic = "---
apiVersion: scheduling.sigs.k8s.io/v1alpha1
kind: ElasticQuota
metadata: {name: elastic, namespace: blue}
spec: {max: {cpu: '4', memory: 4Gi}}
";
    let ingress = "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  namespace: blue
  annotations: {ANNOTATION: 'x'}
spec: {rules: [{host: blue.example.com}]}
";
    let snippet = "nginx.ingress.kubernetes.io/server-snippet";
    let owner = "---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: tenant-owner}
rules: [{apiGroups: ['', apps], resources: [pods, deployments], verbs: ['*']}]
";
    vec![
        case(
            "unbounded-shares",
            Inputs::default(),
            vec![Inputs::of(&in_each(all))],
        ),
        case(
            "priority-classes",
            Inputs::default(),
            vec![Inputs::of(&in_each(classes))],
        ),
        case(
            "quota-enforcers",
            Inputs::of(elastic),
            vec![Inputs::of(&(in_each(all) + elastic))],
        ),
        case(
            "hosts-and-addresses",
            Inputs::default(),
            vec![Inputs::of(owner)],
        ),
        case(
            "controller-configuration",
            Inputs::of(&ingress.replace("ANNOTATION", snippet)),
            vec![Inputs::of(
                &ingress.replace("ANNOTATION", "example.com/note"),
            )],
        ),
    ]
}

#[test]
fn each_assumption_is_raised_where_it_applies_and_removed_by_what_its_row_names() {
    let cases = cases();
    for Case {
        name,
        raised_by,
        removed_by,
    } in &cases
    {
        let open = assumed(&raised_by.proof());
        assert!(open.contains(name), "{name} is not raised: {open:?}");
        for (at, inputs) in removed_by.iter().enumerate() {
            let open = assumed(&inputs.proof());
            assert!(!open.contains(name), "{name} is not removed by {at}");
        }
    }

    let raised: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    let rows: BTreeSet<&str> = ASSUMPTIONS.iter().map(|condition| condition.name).collect();
    assert_eq!(rows, raised, "a row of the table and a case of this test");
}

#[test]
fn an_assumption_is_made_on_the_planes_of_its_row_alone() {
    let of_holes = holes().into_iter().map(|hole| {
        let added: String = hole.add.iter().map(|o| format!("---\n{o}\n")).collect();
        Inputs::of(&added)
    });
    let of_cases = cases().into_iter().map(|case| case.raised_by);
    for inputs in of_holes.chain(of_cases) {
        for plane in &inputs.proof().planes {
            for assumption in &plane.assumptions {
                let mut rows = ASSUMPTIONS.iter();
                let row = rows.find(|row| row.name == assumption.name).expect("a row");
                assert!(row.planes.contains(&plane.plane), "{}", row.name);
                assert_eq!(assumption.removed_by, Some(row.removed_by));
            }
        }
    }
}

#[test]
fn a_plane_that_rests_on_the_scope_alone_is_proven() {
    let shown = Inputs {
        closed_world: true,
        lists_every_kind: true,
        plugin: Some("calico"),
        pod_network: Some("10.244.0.0/16"),
        ..Inputs::default()
    };
    let proof = shown.proof();
    let verdict = |plane: Plane| {
        proof
            .planes
            .iter()
            .find(|p| p.plane == plane)
            .map(|p| p.verdict)
    };
    for plane in [Plane::Api, Plane::Network, Plane::Admission] {
        assert_eq!(verdict(plane), Some(Verdict::Proven), "{plane:?}");
    }
    assert_eq!(verdict(Plane::Resources), Some(Verdict::Assumed));

    let names: BTreeSet<&str> = proof.scope.iter().map(|condition| condition.name).collect();
    assert!(names.contains("kernel-holds") && !names.contains("audit-apart"));
}

/// A text as a cell of the documentation: a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().expect("a text").to_uppercase();
    format!("{first}{}.", letters.as_str())
}

/// The rows of the first table below a heading of docs/prove.md.
fn documented(heading: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("docs/prove.md")).expect("docs/prove.md");
    let (_, below) = text
        .split_once(&format!("\n{heading}\n"))
        .expect("the heading");
    let rows = below.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    rows.map(str::to_owned).collect()
}

#[test]
fn the_documentation_has_the_tables_of_the_code() {
    let rows = ASSUMPTIONS.iter().map(|row| {
        let (text, removed_by) = (sentence(row.text), sentence(row.removed_by));
        format!("| `{}` | {text} | {removed_by} |", row.name)
    });
    assert_eq!(documented("## Assumptions"), rows.collect::<Vec<_>>());

    let rows = SCOPE
        .iter()
        .map(|row| format!("| `{}` | {} |", row.name, sentence(row.text)));
    assert_eq!(documented("## Scope"), rows.collect::<Vec<_>>());
}

/// A fleet of two tenants on two clusters.
fn two_clusters() -> Sandbox {
    let sandbox = two_tenants();
    let fleet = sandbox.read("tenants/fleet.yaml");
    let second = fleet.replace(
        "  clusters:\n    - name: prod",
        "  clusters:\n    - name: test\n    - name: prod",
    );
    assert_ne!(fleet, second, "{fleet}");
    sandbox.write("tenants/fleet.yaml", second);
    for name in ["a", "b"] {
        let path = format!("tenants/{name}.yaml");
        sandbox.write(&path, tenant(name, "  clusters: [test, prod]\n"));
    }
    sandbox
}

#[test]
fn a_report_has_the_verdict_first_and_each_assumption_once() {
    let sandbox = two_clusters();
    let ran = sandbox.run(&["prove"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(
        lines[0].starts_with("verdict: assumed on test, prod; no findings; model 1, inputs "),
        "{}",
        lines[0]
    );

    let assumes: Vec<&&str> = lines
        .iter()
        .filter(|line| line.starts_with("assumes "))
        .collect();
    let once: BTreeSet<&&str> = assumes.iter().copied().collect();
    assert_eq!(assumes.len(), once.len());
    let at = lines
        .iter()
        .position(|line| line.starts_with("assumes no-other-grants: "))
        .expect("it");
    assert_eq!(
        lines[at + 1],
        "    counts for: api, admission on all clusters"
    );
    assert!(
        lines[at + 2].starts_with("    removed by: `--live`"),
        "{}",
        lines[at + 2]
    );
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("scope: no input can show kernel-holds, "))
    );

    let report: Value = json(&sandbox.run(&["prove", "--format", "json"]).out);
    assert_eq!(report["verdict"], "assumed");
    let listed = report["assumptions"].as_array().expect("assumptions");
    assert_eq!(listed.len(), assumes.len());
    let grants = listed
        .iter()
        .find(|one| one["name"] == "no-other-grants")
        .expect("it");
    assert_eq!(grants["clusters"], serde_json::json!(["prod", "test"]));
    assert_eq!(grants["planes"], serde_json::json!(["api", "admission"]));
    assert!(
        grants["removedBy"]
            .as_str()
            .expect("a text")
            .contains("--snapshot FILE")
    );
    assert_eq!(report["scope"][0]["name"], "kernel-holds");

    let markdown = sandbox.run(&["prove", "--format", "markdown"]).out;
    assert!(
        markdown.contains("| `no-other-grants` |") && markdown.contains("- `kernel-holds`:"),
        "{markdown}"
    );
}

#[test]
fn a_snapshot_that_verify_writes_shows_that_there_is_no_more() {
    let sandbox = two_clusters();
    let objects = r#""items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "gone"},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
         "subjects": [{"kind": "ServiceAccount", "name": "agent", "namespace": "tools"}]}]}"#;
    let assumed = |start: &str| -> BTreeSet<String> {
        sandbox.write("cluster.json", format!("{start}{objects}"));
        let report = json(
            &sandbox
                .run(&["prove", "--snapshot", "cluster.json", "--format", "json"])
                .out,
        );
        let lost = report["findings"].as_array().expect("findings").iter();
        let lost = lost.filter(|finding| finding["rule"] == "api/lost-subject");
        assert_eq!(lost.count(), 1, "one cause on both clusters");

        let listed = report["assumptions"]
            .as_array()
            .expect("assumptions")
            .iter();
        let names = listed.map(|one| one["name"].as_str().expect("a name").to_owned());
        names.collect()
    };

    let shown = ["no-other-policies", "no-other-syncs"];
    let of_kubectl = assumed("{\"apiVersion\": \"v1\", \"kind\": \"List\", ");
    let of_verify = assumed(graph::COMPLETE_SNAPSHOT);
    for name in shown {
        assert!(
            of_kubectl.contains(name) && !of_verify.contains(name),
            "{name}"
        );
    }
}

/// A configuration of the API server with exemptions of Pod Security.
fn configuration(exemptions: &str) -> String {
    format!(
        "---
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: PodSecurity
    configuration:
      apiVersion: pod-security.admission.config.k8s.io/v1
      kind: PodSecurityConfiguration
      defaults: {{enforce: baseline}}
      exemptions: {exemptions}
"
    )
}

#[test]
fn exemptions_of_pod_security_are_found() {
    let proof = |text: &str| {
        let texts = [base(), ("api-server.yaml".into(), text.to_owned())];
        isolation::prove(&changed_cluster(&texts, |_| {}).1)
    };
    let found = |text: &str| -> Vec<Option<Verdict>> {
        let proof = proof(text);
        assert!(proof.unread_inputs.is_empty(), "{:?}", proof.unread_inputs);
        let rule = "admission/pod-security-not-enforced";
        let findings = proof
            .findings
            .iter()
            .filter(|f| f.diagnostic.rule.id == rule);
        findings.map(|finding| finding.verdict).collect()
    };

    assert_eq!(found(&configuration("{}")), []);
    assert_eq!(
        found(&configuration(
            "{namespaces: [kube-system], usernames: [admin]}"
        )),
        []
    );
    assert_eq!(
        found(&configuration("{namespaces: [blue]}")),
        [Some(Verdict::Refuted)]
    );
    assert_eq!(
        found(&configuration("{runtimeClasses: [kata]}")),
        [Some(Verdict::Unknown); 3]
    );

    let names =
        |text: &str| -> BTreeSet<&str> { proof(text).scope.iter().map(|c| c.name).collect() };
    let exemptions = "pod-security-without-exemptions";
    assert!(names("").contains(exemptions) && !names(&configuration("{}")).contains(exemptions));
}

#[test]
fn the_default_level_of_pod_security_is_enforced_without_a_label() {
    let namespace =
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: blue, labels: {tenant: blue}}\n";
    let refuted = |text: String| {
        let proof = Inputs::of(&text).proof();
        let mut findings = proof.findings.iter();
        findings.any(|finding| finding.diagnostic.rule.id == "admission/pod-security-not-enforced")
    };
    assert!(refuted(namespace.to_owned()));

    let texts = [
        without(&BTreeSet::from(["Namespace /blue".to_owned()])),
        (
            "namespace.yaml".into(),
            namespace.to_owned() + &configuration("{}"),
        ),
    ];
    let proof = isolation::prove(&changed_cluster(&texts, |_| {}).1);
    assert!(proof.findings.is_empty(), "{:?}", proof.findings);
}
