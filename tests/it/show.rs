//! `show` and `status`.

use crate::support::{tenant, two_tenants};
use serde_json::Value;

#[test]
fn show_prints_each_value_with_its_origin() {
    let sandbox = two_tenants();
    sandbox.write("tenants/a.yaml", tenant("a", "  quota:\n    pods: \"7\"\n"));
    let ran = sandbox.run(&["show", "a", "--origin"]).code(0);
    let line = ran
        .out
        .lines()
        .find(|l| l.starts_with("quota.pods "))
        .expect("the line")
        .to_owned();

    assert!(
        line.contains("7") && line.contains("tenants/a.yaml:8:11"),
        "{line}"
    );

    assert!(
        ran.out
            .contains("over \"50\" at profile restricted (built in)"),
        "{}",
        ran.out
    );

    assert!(
        sandbox
            .run(&["show", "a"])
            .code(0)
            .out
            .contains("pods: \"7\"")
    );

    assert!(
        sandbox
            .run(&["show", "bb"])
            .code(2)
            .err
            .contains("did you mean `b`")
    );

    assert!(
        sandbox
            .run(&["status"])
            .code(0)
            .out
            .lines()
            .any(|l| l.starts_with("a ") && l.contains("Valid"))
    );

    let json = sandbox.run(&["status", "--format", "json"]).code(0).out;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["tenants"].as_array().map(Vec::len), Some(2));
}
