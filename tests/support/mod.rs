//! What tests share: the pipeline over texts, and the program in a folder of its own.

pub mod argo_cd;
pub mod control_plane;
pub mod fake_server;
pub mod flux_loop;
pub mod generate;
pub mod live_fleet;
pub mod naive;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tenantry::bundle::{ObjectForm, ObjectText, TenantManifests};
use tenantry::compile::{self, Compiled, InputFiles, RenderOptions, ResolvedFleet};
use tenantry::source::{Source, SourceMap};
use tenantry::spec::SpecFile;
use tenantry::spec::leaf::Day;
use tenantry::tenancy::Context;
use tenantry::tree::{IgnoreFiles, Layout};

/// The day that every test runs on.
pub const NOW: &str = "2026-11-22";

/// The shortest fleet.
pub const FLEET: &str = "apiVersion: tenantry.dev/v1alpha1\
                         \nkind: Fleet\
                         \nmetadata: {name: acme}\
                         \nspec:\
                         \n  clusters:\
                         \n    - name: prod\n";

/// A tenant of one namespace, with more lines for its spec.
pub fn tenant(name: &str, more: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\
         \nkind: Tenant\
         \nmetadata: {{name: {name}}}\
         \nspec:\
         \n  owners: [{{group: {name}-admins}}]\
         \n  namespaces: [{{name: {name}}}]\
         \n{more}"
    )
}

/// A waiver of a rule for a tenant, until a day.
pub fn waiver(tenant: &str, rule: &str, expires: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\n\
         kind: Waiver\n\
         metadata: {{name: {tenant}-waiver}}\n\
         spec: {{tenant: {tenant}, rule: {rule}, reason: an old image, approvedBy: sec, \
         approvedAt: \"2026-11-01\", expires: \"{expires}\"}}\n"
    )
}

/// A fleet of the tenants `a` and `b`.
pub fn two_tenants() -> Sandbox {
    Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "")),
        ("tenants/b.yaml", &tenant("b", "")),
    ])
}

/// A fleet of the tenants `a` and `b`; both declare the edge from `a` to port 8080 of `b`.
pub fn two_tenants_with_an_edge() -> Sandbox {
    let a = tenant(
        "a",
        "  network: {egress: [{tenant: b, ports: [{port: 8080}]}]}\n",
    );
    let b = tenant(
        "b",
        "  network: {ingress: [{tenant: a, ports: [{port: 8080}]}]}\n",
    );
    Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &a),
        ("tenants/b.yaml", &b),
    ])
}

/// Parses a report.
pub fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// The text of a file below fixtures.
pub fn fixture(path: &str) -> String {
    let file = root().join("fixtures").join(path);
    std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The documents of a fixture that is a stream of YAML, as JSON.
pub fn documents(path: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut sources = SourceMap::default();
    let id = sources.add(Source::new(path, text));
    let (documents, faults) = tenantry::document::parse_foreign(id, sources.get(id));
    assert!(faults.is_empty(), "{path}: {faults:?}");

    documents
        .iter()
        .map(|document| document.root.to_json())
        .collect()
}

/// The folder of the project.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The pipeline over some texts, without a disk.
pub fn compile(files: &[(&str, &str)]) -> (SourceMap, Compiled<ObjectText>) {
    let mut sources = SourceMap::default();
    let mut all = InputFiles {
        fleet_path: "tenants/fleet.yaml".into(),
        ..InputFiles::default()
    };

    for (path, text) in files {
        let id = sources.add(Source::new(*path, *text));
        match path.strip_prefix("templates/") {
            Some(below) => all.templates.push((below.to_owned(), id)),
            None if *path == "tenantry.lock" => all.lock = Some(id),
            None => all.inputs.push(SpecFile {
                source: id,
                origin: None,
            }),
        }
    }

    let (_, compiled) = emit(&mut sources, all);
    (sources, compiled)
}

/// Resolves and renders files that are in the sources, without verbatim manifests.
pub fn emit<T: ObjectForm>(
    sources: &mut SourceMap,
    mut files: InputFiles,
) -> (ResolvedFleet, Compiled<T>) {
    let context = Context {
        now: Day::parse(NOW),
        version: "0.1.0".into(),
        ..Context::default()
    };

    let mut front = compile::resolve(sources, &mut files, &context);
    let options = RenderOptions {
        layout: Layout {
            tree: "rendered".into(),
            repository_path: ".".into(),
        },
        tenants: Vec::new(),
        clusters: Vec::new(),
        removable: Vec::new(),
        ignored: IgnoreFiles::default(),
        version: "0.1.0".into(),
    };

    let compiled = compile::emit(&mut front, sources, &TenantManifests::default(), &options);
    (front, compiled)
}

/// A folder with files in which the program runs.
pub struct Sandbox {
    dir: tempfile::TempDir,
}

impl Sandbox {
    /// An empty folder.
    pub fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// A folder with a fleet and some files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let sandbox = Self::new();
        for (path, text) in files {
            sandbox.write(path, text);
        }
        sandbox
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let full = self.path().join(path);
        std::fs::create_dir_all(full.parent().expect("a parent")).expect("a folder");
        std::fs::write(full, text).expect("a file");
    }

    /// Reads a file.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Whether there is a file.
    pub fn has(&self, path: &str) -> bool {
        self.path().join(path).exists()
    }

    /// Every file with its bytes, but Git's own.
    pub fn files(&self) -> std::collections::BTreeMap<String, Vec<u8>> {
        let walk = walkdir::WalkDir::new(self.path())
            .into_iter()
            .filter_entry(|e| e.file_name() != ".git");
        walk.filter_map(Result::ok)
            .filter(|e| e.file_type().is_file())
            .map(|e| {
                let path = e
                    .path()
                    .strip_prefix(self.path())
                    .expect("below")
                    .to_string_lossy()
                    .into_owned();
                (path, std::fs::read(e.path()).unwrap_or_default())
            })
            .collect()
    }

    /// The program, ready to run here.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command
            .current_dir(self.path())
            .args(args)
            .args(["--now", NOW]);
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("TENANTRY_") {
                command.env_remove(key);
            }
        }
        command.env("COLUMNS", "200");
        command
    }

    /// Runs the program.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().expect("the program starts"))
    }

    /// Runs Git.
    pub fn git(&self, args: &[&str]) -> Ran {
        let mut command = Command::new("git");
        command.current_dir(self.path()).args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example",
            "-c",
            "init.defaultBranch=main",
        ]);
        Ran::of(command.args(args).output().expect("git starts"))
    }
}

/// A fleet with a good tenant, and a bad file.
pub fn with_bad(path: &str, bytes: impl AsRef<[u8]>) -> Sandbox {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/good.yaml", &tenant("good", "")),
    ]);
    sandbox.write(path, bytes);
    sandbox
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; -1 for one that was killed.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// What a process came to.
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output and error.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Fails unless it ended with this exit code.
    #[track_caller]
    pub fn code(self, wanted: i32) -> Self {
        assert_eq!(self.code, wanted, "{}", self.all());
        self
    }
}

/// The shared inputs that are not part of the project; `None` says so on standard error.
pub fn shared(what: &str) -> Option<PathBuf> {
    let base =
        std::env::var_os("TENANTRY_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    let path = base.join(what);
    if path.exists() {
        return Some(path);
    }
    say(&format!(
        "NOT RUN: {} is absent (TENANTRY_SHARED names the folder)",
        path.display()
    ));
    None
}

/// Says something on standard error, past the test runner, which shows only what a failing test
/// prints.
pub fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("\n{text}\n").as_bytes());
}

/// The seed of a random test: `TENANTRY_SEED`, or the time.
pub fn seed() -> u64 {
    std::env::var("TENANTRY_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| {
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(1, |d| d.as_nanos() as u64)
        })
}

/// Numbers without a seed from outside: the same in each run.
pub struct Dice(pub u64);

impl Dice {
    /// One of some.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        &all[(self.0 >> 33) as usize % all.len()]
    }
}

/// The JSON Pointers of every value below one, which is itself at a pointer.
pub fn pointers(value: &serde_json::Value, at: &str) -> Vec<String> {
    use serde_json::Value;
    let below: Vec<(String, &Value)> = match value {
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(items) => (0..)
            .zip(items)
            .map(|(at, value): (usize, _)| (at.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };

    let mut all = Vec::new();
    for (key, value) in below {
        let pointer = format!("{at}/{key}");
        let deeper = pointers(value, &pointer);
        all.push(pointer);
        all.extend(deeper);
    }
    all
}

fn install(name: &str) -> Result<PathBuf, String> {
    let output = Command::new("bash")
        .arg(root().join("tests/tools.sh"))
        .arg(name)
        .output()
        .expect("bash starts");
    if output.status.success() {
        Ok(PathBuf::from(
            String::from_utf8_lossy(&output.stdout).trim(),
        ))
    } else {
        Err(format!(
            "tests/tools.sh {name}: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

/// A program that tests need besides Rust, installed on first use (tests/tools.sh).
pub fn tool(name: &str) -> PathBuf {
    install(name).unwrap_or_else(|reason| panic!("{reason}"))
}

/// A program that takes minutes to build, or a machine of some size: where it cannot be had, that
/// is said, and in CI (the variable `CI`) it is a failure.
pub fn tool_or_say(name: &str) -> Option<PathBuf> {
    match install(name) {
        Ok(path) => Some(path),
        Err(reason) if std::env::var_os("CI").is_some() => panic!("{reason}"),
        Err(reason) => {
            say(&format!("NOT RUN, for want of {name}: {reason}"));
            None
        }
    }
}

/// Ports of loopback that nobody listens at, each another one.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

/// The files of a fixture: of several, each stands after a line `#### path`; a fleet is added where
/// there is none.
pub fn files_of(name: &str, text: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    if !text.starts_with("#### ") {
        files.push((format!("tenants/{name}.yaml"), text.to_owned()));
    } else {
        for part in text.split("#### ").skip(1) {
            let (path, body) = part.split_once('\n').expect("a path and a text");
            files.push((path.trim().to_owned(), body.to_owned()));
        }
    }
    if !files.iter().any(|(p, _)| p == "tenants/fleet.yaml") {
        files.push(("tenants/fleet.yaml".into(), FLEET.into()));
    }
    files
}

/// Runs a program with a text on its standard input.
pub fn pipe(command: &mut Command, input: &str) -> Ran {
    use std::process::Stdio;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let text = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("the program ends");
    let _ = writer.join();
    Ran::of(output)
}

/// The fleets that other programs are asked about: those of the fixtures, the project's own, the
/// design's, a generated one. Each lies in a folder of its own, and is not rendered yet.
pub fn fixture_fleets() -> Vec<(String, Sandbox)> {
    let mut all = Vec::new();
    for entry in walkdir::WalkDir::new(root().join("fixtures/spec/valid"))
        .sort_by_file_name()
        .into_iter()
        .skip(1)
    {
        let path = entry.expect("an entry").into_path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let sandbox = Sandbox::new();
        for (path, text) in files_of(&name, &std::fs::read_to_string(&path).expect("a text")) {
            sandbox.write(&path, text);
        }
        all.push((name, sandbox));
    }

    for (name, folder) in [
        ("own", Some(root().join("tenants"))),
        ("design", shared("design/example/tenants")),
    ] {
        let Some(folder) = folder else { continue };
        let sandbox = Sandbox::new();
        for entry in walkdir::WalkDir::new(&folder)
            .into_iter()
            .filter_map(Result::ok)
            .filter(|e| e.file_type().is_file())
        {
            let below = entry
                .path()
                .strip_prefix(&folder)
                .expect("below")
                .to_string_lossy()
                .into_owned();
            sandbox.write(
                &format!("tenants/{below}"),
                std::fs::read(entry.path()).expect("bytes"),
            );
        }
        all.push((name.to_owned(), sandbox));
    }

    let sandbox = Sandbox::new();
    generate::write(sandbox.path(), 30).expect("a fleet");
    all.push(("generated".to_owned(), sandbox));

    all
}
