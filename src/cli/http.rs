//! Sends requests to an API server, and tries them again when the server is busy.

use super::CliError;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::Client;
use kube::client::{AuthError, Body};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tenantry::report::plain;
use tenantry::value::Value;

/// The most attempts of one request that the server answers with 429 or 5xx.
const MAX_ATTEMPTS: u32 = 5;

/// The most attempts of one request whose connection breaks, or that the server does not answer.
const MAX_BROKEN_ATTEMPTS: u32 = 3;

/// The longest pause between two attempts, even if `Retry-After` asks for more.
const MAX_PAUSE: Duration = Duration::from_secs(20);

/// The longest answer that is read, in bytes: about a hundred times a page of usual objects.
const MAX_ANSWER: usize = 256 << 20;

/// The media type of whole objects.
pub const JSON: &str = "application/json";

/// The reason why a request failed.
#[derive(Debug)]
pub struct RequestError {
    /// The status of the answer; `None` if there was no answer, or not a complete one.
    pub status: Option<StatusCode>,
    /// The message.
    pub text: String,
}

impl RequestError {
    /// Creates an error for a request without a usable answer.
    pub const fn new(text: String) -> Self {
        Self { status: None, text }
    }

    /// Turns the error into a fault of the whole run, for a request that the run depends on. Without
    /// an answer, and after 429 or 5xx, the server counts as unavailable: it may answer later.
    pub fn fault(self, server: &str) -> CliError {
        let text = format!("`{}`: {}", plain(server), self.text);

        match self.status {
            Some(status) if !is_busy(status) => CliError::Cluster(text),
            _ => CliError::Unavailable(text),
        }
    }

    /// Whether the server answered with this status.
    pub fn is(&self, status: StatusCode) -> bool {
        self.status == Some(status)
    }
}

/// Whether a status says that the same request may succeed later.
fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// One attempt of a request that failed.
struct FailedAttempt {
    error: RequestError,
    /// The pause that the server asks for.
    retry_after: Option<Duration>,
}

impl FailedAttempt {
    fn broken(text: String) -> Self {
        Self {
            error: RequestError::new(text),
            retry_after: None,
        }
    }

    /// Whether another attempt may succeed, after `attempts` of them.
    fn may_retry(&self, attempts: u32) -> bool {
        match self.error.status {
            None => attempts < MAX_BROKEN_ATTEMPTS,
            Some(status) => is_busy(status) && attempts < MAX_ATTEMPTS,
        }
    }
}

/// A client of one API server, which counts its requests. Clones share the count.
#[derive(Clone)]
pub struct HttpClient {
    client: Client,
    requests: Arc<AtomicUsize>,
}

impl HttpClient {
    /// Creates a client that sends through this one.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            requests: Arc::default(),
        }
    }

    /// The number of requests so far; each attempt counts.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Gets a resource.
    ///
    /// # Errors
    /// See [`Self::send`].
    pub async fn get(&self, path: &str, accept: &str) -> Result<Vec<u8>, RequestError> {
        self.send(Method::GET, path, accept, Vec::new()).await
    }

    /// Sends a request, and returns the body of the answer. If the server is busy, or the connection
    /// breaks, the request is sent again.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, RequestError> {
        let mut attempts = 0;

        loop {
            attempts += 1;
            let failed = match self.send_once(&method, path, accept, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };

            if !failed.may_retry(attempts) {
                let mut error = failed.error;
                if attempts > 1 {
                    error.text += &format!(" (tried {attempts} times)");
                }
                return Err(error);
            }

            let pause = failed
                .retry_after
                .unwrap_or(Duration::from_millis(200 << attempts));
            tokio::time::sleep(pause.min(MAX_PAUSE)).await;
        }
    }

    async fn send_once(
        &self,
        method: &Method,
        path: &str,
        accept: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, FailedAttempt> {
        self.requests.fetch_add(1, Ordering::Relaxed);

        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, accept)
            .header(CONTENT_TYPE, JSON)
            .body(Body::from(body))
            .map_err(|e| FailedAttempt::broken(e.to_string()))?;

        let answer = self
            .client
            .send(request)
            .await
            .map_err(|e| FailedAttempt::broken(causes(&e)))?;

        let status = answer.status();
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);

        let bytes = read_body(answer.into_body()).await?;
        if status.is_success() {
            return Ok(bytes);
        }

        Err(FailedAttempt {
            error: RequestError {
                status: Some(status),
                text: status_text(status, &bytes),
            },
            retry_after,
        })
    }
}

/// Reads the body of an answer, up to [`MAX_ANSWER`].
async fn read_body(body: Body) -> Result<Vec<u8>, FailedAttempt> {
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(e) if e.is::<LengthLimitError>() => Err(FailedAttempt::broken(format!(
            "the answer is longer than {} MiB",
            MAX_ANSWER >> 20
        ))),
        Err(e) => Err(FailedAttempt::broken(causes(&*e))),
    }
}

/// Describes an answer that is not a success: its status, and the message of its `Status` object.
fn status_text(status: StatusCode, body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = plain(answer.at(&["message"]).as_str().unwrap_or_default());

    if message.is_empty() {
        status.to_string()
    } else {
        format!("{status}: {message}")
    }
}

/// Joins the messages of an error and of its causes, each once. No credential is in the result.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = || std::iter::successors(Some(error), |e| e.source());

    // A credential plugin's command, environment and output may hold credentials: every message
    // that shows them is left out.
    if let Some(text) = chain().find_map(|cause| plugin_error(cause.downcast_ref()?)) {
        return text;
    }

    let mut all: Vec<String> = Vec::new();
    for cause in chain() {
        let text = without_password(&plain(&cause.to_string()));
        if !all.iter().any(|before| before.contains(&text)) {
            all.push(text);
        }
    }

    all.join(": ")
}

/// Describes the failure of a credential plugin, without its command or its output.
fn plugin_error(error: &AuthError) -> Option<String> {
    Some(match error {
        AuthError::AuthExecRun { out, .. } => {
            format!("the credential plugin ended with {}", out.status)
        }
        AuthError::AuthExec(text) if text.starts_with("Executing") => {
            "the credential plugin cannot be run".to_owned()
        }
        AuthError::AuthExecParse(_) => "the credential plugin printed no ExecCredential".to_owned(),
        _ => return None,
    })
}

/// Removes the user and the password from each URL in a text.
fn without_password(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(char::is_whitespace).unwrap_or(part.len());
        let from = part[..end].rfind('@').map_or(0, |at| at + 1);
        out.push_str("://");
        out.push_str(&part[from..]);
    }

    out
}
