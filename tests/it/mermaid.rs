//! `--format mermaid`: each line is a node or an edge, whatever names the manifests hold.

use crate::support::{FLEET, Sandbox, fixture, tenant, two_tenants};
use std::collections::{BTreeMap, BTreeSet};

/// The forms of the lines that are drawn.
const LINES: [&str; 3] = ["-->", "--x", "-.->"];

/// The brackets of the shapes that are drawn.
const SHAPES: [[&str; 2]; 7] = [
    ["([", "])"],
    ["[/", "/]"],
    ["{{", "}}"],
    ["[[", "]]"],
    ["[(", ")]"],
    ["(", ")"],
    ["[", "]"],
];

/// A picture that was read again.
#[derive(Debug, Default)]
struct Picture {
    /// The label of each node, by its name.
    nodes: BTreeMap<String, String>,
    edges: BTreeSet<[String; 3]>,
    /// The form of the line of each edge.
    lines: BTreeMap<[String; 3], &'static str>,
    clusters: Vec<String>,
}

/// The text of a label: its entity codes are characters.
#[track_caller]
fn label(text: &str) -> String {
    let mut label = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('#') {
        let (code, after) = after.split_once(';').expect("the end of a code");
        let code: u32 = code.parse().unwrap_or_else(|_| panic!("{text}"));
        label.push_str(before);
        label.push(char::from_u32(code).expect("a character"));
        rest = after;
    }
    label.push_str(rest);

    let is_plain = |c: char| c.is_ascii_alphanumeric() || " /,-#;".contains(c);
    assert!(text.chars().all(is_plain), "{text}");
    label
}

/// Reads a picture, and fails at a line that is none of ours.
#[track_caller]
fn picture(text: &str) -> Picture {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("flowchart LR"));
    let mut picture = Picture::default();

    for line in lines {
        let line = line.trim_start();
        if let Some(name) = line.strip_prefix("subgraph ") {
            let name = name
                .split_once("[\"")
                .and_then(|(_, name)| name.strip_suffix("\"]"));
            picture.clusters.push(label(name.expect("a label")));
        } else if let Some((line, from, rest)) = LINES.iter().find_map(|form| {
            let (from, rest) = line.split_once(&format!(" {form}"))?;
            Some((*form, from, rest))
        }) {
            let (text, to) = match rest.strip_prefix("|\"") {
                Some(rest) => rest.split_once("\"| ").expect("a label"),
                None => ("", rest.trim_start()),
            };
            let edge = [from, to, &label(text)].map(str::to_owned);
            picture.lines.insert(edge.clone(), line);
            assert!(
                picture.edges.insert(edge.clone()),
                "{edge:?} stands there twice"
            );
        } else if line != "end" {
            let name: String = line
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            let rest = &line[name.len()..];
            let inner = SHAPES.iter().find_map(|[open, close]| {
                rest.strip_prefix(open)?
                    .strip_prefix('"')?
                    .strip_suffix(close)?
                    .strip_suffix('"')
            });
            let inner = inner.unwrap_or_else(|| panic!("{line}"));
            assert!(picture.nodes.insert(name, label(inner)).is_none(), "{line}");
        }
    }

    let ends = picture.edges.iter().flat_map(|[from, to, _]| [from, to]);
    ends.for_each(|end| assert!(picture.nodes.contains_key(end), "{end}: {text}"));
    picture
}

impl Picture {
    /// The chains as a reader follows them: from a label by a label to a label.
    fn has(&self, from: &str, by: &str, to: &str) -> bool {
        self.edges.iter().any(|[start, end, text]| {
            self.nodes[start] == from && text.contains(by) && self.nodes[end] == to
        })
    }

    /// The same for a line of this form.
    fn has_line(&self, form: &str, from: &str, by: &str, to: &str) -> bool {
        self.lines.iter().any(|([start, end, text], line)| {
            *line == form && self.nodes[start] == from && text.contains(by) && self.nodes[end] == to
        })
    }

    fn count(&self, wanted: &str) -> usize {
        self.nodes.values().filter(|label| *label == wanted).count()
    }
}

fn with_account() -> Sandbox {
    let sandbox = two_tenants();
    sandbox.write("also/x.yaml", fixture("prove/view-for-an-account.yaml"));
    sandbox
}

#[test]
fn can_draws_its_chain() {
    let sandbox = with_account();
    let asked = [
        "list", "pods", "-n", "b", "--also", "also", "--format", "mermaid",
    ];
    let ran = sandbox
        .run(&[&["can", "group:a-admins"], &asked[..]].concat())
        .code(0);
    let picture = picture(&ran.out);

    let (group, account) = ("group a-admins", "service account a/app");
    assert_eq!(picture.count(group), 1, "{picture:#?}");
    let acts = format!("and so acts as {account}");
    assert!(
        picture
            .edges
            .iter()
            .any(|[_, to, text]| { text.contains(&acts) && picture.nodes[to] == account })
    );
    let binds = "binds service account a/app to";
    assert!(
        picture.has(account, binds, "RoleBinding b/x"),
        "{picture:#?}"
    );
    assert!(
        picture.has("RoleBinding b/x", "allows it", "ClusterRole view"),
        "{picture:#?}"
    );
    assert!(
        picture.has("ClusterRole view", "", "list pods in `b`"),
        "{picture:#?}"
    );

    let ran = sandbox
        .run(&[&["can", "user:nobody"], &asked[..]].concat())
        .code(1);
    assert_eq!(ran.out, "flowchart LR\n");
}

#[test]
fn who_can_draws_equal_nodes_once() {
    let sandbox = with_account();
    let asked = [
        "who-can", "list", "pods", "-n", "b", "--also", "also", "--format", "mermaid",
    ];
    let picture = picture(&sandbox.run(&asked).code(0).out);
    for once in [
        "list pods in `b`",
        "RoleBinding b/x",
        "service account a/app",
        "group a-admins",
    ] {
        assert_eq!(picture.count(once), 1, "{once}: {picture:#?}");
    }
}

#[test]
fn prove_draws_from_tenant_to_tenant() {
    let sandbox = with_account();
    let ran = sandbox
        .run(&["prove", "--also", "also", "--format", "mermaid"])
        .code(1);
    let picture = picture(&ran.out);
    let starts: BTreeSet<&str> = picture
        .edges
        .iter()
        .map(|[from, ..]| from.as_str())
        .collect();
    let start = starts
        .iter()
        .find(|from| picture.nodes[**from] == "tenant a");
    assert!(start.is_some(), "{picture:#?}");
    assert!(
        picture.has("ClusterRole view", "api/cross-tenant-binding", "tenant b"),
        "{picture:#?}"
    );
}

#[test]
fn several_tenants_that_gain_are_counted_and_named() {
    for (groups, label) in [
        ("a-admins, b-admins, c-admins", "3 tenants (a, b, c)"),
        (
            "a-admins, b-admins, c-admins, d-admins",
            "4 tenants (a, b, c and 1 more)",
        ),
        (
            "a-admins, b-admins, c-admins, d-admins, e-admins",
            "every tenant",
        ),
    ] {
        let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET)]);
        for name in ["a", "b", "c", "d", "e"] {
            sandbox.write(&format!("tenants/{name}.yaml"), tenant(name, ""));
        }
        let identities = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: aws-auth, namespace: kube-system}}\n\
             data: {{mapRoles: \"[{{rolearn: 'arn:aws:iam::1:role/x', groups: [{groups}]}}]\"}}\n"
        );
        sandbox.write("also/x.yaml", identities);
        let ran = sandbox
            .run(&["prove", "--also", "also", "--format", "mermaid"])
            .code(1);
        let picture = picture(&ran.out);
        assert_eq!(picture.count(label), 1, "{picture:#?}");
    }
}

/// Names of groups and users are any text.
#[test]
fn no_name_breaks_out_of_its_label() {
    let hostile = [
        "\"]\n  click n0 href \"https://evil.example\"",
        "x\"] --> n1[\"y",
        "%%{init: {'securityLevel': 'loose'}}%%",
        "`**bold**` [x](https://evil.example)",
        "<img src=x onerror=alert(1)>",
        "#quot; &quot; #34;",
        "end",
        "1. a",
        "style n0 fill:#f00;",
    ];
    let sandbox = two_tenants();
    for (at, name) in hostile.iter().enumerate() {
        let subject = serde_json::json!({"kind": "Group", "name": name,
            "apiGroup": "rbac.authorization.k8s.io"});
        let binding = serde_json::json!({"apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding", "metadata": {"name": format!("x{at}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": "view"},
            "subjects": [subject]});
        sandbox.write(&format!("also/{at}.yaml"), binding.to_string());
    }

    let asked = [
        "who-can", "list", "pods", "-n", "b", "--also", "also", "--format", "mermaid",
    ];
    let picture = picture(&sandbox.run(&asked).code(0).out);
    for name in hostile {
        let shown = format!("group {name}").replace(char::is_control, "\u{fffd}");
        assert_eq!(picture.count(&shown), 1, "{shown:?}: {picture:#?}");
    }
}

/// Mermaid draws 500 edges and 50,000 characters, and refuses more.
#[test]
fn a_picture_that_would_be_refused_is_cut_and_says_so() {
    let sandbox = two_tenants();
    let subjects: Vec<String> = (0..900)
        .map(|at| format!("{{kind: Group, name: g{at}, apiGroup: rbac.authorization.k8s.io}}"))
        .collect();
    let binding = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\n\
         metadata: {{name: x}}\n\
         roleRef: {{kind: ClusterRole, name: view, apiGroup: rbac.authorization.k8s.io}}\n\
         subjects: [{}]\n",
        subjects.join(", ")
    );
    sandbox.write("also/x.yaml", binding);

    let asked = [
        "who-can", "list", "pods", "-n", "b", "--also", "also", "--format", "mermaid",
    ];
    let text = sandbox.run(&asked).code(0).out;
    let picture = picture(&text);
    assert!(
        text.len() < 50_000 && picture.edges.len() <= 500,
        "{}",
        text.len()
    );
    assert!(picture.edges.len() > 150, "{}", picture.edges.len());
    let more = picture
        .nodes
        .values()
        .find(|label| label.ends_with(" more chains not drawn"));
    assert!(more.is_some(), "{picture:#?}");
}

#[test]
fn each_cluster_is_a_part_of_its_own() {
    let fleet = "apiVersion: tenantry.dev/v1alpha1\nkind: Fleet\nmetadata: {name: acme}\nspec:\n  \
                 clusters:\n    - {name: east}\n    - {name: west}\n";
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", fleet)]);
    let asked = ["who-can", "*", "*", "--format", "mermaid"];
    let picture = picture(&sandbox.run(&asked).code(0).out);
    assert_eq!(picture.clusters, ["east", "west"]);
    assert_eq!(picture.count("group system:masters"), 2, "{picture:#?}");
}

/// Two namespaces that are closed, but for one connection on one port.
const CONNECTED: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: store}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{namespaceSelector: {}, podSelector: {}}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: in, namespace: store}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 8080}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop, labels: {app: client}}
spec: {containers: [{name: a, image: a}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: store}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: a, image: a}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: store}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
";

#[track_caller]
fn reached(sandbox: &Sandbox, asked: &[&str], code: i32) -> Picture {
    let common = ["--also", "also", "--format", "mermaid"];
    let ran = sandbox.run(&[&["reach"], asked, &common[..]].concat());
    picture(&ran.code(code).out)
}

#[test]
fn reach_draws_both_ends_and_the_policies_between() {
    let sandbox = Sandbox::with(&[("also/x.yaml", CONNECTED)]);
    let (client, web) = ("Pod shop/client", "Deployment store/web");
    let (out, into) = ("NetworkPolicy shop/out", "NetworkPolicy store/in");

    let open = reached(&sandbox, &["shop/client", "store/web", "--port", "8080"], 0);
    assert!(
        open.has_line("-->", client, "lets it out of", out),
        "{open:#?}"
    );
    assert!(
        open.has_line("-->", out, "lets it into `store` on 8080/TCP", into),
        "{open:#?}"
    );
    assert!(open.has_line("-->", into, "", web), "{open:#?}");

    let by_name = reached(
        &sandbox,
        &["shop/client", "store/svc/web", "--port", "80"],
        0,
    );
    assert!(
        by_name.has_line(
            "-->",
            client,
            "sends to Deployment store/web",
            "Service store/web"
        ),
        "{by_name:#?}"
    );
    assert!(by_name.has_line("-->", into, "", web), "{by_name:#?}");

    let of_namespaces = reached(&sandbox, &["shop", "store"], 0);
    assert!(
        of_namespaces.has_line("-->", "Namespace shop", "", out)
            && of_namespaces.has_line("-->", into, "", "Namespace store"),
        "{of_namespaces:#?}"
    );
}

#[test]
fn reach_draws_where_a_connection_stops() {
    let sandbox = Sandbox::with(&[("also/x.yaml", CONNECTED)]);
    let blocked = reached(&sandbox, &["shop/client", "store/web", "--port", "9090"], 1);
    let into = "NetworkPolicy store/in";
    assert!(
        blocked.has_line("-->", "NetworkPolicy shop/out", "on 8080/TCP only", into),
        "{blocked:#?}"
    );
    assert!(
        blocked.has_line(
            "--x",
            into,
            "ingress of Deployment store/web is blocked",
            "Deployment store/web"
        ),
        "{blocked:#?}"
    );

    let none = CONNECTED.replace(
        "egress: [{to: [{namespaceSelector: {}, podSelector: {}}]}]",
        "egress: []",
    );
    sandbox.write("also/x.yaml", none);
    let both = reached(&sandbox, &["shop/client", "store/web", "--port", "9090"], 1);
    for policy in ["NetworkPolicy shop/out", into] {
        assert!(
            both.has_line("-->", "Pod shop/client", "governs", policy)
                && both.has_line("--x", policy, "are blocked", "Deployment store/web"),
            "{both:#?}"
        );
    }
}

#[test]
fn reach_draws_an_end_outside_and_what_is_not_known() {
    let sandbox = Sandbox::with(&[("also/x.yaml", CONNECTED)]);
    let outside = reached(&sandbox, &["shop/client", "203.0.113.7"], 1);
    assert!(
        outside.has_line("--x", "NetworkPolicy shop/out", "is blocked", "203.0.113.7"),
        "{outside:#?}"
    );

    sandbox.write(
        "also/cilium.yaml",
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: z, namespace: store}\n\
         spec: {endpointSelector: {}, ingress: [{fromEntities: [all]}]}\n",
    );
    let unknown = reached(&sandbox, &["shop/client", "store/web", "--port", "8080"], 1);
    let policy = "CiliumNetworkPolicy store/z";
    assert!(
        unknown.has_line("-->", "Pod shop/client", "is not evaluated", policy)
            && unknown.has_line("-.->", policy, "", "Deployment store/web"),
        "{unknown:#?}"
    );
}
