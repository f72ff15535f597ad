//! The way to a server: a client, and the credential that it sends, which is fetched again when it
//! expires.

use super::credential_error::{CredentialError, causes};
use super::credential_text::{base64, check_pem};
use super::credentials::{Authorization, CredentialSource};
use super::exec_plugin::ClientCertificate;
use super::run_time::RunTime;
use crate::cli::bug::TASK_ENDED;
use http::HeaderValue;
use kube::{Client, Config};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The least bytes of a secret that is hidden wherever a server repeats it. A shorter one may be a
/// word of an object.
const MIN_HIDDEN: usize = 16;

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
