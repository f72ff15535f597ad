//! Runs a credential plugin of a kubeconfig. Its command, its environment and its output may hold
//! credentials: no message shows them.
//! <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>

use super::credential_error::CredentialError;
use super::run_time::RunTime;
use crate::cli::plugin_process::PluginProcess;
use jiff::Timestamp;
use kube::config::{ExecConfig, ExecInteractiveMode};
use std::io::{IsTerminal, Read};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tenantry::document::parse_foreign;
use tenantry::source::{Source, SourceMap};
use tenantry::value::Value;

/// The most that a plugin may print, in bytes. A token with a certificate and its key has some KiB.
const MAX_OUTPUT: u64 = 1 << 20;

/// How often it is seen whether a plugin has ended.
const POLL: Duration = Duration::from_millis(20);

/// How long the output of an ended plugin stays open, if a process that it left behind holds it.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(2);

/// The credential that a plugin printed.
#[derive(Default)]
pub struct PluginCredential {
    /// The bearer token.
    pub token: Option<String>,
    /// The certificate and its key, as PEM.
    pub certificate: Option<ClientCertificate>,
    /// When it expires; it is used until the run ends if `None`.
    pub expires: Option<Timestamp>,
}

/// A client certificate, as PEM.
pub struct ClientCertificate {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// Runs a plugin, and reads the credential that it prints. At the end of the run's time, the plugin
/// is ended with its children.
///
/// # Errors
/// The plugin cannot be run, fails, prints too much or no credential, or does not end in time.
pub fn run(exec: &ExecConfig, time: RunTime) -> Result<PluginCredential, CredentialError> {
    let is_interactive = talks_with_user(exec)?;
    let mut command = command(exec, is_interactive)?;
    // The plugin that talks with the user needs the terminal, as a member of this group.
    let mut plugin = PluginProcess::start(&mut command, !is_interactive)
        .map_err(|e| fault(format!("cannot be run ({})", e.kind())))?;

    let output = read_in_background(plugin.take_stdout());
    let (bytes, status) = wait(&mut plugin, &output, time)?;

    if !status.success() {
        plugin.end_rest();
        return Err(fault(format!("ended with {status}")));
    }
    let bytes = match bytes {
        Some(bytes) => bytes,
        None => output.recv_timeout(OUTPUT_PATIENCE).map_err(|_| {
            plugin.end_rest();
            fault("ended, and a process that it left behind holds its output open".to_owned())
        })?,
    };
    check_length(&bytes)?;

    credential(&bytes)
}

fn fault(text: String) -> CredentialError {
    CredentialError::refused(format!(
        "the credential plugin {text}: run the command of the user's `exec` in the kubeconfig by \
         hand to see why"
    ))
}

/// Whether a plugin may ask the user something, as client-go decides it.
fn talks_with_user(exec: &ExecConfig) -> Result<bool, CredentialError> {
    let is_terminal = std::io::stdin().is_terminal();
    match exec.interactive_mode {
        Some(ExecInteractiveMode::Never) => Ok(false),
        Some(ExecInteractiveMode::Always) if !is_terminal => Err(CredentialError::refused(
            "the credential plugin has to ask the user (`interactiveMode: Always`), and standard \
             input is no terminal"
                .to_owned(),
        )),
        Some(ExecInteractiveMode::Always | ExecInteractiveMode::IfAvailable) | None => {
            Ok(is_terminal)
        }
    }
}

fn command(exec: &ExecConfig, is_interactive: bool) -> Result<Command, CredentialError> {
    let Some(program) = &exec.command else {
        return Err(CredentialError::refused(
            "the user's `exec` in the kubeconfig has no `command`".to_owned(),
        ));
    };

    let mut command = Command::new(program);
    command.args(exec.args.iter().flatten());
    for variable in exec.env.iter().flatten() {
        if let (Some(name), Some(value)) = (variable.get("name"), variable.get("value")) {
            command.env(name, value);
        }
    }

    let cluster = exec.cluster.as_ref().filter(|_| exec.provide_cluster_info);
    let info = serde_json::json!({
        "apiVersion": exec.api_version,
        "kind": "ExecCredential",
        "spec": {"interactive": is_interactive, "cluster": cluster},
    });
    command
        .env("KUBERNETES_EXEC_INFO", info.to_string())
        .stdout(Stdio::piped());

    if is_interactive {
        command.stdin(Stdio::inherit()).stderr(Stdio::inherit());
    } else {
        command.stdin(Stdio::null()).stderr(Stdio::null());
    }
    Ok(command)
}

/// Reads the output of a plugin up to a byte more than it may print, in a thread of its own.
fn read_in_background(output: Option<ChildStdout>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();

    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(output) = output {
            // What was read until a fault is no credential: the parser says so.
            let _ = output.take(MAX_OUTPUT + 1).read_to_end(&mut bytes);
        }
        let _ = sender.send(bytes);
    });
    receiver
}

/// Waits until a plugin ends. Returns its status, and its output if that was closed before.
fn wait(
    plugin: &mut PluginProcess,
    output: &Receiver<Vec<u8>>,
    time: RunTime,
) -> Result<(Option<Vec<u8>>, ExitStatus), CredentialError> {
    let mut bytes: Option<Vec<u8>> = None;

    loop {
        let ended = plugin.try_wait().map_err(|e| fault(e.to_string()))?;
        if let Some(status) = ended {
            return Ok((bytes, status));
        }
        if time.is_over() {
            return Err(CredentialError::late(format!(
                "the credential plugin did not end: {}",
                time.over()
            )));
        }

        let started = Instant::now();
        match output.recv_timeout(POLL) {
            Ok(all) => {
                check_length(&all)?;
                bytes = Some(all);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(POLL.saturating_sub(started.elapsed()));
            }
        }
    }
}

fn check_length(bytes: &[u8]) -> Result<(), CredentialError> {
    if bytes.len() as u64 > MAX_OUTPUT {
        let text = format!("prints more than {} MiB", MAX_OUTPUT >> 20);
        return Err(fault(text));
    }
    Ok(())
}

/// Reads the ExecCredential that a plugin printed, as JSON or YAML.
fn credential(bytes: &[u8]) -> Result<PluginCredential, CredentialError> {
    let no_credential = || fault("printed no ExecCredential".to_owned());
    let printed = parse(bytes).ok_or_else(no_credential)?;
    let text = |field: &str| {
        let value = printed.at(&["status", field]).as_str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };

    let expires = text("expirationTimestamp")
        .map(|time| time.parse::<Timestamp>())
        .transpose()
        .map_err(|_| fault("printed an expirationTimestamp that is no RFC 3339 time".to_owned()))?;
    let certificate = text("clientCertificateData").zip(text("clientKeyData"));
    let found = PluginCredential {
        token: text("token"),
        certificate: certificate.map(|(certificate, key)| ClientCertificate { certificate, key }),
        expires,
    };

    if found.token.is_none() && found.certificate.is_none() {
        return Err(no_credential());
    }
    Ok(found)
}

fn parse(bytes: &[u8]) -> Option<Value> {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Some(value);
    }

    let text = String::from_utf8(bytes.to_vec()).ok()?;
    let mut sources = SourceMap::default();
    let id = sources.add(Source::new("the credential", text));
    let (documents, _) = parse_foreign(id, sources.get(id));
    documents
        .first()
        .map(|document| (&document.root.to_json()).into())
}
