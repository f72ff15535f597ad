//! The leaves of a spec against whoever reads them: what `check` takes, they take.

use crate::support::{Dice, FLEET, Sandbox, pipe, root, say, tenant, tool};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use tenantry::kube::Quantity;
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
        format!("  sync: [{{name: apps, oci: {{url: oci://registry.example/apps, {field}}}}}]\n")
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

/// Texts of each format, most of them right.
const CORPUS: [(&str, &[&str]); 19] = [
    ("dns-label", &["a", "shop-1", "0x"]),
    ("dns-subdomain", &["a", "a.b", "shop-1.example.com"]),
    ("path-segment", &["a", "shop:admin", "a b", "Ω"]),
    ("principal", &["alice@example.com", "team:web", "Ω"]),
    ("label-key", &["a", "example.com/a_b.c", "A-1"]),
    ("label-value", &["", "a", "A_b.c-1"]),
    (
        "cidr",
        &[
            "10.0.0.0/8",
            "192.0.2.1/32",
            "fd00::/8",
            "2001:db8::1/128",
            "0.0.0.0/0",
        ],
    ),
    ("ip", &["10.0.0.1", "fd00::1", "::"]),
    ("host", &["a.example", "shop-1.example.com", "10.0.0.1"]),
    (
        "host-pattern",
        &["a.example", "*.example.com", "*.a.example", "10.0.0.1"],
    ),
    ("duration-go", &["10m", "1h30m", "45s", "500ms"]),
    (
        "quantity",
        &["1", "100m", "1.5Gi", "2e3", "3E", "0.5", "-1k", "+1Mi"],
    ),
    (
        "version-range",
        &[
            "1.2.3",
            ">=1.0.0 <2.0.0",
            "~1.2",
            "^1.x",
            "1.2 - 3",
            "*",
            "1.0.0-rc.1 || 2",
        ],
    ),
    (
        "oci-url",
        &[
            "oci://registry.example/apps",
            "oci://registry.example:5000/a/b_c",
        ],
    ),
    (
        "oci-prefix",
        &[
            "oci://registry.example/apps",
            "oci://registry.example:5000/a/b_c",
        ],
    ),
    (
        "helm-url",
        &[
            "https://charts.example/stable",
            "https://user:secret@charts.example",
            "oci://registry.example/charts",
        ],
    ),
    (
        "git-url",
        &[
            "https://git.example/a/b.git",
            "ssh://git@git.example:22/a/b",
        ],
    ),
    ("oci-tag", &["latest", "v1.2_3-x"]),
    (
        "oci-digest",
        &["sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    ),
];

/// What is put into a text, or takes the place of a part of it.
const PIECES: [&str; 46] = [
    "",
    "",
    "",
    "a",
    "Z",
    "0",
    "9",
    "-",
    "_",
    ".",
    "/",
    ":",
    "*",
    "@",
    "+",
    "%",
    "%2f",
    "#",
    "?",
    " ",
    "\t",
    "\n",
    "..",
    "//",
    "--",
    "é",
    "\u{200b}",
    "\u{202e}",
    "x",
    "e",
    "E",
    "i",
    "Gi",
    "ms",
    "<",
    ">=",
    "||",
    "0x",
    "e99",
    "[",
    "]",
    "::",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "00000000000000000000",
    "9223372036854775807",
    ",",
];

/// A right text with some changes.
fn changed(dice: &mut Dice, seeds: &[&str]) -> String {
    let mut text = (*dice.of(seeds)).to_owned();
    for _ in 0..*dice.of(&[0, 1, 1, 2, 3]) {
        let places: Vec<usize> = text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .collect();
        let (from, to) = (*dice.of(&places), *dice.of(&places));
        let to = if *dice.of(&[true, false]) {
            to.max(from)
        } else {
            from
        };
        text.replace_range(from..to, dice.of::<&str>(&PIECES));
    }
    text
}

fn refusal(format: &str, text: &str) -> Option<String> {
    match format {
        "quantity" => Quantity::parse(text).err(),
        _ => leaf::reason(format, text).map(|(_, reason)| reason),
    }
}

/// The rows of docs/leaves.md: a format, and how a reason begins that its readers do not have.
fn documented() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(root().join("docs/leaves.md")).expect("the page");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let pairs = rows.flat_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (formats, begins) = (cells[1].replace('`', ""), cells[2].to_owned());
        let formats: Vec<String> = formats.split(", ").map(str::to_owned).collect();
        formats
            .into_iter()
            .map(move |format| (format, begins.clone()))
    });
    pairs.collect()
}

#[test]
fn what_we_take_its_readers_take_and_what_we_refuse_beyond_is_documented() {
    let mut dice = Dice(3);
    let mut cases: Vec<(&str, String)> = Vec::new();
    for (format, seeds) in CORPUS {
        cases.extend((0..4000).map(|_| (format, changed(&mut dice, seeds))));
    }
    let records: String = cases
        .iter()
        .map(|(format, text)| format!("{format}\t{text}\0"))
        .collect();
    let answers = pipe(&mut Command::new(tool("leaves")), &records)
        .code(0)
        .out;
    assert_eq!(answers.len(), cases.len());

    let documented = documented();
    let mut seen = BTreeSet::new();
    let (mut wrong, mut both) = (BTreeSet::new(), 0);
    for ((format, text), answer) in cases.iter().zip(answers.bytes()) {
        match (refusal(format, text), answer == b'1') {
            (None, true) => both += 1,
            (None, false) => {
                wrong.insert(format!(
                    "{format}: {text:?} is taken, and its reader refuses it"
                ));
            }
            (Some(reason), true) => {
                let is_row = |(of, begins): &&(String, String)| {
                    of == format && reason.starts_with(begins.as_str())
                };
                match documented.iter().find(is_row) {
                    Some(row) => {
                        seen.insert(row);
                    }
                    None => {
                        wrong.insert(format!(
                            "{format}: docs/leaves.md lacks: {reason} ({text:?})"
                        ));
                    }
                }
            }
            (Some(_), false) => {}
        }
    }
    let format = |fault: &str| fault.split(':').next().map(str::to_owned);
    let mut counts: BTreeMap<Option<String>, usize> = BTreeMap::new();
    let mut is_shown = |fault: &&String| {
        let count = counts.entry(format(fault)).or_default();
        *count += 1;
        *count < 10
    };
    let shown: Vec<&String> = wrong.iter().filter(|fault| is_shown(fault)).collect();
    assert!(wrong.is_empty(), "{} are wrong: {shown:#?}", wrong.len());
    let unseen: Vec<_> = documented
        .iter()
        .filter(|row| !seen.contains(row))
        .collect();
    assert!(
        unseen.is_empty(),
        "docs/leaves.md has what is not refused: {unseen:?}"
    );
    say(&format!(
        "leaves: {both} of {} texts are taken by tenantry and its readers",
        cases.len()
    ));
    assert!(both > 10_000);
}
