//! The whole loop on loopback: an API server with its controllers, a Git server, and Flux, started
//! once for all tests.

use super::control_plane::{CONTROLLERS, ControlPlane};
use super::{Ran, Sandbox, free_ports, tool_or_say};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// What tests ask for: a Git repository on a server, applied by Flux under impersonation.
pub struct FluxLoop {
    /// The API server.
    pub plane: ControlPlane,
    git: u16,
    registry: u16,
    dir: PathBuf,
    _keeper: Child,
}

const BOOT: &str = "
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1s, url: \"http://127.0.0.1:PORT/fleet.git\", ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: bootstrap, namespace: flux-system}
spec: {interval: 1m, path: ./clusters/live, prune: true, serviceAccountName: kustomize-controller, sourceRef: {kind: GitRepository, name: flux-system}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: kustomize-controller, namespace: flux-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: kustomize-controller}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: kustomize-controller, namespace: flux-system}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: kustomize-controller, namespace: flux-system}
spec:
  selector: {matchLabels: {app: kustomize-controller}}
  template:
    metadata: {labels: {app: kustomize-controller}}
    spec:
      containers:
      - name: manager
        image: ghcr.io/fluxcd/kustomize-controller:v1.9.5
        args: [--no-cross-namespace-refs=true, --no-remote-bases=true, --default-service-account=default]
";

impl FluxLoop {
    /// The one that all tests share, one after the other; `None` where it cannot be had, which is
    /// said, and fails in CI.
    pub fn get() -> Option<MutexGuard<'static, Self>> {
        static ONE: OnceLock<Option<Mutex<FluxLoop>>> = OnceLock::new();
        let one = ONE.get_or_init(|| {
            let (plane, flux) = (
                tool_or_say("control-plane")?,
                tool_or_say("flux-controllers")?,
            );
            let registry = tool_or_say("registry")?;
            Some(Mutex::new(Self::start(
                &plane,
                [&flux, &registry],
                &tool_or_say("flux-crds")?,
            )))
        });
        Some(one.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn start(bin: &Path, [flux, registry]: [&Path; 2], crds: &Path) -> Self {
        let plane = ControlPlane::start(bin, "loop", CONTROLLERS);
        let applied = plane.kubectl(&["create", "namespace", "flux-system"]);
        assert_eq!(applied.code, 0, "{}", applied.err);

        for controller in ["kustomize-controller", "source-controller"] {
            let file = crds.join(format!("{controller}.yaml"));
            let applied = plane.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()]);
            assert_eq!(applied.code, 0, "{}", applied.err);
        }

        // The CRDs are what is wanted of these files: the controllers run as processes.
        let deleted = plane.kubectl(&["delete", "deployments", "--all", "-n", "default"]);
        assert_eq!(deleted.code, 0, "{}", deleted.err);
        let ports: [u16; 7] = free_ports();
        let dir = std::env::temp_dir().join(format!("tenantry-flux-{}", std::process::id()));
        let keeper = Command::new("bash")
            .arg(super::root().join("tests/flux/start.sh"))
            .args([flux, registry, &dir, &plane.kubeconfig()])
            .args(ports.map(|port| port.to_string()))
            .stdin(Stdio::piped())
            .spawn()
            .expect("bash starts");

        Self {
            plane,
            git: ports[0],
            registry: ports[1],
            dir,
            _keeper: keeper,
        }
    }

    /// Puts a repository on the Git server, and has Flux apply it from now on. What was there
    /// before goes.
    pub fn serve(&self, repo: &Sandbox) {
        let bare = self.dir.join("git/fleet.git");
        let path = bare.to_string_lossy().into_owned();
        if !bare.exists() {
            std::fs::create_dir_all(self.dir.join("git")).expect("a folder");
            assert_eq!(
                repo.git(&["init", "--bare", "-q", "-b", "main", &path])
                    .code,
                0
            );
        }
        self.push(repo);
        let boot = BOOT.replace("PORT", &self.git.to_string());
        let applied = self.plane.kubectl_with(&["apply", "-f", "-"], &boot);
        assert_eq!(applied.code, 0, "{}", applied.err);
    }

    /// Where OCI artifacts are pushed, without TLS.
    pub fn registry(&self) -> String {
        format!("oci://127.0.0.1:{}/fleet", self.registry)
    }

    /// Pushes what is committed.
    pub fn push(&self, repo: &Sandbox) {
        let bare = self
            .dir
            .join("git/fleet.git")
            .to_string_lossy()
            .into_owned();
        let pushed = repo.git(&["push", "-q", "-f", &bare, "HEAD:main"]);
        assert_eq!(pushed.code, 0, "{}", pushed.err);
    }

    /// Runs tenantry against the cluster, as an admin or by another token.
    pub fn verify(&self, repo: &Sandbox, token: &str, args: &[&str]) -> Ran {
        let kubeconfig = self.dir.join(format!("{token}.kubeconfig"));
        std::fs::write(&kubeconfig, self.plane.kubeconfig_of(token)).expect("a kubeconfig");
        let mut command = repo.command(args);
        Ran::of(
            command
                .env("KUBECONFIG", &kubeconfig)
                .output()
                .expect("the program starts"),
        )
    }

    /// Has Flux look at everything again, now.
    pub fn reconcile(&self, names: &[&str]) {
        let since = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .expect("after 1970")
            .as_nanos();

        let now = format!("reconcile.fluxcd.io/requestedAt={since}");
        for name in names {
            let args = [
                "annotate",
                "--overwrite",
                "kustomization",
                name,
                "-n",
                "flux-system",
                &now,
            ];
            assert_eq!(self.plane.kubectl(&args).code, 0);
        }

        // While it is at work, what is done by hand is undone.
        let (_, now) = now.split_once('=').expect("a value");
        for name in names {
            let path = "jsonpath={.status.lastHandledReconcileAt} {.status.conditions[?(@.type=='Reconciling')].status}";
            self.until(name, || {
                let ran = self.plane.kubectl(&[
                    "get",
                    "kustomization",
                    name,
                    "-n",
                    "flux-system",
                    "-o",
                    path,
                ]);
                ran.out.trim_end() == now
            });
        }
    }

    /// What a Kustomization's status says at a path.
    pub fn status(&self, name: &str, path: &str) -> String {
        let path = format!("jsonpath={{.status.{path}}}");
        let args = [
            "get",
            "kustomization",
            name,
            "-n",
            "flux-system",
            "-o",
            &path,
        ];
        self.plane.kubectl(&args).out
    }

    /// Waits until something holds.
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{what}: not within a minute"
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}
