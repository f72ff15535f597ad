//! An object's status, as kstatus reads it.

use crate::support::{Ran, say, shared, tool_or_say};
use serde_json::Value;
use std::{fs, process};
use tenantry::live::status::{ObjectStatus, Stage};

/// Every case of kstatus' own tests: the stage, and the reason of an object that is not current.
#[test]
fn the_cases_of_kstatus_are_read_alike() {
    let Some(dir) = shared("conformance/kstatus") else {
        return;
    };
    let now: jiff::Timestamp = "2026-11-22T10:00:00Z".parse().expect("a time");
    let text = fs::read_to_string(dir.join("expected.json")).expect("the cases");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    let cases = expected.as_array().expect("cases");
    assert_eq!(cases.len(), 53);

    // One of them names a key twice, which our own reader refuses.
    let Some(python) = tool_or_say("python") else {
        return;
    };
    let script = "import sys, json, yaml\
                  \nfor path in sys.argv[1:]:\
                  \n    text = open(path).read().replace('{{NOW}}', '2026-11-22T10:00:00Z')\
                  \n    print(json.dumps(yaml.safe_load(text), default=lambda t: t.isoformat().replace('+00:00', 'Z')))";
    let mut command = process::Command::new(python);
    command.arg("-c").arg(script).args(
        cases
            .iter()
            .map(|c| dir.join(c["file"].as_str().expect("a file"))),
    );

    let read = Ran::of(command.output().expect("Python starts"));
    assert_eq!(read.code, 0, "{}", read.err);

    for (case, line) in cases.iter().zip(read.out.lines()) {
        let text = |v: &Value| v.as_str().expect("a text").to_owned();
        let object: tenantry::value::Value = serde_json::from_str(line).expect("JSON");
        let version = object.at(&["apiVersion"]).as_str().expect("apiVersion");
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let status = ObjectStatus::of(
            group,
            object.at(&["kind"]).as_str().expect("kind"),
            &object,
            now,
        );

        let stage = match status.stage {
            Stage::Current => "Current",
            Stage::InProgress => "InProgress",
            Stage::Failed => "Failed",
            Stage::Terminating => "Terminating",
        };

        assert_eq!(stage, text(&case["status"]), "{}: {status:?}", case["file"]);
        if let Some(condition) = case["conditions"].as_array().and_then(|c| c.first()) {
            assert_eq!(
                status.reason,
                text(&condition["reason"]),
                "{}",
                case["file"]
            );
        }
    }

    say("live: 53 of 53 cases of kstatus");
}
