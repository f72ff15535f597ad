//! Where the credentials of a user come from, and how they are fetched.

use super::credential_error::CredentialError;
use super::credential_text::{
    base64, check_identity, read_token, refuse_control_character, sendable, take_certificate,
};
use super::exec_plugin::{self, ClientCertificate};
use super::run_time::RunTime;
use jiff::Timestamp;
use kube::config::{AuthInfo, ExecConfig};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tenantry::report::plain;

/// How long the token of a file is used: the kubelet replaces the tokens of pods.
const TOKEN_FILE_LIFE: Duration = Duration::from_secs(60);

/// How long before its end a credential is fetched again.
const RENEWAL: Duration = Duration::from_secs(60);

/// The value of the header `Authorization`.
#[derive(Clone)]
pub struct Authorization {
    /// The value.
    pub value: String,
    /// The parts of it that are secret.
    pub secrets: Vec<String>,
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
        take_certificate(auth, user)?;

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
    pub fn fetch(&self, time: RunTime) -> Result<Credential, CredentialError> {
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
pub struct Credential {
    /// The header, unless the client certificate alone is used.
    pub authorization: Option<Authorization>,
    /// The client certificate of a plugin.
    pub certificate: Option<ClientCertificate>,
    /// When it is fetched again; never if `None`.
    pub renewal: Option<Instant>,
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
