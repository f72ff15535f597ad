//! The credentials of a run: where they come from, and the client that sends them. A credential that
//! expires is fetched again.

use super::bug::TASK_ENDED;
use super::exec_plugin::{self, ClientCertificate};
use super::http::causes;
use super::run_time::RunTime;
use super::{CliError, bounded};
use http::HeaderValue;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use kube::config::{AuthInfo, Cluster, ExecConfig};
use kube::{Client, Config};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry::report::plain;
use tokio::sync::Mutex;

/// The most that a file with a credential may hold, in bytes. Tokens and certificates have some KiB.
const MAX_CREDENTIAL_FILE: u64 = 1 << 20;

/// How long the token of a file is used: the kubelet replaces the tokens of pods.
const TOKEN_FILE_LIFE: Duration = Duration::from_secs(60);

/// How long before its end a credential is fetched again.
const RENEWAL: Duration = Duration::from_secs(60);

/// The least bytes of a secret that is hidden wherever a server repeats it. A shorter one may be a
/// word of an object.
const MIN_HIDDEN: usize = 16;

/// The reason why there is no credential.
#[derive(Debug)]
pub struct CredentialError {
    /// The message.
    pub text: String,
    /// Whether the time of the run was over.
    pub is_late: bool,
}

impl CredentialError {
    /// Creates an error that does not pass by itself.
    pub const fn refused(text: String) -> Self {
        Self {
            text,
            is_late: false,
        }
    }

    /// Creates an error at the end of the run's time.
    pub const fn late(text: String) -> Self {
        Self {
            text,
            is_late: true,
        }
    }

    /// Turns the error into a fault of the whole run.
    pub fn fault(self, server: &str) -> CliError {
        let text = format!("`{}`: {}", plain(server), self.text);
        if self.is_late {
            CliError::Unavailable(text)
        } else {
            CliError::Cluster(text)
        }
    }
}

/// The value of the header `Authorization`.
#[derive(Clone)]
pub struct Authorization {
    /// The value.
    value: String,
    /// The parts of it that are secret.
    secrets: Vec<String>,
}

impl Authorization {
    fn bearer(token: String) -> Self {
        Self {
            value: format!("Bearer {token}"),
            secrets: vec![token],
        }
    }

    fn basic(username: &str, password: String) -> Self {
        let encoded = base64(format!("{username}:{password}")).unwrap_or_default();
        Self {
            value: format!("Basic {encoded}"),
            secrets: vec![encoded, password],
        }
    }
}

/// Where the credentials of a user come from.
#[derive(Clone)]
pub enum CredentialSource {
    /// They are the same for the whole run: a header, or others that the client holds.
    Fixed(Option<Authorization>),
    /// A file that holds a token.
    TokenFile {
        /// The file.
        file: PathBuf,
        /// The token that is sent while the file holds none.
        otherwise: Option<Authorization>,
    },
    /// A plugin that prints them.
    Plugin(Box<ExecConfig>),
}

impl CredentialSource {
    /// Takes the credentials out of the user's entry, and checks those that stay. `user` says whose
    /// entry it is, and in which file.
    ///
    /// # Errors
    /// A value cannot be sent in a header, or its kind is not supported.
    pub fn take(auth: &mut AuthInfo, user: &str) -> Result<Self, CredentialError> {
        check_identity(auth, user)?;
        check_certificate(auth, user)?;

        if let Some(provider) = auth.auth_provider.take() {
            let token = provider
                .config
                .get("id-token")
                .filter(|_| provider.name == "oidc");
            let token = token.ok_or_else(|| {
                CredentialError::refused(format!(
                    "{user} has the auth-provider `{}`, which Kubernetes removed in 1.26: use a \
                     credential plugin (`exec`)",
                    plain(&provider.name)
                ))
            })?;
            let token = sendable(token, &format!("the id-token of {user}"))?;
            return Ok(Self::Fixed(Some(Authorization::bearer(token))));
        }

        if auth.username.is_some() && auth.password.is_some() {
            let password = secret(auth, "password").unwrap_or_default();
            let name = auth.username.clone().unwrap_or_default();
            refuse_control_character(&name, &format!("the username of {user}"))?;
            refuse_control_character(&password, &format!("the password of {user}"))?;
            (auth.username, auth.password) = (None, None);
            return Ok(Self::Fixed(Some(Authorization::basic(&name, password))));
        }

        let has_file = auth.token_file.is_some();
        let token = secret(auth, "token").filter(|token| !(has_file && token.is_empty()));
        auth.token = None;
        let token = token
            .map(|token| sendable(&token, &format!("the token of {user}")))
            .transpose()?
            .map(Authorization::bearer);
        // The token of the file takes precedence. Source: client-go, `rest.Config.BearerTokenFile`.
        if let Some(file) = auth.token_file.take() {
            return Ok(Self::TokenFile {
                file: file.into(),
                otherwise: token,
            });
        }
        if token.is_some() {
            return Ok(Self::Fixed(token));
        }
        Ok(match auth.exec.take() {
            Some(exec) => Self::Plugin(exec.into()),
            None => Self::Fixed(None),
        })
    }

    /// Fetches the credentials. It may block until the time of the run is over.
    fn fetch(&self, time: RunTime) -> Result<Credential, CredentialError> {
        let fixed = |authorization: Option<Authorization>| Credential {
            authorization,
            certificate: None,
            renewal: None,
        };

        match self {
            Self::Fixed(authorization) => Ok(fixed(authorization.clone())),
            Self::TokenFile { file, otherwise } => {
                let read = read_token(file).map(Authorization::bearer);
                let token = match (read, otherwise) {
                    (Err(_), Some(token)) => token.clone(),
                    (read, _) => read?,
                };
                Ok(Credential {
                    renewal: Some(Instant::now() + TOKEN_FILE_LIFE),
                    ..fixed(Some(token))
                })
            }
            Self::Plugin(exec) => {
                let printed = exec_plugin::run(exec, time)?;
                let token = printed
                    .token
                    .map(|token| sendable(&token, "the token of the credential plugin"))
                    .transpose()?;
                Ok(Credential {
                    authorization: token.map(Authorization::bearer),
                    certificate: printed.certificate,
                    renewal: printed.expires.map(renewal),
                })
            }
        }
    }
}

/// A text of the user's entry that the kubeconfig holds as a secret.
fn secret(auth: &AuthInfo, field: &str) -> Option<String> {
    let entry = serde_json::to_value(auth).ok()?;
    Some(entry.get(field)?.as_str()?.to_owned())
}

/// Checks the values that become headers by which the user acts as another one.
fn check_identity(auth: &AuthInfo, user: &str) -> Result<(), CredentialError> {
    let named = [
        ("as", auth.impersonate.as_ref()),
        ("as-uid", auth.impersonate_uid.as_ref()),
    ];
    let named = named
        .into_iter()
        .filter_map(|(field, value)| Some((field, value?)));
    let groups = auth.impersonate_groups.iter().flatten();
    let extra = auth.impersonate_user_extra.iter().flatten();
    let extra = extra.flat_map(|(key, values)| std::iter::once(key).chain(values));

    named
        .chain(groups.map(|group| ("as-groups", group)))
        .chain(extra.map(|value| ("as-user-extra", value)))
        .try_for_each(|(field, value)| {
            refuse_control_character(value, &format!("`{field}` of {user}"))
        })
}

/// Checks the client certificate and its key, if they are in files.
fn check_certificate(auth: &AuthInfo, user: &str) -> Result<(), CredentialError> {
    let key_data = auth.client_key_data.is_some();
    let parts = [
        (
            "client-certificate",
            auth.client_certificate_data.is_some(),
            auth.client_certificate.as_deref(),
        ),
        ("client-key", key_data, auth.client_key.as_deref()),
    ];

    if let [(_, false, None), (has, ..)] | [(has, ..), (_, false, None)] = parts
        && parts
            .iter()
            .any(|(_, has_data, file)| *has_data || file.is_some())
    {
        return Err(CredentialError::refused(format!(
            "{user} has `{has}` alone: a client certificate and its key go together"
        )));
    }

    for (field, has_data, file) in parts {
        // The data come before the file, as with kubectl.
        if let Some(file) = file.filter(|_| !has_data) {
            let text = read_limited(Path::new(file)).map_err(|why| {
                let file = plain(file);
                CredentialError::refused(format!(
                    "`{field}` of {user}: {file} cannot be read: {why}"
                ))
            })?;
            check_pem(&text, &format!("`{field}` of {user}: {file}"))?;
        }
    }
    Ok(())
}

/// Reads the file of the cluster's certificate authority into the entry of the cluster. The client's
/// library would read it without a limit.
///
/// # Errors
/// The file cannot be read, or is not PEM.
pub fn take_authority(cluster: &mut Cluster, name: &str) -> Result<(), CredentialError> {
    // The data come before the file, as with kubectl.
    if cluster.certificate_authority_data.is_some() {
        return Ok(());
    }
    let Some(file) = &cluster.certificate_authority else {
        return Ok(());
    };

    let what = format!("`certificate-authority` of the cluster `{name}`: {file}");
    let text = read_limited(Path::new(file))
        .map_err(|why| CredentialError::refused(format!("{what} cannot be read: {why}")))?;
    check_pem(&text, &what)?;

    cluster.certificate_authority_data = base64(text);
    Ok(())
}

/// Checks that a text may be PEM.
fn check_pem(text: &str, what: &str) -> Result<(), CredentialError> {
    let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    let fault = match text.chars().find(|c| !is_text(*c)) {
        Some(control) => format!(
            "has the control character U+{:04X} inside",
            u32::from(control)
        ),
        None if !text.contains("-----BEGIN ") => "has no line `-----BEGIN …`".to_owned(),
        None => return Ok(()),
    };

    let what = plain(what);
    Err(CredentialError::refused(format!(
        "{what} {fault}: name a file in the form PEM"
    )))
}

/// Returns a token without the white space around it.
///
/// # Errors
/// It is empty, or has a control character inside.
fn sendable(token: &str, what: &str) -> Result<String, CredentialError> {
    let token = token.trim();
    if token.is_empty() {
        return Err(CredentialError::refused(format!("{what} is empty")));
    }

    refuse_control_character(token, what)?;
    Ok(token.to_owned())
}

/// Checks that a text has no control character, which no header may hold.
fn refuse_control_character(text: &str, what: &str) -> Result<(), CredentialError> {
    let Some((at, control)) = text.char_indices().find(|(_, c)| c.is_control()) else {
        return Ok(());
    };

    Err(CredentialError::refused(format!(
        "{} has the control character U+{:04X} inside, at byte {}: write the value alone, in one \
         line",
        plain(what),
        u32::from(control),
        at + 1
    )))
}

/// Reads a token from its file, without the white space around it, as client-go does.
fn read_token(file: &Path) -> Result<String, CredentialError> {
    let name = plain(&file.display().to_string());
    let text = read_limited(file).map_err(|why| {
        CredentialError::refused(format!("the token file {name} cannot be read: {why}"))
    })?;

    sendable(&text, &format!("the token in {name}"))
}

/// Reads a file of the user up to [`MAX_CREDENTIAL_FILE`].
fn read_limited(file: &Path) -> Result<String, String> {
    bounded::read_text(file, MAX_CREDENTIAL_FILE).map_err(|e| e.to_string())
}

/// When a credential that expires at a time has to be fetched again.
fn renewal(expires: Timestamp) -> Instant {
    let left = expires.duration_since(Timestamp::now());
    let left = Duration::try_from(left).unwrap_or_default();
    // A credential that expires at once is not fetched again for each request of a page.
    let left = left.saturating_sub(RENEWAL).max(Duration::from_secs(1));
    let far = Duration::from_secs(365 * 86_400);
    Instant::now() + left.min(far)
}

/// A credential, as it was fetched.
struct Credential {
    authorization: Option<Authorization>,
    certificate: Option<ClientCertificate>,
    /// When it is fetched again; never if `None`.
    renewal: Option<Instant>,
}

/// The client of a server, with the credential that it sends.
#[derive(Clone)]
pub struct Access {
    /// The client.
    pub client: Client,
    /// The value of the header `Authorization`; the client itself has another credential if `None`.
    pub authorization: Option<HeaderValue>,
    /// The secrets in that header.
    secrets: Arc<[String]>,
    renewal: Option<Instant>,
    /// The number of times that the credential was fetched.
    fetched: u64,
}

impl Access {
    /// Removes the credential from the bytes of an answer. A server that repeats the request in a
    /// message would show it.
    pub fn hide_credential(&self, bytes: Vec<u8>) -> Vec<u8> {
        let secrets = self
            .secrets
            .iter()
            .filter(|secret| secret.len() >= MIN_HIDDEN);
        secrets.fold(bytes, |bytes, secret| redact(bytes, secret.as_bytes()))
    }
}

/// Replaces each occurrence of a secret.
fn redact(bytes: Vec<u8>, secret: &[u8]) -> Vec<u8> {
    let mut found = memchr::memmem::find_iter(&bytes, secret).peekable();
    if found.peek().is_none() {
        drop(found);
        return bytes;
    }

    let (mut hidden, mut from) = (Vec::new(), 0);
    for at in found {
        hidden.extend_from_slice(&bytes[from..at]);
        hidden.extend_from_slice(b"(credential)");
        from = at + secret.len();
    }
    hidden.extend_from_slice(&bytes[from..]);
    hidden
}

/// The way to a server, with credentials that are fetched again when they expire.
pub struct Connection {
    config: Config,
    source: CredentialSource,
    /// Whose credentials they are, and in which file.
    user: String,
    time: RunTime,
    access: Mutex<Access>,
}

impl Connection {
    /// Fetches the credentials, and prepares the client.
    ///
    /// # Errors
    /// There is no credential, or the client cannot use it.
    pub async fn open(
        config: Config,
        source: CredentialSource,
        user: String,
        time: RunTime,
    ) -> Result<Self, CredentialError> {
        let access = fetch(&config, &source, &user, time, 1).await?;
        Ok(Self {
            config,
            source,
            user,
            time,
            access: Mutex::new(access),
        })
    }

    /// Fetches the credential again.
    async fn fetch_again(&self, before: &Access) -> Result<Access, CredentialError> {
        let number = before.fetched + 1;
        fetch(&self.config, &self.source, &self.user, self.time, number).await
    }

    /// The client with a credential that has not expired.
    ///
    /// # Errors
    /// The credential has expired, and cannot be fetched again.
    pub async fn access(&self) -> Result<Access, CredentialError> {
        let mut access = self.access.lock().await;
        let is_current = access.renewal.is_none_or(|at| Instant::now() < at);

        if !is_current {
            match self.fetch_again(&access).await {
                Ok(renewed) => *access = renewed,
                // The file may be gone by design; the token is still the best that there is.
                Err(_) if matches!(self.source, CredentialSource::TokenFile { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(access.clone())
    }

    /// Fetches the credential again that a server refused. Returns whether there is a newer one.
    ///
    /// # Errors
    /// It cannot be fetched.
    pub async fn renew(&self, refused: &Access) -> Result<bool, CredentialError> {
        if matches!(self.source, CredentialSource::Fixed(_)) {
            return Ok(false);
        }

        let mut access = self.access.lock().await;
        if access.fetched == refused.fetched {
            *access = self.fetch_again(&access).await?;
        }
        Ok(true)
    }
}

/// Fetches the credential, and makes a client that uses it. Files and plugins may block: they have a
/// thread of their own, which the end of the run does not wait for.
async fn fetch(
    config: &Config,
    source: &CredentialSource,
    user: &str,
    time: RunTime,
    number: u64,
) -> Result<Access, CredentialError> {
    let source = source.clone();
    let fetching = tokio::task::spawn_blocking(move || source.fetch(time));
    // A plugin that does not end in time is ended, and says so.
    let patience = time.left() + Duration::from_secs(1);
    let credential = match tokio::time::timeout(patience, fetching).await {
        Ok(Ok(fetched)) => fetched?,
        Ok(Err(_)) => return Err(CredentialError::refused(TASK_ENDED.to_owned())),
        Err(_) => return Err(CredentialError::late(time.over())),
    };

    let mut config = config.clone();
    if let Some(ClientCertificate { certificate, key }) = credential.certificate {
        check_pem(&certificate, "the certificate of the credential plugin")?;
        check_pem(&key, "the key of the credential plugin")?;
        config.auth_info.client_certificate_data = base64(certificate);
        config.auth_info.client_key_data = base64(key).map(Into::into);
    }
    let client = Client::try_from(config).map_err(|e| {
        let why = causes(&e);
        CredentialError::refused(format!("the credentials of {user} cannot be used: {why}"))
    })?;

    let (value, secrets) = match credential.authorization {
        Some(Authorization { value, secrets }) => (Some(value), secrets),
        None => (None, Vec::new()),
    };
    let authorization = value.map(|value| {
        let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
            CredentialError::refused("the credential is no value of a header".to_owned())
        })?;
        value.set_sensitive(true);
        Ok(value)
    });

    Ok(Access {
        client,
        authorization: authorization.transpose()?,
        secrets: secrets.into(),
        renewal: credential.renewal,
        fetched: number,
    })
}

/// A text as a kubeconfig holds it in its `data` fields.
fn base64(text: String) -> Option<String> {
    let value = serde_json::to_value(ByteString(text.into_bytes())).ok()?;
    value.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::ConnectArgs;

    /// The header that a user's entry leads to.
    fn header(auth: serde_json::Value) -> Result<Option<String>, String> {
        let mut auth: AuthInfo = serde_json::from_value(auth).expect("an entry");
        let time = RunTime::start(&ConnectArgs {
            context: Vec::new(),
            request_timeout: 60,
            timeout: None,
        });
        let source = CredentialSource::take(&mut auth, "user").map_err(|error| error.text)?;
        let credential = source.fetch(time).map_err(|error| error.text)?;
        Ok(credential.authorization.map(|sent| sent.value))
    }

    /// Source: client-go, `NewBearerAuthWithRefreshRoundTripper`.
    #[test]
    fn the_token_of_a_file_takes_precedence() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("token");
        let both = |token: &str| header(serde_json::json!({"token": token, "tokenFile": file}));
        let bearer = |token: &str| Ok(Some(format!("Bearer {token}")));

        assert_eq!(both("stated"), bearer("stated"));
        assert!(both("").is_err_and(|text| text.contains("cannot be read")));

        std::fs::write(&file, " \n").expect("written");
        assert_eq!(both("stated"), bearer("stated"));

        std::fs::write(&file, "read\n").expect("written");
        assert_eq!(both("stated"), bearer("read"));
        assert_eq!(both(""), bearer("read"));
    }
}
