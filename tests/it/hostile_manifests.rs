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
    let ran = run(&manifests, &["prove"]).code(1);
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
