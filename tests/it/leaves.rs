//! The leaves of a spec against whoever reads them: what `check` takes, they take.

use crate::support::{Dice, FLEET, Sandbox, say, tenant};
use std::process::Command;
use tenantry::spec::leaf;

/// Whether Git takes a name of a branch, and no program takes it for an option or for its own HEAD.
fn git_takes(name: &str) -> bool {
    let whole = format!("refs/heads/{name}");
    let ran = Command::new("git")
        .args(["check-ref-format", &whole])
        .output()
        .expect("git");
    ran.status.success() && !name.starts_with('-') && name != "HEAD"
}

#[test]
fn git_takes_the_names_of_branches_that_we_take_and_no_others() {
    let parts = [
        "main", "release", "v1.2", "a", "/", ".", "..", "-", "@", "@{", "~", "^", ":", "?", "*",
        "[", "\\", " ", ".lock", "\u{7}", "é", "HEAD", "x.lock", "${X}", "{", "}",
    ];
    let mut dice = Dice(20);
    let mut taken = 0;
    for _ in 0..600 {
        let count = *dice.of(&[1, 2, 3]);
        let name: String = (0..count).map(|_| *dice.of(&parts)).collect();
        let ours = leaf::reason("git-ref", &name).is_none();
        assert_eq!(ours, git_takes(&name), "{name:?}");
        taken += usize::from(ours);
    }
    say(&format!(
        "leaves: {taken} of 600 random names of branches are taken by both"
    ));
    assert!(taken > 50);
}

/// What `check` says of a tenant with some settings.
fn check(settings: &str) -> String {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", settings)),
    ]);
    sandbox.run(&["check"]).all()
}

#[test]
fn a_revision_that_no_source_has_is_refused_where_it_stands() {
    let git = |field: &str| {
        format!("  sync: [{{name: apps, git: {{url: https://git.example/a, {field}}}}}]\n")
    };
    let oci = |field: &str| {
        format!("  sync: [{{name: apps, oci: {{url: oci://registry.example/a, {field}}}}}]\n")
    };
    let helm = |fields: &str| {
        format!("  sync: [{{name: apps, helm: {{url: https://charts.example, {fields}}}}}]\n")
    };
    let bucket = |name: &str| {
        format!("  sync: [{{name: apps, bucket: {{endpoint: s3.example, name: '{name}'}}}}]\n")
    };
    let url = |url: &str| format!("  sync: [{{name: apps, git: {{url: '{url}'}}}}]\n");

    let refused = [
        url("ssh://-oProxyCommand=touch/x"),
        url("ssh://git@-oProxyCommand=x/y"),
        url("ssh://-oX@host.example/y"),
        git("branch: '-x'"),
        git("tag: 'a..b'"),
        git("branch: '${BRANCH}:x'"),
        git("semver: latest"),
        git("commit: abc123"),
        oci("tag: 'a/b'"),
        oci("digest: 'sha256:1'"),
        oci("semver: '>>1'"),
        helm("chart: ../x"),
        helm("chart: a, version: stable"),
        bucket("A"),
        bucket("../x"),
    ];
    for settings in refused {
        let output = check(&settings);
        let place = output.contains("tenants/a.yaml:7:");
        assert!(
            output.contains("error[spec/invalid-value]") && place,
            "{settings}: {output}"
        );
    }

    let hash = "a".repeat(40);
    let accepted = [
        url("ssh://git@git.example:22/a.git"),
        git("branch: feature/x-1"),
        git("semver: '>=1.0.0 <2.0.0'"),
        git(&format!("commit: {hash}")),
        oci("tag: v1.2.3_x"),
        oci(&format!("digest: 'sha256:{}'", "0".repeat(64))),
        helm("chart: podinfo, version: '6.x'"),
        bucket("tenant-a.example"),
    ];
    for settings in accepted {
        let output = check(&settings);
        assert!(!output.contains("error["), "{settings}: {output}");
    }
}

#[test]
fn limits_and_quotas_that_the_server_refuses_are_refused_where_they_stand() {
    let refused = [
        ("quota: {'hugepages-A B': '1'}", "spec/invalid-value"),
        (
            "quota: {'count/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa': '1'}",
            "spec/invalid-value",
        ),
        ("quota: {'requests./gpu': '1'}", "spec/invalid-value"),
        (
            "quota: {requests.cpu: '9223372036854775808'}",
            "spec/invalid-value",
        ),
        ("quota: {requests.cpu: '1e30'}", "spec/invalid-value"),
        (
            "limits: {default: {a.example/gpu: '2'}, defaultRequest: {a.example/gpu: '1'}}",
            "resources/limits-inconsistent",
        ),
        (
            "limits: {min: {a.example/gpu: '2'}, max: {a.example/gpu: '1'}}",
            "resources/limits-inconsistent",
        ),
        (
            "limits: {min: {cpu: '2'}, max: {cpu: '4'}, defaultRequest: {cpu: '2'}, default: {cpu: '2'}, maxLimitRequestRatio: {cpu: '3'}}",
            "resources/limits-inconsistent",
        ),
        (
            "limits: {default: {hugepages-2Mi: 4Mi}, defaultRequest: {hugepages-2Mi: 2Mi}}",
            "resources/limits-inconsistent",
        ),
    ];
    for (field, rule) in refused {
        let output = check(&format!("  {field}\n"));
        let says =
            output.contains(&format!("error[{rule}]")) && output.contains("tenants/a.yaml:7:");
        assert!(says, "{field}: {output}");
    }

    let own = "  namespaces: [{name: a, limits: {min: {x.example/gpu: '2'}, max: {x.example/gpu: '1'}}}]\n";
    let settings = tenant("a", "").replace("  namespaces: [{name: a}]\n", own);
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET), ("tenants/a.yaml", &settings)]);
    let output = sandbox.run(&["check"]).all();
    assert!(output.contains("tenants/a.yaml:6:"), "{output}");

    for field in [
        "quota: {hugepages-2Mi: 4Mi, requests.a.example/gpu: '1', count/deployments.apps: '5'}",
        "limits: {default: {a.example/gpu: '2'}, defaultRequest: {a.example/gpu: '2'}}",
        "limits: {max: {cpu: '4'}, maxLimitRequestRatio: {cpu: '10'}}",
    ] {
        let output = check(&format!("  {field}\n"));
        assert!(!output.contains("error["), "{field}: {output}");
    }
}
