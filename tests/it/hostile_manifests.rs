//! Manifests of less than 1 MiB that are made to cost much: each of these took minutes, or the
//! whole memory, while the cost of an item grew with the number of items.

use crate::support::{Ran, Sandbox};

const TWO_NAMESPACES: &str = "apiVersion: v1
kind: Namespace
metadata: {name: aa}
---
apiVersion: v1
kind: Namespace
metadata: {name: bb}
";

/// Two namespaces, and an object of JSON for each number.
fn many(count: usize, object: impl Fn(usize) -> String) -> String {
    let objects = (0..count).map(|number| format!("---\n{}\n", object(number)));
    TWO_NAMESPACES.to_owned() + &objects.collect::<String>()
}

fn policy(name: &str, spec: &str) -> String {
    format!(
        r#"{{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{{"name":"{name}","namespace":"aa"}},"spec":{spec}}}"#
    )
}

fn run(manifests: &str, args: &[&str]) -> Ran {
    assert!(manifests.len() <= 1 << 20, "{}", manifests.len());
    let sandbox = Sandbox::with(&[("all.yaml", manifests)]);
    sandbox.run(&[args, &["--also", "all.yaml"]].concat())
}

#[test]
fn policies_of_one_namespace_that_all_select_other_pods() {
    let spec = |number| {
        format!(
            r#"{{"podSelector":{{"matchLabels":{{"a{number}":"b"}}}},"ingress":[{{"from":[{{"podSelector":{{}}}}]}}]}}"#
        )
    };
    let manifests = many(5000, |number| policy(&format!("p{number}"), &spec(number)));
    let ran = run(&manifests, &["prove", "--summary"]).code(1);
    assert!(ran.out.contains("network/open-namespace"), "{}", ran.out);
}

#[test]
fn policies_of_one_namespace_that_leave_out_each_a_value() {
    let spec = |number| {
        format!(
            r#"{{"podSelector":{{"matchExpressions":[{{"key":"k{number}","operator":"NotIn","values":["a","b"]}}]}},"ingress":[{{"from":[{{"namespaceSelector":{{}},"podSelector":{{"matchLabels":{{"z{number}":"y"}}}}}}]}}]}}"#
        )
    };
    let manifests = many(1000, |number| policy(&format!("p{number}"), &spec(number)));
    let ran = run(&manifests, &["prove", "--summary"]).code(1);
    assert!(ran.out.contains("network/open-namespace"), "{}", ran.out);
}

#[test]
fn policies_that_no_one_can_tell_apart_leave_the_network_unknown() {
    // Each of the first policies can be avoided in two ways, so that the ways double. The last eight
    // select every pod together, which shows at the end of each way alone.
    let expression = |key: &str, operator: &str| {
        format!(r#"{{"key":"{key}","operator":"{operator}","values":["x"]}}"#)
    };
    let spec = |number: usize| {
        let expressions = match number.checked_sub(32) {
            None => {
                let (one, other) = (format!("k{number}"), format!("l{number}"));
                [expression(&one, "In"), expression(&other, "In")].join(",")
            }
            Some(bits) => {
                let of = |at: usize| match bits >> at & 1 {
                    0 => expression(&format!("z{at}"), "In"),
                    _ => expression(&format!("z{at}"), "NotIn"),
                };
                [of(0), of(1), of(2)].join(",")
            }
        };
        format!(
            r#"{{"podSelector":{{"matchExpressions":[{expressions}]}},"policyTypes":["Ingress","Egress"]}}"#
        )
    };

    let manifests = many(40, |number| policy(&format!("p{number}"), &spec(number)));
    let ran = run(
        &manifests,
        &["prove", "--only", "network/cross-tenant-ingress"],
    );
    assert!(
        ran.out.contains("whether others reach `aa` cannot be told"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("fix: select pods by fewer labels"),
        "{}",
        ran.out
    );
}

#[test]
fn findings_of_one_file() {
    let manifests = many(5000, |number| {
        format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"n{number}"}}}}"#)
    });
    let ran = run(&manifests, &["prove", "--format", "json"]).code(1);
    assert!(ran.out.contains("`n4999`"), "the last is reported");
}

#[test]
fn networks_that_an_address_block_leaves_out() {
    let except = (0..40_000).map(|number| {
        format!(
            r#""10.{}.{}.{}/32""#,
            number >> 15,
            (number >> 7) & 255,
            (number & 127) * 2
        )
    });
    let except: Vec<String> = except.collect();
    let spec = format!(
        r#"{{"podSelector":{{}},"policyTypes":["Ingress","Egress"],"egress":[{{"to":[{{"ipBlock":{{"cidr":"0.0.0.0/0","except":[{}]}}}}]}}]}}"#,
        except.join(",")
    );
    let manifests = many(1, |_| policy("p", &spec));
    run(&manifests, &["prove", "--summary"]).code(1);

    let ran = run(&manifests, &["reach", "aa", "10.0.0.2"]);
    assert!(ran.out.contains(": no"), "{}", ran.out);
    let ran = run(&manifests, &["reach", "aa", "10.200.0.1"]);
    assert!(!ran.out.contains(": no"), "{}", ran.out);
}

#[test]
fn subjects_of_one_binding() {
    let subjects = (0..4000).map(|number| {
        format!(r#"{{"kind":"ServiceAccount","name":"u{number}","namespace":"n{number}"}}"#)
    });
    let subjects: Vec<String> = subjects.collect();
    let manifests = many(1, |_| {
        format!(
            r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{{"name":"b"}},"roleRef":{{"kind":"ClusterRole","name":"cluster-admin"}},"subjects":[{}]}}"#,
            subjects.join(",")
        )
    });
    let ran = run(&manifests, &["who-can", "get", "secrets", "-n", "aa"]);
    assert!(ran.out.contains("n3999/u3999"), "{}", ran.err);
}

/// A ClusterRole that takes over the rules of those with the labels `agg{n}` of some numbers.
fn aggregated(number: usize, from: &[usize]) -> String {
    let selectors = from
        .iter()
        .map(|other| format!(r#"{{"matchLabels":{{"agg{other}":"y"}}}}"#));
    let selectors: Vec<String> = selectors.collect();
    format!(
        r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{{"name":"r{number}","labels":{{"agg{number}":"y"}}}},"aggregationRule":{{"clusterRoleSelectors":[{}]}}}}"#,
        selectors.join(",")
    )
}

#[test]
fn roles_that_take_over_the_rules_of_the_next() {
    let last = 3000;
    let role = |number| match number == last {
        true => format!(
            r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{{"name":"last","labels":{{"agg{last}":"y"}}}},"rules":[{{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}}]}}"#
        ),
        false => aggregated(number, &[number + 1, number + 2]),
    };
    let manifests = many(last + 1, role)
        + "---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: b},
 roleRef: {kind: ClusterRole, name: r0}, subjects: [{kind: User, name: far}]}
";

    // The rule of the last role comes through all of them.
    let ran = run(
        &manifests,
        &["can", "user:far", "get", "secrets", "-n", "bb"],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    run(&manifests, &["prove", "--summary"]).code(1);
}

#[test]
fn roles_that_each_add_a_rule_to_those_of_the_next() {
    let last = 2000;
    let own = |number| {
        format!(
            r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole","metadata":{{"name":"o{number}","labels":{{"agg{}":"y"}}}},"rules":[{{"apiGroups":["example.com"],"resources":["r{number}"],"verbs":["get"]}}]}}"#,
            number + 1
        )
    };
    // The label of a role, and of the rule that it adds, is the next number's.
    let role = |number| {
        format!(
            "{}\n---\n{}",
            own(number),
            aggregated(number, &[number + 1])
        )
    };
    let manifests = many(last + 1, role)
        + "---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: b},
 roleRef: {kind: ClusterRole, name: r0}, subjects: [{kind: User, name: far}]}
";
    for number in [0, 1000, last] {
        let resource = format!("r{number}.example.com");
        let ran = run(
            &manifests,
            &["can", "user:far", "get", &resource, "-n", "bb"],
        );
        assert!(ran.out.contains(": yes"), "{resource}: {ran:?}");
    }
}

/// A policy for everything that exempts a user, its binding to the namespaces with some labels, and
/// a binding of that user.
fn policy_and_subject(number: usize, labels: &str) -> String {
    const GROUP: &str = "admissionregistration.k8s.io/v1";
    let everything = r#""resourceRules":[{"apiGroups":["*"],"apiVersions":["*"],"operations":["*"],"resources":["*"]}]"#;
    [
        format!(
            r#"{{"apiVersion":"{GROUP}","kind":"ValidatingAdmissionPolicy","metadata":{{"name":"v{number}"}},"spec":{{"matchConstraints":{{{everything}}},"validations":[{{"expression":"object.spec == oldObject.spec || request.userInfo.username == 'u{number}'"}}]}}}}"#
        ),
        format!(
            r#"{{"apiVersion":"{GROUP}","kind":"ValidatingAdmissionPolicyBinding","metadata":{{"name":"v{number}"}},"spec":{{"policyName":"v{number}","validationActions":["Deny"],"matchResources":{{"namespaceSelector":{{"matchLabels":{labels}}}}}}}}}"#
        ),
        format!(
            r#"{{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{{"name":"b{number}","namespace":"aa"}},"roleRef":{{"kind":"ClusterRole","name":"admin"}},"subjects":[{{"kind":"User","name":"u{number}"}}]}}"#
        ),
    ]
    .join("\n---\n")
}

#[test]
fn policies_and_subjects_that_are_too_many_leave_the_answer_unknown() {
    let reason = "too many policies and subjects are bound to evaluate each for each";
    let labels = r#"{"kubernetes.io/metadata.name":"aa"}"#;
    let zoe = "---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: z, namespace: bb},
 roleRef: {kind: ClusterRole, name: edit}, subjects: [{kind: User, name: zoe}]}
";
    for (count, is_unevaluated) in [(20, false), (300, true)] {
        let manifests = many(count, |number| policy_and_subject(number, labels)) + zoe;
        let ran = run(&manifests, &["prove"]);
        assert_ne!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.out.contains(reason), is_unevaluated, "{}", ran.out);

        // Nothing that is found of another subject is hidden by their number.
        let refuted = "error[admission/floor-writable]: tenant `bb` writes";
        assert!(ran.out.contains(refuted), "{}", ran.out);
    }
}

#[test]
fn roles_in_a_ring_take_over_each_others_rules() {
    let role = |number: usize| aggregated(number, &[(number + 1) % 4, 9]);
    let manifests = many(4, role)
        + "---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole,
 metadata: {name: leaf, labels: {agg9: 'y'}},
 rules: [{apiGroups: [''], resources: [secrets], verbs: [get]}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: b},
 roleRef: {kind: ClusterRole, name: r2}, subjects: [{kind: User, name: far}]}
";
    let ran = run(
        &manifests,
        &["can", "user:far", "get", "secrets", "-n", "bb"],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
}
