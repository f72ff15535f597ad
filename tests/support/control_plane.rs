//! A real API server on loopback: started once for all tests, ended with them.

use super::{Ran, free_ports, pipe, tool_or_say};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The controllers of Kubernetes that namespaces, accounts and policies need.
pub const CONTROLLERS: &str = "namespace-controller,serviceaccount-controller,serviceaccount-token-controller,\
                               clusterrole-aggregation-controller,garbage-collector-controller,resourcequota-controller,\
                               root-ca-certificate-publisher-controller,validatingadmissionpolicy-status-controller";

/// A running etcd and kube-apiserver.
pub struct ControlPlane {
    bin: PathBuf,
    /// Where its files are.
    pub dir: PathBuf,
    /// Where it answers.
    pub url: String,
    authority: Issuer<'static, KeyPair>,
    /// Ends when its standard input does, which is when this process ends.
    _keeper: Child,
}

/// An authority of clients' certificates, and its own.
fn authority() -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "clients");
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    (certificate, Issuer::new(params, key))
}

impl ControlPlane {
    /// The one that all tests share; `None` where it cannot be had, which is said, and fails in CI.
    pub fn get() -> Option<&'static Self> {
        static ONE: OnceLock<Option<ControlPlane>> = OnceLock::new();
        let start = || {
            Some(Self::start(
                &tool_or_say("control-plane")?,
                "control-plane",
                "clusterrole-aggregation-controller",
            ))
        };
        ONE.get_or_init(start).as_ref()
    }

    /// The one, for a test that grants things in the whole cluster or asks what is granted: no two
    /// at once.
    pub fn alone() -> Option<(&'static Self, MutexGuard<'static, ()>)> {
        static TURN: Mutex<()> = Mutex::new(());
        let plane = Self::get()?;
        Some((plane, TURN.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Starts one, with some of Kubernetes' controllers.
    pub fn start(bin: &Path, name: &str, controllers: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("tenantry-{name}-{}", std::process::id()));
        let [etcd, peer, api] = free_ports();
        let (certificate, authority) = authority();
        std::fs::create_dir_all(&dir).expect("a folder");
        std::fs::write(dir.join("client-ca.crt"), certificate).expect("the authority");
        let keeper = Command::new("bash")
            .arg(super::root().join("tests/control-plane/start.sh"))
            .args([bin, &dir])
            .args([etcd, peer, api].map(|port| port.to_string()))
            .env("CONTROLLERS", controllers)
            .env("CLIENT_CA", dir.join("client-ca.crt"))
            .stdin(Stdio::piped())
            .spawn()
            .expect("bash starts");

        let plane = Self {
            bin: bin.to_owned(),
            dir: dir.clone(),
            url: format!("https://127.0.0.1:{api}"),
            authority,
            _keeper: keeper,
        };

        let started = Instant::now();
        while plane.kubectl(&["get", "--raw", "/readyz"]).code != 0 {
            if started.elapsed() > Duration::from_secs(120) {
                let log =
                    std::fs::read_to_string(dir.join("kube-apiserver.log")).unwrap_or_default();
                panic!(
                    "the API server is not ready: {}",
                    log.lines().rev().take(20).collect::<Vec<_>>().join("\n")
                );
            }
            std::thread::sleep(Duration::from_millis(200));
        }

        plane
    }

    /// The admin's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// A kubeconfig with a token.
    pub fn kubeconfig_of(&self, token: &str) -> String {
        let text = std::fs::read_to_string(self.kubeconfig()).expect("the kubeconfig");
        text.replace("token: admin", &format!("token: {token}"))
    }

    /// The certificate and the key of an admin, in a kubeconfig's fields.
    pub fn certificate(&self) -> String {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "certified");
        params
            .distinguished_name
            .push(DnType::OrganizationName, "system:masters");
        params
            .extended_key_usages
            .push(ExtendedKeyUsagePurpose::ClientAuth);
        let key = KeyPair::generate().expect("a key");
        let certificate = params
            .signed_by(&key, &self.authority)
            .expect("a certificate");
        let (crt, pem) = (
            self.dir.join("certified.crt"),
            self.dir.join("certified.key"),
        );

        std::fs::write(&crt, certificate.pem()).expect("the certificate");
        std::fs::write(&pem, key.serialize_pem()).expect("the key");
        format!(
            "client-certificate: {}, client-key: {}",
            crt.display(),
            pem.display()
        )
    }

    /// What `verifier` has asked so far: the verb, the resource and the response code of each.
    pub fn audited(&self) -> Vec<[String; 3]> {
        let text = std::fs::read_to_string(self.dir.join("audit.log")).expect("the audit log");
        let of = |line: &str| {
            let event: Value = serde_json::from_str(line).expect("an event");
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            let code = event["responseStatus"]["code"].to_string();
            let resource = match &event["objectRef"] {
                Value::Null => text(&event["requestURI"]),
                object => text(&object["resource"]),
            };
            [text(&event["verb"]), resource, code]
        };
        text.lines().map(of).collect()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.bin.join("kubectl"));
        command
            .env("KUBECONFIG", "/dev/null")
            .env("HOME", "/nonexistent");
        command
            .args([
                "--server",
                &self.url,
                "--token",
                "admin",
                "--insecure-skip-tls-verify",
            ])
            .args(args);
        command
    }

    /// Runs kubectl as an admin.
    pub fn kubectl(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().expect("kubectl starts"))
    }

    /// Runs kubectl with a text on its standard input.
    pub fn kubectl_with(&self, args: &[&str], input: &str) -> Ran {
        pipe(&mut self.command(args), input)
    }

    /// Asks the server many things at once, and gives each answer: `code` and `body`. A request has
    /// `method`, `path`, `body`, and `user` with `groups` where it is asked as somebody.
    pub fn ask(&self, requests: &[Value]) -> Vec<Value> {
        let lines: String = requests.iter().map(|r| format!("{r}\n")).collect();
        let mut command = Command::new(super::tool("python"));
        let answer = pipe(
            command
                .arg(super::root().join("tests/control-plane/ask.py"))
                .arg(&self.url),
            &lines,
        );

        assert_eq!(answer.code, 0, "{}", answer.err);
        let answers: Vec<Value> = answer
            .out
            .lines()
            .map(|l| serde_json::from_str(l).expect("JSON"))
            .collect();

        assert_eq!(answers.len(), requests.len());
        answers
    }

    /// Applies documents as Flux does: server-side, and every field must be known.
    pub fn apply(&self, text: &str) -> Ran {
        let args = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--validate=strict",
            "--field-manager=flux",
            "-f",
            "-",
        ];
        self.kubectl_with(&args, text)
    }
}
