//! Secrets that stand in files: no report quotes them. Each kind of secret stands in each place where
//! a file is read, whole and broken in each way, and every command is run in every format.

use crate::support::{FLEET, Sandbox, tenant};

/// The text that no output has.
const MARK: &str = "hunter2MARK";

/// The formats of each command.
const COMMANDS: [(&[&str], &[&str]); 13] = [
    (&["check"], &["text", "json", "github", "sarif", "junit"]),
    (&["render"], &[]),
    (&["render", "--check"], &["text", "json", "github", "sarif"]),
    (&["status"], &["text", "json"]),
    (&["show", "a"], &["text", "json"]),
    (&["show", "a", "--origin"], &["text", "json"]),
    (&["diff", "HEAD"], &["text", "json", "markdown"]),
    (
        &["diff", "HEAD", "--metadata"],
        &["text", "json", "markdown"],
    ),
    (&["diff", "--against", "m"], &["text", "json", "markdown"]),
    (
        &["prove", "--also", "m", "--matrix", "--threats"],
        &[
            "text", "json", "github", "sarif", "junit", "markdown", "mermaid",
        ],
    ),
    (
        &["who-can", "get", "secrets", "-n", "a", "--also", "m"],
        &["text", "json", "mermaid"],
    ),
    (
        &[
            "can",
            "sa:a:default",
            "get",
            "secrets",
            "-n",
            "a",
            "--also",
            "m",
        ],
        &["text"],
    ),
    (
        &["import", "m", "--dry-run", "--owner", "group:g"],
        &["text"],
    ),
];

/// Ways to write the kind of a Secret.
const KINDS: [&str; 9] = [
    "kind: Secret",
    "kind: \"Secret\"",
    "kind:    'Secret'",
    "\"kind\": Secret # a comment",
    "kind: &kind Secret",
    "kind: !!str Secret",
    "kind: \"\\x53ecret\"",
    "? kind\n: Secret",
    "kind: >-\n  Secret",
];

/// Objects that hold the secret text, each in another way.
fn objects() -> Vec<String> {
    let meta = "metadata: {name: s, namespace: a}";
    let mut all: Vec<String> = KINDS
        .iter()
        .map(|kind| format!("apiVersion: v1\n{kind}\n{meta}\nstringData:\n  {MARK}k: {MARK}v\n"))
        .collect();
    let config = |more: &str| format!("apiVersion: v1\nkind: ConfigMap\n{meta}\n{more}");
    let flux = |group: &str, kind: &str, spec: &str| {
        format!("apiVersion: {group}.toolkit.fluxcd.io/v1\nkind: {kind}\n{meta}\nspec:\n{spec}")
    };
    all.extend([
        format!("apiVersion: v1\nkind: Secret\n{meta}\ndata:\n  {MARK}k: {MARK}v\n"),
        format!("apiVersion: v1\nkind: Secret\n{meta}\ntype: Opaque\ndata: {{x: \"{MARK}\"}}\n"),
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  namespace: a\n  annotations:\n    \
             kubectl.kubernetes.io/last-applied-configuration: '{{\"data\":{{\"a\":\"{MARK}\"}}}}'\n"
        ),
        format!("{{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {{\"name\": \"s\", \"namespace\": \"a\"}},\n \"data\": {{\n \"{MARK}k\": \"{MARK}v\"}}}}\n"),
        format!("apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  {meta}\n  data:\n    a: {MARK}\n"),
        config(&format!("data:\n  a: ENC[AES256_GCM,data:{MARK},iv:x,tag:y,type:str]\nsops:\n  mac: ENC[AES256_GCM,data:{MARK}]\n  version: 3.9.0\n")),
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: s\n  namespace: a\n  annotations:\n    \
             kubectl.kubernetes.io/last-applied-configuration: |\n      \
             {{\"kind\":\"ConfigMap\",\"data\":{{\"a\":\"{MARK}\"}}}}\n"
        ),
        config(&format!("data:\n  password: {MARK}\n")),
        config(&format!("data:\n  url: postgres://app:{MARK}@db.example/app\n")),
        config(&format!("data:\n  key.pem: |\n    -----BEGIN RSA PRIVATE KEY-----\n    {MARK}\n")),
        config(&format!("data:\n  manifest: |\n    kind: Secret\n    data: {{a: {MARK}}}\n")),
        flux("helm", "HelmRelease", &format!(
            "  interval: 10m\n  chart: {{spec: {{chart: a, sourceRef: {{kind: HelmRepository, name: a}}}}}}\n  \
             values:\n    db:\n      password: {MARK}\n      apiKey: {MARK}\n    adminToken: {MARK}\n    \
             env:\n    - name: DB_PASSWORD\n      value: {MARK}\n"
        )),
        flux("source", "GitRepository", &format!(
            "  interval: 10m\n  url: https://user:{MARK}@git.example/x\n"
        )),
        format!(
            "apiVersion: apps/v1\nkind: Deployment\n{meta}\nspec:\n  selector: {{matchLabels: {{a: b}}}}\n  \
             template:\n    metadata: {{labels: {{a: b}}}}\n    spec:\n      containers:\n      - name: a\n        \
             image: a\n        env:\n        - name: DB_PASSWORD\n          value: {MARK}\n"
        ),
        format!("apiVersion: example.com/v1\nkind: Widget\n{meta}\nspec:\n  stringData: {{{MARK}k: {MARK}v}}\n  token: {MARK}\n"),
    ]);
    all
}

/// A text broken in each way, so that a diagnostic stands on a line of the secret or beside it.
fn broken(text: &str) -> Vec<String> {
    let line = text
        .lines()
        .find(|line| line.contains(MARK))
        .unwrap_or_default();
    let last = text.lines().last().unwrap_or_default();
    vec![
        text.to_owned(),
        // Twice, after one another: a key is given twice.
        format!("{text}{last}\n"),
        text.replacen(line, &format!("{line}\n{line}"), 1),
        text.replacen(line, &format!("{line}: ["), 1),
        text.replacen(line, &format!("\t{line}"), 1),
        text.replacen(line, &format!("{line} # \u{1}"), 1),
        format!("{text}<<: {{a: 1}}\n"),
        format!("{text}unknown: {MARK}\n"),
        format!("{text}<<<<<<< HEAD\n"),
        format!("%YAML 1.1\n---\n{text}"),
        text.replace("metadata:", "metadatas:"),
        text.replace("namespace: a", "namespace: other"),
        text.replace("name: s", "name: S_S"),
        format!("---\n---\tx\n{text}"),
        format!("{text}immutable: maybe\n"),
        format!("{text}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: s}}\nx: 1\n"),
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: s}}\nx: 1\nx: 2\n---\n{text}"),
    ]
}

/// Runs each command in each format, and fails where one shows the secret.
#[track_caller]
fn shows_nothing(sandbox: &Sandbox, commands: &[(&[&str], &[&str])], context: &str) {
    for (command, formats) in commands {
        let mut args: Vec<String> = command.iter().map(|arg| (*arg).to_owned()).collect();
        for format in formats.iter().filter(|format| **format != "text") {
            let file = sandbox.path().join(format!("report.{format}"));
            args.extend(["--format", format, "--output"].map(str::to_owned));
            args.push(file.to_string_lossy().into_owned());
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut said = vec![sandbox.run(&args).all()];
        if formats.len() > 1 {
            said.push(sandbox.run(command).all());
        }
        for format in formats.iter().filter(|format| **format != "text") {
            let report = sandbox.path().join(format!("report.{format}"));
            said.extend(std::fs::read_to_string(report).ok());
        }
        for text in said {
            let line = text.lines().find(|line| line.contains(MARK));
            assert_eq!(line, None, "{command:?} of {context}\n{text}");
        }
    }
}

/// A fleet of tenants that each name one of some manifests, and a folder with the same beside it.
fn fleet_with(manifests: &[String]) -> Sandbox {
    let kinds = "  tenantKinds: [example.com/Widget]\n";
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", &format!("{FLEET}{kinds}"))]);
    for at in 0..manifests.len() {
        let name = name_of(at);
        let spec = tenant(&name, &format!("  manifests: [m/{name}.yaml]\n"));
        sandbox.write(&format!("tenants/{name}.yaml"), spec);
        let namespace = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
        sandbox.write(&format!("m/n-{name}.yaml"), namespace);
    }
    write_manifests(&sandbox, manifests);
    sandbox
}

/// The name of a tenant and of its namespace.
fn name_of(at: usize) -> String {
    match at {
        0 => "a".to_owned(),
        at => format!("a{at}"),
    }
}

/// Writes the manifests, each into the namespace of its tenant.
fn write_manifests(sandbox: &Sandbox, manifests: &[String]) {
    for (at, text) in manifests.iter().enumerate() {
        let name = name_of(at);
        let text = text.replace("namespace: a", &format!("namespace: {name}"));
        let text = text.replace(
            "\"namespace\": \"a\"",
            &format!("\"namespace\": \"{name}\""),
        );
        sandbox.write(&format!("tenants/m/{name}.yaml"), &text);
        sandbox.write(&format!("m/{name}.yaml"), text);
    }
}

#[test]
fn no_broken_document_is_quoted_that_may_hold_a_secret() {
    let check: &[(&[&str], &[&str])] = &[COMMANDS[0], COMMANDS[9], COMMANDS[12]];
    let all: Vec<Vec<String>> = objects().iter().map(|object| broken(object)).collect();
    for at in 0..all[0].len() {
        let texts: Vec<String> = all.iter().map(|ways| ways[at].clone()).collect();
        let sandbox = fleet_with(&texts);
        // As a spec, too: what is no spec is skipped, unless it cannot be read.
        for (number, text) in texts.iter().enumerate() {
            sandbox.write(&format!("tenants/spec{number}.yaml"), text);
        }
        shows_nothing(&sandbox, check, &format!("way {at}"));
    }
}

#[test]
fn no_command_quotes_a_secret() {
    let objects = objects();
    let harmless: Vec<String> = objects
        .iter()
        .map(|text| text.replace(MARK, "harmless"))
        .collect();
    let sandbox = fleet_with(&harmless);
    sandbox.git(&["init", "-q"]).code(0);
    sandbox.git(&["add", "."]).code(0);
    sandbox.git(&["commit", "-q", "-m", "x"]).code(0);
    write_manifests(&sandbox, &objects);
    shows_nothing(&sandbox, &COMMANDS, "whole objects");
    let changed = sandbox.run(&["diff", "HEAD"]).out;
    assert!(
        changed.lines().filter(|line| line.starts_with('~')).count() > 10,
        "{changed}"
    );

    // The other way round: the secret is what was there before.
    sandbox.git(&["add", "."]).code(0);
    sandbox.git(&["commit", "-q", "-m", "y"]).code(0);
    write_manifests(&sandbox, &harmless);
    shows_nothing(&sandbox, &COMMANDS[6..8], "whole objects before");
}

#[test]
fn no_spec_shows_a_credential() {
    let url = format!("https://user:{MARK}@git.example/x");
    for more in [
        format!("  sync: [{{name: a, git: {{url: \"{url}\"}}}}]\n"),
        format!("  sync: [{{name: a, git: {{url: \"{url}\", branch: on}}}}]\n"),
        format!("  sync: [{{name: \"{url}\", git: {{url: \"{url} x\"}}}}]\n"),
        format!("  parameters: {{dbPassword: {MARK}, url: \"{url}\"}}\n"),
        format!("  parameters: {{dbPassword: {MARK}, url: \"{url}\", a: on}}\n"),
        "  parameters: {dbPassword: 0_1}\n".replace("0_1", MARK),
        format!("  parameters: {{a: 1}}\n  password: {MARK}\n"),
        format!("  password: {MARK}\n  password: {MARK}\n"),
        format!("  password: {MARK}\n  foo: [\n"),
        format!("  labels: {{\"{url}\": \"{url}\"}}\n"),
        format!("  quota: {{pods: \"{url}\"}}\n"),
    ] {
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            ("tenants/a.yaml", &tenant("a", &more)),
            (
                "m/namespace.yaml",
                "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
            ),
        ]);
        shows_nothing(&sandbox, &COMMANDS, &more);
    }
}

#[cfg(unix)]
#[test]
fn no_link_shows_a_file_that_is_not_read() {
    use std::os::unix::fs::symlink;

    let outside = Sandbox::with(&[("secret.yaml", &format!("a: {MARK}: [\n"))]);
    let config = format!("[remote \"origin\"]\n\turl = https://user:{MARK}@git.example/x\n");
    for (link, target, named) in [
        ("tenants/m.yaml", "../.git/config", "m.yaml"),
        ("tenants/m.yaml", "../.git/modules/x.yaml", "m.yaml"),
        ("tenants/m.yaml", "../.env", "m.yaml"),
        ("tenants/m.yaml", "/etc/passwd", "m.yaml"),
        ("tenants/m.yaml", "OUTSIDE/secret.yaml", "m.yaml"),
        ("tenants/linked", "../.git/modules", "linked/x.yaml"),
        ("tenants/linked", "OUTSIDE", "linked/secret.yaml"),
        ("m/m.yaml", "../.git/config", "../m/m.yaml"),
        ("m/m.yaml", "../.env", "../m/m.yaml"),
        ("m/m.yaml", "OUTSIDE/secret.yaml", "../m/m.yaml"),
        ("templates/a.yaml", "../.env", "none.yaml"),
    ] {
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            (
                "tenants/a.yaml",
                &tenant("a", &format!("  manifests: [{named}]\n")),
            ),
            (
                "m/namespace.yaml",
                "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
            ),
            (".env", &format!("TOKEN={MARK}\n")),
            ("templates/x.txt", ""),
        ]);
        sandbox.git(&["init", "-q"]).code(0);
        sandbox.write(
            ".git/config",
            config.replace("[remote", "[core]\n\tbare = false\n[remote"),
        );
        sandbox.write(".git/modules/x.yaml", format!("a: {MARK}: [\n"));
        let target = target.replace("OUTSIDE", &outside.path().to_string_lossy());
        symlink(&target, sandbox.path().join(link)).expect("a link");
        let ran = sandbox.run(&["check"]);
        assert_eq!(ran.code, 1, "{link} to {target}: {}", ran.all());
        shows_nothing(&sandbox, &COMMANDS, &format!("{link} to {target}"));
    }
}

#[test]
fn values_of_kinds_without_secrets_are_shown() {
    let object = |value: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: s, namespace: a}}\ndata:\n  colour: {value}\n\
             ---\napiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: s, namespace: a}}\n\
             spec:\n  colour: {value}\n"
        )
    };
    let sandbox = fleet_with(&[object("red")]);
    sandbox.git(&["init", "-q"]).code(0);
    sandbox.git(&["add", "."]).code(0);
    sandbox.git(&["commit", "-q", "-m", "x"]).code(0);
    write_manifests(&sandbox, &[object("green")]);
    let ran = sandbox.run(&["diff", "HEAD"]).code(0);
    assert!(
        ran.out.contains("data.colour: \"red\" -> \"green\""),
        "{}",
        ran.all()
    );
    assert!(
        ran.out.contains("spec.colour: changed (not shown)"),
        "{}",
        ran.all()
    );

    // An excerpt stays where nothing near it is a secret.
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: s, namespace: a}\n\
                data: {colour: 1}\n";
    let sandbox = fleet_with(&[text.to_owned()]);
    let ran = sandbox.run(&["check"]).code(1);
    assert!(ran.out.contains("data: {colour: 1}"), "{}", ran.out);
}
