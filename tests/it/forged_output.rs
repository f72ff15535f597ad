//! Output that files would forge. Each hostile text stands in each place that a file, a path or an
//! argument has; each report of each command is read by a parser of its own format, which must find
//! as much as was written.

use crate::support::{FLEET, Ran, Sandbox, json, tenant};
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::Value;

/// Texts that would be more than a part of a name.
const HOSTILE: [&str; 16] = [
    "\u{1b}[2K\rerror[x/y]: PWNED",
    "\u{9b}31mPWNED\u{85}held: PWNED",
    "\nerror[x/y]: PWNED\nheld: PWNED\nisolation: PWNED\nprod: yes\n1. PWNED",
    "\r\n::error file=x,line=1::PWNED\r\n  ::warning::PWNED",
    "##[error]PWNED ##vso[task.setvariable]PWNED ##teamcity[PWNED]",
    "\u{202e}\u{2066}\u{200b}\u{feff}\u{ad}PWNED",
    "\u{2028}error[x/y]: PWNED\u{2029}PWNED",
    "\u{0}\u{7f}\u{fffe}\u{ffff}PWNED",
    "]]><failure message=\"PWNED\"/><!-- & \"PWNED' -->",
    "--> <script>PWNED</script><img src=x>",
    "`PWNED` | PWNED | ``` PWNED",
    "\n\n# PWNED\n\n- PWNED\n\n| a | b |\n|---|---|\n| PWNED | x |\n\n```\nPWNED",
    "[PWNED](https://evil.example) ![x](y) https://evil.example www.evil.example",
    "\"]; click n0 href \"https://evil.example\"\nn9 --> n0\nend\nsubgraph PWNED",
    "%0A::error::PWNED {0} [PWNED](1)",
    "\nexample.com/PWNED: yes\n---\nkind: PWNED\n~ PWNED\n+ PWNED",
];

/// The hostile texts, some in one: for places where a run is needed for each.
pub(super) fn some_in_one() -> Vec<String> {
    HOSTILE.chunks(4).map(<[&str]>::concat).collect()
}

/// A text in double quotes of YAML, in ASCII.
pub(super) fn quoted(text: &str) -> String {
    let escaped = |c: char| match c.is_ascii() && c != '\u{7f}' {
        true => c.to_string(),
        false => format!("\\u{:04x}", u32::from(c)),
    };
    Value::from(text).to_string().chars().map(escaped).collect()
}

/// A text as a comment or a broken line can hold it: on one line.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r', '\0'], " ")
}

/// Tenants that each have a hostile text in one place of their spec.
fn poisoned_specs(end: &str) -> Vec<(String, String)> {
    let q = quoted(&format!("x{end}"));
    let raw = one_line(end);
    let in_spec = [
        format!("  {q}: 1\n"),
        format!("  profile: {q}\n"),
        format!("  foo: {q}\n"),
        format!("  {q}: 1\n  {q}: 2\n"),
        format!("  labels: {{{q}: {q}}}\n"),
        format!("  quota: {{{q}: \"1\"}}\n"),
        format!("  quota: {{pods: {q}}}\n"),
        format!("  clusters: [{q}]\n"),
        format!("  clusterSelector: {{matchLabels: {{a: {q}}}}}\n"),
        format!("  members: [{{group: {q}, role: viewer}}]\n"),
        format!("  members: [{{group: g, role: {q}}}]\n"),
        format!("  network: {{egress: [{{tenant: {q}, ports: [{{port: 80}}]}}]}}\n"),
        format!("  network: {{egress: [{{cidr: {q}}}]}}\n"),
        format!("  network: {{egress: [{{dns: {q}}}]}}\n"),
        format!("  sync: [{{name: {q}, git: {{url: {q}}}, path: {q}, interval: {q}}}]\n"),
        format!(
            "  sync: [{{name: a, git: {{url: \"https://a.example\", ref: {{branch: {q}}}}}}}]\n"
        ),
        format!("  manifests: [{q}]\n"),
        format!("  parameters: {{{q}: {q}}}\n"),
        format!("  waivers: {q}\n"),
        format!("  foo: 1 # {raw}\n"),
        format!("  {raw}: [\n"),
        format!("{raw}\n"),
        format!("  quota: {{pods: on}} # {raw}\n"),
    ];
    let mut all: Vec<(String, String)> = in_spec
        .iter()
        .enumerate()
        .map(|(at, more)| {
            (
                format!("tenants/s{at}.yaml"),
                tenant(&format!("s{at}"), more),
            )
        })
        .collect();

    let head = "apiVersion: tenantry.dev/v1alpha1\n";
    for (name, text) in [
        ("owner", tenant("owner", "").replace("owner-admins", &q)),
        (
            "home",
            tenant("home", "").replace("[{name: home}]", &format!("[{{name: {q}}}]")),
        ),
        (
            "name",
            tenant("name", "").replace("{name: name}", &format!("{{name: {q}}}")),
        ),
        (
            "kind",
            format!("{head}kind: {q}\nmetadata: {{name: a}}\nspec: {{}}\n"),
        ),
        (
            "version",
            format!("apiVersion: {q}\nkind: Tenant\nmetadata: {{name: a}}\n"),
        ),
        (
            "waiver",
            format!(
                "{head}kind: Waiver\nmetadata: {{name: {q}}}\nspec: {{tenant: {q}, rule: {q}, \
                 objects: [{q}], reason: {q}, approvedBy: {q}, approvedAt: {q}, expires: {q}}}\n"
            ),
        ),
        (
            "profile",
            format!("{head}kind: Profile\nmetadata: {{name: {q}}}\nspec: {{extends: {q}}}\n"),
        ),
    ] {
        all.push((format!("tenants/{name}.yaml"), text));
    }
    let path: String = one_line(end).replace('/', "_");
    all.push((
        format!("tenants/p{path}.yaml"),
        tenant("path", "  foo: 1\n"),
    ));
    all
}

/// Objects of a tenant's namespace that each have a hostile text in one place.
fn poisoned_objects(namespace: &str, end: &str) -> Vec<String> {
    let q = quoted(&format!("x{end}"));
    let raw = one_line(end);
    let meta = format!("metadata: {{name: a, namespace: {namespace}}}");
    vec![
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {q}, namespace: {namespace}}}\n"
        ),
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, namespace: {q}}}\n"),
        format!("apiVersion: v1\nkind: {q}\n{meta}\n"),
        format!("apiVersion: {q}\nkind: ConfigMap\n{meta}\n"),
        format!("apiVersion: v1\nkind: ConfigMap\n{meta}\ndata: {{{q}: {q}}}\n"),
        format!("apiVersion: v1\nkind: ConfigMap\n{meta}\n{q}: 1\n"),
        format!("apiVersion: v1\nkind: ConfigMap\n{meta}\ndata: {{a: 1}} # {raw}\n"),
        format!("apiVersion: v1\nkind: ConfigMap\n{meta}\n{raw}: [\n"),
        format!(
            "apiVersion: v1\nkind: ConfigMap\n\
             metadata: {{name: a, namespace: {namespace}, labels: {{{q}: {q}}}, annotations: {{{q}: {q}}}}}\n"
        ),
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\n{meta}\n\
             spec: {{ingressClassName: {q}, rules: [{{host: {q}}}]}}\n"
        ),
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n{meta}\n\
             subjects: [{{kind: {q}, name: {q}}}]\nroleRef: {{kind: Role, name: {q}, apiGroup: {q}}}\n"
        ),
        format!(
            "apiVersion: v1\nkind: Service\n{meta}\nspec: {{type: {q}, selector: {{{q}: {q}}}}}\n"
        ),
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n{meta}\n\
             spec: {{interval: {q}, path: {q}, serviceAccountName: {q}, sourceRef: {{kind: {q}, name: {q}}}}}\n"
        ),
    ]
}

/// Tenants that each name a manifest with a hostile text in one place.
fn poisoned_manifests(end: &str) -> Vec<(String, String)> {
    let objects = (0..poisoned_objects("", end).len()).flat_map(|at| {
        let name = format!("m{at}");
        let objects = poisoned_objects(&name, end);
        [
            (
                format!("tenants/{name}.yaml"),
                tenant(&name, &format!("  manifests: [m/{name}.yaml]\n")),
            ),
            (format!("tenants/m/{name}.yaml"), objects[at].clone()),
        ]
    });
    objects.collect()
}

/// A way in which an output is more than what was written.
pub(super) fn forgery(text: &str) -> Option<String> {
    let coloured = text.contains("\u{1b}[0m");
    let shown = match coloured {
        true => super::hostile_input::without_colours(text),
        false => text.to_owned(),
    };
    let is_raw = |c: char| c != '\n' && tenantry::plain::is_deceptive(c);
    if let Some(found) = shown.chars().find(|c| is_raw(*c)) {
        return Some(format!("the raw character U+{:04X}", u32::from(found)));
    }
    for mark in ["##[", "##vso[", "##teamcity["] {
        if shown.contains(mark) {
            return Some(format!("the command {mark}"));
        }
    }
    let forms = [
        "error[x/y]",
        "held: PWNED",
        "isolation: PWNED",
        "prod: yes",
        "example.com/PWNED",
    ];
    let line = shown.lines().find(|line| {
        let line = line.trim_start();
        forms.iter().any(|form| line.starts_with(form)) || line.starts_with("1. PWNED")
    });
    line.map(|line| format!("the line {line:?}"))
}

/// The commands that GitHub's runner finds: those that stand at the start of a line.
pub(super) fn commands(text: &str) -> Vec<&str> {
    let lines = text.split(['\n', '\r']).map(str::trim_start);
    lines.filter(|line| line.starts_with("::")).collect()
}

/// Checks what each format's parser finds of a report with so many findings.
#[track_caller]
pub(super) fn holds(format: &str, text: &str, findings: usize, context: &str) {
    if let Some(found) = forgery(text) {
        panic!("{context}, {format}: {found} in {text}");
    }
    match format {
        "github" => {
            let all = commands(text);
            assert_eq!(all.len(), findings, "{context}: {text}");
            assert_eq!(text.lines().count(), findings, "{context}: {text}");
            for command in all {
                let head = command[2..].split("::").next().unwrap_or_default();
                let (_, properties) = head.split_once(' ').expect("properties");
                let names = properties
                    .split(',')
                    .filter_map(|one| one.split('=').next());
                let names: Vec<&str> = names.filter(|name| *name != "endColumn").collect();
                assert_eq!(
                    names,
                    ["file", "line", "endLine", "col", "title"],
                    "{context}: {command}"
                );
            }
        }
        _ => assert_eq!(
            commands(text),
            [] as [&str; 0],
            "{context}, {format}: {text}"
        ),
    }
    match format {
        "json" => _ = json(text),
        "sarif" => {
            let report = json(text);
            let results = report["runs"][0]["results"].as_array().expect("results");
            assert_eq!(results.len(), findings, "{context}");
            for result in results {
                let shown = result["message"]["text"].as_str().expect("a text");
                assert!(!shown.contains("]("), "{context}: {shown}");
                assert_eq!(
                    shown.chars().find(|c| tenantry::plain::is_deceptive(*c)),
                    None
                );
            }
        }
        "junit" => {
            let document = roxmltree::Document::parse(text);
            let document = document.unwrap_or_else(|fault| panic!("{context}: {fault}: {text}"));
            let own = [
                "testsuites",
                "testsuite",
                "testcase",
                "failure",
                "error",
                "skipped",
                "system-out",
            ];
            for node in document.descendants().filter(roxmltree::Node::is_element) {
                assert!(own.contains(&node.tag_name().name()), "{context}: {text}");
                assert!(
                    !node.has_tag_name("failure") || node.attributes().len() == 1,
                    "{context}"
                );
            }
        }
        "text" => {
            let heads = ["  error[", "  warning[", "  note["];
            let is_head = |line: &&str| heads.iter().any(|head| line.starts_with(head));
            assert_eq!(
                text.lines().filter(is_head).count(),
                findings,
                "{context}: {text}"
            );
        }
        _ => {}
    }
}

/// What is forged in a document of Markdown: an element that no report writes, or one whose text is
/// the attacker's.
pub(super) fn forged_markdown(text: &str) -> Option<String> {
    let mut options = Options::ENABLE_TABLES | Options::ENABLE_GFM;
    options.insert(Options::ENABLE_TASKLISTS);
    let own = [
        "<details>",
        "</details>",
        "<summary>",
        "</summary>",
        "<code>",
        "</code>",
    ];
    let mut heading = false;
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::FootnoteDefinition(_)) => {
                return Some("a link".to_owned());
            }
            Event::Start(Tag::Heading { .. }) => heading = true,
            Event::End(pulldown_cmark::TagEnd::Heading(_)) => heading = false,
            Event::Text(text) if heading && text.contains("PWNED") => {
                return Some(format!("the heading {text}"));
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                let rest = own
                    .iter()
                    .fold(html.to_string(), |rest, tag| rest.replace(tag, ""));
                if rest.contains('<') || html.contains("PWNED") {
                    return Some(format!("the HTML {html}"));
                }
            }
            _ => {}
        }
    }
    // GFM makes links of bare addresses outside of code.
    let outside: String = text.split("```").step_by(2).collect();
    let outside: String = outside.split('`').step_by(2).collect();
    let address = ["https://", "www."]
        .into_iter()
        .find(|address| outside.contains(address));
    address.map(|address| format!("the address {address} in {outside}"))
}

/// How many rows all tables of a document of Markdown have, and how many items all lists.
fn rows_and_items(text: &str) -> (usize, usize) {
    let events: Vec<Event<'_>> = Parser::new_ext(text, Options::ENABLE_TABLES).collect();
    let count = |is: fn(&Tag<'_>) -> bool| {
        let all = events.iter();
        all.filter(|event| matches!(event, Event::Start(tag) if is(tag)))
            .count()
    };
    (
        count(|tag| matches!(tag, Tag::TableRow)),
        count(|tag| matches!(tag, Tag::Item)),
    )
}

/// Runs a command with a report of each format in a file; the report of JSON says how many findings
/// there are.
#[track_caller]
fn each_format(sandbox: &Sandbox, command: &[&str], formats: &[&str], context: &str) -> Ran {
    let mut args: Vec<String> = command.iter().map(|arg| (*arg).to_owned()).collect();
    for format in formats {
        let file = sandbox.path().join(format!("report.{format}"));
        args.extend(["--format", format, "--output"].map(str::to_owned));
        args.push(file.to_string_lossy().into_owned());
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let ran = sandbox.run(&args);
    assert!(ran.code < 2, "{context}, {command:?}: {}", ran.all());

    let context = format!("{context}, {command:?}");
    let report = json(&sandbox.read("report.json"));
    let findings = report["findings"].as_array().map_or(0, Vec::len);
    for format in formats {
        holds(
            format,
            &sandbox.read(&format!("report.{format}")),
            findings,
            &context,
        );
    }
    for text in [&ran.out, &ran.err] {
        assert_eq!(forgery(text), None, "{context}: {text}");
        assert_eq!(commands(text), [] as [&str; 0], "{context}: {text}");
    }
    ran
}

fn sandbox_of(files: &[(String, String)]) -> Sandbox {
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET)]);
    for (path, text) in files {
        sandbox.write(path, text);
    }
    sandbox
}

#[test]
fn no_spec_forges_a_report_of_check() {
    for end in HOSTILE {
        let sandbox = sandbox_of(&[poisoned_specs(end), poisoned_manifests(end)].concat());
        let formats = ["json", "github", "sarif", "junit", "text"];
        let ran = each_format(&sandbox, &["check"], &formats, &format!("{end:?}"));
        assert_eq!(ran.code, 1, "{end:?}: {}", ran.all());
        let count = json(&sandbox.read("report.json"))["findings"]
            .as_array()
            .map_or(0, Vec::len);
        assert!(count > 30, "{end:?}: {count}");
    }
}

#[test]
fn no_spec_forges_what_other_commands_say() {
    for end in &some_in_one() {
        let sandbox = sandbox_of(&[poisoned_specs(end), poisoned_manifests(end)].concat());
        let arguments = [
            &["render"][..],
            &["render", "--check"],
            &["render", "--color", "always"],
            &["status"],
            &["status", "--format", "json"],
            &["status", "--artifacts"],
            &["show", "s17"],
            &["show", "s17", "--origin"],
            &["show", "s17", "--origin", "--format", "json"],
            &["show", "s17", "--format", "json"],
            &["show", "s3"],
            &["prove", "--format", "mermaid"],
        ];
        for args in arguments {
            let ran = sandbox.run(args);
            for text in [&ran.out, &ran.err] {
                assert_eq!(forgery(text), None, "{end:?}, {args:?}: {text}");
                assert_eq!(commands(text), [] as [&str; 0], "{end:?}, {args:?}: {text}");
            }
        }
    }
}

#[test]
fn no_object_forges_a_proof_or_an_import() {
    for end in HOSTILE {
        let sandbox = Sandbox::with(&[]);
        sandbox.write(
            "m/ns.yaml",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n\
             apiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n",
        );
        for (at, object) in poisoned_objects("a", end).iter().enumerate() {
            sandbox.write(
                &format!("m/o{at}{}.yaml", one_line(end).replace('/', "_")),
                object,
            );
        }
        let context = format!("{end:?}");
        let tables = ["--matrix", "--threats"];
        let formats = ["json", "github", "sarif", "junit", "markdown", "mermaid"];
        let prove = [&["prove", "--also", "m"], &tables[..]].concat();
        each_format(&sandbox, &prove, &formats, &context);

        let text = sandbox.read("report.markdown");
        assert_eq!(forged_markdown(&text), None, "{context}: {text}");
        let report = json(&sandbox.read("report.json"));
        let listed = report["findings"].as_array().map_or(0, Vec::len).min(50);
        let (rows, items) = rows_and_items(&text);
        let lines = |is: fn(&str) -> bool| text.lines().filter(|line| is(line)).count();
        // Each table has a line for its head and one for its rule.
        let written = lines(|line| line.starts_with("| ")) - lines(|line| line.starts_with("|---"));
        assert_eq!(rows, written, "{context}: {text}");
        assert!(items >= listed, "{context}: {text}");
        assert_eq!(
            items,
            lines(|line| line.trim_start().starts_with("- ")),
            "{context}: {text}"
        );

        let baseline = sandbox.path().join("known.json").display().to_string();
        sandbox.run(&[
            "prove",
            "--also",
            "m",
            "--baseline",
            &baseline,
            "--write-baseline",
        ]);
        for args in [
            &["import", "m", "--dry-run", "--owner", "group:g"][..],
            &["prove", "--also", "m"],
            &["prove", "--also", "m", "--summary", "--color", "always"],
            &["who-can", "get", "secrets", "-n", "a", "--also", "m"],
            &[
                "who-can", "get", "secrets", "-n", "a", "--also", "m", "--format", "json",
            ],
            &[
                "who-can", "get", "secrets", "-n", "a", "--also", "m", "--format", "mermaid",
            ],
            &[
                "can",
                "sa:a:default",
                "get",
                "secrets",
                "-n",
                "b",
                "--also",
                "m",
            ],
            &["reach", "a", "b", "--also", "m"],
            &["reach", "a", "b", "--also", "m", "--format", "mermaid"],
        ] {
            let ran = sandbox.run(args);
            for text in [&ran.out, &ran.err] {
                assert_eq!(forgery(text), None, "{context}, {args:?}: {text}");
                assert_eq!(
                    commands(text),
                    [] as [&str; 0],
                    "{context}, {args:?}: {text}"
                );
            }
            if args[0] == "import" {
                assert_eq!(forged_markdown(&ran.out), None, "{context}: {}", ran.out);
            }
        }
    }
}

#[test]
fn no_object_forges_a_difference() {
    let valid = |at: usize, value: &str| {
        let q = quoted(value);
        let meta = format!("metadata: {{name: a{at}, namespace: a, annotations: {{note: {q}}}}}");
        format!("apiVersion: v1\nkind: ConfigMap\n{meta}\ndata: {{a: {q}}}\n")
    };
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "  manifests: [m.yaml]\n")),
    ]);
    let all = |of: &dyn Fn(usize) -> String| {
        let objects = (0..HOSTILE.len()).map(|at| valid(at, &of(at)));
        objects.collect::<Vec<_>>().join("---\n")
    };
    sandbox.write("tenants/m.yaml", all(&|_| "harmless".to_owned()));
    sandbox.git(&["init", "-q"]).code(0);
    sandbox.git(&["add", "."]).code(0);
    sandbox.git(&["commit", "-q", "-m", "x"]).code(0);
    // kustomize refuses the others, so that no object has them.
    let passes = |c: &char| !matches!(c, '\0' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    let passed = |at: usize| HOSTILE[at].chars().filter(passes).collect::<String>();
    sandbox.write("tenants/m.yaml", all(&passed));

    let ran = sandbox.run(&["diff", "HEAD", "--format", "json"]).code(0);
    let changes = json(&ran.out)["changes"].as_array().map_or(0, Vec::len);
    assert!(changes > 0, "{}", ran.all());
    for format in ["text", "json", "markdown"] {
        let ran = sandbox.run(&["diff", "HEAD", "--format", format]).code(0);
        holds(
            if format == "text" { "none" } else { format },
            &ran.out,
            0,
            "diff",
        );
        assert_eq!(forgery(&ran.err), None, "{}", ran.err);
        match format {
            "text" => {
                let heads = ran
                    .out
                    .lines()
                    .filter(|line| line.starts_with(['+', '-', '~']));
                assert_eq!(heads.count(), changes, "{}", ran.out);
            }
            "markdown" => assert_eq!(forged_markdown(&ran.out), None, "{}", ran.out),
            _ => {}
        }
    }

    // Names that no API server takes are still in a folder.
    for end in &some_in_one() {
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            ("tenants/a.yaml", &tenant("a", "")),
            (
                "m/ns.yaml",
                "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
            ),
        ]);
        for (at, object) in poisoned_objects("a", end).iter().enumerate() {
            sandbox.write(&format!("m/o{at}.yaml"), object);
        }
        let ran = sandbox.run(&["diff", "--against", "m", "--format", "json"]);
        let changes = json(&ran.out)["changes"].as_array().map_or(0, Vec::len);
        for format in ["text", "json", "markdown"] {
            let ran = sandbox.run(&["diff", "--against", "m", "--format", format]);
            assert_eq!(forgery(&ran.all()), None, "{end:?}: {}", ran.all());
            assert_eq!(
                commands(&ran.all()),
                [] as [&str; 0],
                "{end:?}: {}",
                ran.all()
            );
            if format == "text" {
                let heads = ran
                    .out
                    .lines()
                    .filter(|line| line.starts_with(['+', '-', '~']));
                assert_eq!(heads.count(), changes, "{end:?}: {}", ran.out);
            }
        }
    }
}

#[test]
fn no_place_of_the_fleet_forges_a_report() {
    let head = "apiVersion: tenantry.dev/v1alpha1\nkind: Fleet\n";
    for end in &some_in_one() {
        let q = quoted(&format!("x{end}"));
        let raw = one_line(end);
        let fleets = [
            format!("{head}metadata: {{name: {q}}}\nspec: {{clusters: [{{name: prod}}]}}\n"),
            format!("{head}metadata: {{name: a}}\nspec: {{clusters: [{{name: {q}}}]}}\n"),
            format!(
                "{head}metadata: {{name: a}}\nspec: {{clusters: [{{name: prod, ring: {q}, labels: {{{q}: {q}}}}}]}}\n"
            ),
            format!(
                "{head}metadata: {{name: a}}\nspec: {{clusters: [{{name: prod}}], sources: [{{name: {q}, tenants: [{q}]}}]}}\n"
            ),
            format!(
                "{head}metadata: {{name: a}}\nspec: {{clusters: [{{name: prod}}], {q}: {q}}}\n"
            ),
            format!("{head}metadata: {{name: a}}\nspec: {{clusters: [{{name: prod}}] # {raw}\n"),
            format!(
                "{head}metadata: {{name: a}}\nspec: {{clusters: [{{name: prod, entry: {q}}}]}}\n"
            ),
        ];
        let mut sandboxes: Vec<Sandbox> = fleets
            .iter()
            .map(|fleet| {
                Sandbox::with(&[
                    ("tenants/fleet.yaml", fleet),
                    ("tenants/a.yaml", &tenant("a", "")),
                ])
            })
            .collect();
        for (path, template) in [
            (
                format!("templates/x{}.yaml", raw.replace('/', "_")),
                "a: {{ nope }}\n".to_owned(),
            ),
            (
                "templates/namespace/a.yaml".to_owned(),
                format!("a: {q}\nb: {{{{ {raw} }}}}\n"),
            ),
            (
                "templates/namespace/b.yaml".to_owned(),
                format!("apiVersion: v1\nkind: {q}\n"),
            ),
        ] {
            let sandbox = Sandbox::with(&[
                ("tenants/fleet.yaml", FLEET),
                ("tenants/a.yaml", &tenant("a", "")),
            ]);
            sandbox.write(&path, template);
            sandboxes.push(sandbox);
        }
        for (at, sandbox) in sandboxes.iter().enumerate() {
            let context = format!("{end:?}, fleet {at}");
            each_format(
                sandbox,
                &["check"],
                &["json", "github", "sarif", "junit", "text"],
                &context,
            );
            for args in [
                &["render"][..],
                &["status"],
                &["diff"],
                &["prove"],
                &["show", "a"],
            ] {
                let ran = sandbox.run(args);
                assert_eq!(
                    forgery(&ran.all()),
                    None,
                    "{context}, {args:?}: {}",
                    ran.all()
                );
                assert_eq!(
                    commands(&ran.all()),
                    [] as [&str; 0],
                    "{context}, {args:?}: {}",
                    ran.all()
                );
            }
        }
    }
}

#[test]
fn no_argument_forges_a_message() {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "")),
    ]);
    sandbox.git(&["init", "-q"]).code(0);
    sandbox.git(&["add", "."]).code(0);
    sandbox.git(&["commit", "-q", "-m", "x"]).code(0);
    for end in &some_in_one() {
        let end = end.replace('\0', "");
        let end = end.as_str();
        let option = format!("--{end}");
        for args in [
            &["check", "--format", end][..],
            &["check", &option],
            &[end],
            &["check", "--fleet", end],
            &["check", "--since", end],
            &["check", "--only", end],
            &["check", "--baseline", end],
            &["check", "--source", end],
            &["check", "--now", end],
            &["render", "--ring", end],
            &["render", "--tenant", end],
            &["render", "--cluster", end],
            &["diff", end],
            &["diff", "--against", end],
            &["show", end],
            &["explain", end],
            &["explain", &format!("tenant.{end}")],
            &["prove", "--also", end],
            &["prove", "--since", end],
            &["can", end, "get", "pods"],
            &["can", "user:a", end, "pods"],
            &["can", "user:a", "get", end],
            &["can", "user:a", "get", "pods", "-n", end],
            &["who-can", "get", end],
            &["reach", end, "a"],
            &["reach", "a", end],
            &["import", end],
            &["new", "tenant", end, "--owner", end, "--namespace", end],
            &["verify", "--context", end, "--kubeconfig", "/nowhere"],
            &["-C", end, "check"],
        ] {
            let ran = sandbox.run(args);
            assert_eq!(forgery(&ran.all()), None, "{args:?}: {}", ran.all());
            assert_eq!(
                commands(&ran.all()),
                [] as [&str; 0],
                "{args:?}: {}",
                ran.all()
            );
        }
    }
}
