//! Argo CD on loopback: an API server with its controllers, a Git server, and Argo CD's servers,
//! started once for all tests.

use super::control_plane::{CONTROLLERS, ControlPlane};
use super::{Ran, Sandbox, free_ports, json, root, tool_or_say};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The key with which Argo CD signs its tokens, as tests/argocd/settings.yaml has it.
const SIGNING_KEY: &str = "a key of tests, which keeps nothing";

/// The installed programs and files.
struct Tools {
    plane: PathBuf,
    servers: PathBuf,
    cache: PathBuf,
    crds: PathBuf,
}

/// Argo CD, which applies as the account that a project names (impersonation).
pub struct ArgoCd {
    /// The API server.
    pub plane: ControlPlane,
    servers: PathBuf,
    dir: PathBuf,
    git: u16,
    api: u16,
    _keeper: Child,
}

/// Waits until something holds, and says whether it did in time.
fn within(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while !holds() {
        if started.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    true
}

impl ArgoCd {
    /// The one that all tests share, one after the other; `None` where it cannot be had, which is
    /// said, and fails in CI.
    pub fn get() -> Option<MutexGuard<'static, Self>> {
        static ONE: OnceLock<Option<Mutex<ArgoCd>>> = OnceLock::new();
        let one = ONE.get_or_init(|| {
            let tools = Tools {
                plane: tool_or_say("control-plane")?,
                servers: tool_or_say("argocd")?,
                cache: tool_or_say("valkey")?,
                crds: tool_or_say("argocd-crds")?,
            };
            Some(Mutex::new(Self::start(&tools)))
        });
        Some(one.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn start(tools: &Tools) -> Self {
        let plane = ControlPlane::start(&tools.plane, "argo-cd", CONTROLLERS);
        Self::install(&plane, &tools.crds);

        let ports: [u16; 10] = free_ports();
        let dir = std::env::temp_dir().join(format!("tenantry-argocd-{}", std::process::id()));
        let keeper = Command::new("bash")
            .arg(root().join("tests/argocd/start.sh"))
            .args([&tools.servers, &tools.cache, &dir, &plane.kubeconfig()])
            .args(ports.map(|port| port.to_string()))
            .stdin(Stdio::piped())
            .spawn()
            .expect("bash starts");

        let argo = Self {
            plane,
            servers: tools.servers.clone(),
            dir,
            git: ports[0],
            api: ports[3],
            _keeper: keeper,
        };
        argo.until("Argo CD's server answers", || {
            argo.command("somebody", &[], &["version"]).code == 0
        });
        argo
    }

    /// Puts what Argo CD reads into a cluster.
    fn install(plane: &ControlPlane, crds: &Path) {
        let applied = plane.kubectl(&["create", "namespace", "argocd"]);
        assert_eq!(applied.code, 0, "{}", applied.err);

        for kind in ["application", "applicationset", "appproject"] {
            let file = crds.join(format!("{kind}-crd.yaml"));
            let applied = plane.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()]);
            assert_eq!(applied.code, 0, "{}", applied.err);
        }
        let list = ["get", "applications,applicationsets,appprojects", "-A"];
        let served = within(Duration::from_secs(60), || plane.kubectl(&list).code == 0);
        assert!(served, "the kinds of Argo CD are not served");

        let settings = root().join("tests/argocd/settings.yaml");
        let applied = plane.kubectl(&["apply", "-f", &settings.to_string_lossy()]);
        assert_eq!(applied.code, 0, "{}", applied.err);
    }

    /// The address of a repository on the Git server.
    pub fn address(&self, repository: &str) -> String {
        format!("http://127.0.0.1:{}/{repository}.git", self.git)
    }

    /// Pushes what is committed to a repository on the Git server, which is made where it is not
    /// there.
    pub fn push(&self, repository: &str, from: &Sandbox) {
        let bare = self.dir.join(format!("git/{repository}.git"));
        let path = bare.to_string_lossy();
        if !bare.exists() {
            from.git(&["init", "--bare", "-q", "-b", "main", &path])
                .code(0);
        }
        from.git(&["push", "-q", "-f", &path, "HEAD:main"]).code(0);
    }

    /// Runs the command `argocd` as a local account, with groups.
    pub fn command(&self, account: &str, groups: &[&str], args: &[&str]) -> Ran {
        let token = Command::new("python3")
            .arg(root().join("tests/argocd/token.py"))
            .args([SIGNING_KEY, account])
            .args(groups)
            .output()
            .expect("Python starts");
        let token = Ran::of(token).code(0);

        let mut command = Command::new(self.servers.join("argocd"));
        command
            .env("HOME", self.dir.join("home"))
            .args(["--server", &format!("127.0.0.1:{}", self.api)])
            .args(["--plaintext", "--auth-token", token.out.trim()])
            .args(args);
        Ran::of(command.output().expect("argocd starts"))
    }

    /// Reads an Application of Argo CD's namespace, with its status. The value is null if the namespace has
    /// no such Application.
    pub fn application(&self, name: &str) -> Value {
        let args = ["get", "application", name, "-n", "argocd", "-o", "json"];
        let ran = self.plane.kubectl(&args);
        match ran.code {
            0 => json(&ran.out),
            _ => Value::Null,
        }
    }

    /// Waits until an Application is Synced and Healthy, at a commit.
    pub fn until_synced(&self, name: &str, commit: &str) {
        self.until(&format!("{name} is synced"), || {
            let status = &self.application(name)["status"];
            status["sync"]["status"] == "Synced"
                && status["sync"]["revision"] == commit
                && status["health"]["status"] == "Healthy"
                && status["operationState"]["phase"] == "Succeeded"
        });
    }

    /// Waits until something holds.
    pub fn until(&self, what: &str, holds: impl FnMut() -> bool) {
        if !within(Duration::from_secs(60), holds) {
            panic!("{what}: not within a minute\n{}", self.logs());
        }
    }

    /// The ends of the servers' logs.
    fn logs(&self) -> String {
        let names = [
            "application-controller",
            "repo-server",
            "server",
            "applicationset-controller",
        ];
        let end = |name: &&str| {
            let path = self.dir.join(format!("{name}.log"));
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().rev().take(5).collect();
            format!("{name}:\n{}", lines.join("\n"))
        };
        names.iter().map(end).collect::<Vec<_>>().join("\n")
    }
}
