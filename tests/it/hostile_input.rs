//! Input that is broken or hostile: refused at its place, with exit code 1, and nothing of that
//! tenant written.

use crate::support::{FLEET, Sandbox, tenant, two_tenants, with_bad};

#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, rule: &str, span: &str) {
    let sandbox = with_bad("tenants/bad.yaml", bytes);
    let ran = sandbox.run(&["render"]).code(1);
    assert!(ran.err.contains(rule), "{}", ran.err);
    assert!(ran.err.contains(span), "{}", ran.err);
    assert!(ran.err.contains("fix:"), "{}", ran.err);
    assert!(
        sandbox.has("rendered/prod/tenants/good/good.yaml"),
        "the others render"
    );

    assert!(
        !sandbox
            .files()
            .keys()
            .any(|p| p.starts_with("rendered/prod/tenants/bad")),
        "nothing of it is written"
    );
}

#[test]
fn syntax_errors_are_refused() {
    refused(
        tenant("bad", "  quota: {pods: [}\n"),
        "document/syntax",
        "tenants/bad.yaml:7:1",
    );

    refused(
        tenant("bad", "\tquota: 1\n"),
        "document/syntax",
        "tenants/bad.yaml:7:",
    );

    refused(
        b"apiVersion: tenantry.dev/v1alpha1\nkind: \0Tenant\n",
        "document/syntax",
        "tenants/bad.yaml:2:7",
    );

    refused(
        b"apiVersion: tenantry.dev/v1alpha1\nkind: \x07Tenant\n",
        "document/syntax",
        "tenants/bad.yaml:2:7",
    );

    refused(
        b"apiVersion: tenantry.dev/v1alpha1\nkind: \xffTenant\n",
        "source/not-utf8",
        "tenants/bad.yaml:2:7",
    );

    refused(
        tenant("bad", "").replace("kind", "%YAML 1.1\n---\nkind"),
        "document/",
        "tenants/bad.yaml:",
    );
}

#[test]
fn yaml_bombs_are_refused() {
    let mut laughs = tenant(
        "bad",
        "  parameters:\n    a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n",
    );

    for i in 1..9 {
        let list = vec![format!("*a{}", i - 1); 10].join(", ");
        laughs.push_str(&format!("    a{i}: &a{i} [{list}]\n"));
    }

    refused(laughs, "document/too-big", "tenants/bad.yaml:");
    let mut text = tenant(
        "bad",
        &format!("  parameters:\n    a: &a {}\n    b:\n", "x".repeat(100_000)),
    );

    text.push_str(&"      - *a\n".repeat(20_000));
    refused(text, "document/too-big", "tenants/bad.yaml:");
    let deep = format!("  parameters: {}{}\n", "[".repeat(1000), "]".repeat(1000));
    refused(
        tenant("bad", &deep),
        "document/too-deep",
        "tenants/bad.yaml:7:",
    );

    let mut block = tenant("bad", "  parameters:\n");
    for i in 0..1000 {
        block.push_str(&format!("{}a:\n", " ".repeat(4 + i)));
    }
    refused(block, "document/too-deep", "tenants/bad.yaml:");
    refused(
        tenant("bad", "  parameters: &p [*p]\n"),
        "document/",
        "tenants/bad.yaml:7:",
    );

    refused(
        vec![b'#'; 100 << 20],
        "source/too-large",
        "tenants/bad.yaml",
    );
}

#[test]
fn links_and_paths_do_not_leave_the_repository() {
    let outside = Sandbox::with(&[(
        "secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: bad}\n",
    )]);

    let sandbox = with_bad(
        "tenants/bad.yaml",
        tenant("bad", "  manifests: [link.yaml]\n"),
    );

    std::os::unix::fs::symlink(
        outside.path().join("secret.yaml"),
        sandbox.path().join("tenants/link.yaml"),
    )
    .expect("a link");

    let ran = sandbox.run(&["render"]).code(1);
    assert!(ran.err.contains("source/outside-root"), "{}", ran.err);
    assert!(!sandbox.has("rendered/prod/tenants/bad"));
    let sandbox = with_bad(
        "tenants/bad.yaml",
        tenant("bad", "  manifests: [../../../etc/passwd]\n"),
    );

    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("source/outside-root") && ran.err.contains("tenants/bad.yaml:7:15"),
        "{}",
        ran.err
    );
}

#[test]
fn an_unreadable_file_holds_its_tenant() {
    let sandbox = with_bad("tenants/bad.yaml", tenant("bad", ""));
    sandbox.run(&["render"]).code(0);
    let before = sandbox.read("rendered/prod/tenants/bad/bad.yaml");
    // A folder in the place of the file cannot be read by anybody, root included.
    std::fs::remove_file(sandbox.path().join("tenants/bad.yaml")).expect("removed");
    std::os::unix::fs::symlink("nowhere", sandbox.path().join("tenants/bad.yaml")).expect("a link");
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("source/unreadable") && ran.err.contains("held: bad"),
        "{}",
        ran.err
    );
    assert_eq!(before, sandbox.read("rendered/prod/tenants/bad/bad.yaml"));
}

#[test]
fn documents_of_other_groups_are_counted() {
    refused(
        "metadata: {name: bad}\nspec: {}\n",
        "spec/no-kind",
        "tenants/bad.yaml:1:1",
    );

    let sandbox = with_bad("tenants/kustomization.yaml", "resources: [a.yaml]\n");
    sandbox.write(
        "tenants/a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    );

    let ran = sandbox.run(&["check"]).code(0);
    assert!(
        ran.err.contains("2 documents of other groups skipped"),
        "{}",
        ran.err
    );
}

#[test]
fn a_fleet_error_stops_the_run() {
    for (text, rule) in [
        (
            "apiVersion: tenantry.dev/v1alpha1\n\
             kind: Fleet\n\
             metadata: {name: acme}\n\
             spec: {clusters: [{name: [}",
            "document/syntax",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
            "spec/no-fleet",
        ),
        (
            "apiVersion: tenantry.dev/v1alpha1\n\
             kind: Fleet\n\
             metadata: {name: acme}\n\
             spec: {clusters: []}",
            "tenancy/fleet",
        ),
    ] {
        let sandbox = with_bad("tenants/fleet.yaml", text);
        let ran = sandbox.run(&["render"]).code(1);
        assert!(
            ran.err.contains(rule) && ran.err.contains("nothing was written"),
            "{}",
            ran.err
        );
        assert!(!sandbox.has("rendered") && !sandbox.has("tenantry.lock"));
    }
}

#[test]
fn a_broken_source_affects_only_its_own_tenants() {
    let other = Sandbox::with(&[(
        "x.yaml",
        "apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {name: evil}\nspec: {}\n",
    )]);

    other.write("y.yaml", tenant("good", "  nope: 1\n"));
    other.write("z.yaml", tenant("mine", "  manifests: [secret.yaml]\n"));
    let sandbox = with_bad(
        "tenants/fleet.yaml",
        format!("{FLEET}  sources: [{{name: team, tenants: [mine]}}]\n"),
    );

    sandbox.write(
        "secret.yaml",
        "apiVersion: v1\n\
         kind: Secret\n\
         metadata: {name: s, namespace: mine}\n\
         stringData: {p: hunter2}\n",
    );

    let given = format!("team={}", other.path().display());
    let ran = sandbox.run(&["render", "--source", &given]).code(1);
    assert!(
        sandbox.has("rendered/prod/tenants/good/good.yaml"),
        "{}",
        ran.err
    );

    assert!(
        !ran.err.contains("held: good") && !ran.all().contains("hunter2"),
        "{}",
        ran.err
    );

    assert!(!sandbox.has("rendered/prod/tenants/mine"));
    sandbox.run(&["check", "--source", "nobody=."]).code(2);
}

#[test]
fn small_files_cannot_cost_much_time() {
    let many = |n: usize, what: &str| {
        (0..n)
            .map(|i| format!("{{{what}{i}}}"))
            .collect::<Vec<_>>()
            .join(", ")
    };

    let anchors = format!(
        "  parameters:\n    a: &a0 {}[{}]{}\n",
        (1..60).map(|i| format!("[&a{i} ")).collect::<String>(),
        "x,".repeat(90_000),
        "]".repeat(59)
    );

    for (text, rule) in [
        (
            tenant("bad", "").replace("[{name: bad}]", &format!("[{}]", many(2000, "name: n"))),
            "spec/invalid-value",
        ),
        (
            tenant(
                "bad",
                &format!("  members: [{}]\n", many(5000, "role: viewer, group: g")),
            ),
            "spec/invalid-value",
        ),
        (
            tenant(
                "bad",
                &format!("  manifests: [{}]\n", vec!["x.yaml"; 2000].join(", ")),
            ),
            "spec/invalid-value",
        ),
        (tenant("bad", &anchors), "document/too-"),
        (
            format!("{}{}", "---\t1\n".repeat(90_000), tenant("bad", "")),
            "document/",
        ),
    ] {
        let ran = with_bad("tenants/bad.yaml", &text).run(&["check"]);
        assert!(
            ran.code == 1 && ran.out.contains(rule) || rule == "document/",
            "{rule}: {}",
            &ran.out[..ran.out.len().min(2000)]
        );
    }
}

// Names that deceive: of users, roles, bindings, labels and files. Whatever a manifest is called, no
// report moves a cursor, turns a direction, begins a line, or becomes HTML or a link.

/// Characters that are not seen, or that change how others are seen.
const HOSTILE: [&str; 14] = [
    "\u{1b}[2K\rcluster: yes",
    "\u{7}",
    "\u{7f}",
    "\u{85}",
    "\u{ad}",
    "\u{61c}",
    "\u{200b}",
    "\u{200f}",
    "\u{2028}",
    "\u{202e}",
    "\u{2066}",
    "\u{2060}",
    "\u{feff}",
    "\ncluster: yes",
];

/// What reports are asked for, as text.
const COMMANDS: [&[&str]; 13] = [
    &["prove"],
    &["prove", "--color", "always"],
    &["prove", "--matrix", "--threats", "--group-by", "team"],
    &["prove", "--summary"],
    &["prove", "--format", "github"],
    &[
        "prove",
        "--format",
        "markdown",
        "--matrix",
        "--group-by",
        "team",
    ],
    &["can", "sa:a:default", "get", "secrets", "-n", "b"],
    &["can", "user:alicf", "get", "pods", "-n", "b"],
    &["can", "group:devz", "get", "pods", "-n", "b"],
    &["can", "user:bob", "get", "widgetz.example.com"],
    &["who-can", "get", "pods", "-n", "b"],
    &["reach", "a/wep", "b"],
    &["reach", "a/web", "b"],
];

/// A cluster whose every free name ends in some text.
fn manifests(end: &str) -> String {
    let quoted = |name: &str| serde_json::json!(format!("{name}{end}")).to_string();
    let (alice, dev, role) = (quoted("alice"), quoted("dev"), quoted("role"));
    let (binding, group, web, team) = (
        quoted("x"),
        quoted("example.com"),
        quoted("web"),
        quoted("t"),
    );
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: a, labels: {{team: {team}}}}}\n---\n\
         apiVersion: v1\nkind: Namespace\nmetadata: {{name: b}}\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {web}, namespace: a}}\n\
         spec: {{template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: []}}}}}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n\
         metadata: {{name: {role}, namespace: b}}\n\
         rules: [{{apiGroups: [\"\", {group}], resources: ['*'], verbs: ['*']}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
         metadata: {{name: {binding}, namespace: b}}\n\
         subjects: [{{kind: User, name: {alice}}}, {{kind: User, name: bob}},\n  \
         {{kind: Group, name: {dev}}}, {{kind: ServiceAccount, name: default, namespace: a}}]\n\
         roleRef: {{kind: Role, name: {role}, apiGroup: rbac.authorization.k8s.io}}\n"
    )
}

/// The first character of a report that deceives. Newlines end lines, and escapes colour them.
fn deceptive(text: &str) -> Option<char> {
    let mut plain = text.replace('\n', "");
    if text.contains("\u{1b}[0m") {
        plain = without_colours(&plain);
    }
    plain.chars().find(|c| tenantry::plain::is_deceptive(*c))
}

/// A text without the escapes that set colours.
pub fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('m') {
            Some((codes, rest)) if codes.bytes().all(|b| b.is_ascii_digit() || b == b';') => {
                out.push_str(rest);
            }
            _ => {
                out.push('\u{1b}');
                out.push_str(part);
            }
        }
    }
    out
}

#[test]
fn no_report_shows_a_character_that_deceives() {
    for end in HOSTILE {
        let sandbox = Sandbox::with(&[(&format!("m/a{end}.yaml"), manifests(end).as_str())]);
        for command in COMMANDS {
            let ran = sandbox.run(&[command, &["--also", "m"]].concat());
            let all = ran.all();
            assert_eq!(deceptive(&all), None, "{command:?} {end:?}: {all:?}");
            assert!(!all.contains("\ncluster: yes\n"), "{command:?}: {all}");
        }
    }
}

/// A character that turns the text around it is a warning, in specs and in verbatim files.
#[test]
fn a_character_that_turns_text_is_said_at_its_place() {
    let config = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x, namespace: a}}\ndata:\n  x: {value}\n"
        )
    };
    let of_a = tenant("a", "  manifests: [../m/x.yaml]\n");
    for (value, place) in [
        ("a\u{202e} # b", Some("m/x.yaml:5:7")),
        ("a # \u{2066}b", Some("m/x.yaml:5:10")),
        (
            "'\u{5e9}\u{5dc}\u{5d5}\u{5dd}\u{200f} \u{2764}\u{fe0f}'",
            None,
        ),
        ("\"\\u202e\"", None),
    ] {
        let sandbox = two_tenants();
        sandbox.write("tenants/a.yaml", &of_a);
        sandbox.write("m/x.yaml", config(value));
        let ran = sandbox.run(&["check"]).code(0);
        let says = ran.all().contains("warning[document/text-direction]");
        assert_eq!(says, place.is_some(), "{value:?}: {}", ran.all());
        assert!(
            place.is_none_or(|place| ran.all().contains(place)),
            "{value:?}: {}",
            ran.all()
        );
    }

    let sandbox = two_tenants();
    sandbox.write("tenants/a.yaml", format!("# \u{202b}\n{}", tenant("a", "")));
    let all = sandbox.run(&["check"]).code(0).all();
    assert!(all.contains("tenants/a.yaml:1:3"), "{all}");
}

#[test]
fn a_name_is_neither_html_nor_a_link_nor_a_cell() {
    for end in [
        "` <img src=x> `",
        "`](https://example.com) [x](https://example.com)",
        "| a | b |",
        "``` <b>",
        "**<script>**",
    ] {
        let sandbox = Sandbox::with(&[(
            &format!("m/a{}.yaml", end.replace('/', "_")),
            manifests(end).as_str(),
        )]);
        let ran = sandbox.run(&[
            "prove",
            "--also",
            "m",
            "--format",
            "markdown",
            "--matrix",
            "--group-by",
            "team",
        ]);
        let own = [
            "<details><summary>",
            "</summary>",
            "</details>",
            "<code>",
            "</code>",
        ];
        let mut text = own
            .iter()
            .fold(ran.out.clone(), |text, tag| text.replace(tag, ""));
        // What stands in code is shown as it is.
        for fence in ["```", "`"] {
            let parts: Vec<&str> = text.split(fence).collect();
            assert_eq!(parts.len() % 2, 1, "{end}: {text}");
            text = parts.into_iter().step_by(2).collect();
        }
        assert!(
            !text.contains(['<', '[', '>']) && !text.contains("a | b"),
            "{end}: {text}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_whose_name_is_no_text_stops_nothing() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let fleet = || {
        Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            ("tenants/a.yaml", &tenant("a", "")),
            (
                "infra/flux.yaml",
                "apiVersion: v1\nkind: Namespace\nmetadata: {name: flux-system}\n",
            ),
        ])
    };
    let bad = OsStr::from_bytes(b"caf\xe9.yaml");
    let add = |sandbox: &Sandbox, folder: &str| {
        std::fs::write(sandbox.path().join(folder).join(bad), "a: 1\n").expect("a file");
    };

    // Outside of what is read, it says nothing.
    let sandbox = fleet();
    assert_eq!(sandbox.run(&["render"]).code, 0);
    add(&sandbox, "infra");
    for command in [
        &["check"][..],
        &["render"],
        &["status"],
        &["show", "a"],
        &["prove"],
    ] {
        let ran = sandbox.run(command);
        assert!(ran.code < 2, "{command:?}: {ran:?}");
        assert!(!ran.all().contains("not UTF-8"), "{command:?}: {ran:?}");
    }

    // Within what is read, it is what could not be read, and holds nothing else.
    let ran = sandbox.run(&["prove", "--also", "infra"]);
    assert!(
        ran.code == 1 && ran.out.contains("infra/caf\u{fffd}.yaml") && ran.out.contains("unknown"),
        "{ran:?}"
    );
    let sandbox = fleet();
    add(&sandbox, "tenants");
    let ran = sandbox.run(&["check"]);
    assert!(
        ran.code == 1 && ran.all().contains("its name is not UTF-8"),
        "{ran:?}"
    );
    let ran = sandbox.run(&["render"]);
    let is_rendered = |path: &String| path.starts_with("rendered/") && path.contains("/a");
    assert!(
        ran.code == 1 && sandbox.files().keys().any(is_rendered),
        "{ran:?}"
    );
}
