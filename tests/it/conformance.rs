//! Truth tables of real semantics: what others measured of Kubernetes, against the same questions
//! asked here.

use crate::support::shared;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tenantry::document;
use tenantry::graph::facts::Facts;
use tenantry::graph::network::{FlowEnd, verdict};
use tenantry::graph::rbac::{AccessRequest, PolicyRule, Rbac, Subject, uncovered, url_covers};
use tenantry::graph::{InputKind, Origin};
use tenantry::kube::ObjectId;
use tenantry::kube::labels::Labels;
use tenantry::netpol::{Direction, Protocol};
use tenantry::source::{Source, SourceMap};

/// What some YAML files say.
pub fn facts(paths: &[&Path]) -> (SourceMap, Facts) {
    let mut sources = SourceMap::default();
    let mut facts = Facts::default();

    for path in paths.iter().filter(|p| p.exists()) {
        // Their namespace `y` is a string in YAML 1.2, and a boolean to kubectl, which refuses it.
        let mut text = fs::read_to_string(path).expect("text");
        for end in [",", "}", "]", "\n"] {
            text = text.replace(&format!(" y{end}"), &format!(" \"y\"{end}"));
            text = text.replace(&format!("[y{end}"), &format!("[\"y\"{end}"));
        }

        let id = sources.add(Source::new(path.to_string_lossy(), text));
        let (documents, faults) = document::parse_foreign(id, sources.get(id));
        assert!(faults.is_empty(), "{faults:?}");

        for document in documents {
            let object = ObjectId::of(&document.root).expect("an object");
            facts.add(
                object,
                &document.root,
                Origin {
                    input: InputKind::Manifest,
                    span: document.root.span,
                },
            );
        }
    }

    (sources, facts)
}

#[test]
fn every_network_verdict_matches_the_table() {
    let Some(folder) = shared("conformance/network-policy") else {
        return;
    };
    let index: Value =
        serde_json::from_slice(&fs::read(folder.join("index.json")).expect("index")).expect("JSON");
    let (mut asked, mut denied, mut wrong) = (0u32, 0u32, Vec::new());

    for case in index.as_array().expect("cases") {
        let dir = folder.join(case["dir"].as_str().expect("a folder"));
        let (_, facts) = facts(&[&dir.join("cluster.yaml"), &dir.join("policies.yaml")]);
        assert!(facts.unevaluated.is_empty(), "{:?}", facts.unevaluated);
        let namespaces: BTreeMap<&str, &Labels> = facts
            .namespaces
            .iter()
            .map(|n| (&*n.id.name, &n.labels))
            .collect();

        let expected: Value =
            serde_json::from_slice(&fs::read(dir.join("expected.json")).expect("expected"))
                .expect("JSON");
        let ends: Vec<FlowEnd<'_>> = expected["pods"]
            .as_array()
            .expect("pods")
            .iter()
            .map(|pod| {
                let (namespace, name) =
                    pod.as_str().and_then(|p| p.split_once('/')).expect("a pod");
                let pod = facts
                    .workloads
                    .iter()
                    .find(|w| w.id.namespace == namespace && w.id.name == name)
                    .expect("it");
                FlowEnd {
                    namespace: namespaces.get_key_value(namespace).expect("there").0,
                    namespace_labels: namespaces[namespace],
                    labels: &pod.labels,
                    ips: &pod.ips,
                    ports: &pod.ports,
                }
            })
            .collect();

        for probe in expected["probes"].as_array().expect("probes") {
            let protocol =
                Protocol::parse(probe["protocol"].as_str().expect("a protocol")).expect("known");
            let port = probe["port"].as_u64().expect("a port") as u16;

            for (from, source) in ends.iter().enumerate() {
                for (to, target) in ends.iter().enumerate() {
                    let said = |what: &str| {
                        probe[what][from].as_str().expect("a row").as_bytes()[to] == b'.'
                    };
                    let asks = |direction, pod: &FlowEnd<'_>, peer: &FlowEnd<'_>| {
                        let own = facts
                            .policies
                            .iter()
                            .filter(|p| p.id.namespace == pod.namespace);
                        verdict(own, direction, pod, peer, protocol, port).passes()
                    };

                    let ingress = asks(Direction::Ingress, target, source);
                    let egress = asks(Direction::Egress, source, target);
                    asked += 1;
                    denied += u32::from(!said("combined"));

                    if (ingress, egress, ingress && egress)
                        != (said("ingress"), said("egress"), said("combined"))
                    {
                        wrong.push(format!(
                            "{}: {from} → {to} {}/{port}",
                            case["dir"],
                            protocol.name()
                        ));
                    }
                }
            }
        }
    }

    crate::support::say(&format!(
        "network: {asked} verdicts asked, {denied} of them denied, {} differ",
        wrong.len()
    ));

    assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(20)]);
    assert_eq!((asked, denied), (124_884, 22_767));
}

fn table(name: &str) -> Option<Value> {
    let file = shared("conformance/rbac")?.join(name);
    Some(serde_json::from_slice(&fs::read(file).expect("a table")).expect("JSON"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn rules(value: &Value) -> Vec<PolicyRule> {
    list(value)
        .iter()
        .map(|r| PolicyRule::of(&tenantry::value::Value::from(r)))
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn request(value: &Value) -> AccessRequest<'_> {
    AccessRequest {
        verb: text(value, "verb"),
        group: text(value, "apiGroup"),
        resource: text(value, "resource"),
        subresource: text(value, "subresource"),
        name: text(value, "name"),
        namespace: text(value, "namespace"),
    }
}

/// A user and its groups.
fn who(value: &Value) -> Vec<Subject> {
    let user = match text(value, "user") {
        "" => Subject::User("".into()),
        name => Subject::parse(&format!("user:{name}")).expect("a user"),
    };
    let groups = list(&value["groups"])
        .iter()
        .map(|g| Subject::Group(g.as_str().expect("a name").into()));
    std::iter::once(user).chain(groups).collect()
}

/// Makes an item of the table an object that the API server takes: its name and namespace stand
/// in the metadata, and no rule has both resources and URLs. The authorizer is asked about rules alone.
fn as_server_takes_it(object: &mut Value) {
    let fields = object.as_object_mut().expect("an object");
    fields.remove("namespace");
    fields.remove("name");

    let Some(rules) = object.get_mut("rules").and_then(Value::as_array_mut) else {
        return;
    };

    let is_filled = |rule: &Value, field: &str| !list(&rule[field]).is_empty();
    let mut of_urls = Vec::new();
    for rule in rules.iter_mut() {
        if is_filled(rule, "resources") && is_filled(rule, "nonResourceURLs") {
            let urls = rule["nonResourceURLs"].take();
            of_urls.push(serde_json::json!({"verbs": rule["verbs"], "nonResourceURLs": urls}));
            rule.as_object_mut()
                .expect("a rule")
                .remove("nonResourceURLs");
        }
    }
    rules.extend(of_urls);
}

fn authorizer(set: &Value) -> Rbac {
    let mut facts = Facts::default();
    let mut sources = SourceMap::default();
    let span = sources.add_path("table");

    for (key, kind) in [
        ("roles", "Role"),
        ("clusterRoles", "ClusterRole"),
        ("roleBindings", "RoleBinding"),
        ("clusterRoleBindings", "ClusterRoleBinding"),
    ] {
        for (n, item) in list(&set[key]).iter().enumerate() {
            let mut object = item.clone();
            object["apiVersion"] = "rbac.authorization.k8s.io/v1".into();
            object["kind"] = kind.into();
            as_server_takes_it(&mut object);
            let name = item
                .get("name")
                .and_then(Value::as_str)
                .map_or_else(|| format!("{kind}-{n}"), str::to_owned);

            object["metadata"] =
                serde_json::json!({"name": name, "namespace": text(item, "namespace")});
            let value = tenantry::value::Value::from(&object);
            facts.add(
                ObjectId::of(&value).expect("an object"),
                &value,
                Origin {
                    input: InputKind::Manifest,
                    span,
                },
            );
        }
    }

    assert!(facts.unevaluated.is_empty(), "{:?}", facts.unevaluated);
    let mut rbac = Rbac::default();

    for role in facts.roles {
        rbac.roles
            .insert((role.id.namespace.clone(), role.id.name.clone()), role);
    }

    rbac.bindings = facts.bindings;
    rbac.finish();
    rbac
}

#[test]
fn every_rbac_verdict_matches_the_table() {
    let Some(matches) = table("rule_matches.json") else {
        return;
    };
    let mut asked = BTreeMap::<&str, usize>::new();

    for case in list(&matches) {
        let rule = PolicyRule::of(&tenantry::value::Value::from(&case["rule"]));
        for one in list(&case["requests"]) {
            *asked.entry("rule_matches").or_default() += 1;
            let said = match one
                .get("path")
                .or_else(|| one.get("nonResourceURL"))
                .and_then(Value::as_str)
            {
                Some(path) => rule.allows_url(text(one, "verb"), path),
                None => rule.allows(&request(one)),
            };
            assert_eq!(
                Some(said),
                one["allowed"].as_bool(),
                "{}: {one}",
                case["name"]
            );
        }
    }

    for case in list(&table("nonresourceurl_covers.json").expect("a table")) {
        *asked.entry("nonresourceurl_covers").or_default() += 1;
        assert_eq!(
            Some(url_covers(text(case, "owner"), text(case, "requested"))),
            case["want"].as_bool(),
            "{case}"
        );
    }

    for case in list(&table("covers.json").expect("a table")) {
        *asked.entry("covers").or_default() += 1;
        let left = uncovered(&rules(&case["ownerRules"]), &rules(&case["servantRules"]));
        assert_eq!(
            Some(left.is_empty()),
            case["expectedCovered"].as_bool(),
            "{}",
            case["name"]
        );
        assert_eq!(
            left,
            rules(&case["expectedUncoveredRules"]),
            "{}",
            case["name"]
        );
    }

    for case in list(&table("applies_to.json").expect("a table")) {
        *asked.entry("applies_to").or_default() += 1;
        let subjects = who(case);
        let home = text(case, "namespace");
        let named = list(&case["subjects"]).iter();
        let named: Vec<_> = named
            .filter_map(|s| Subject::of(&tenantry::value::Value::from(s), home))
            .collect();
        let said = named.iter().any(|s| subjects.contains(s));
        assert_eq!(Some(said), case["appliesTo"].as_bool(), "{}", case["name"]);
    }

    for set in list(&table("authorizer.json").expect("a table")) {
        let rbac = authorizer(set);
        for (key, wanted) in [("shouldPass", true), ("shouldFail", false)] {
            for one in list(&set[key]) {
                *asked.entry("authorizer").or_default() += 1;
                let said = match one
                    .get("path")
                    .or_else(|| one.get("nonResourceURL"))
                    .and_then(Value::as_str)
                {
                    Some(path) if !path.is_empty() => rbac
                        .authorize_url(&who(one), text(one, "verb"), path)
                        .is_some(),
                    _ => rbac.authorize(&who(one), &request(one)).is_some(),
                };
                assert_eq!(said, wanted, "{one}");
            }
        }
    }

    let resolver = table("rule_resolver.json").expect("a table");
    let rbac = authorizer(&resolver);

    for case in list(&resolver["cases"]) {
        *asked.entry("rule_resolver").or_default() += 1;
        let sorted = |mut rules: Vec<PolicyRule>| {
            rules.sort_by_key(|r| format!("{r:?}"));
            rules
        };
        let found = sorted(rbac.rules_in(&who(case), text(case, "namespace")));
        assert_eq!(found, sorted(rules(&case["effectiveRules"])), "{case}");
    }

    crate::support::say(&format!("rbac: {asked:?}"));
    let least = [
        ("rule_matches", 70),
        ("nonresourceurl_covers", 14),
        ("covers", 23),
        ("applies_to", 9),
        ("authorizer", 31),
        ("rule_resolver", 4),
    ];

    for (name, count) in least {
        assert!(asked[name] >= count, "{name}: {asked:?}");
    }
}
