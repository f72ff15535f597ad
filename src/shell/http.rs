//! A request to an API server, tried again as it asks for. Nothing is written.

use super::Fault;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::Client;
use kube::client::{AuthError, Body};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tenantry::report::plain;
use tenantry::value::Value;

/// How often a request is tried, and how long a server may ask to wait, in seconds.
const TRIES: u32 = 5;
const LONGEST_WAIT: u64 = 20;

/// Longest answer that is read, in bytes: a hundred times what a page of usual objects has.
const LARGEST: usize = 256 << 20;

/// What is asked for, of what is no list of metadata alone.
pub const JSON: &str = "application/json";

/// Why a request has no answer.
#[derive(Debug)]
pub struct RequestError {
    /// What the server answered with, where it did.
    pub status: Option<StatusCode>,
    /// Why.
    pub text: String,
}

impl RequestError {
    /// Where the server did not answer, or not what was asked.
    pub const fn of(text: String) -> Self {
        Self { status: None, text }
    }

    /// What is said where nothing can be asked without it. A server that does not answer may answer
    /// again.
    pub fn fault(self, server: &str) -> Fault {
        let text = format!("`{}`: {}", plain(server), self.text);
        match self.status {
            None => Fault::Unavailable(text),
            Some(status) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Fault::Unavailable(text)
            }
            Some(_) => Fault::Cluster(text),
        }
    }

    /// Whether the server answered with a status.
    pub fn is(&self, status: StatusCode) -> bool {
        self.status == Some(status)
    }
}

/// Who asks, and how many requests were made.
#[derive(Clone)]
pub struct Asking {
    client: Client,
    requests: Arc<AtomicUsize>,
}

impl Asking {
    /// Asks by this client.
    pub fn by(client: Client) -> Self {
        Self {
            client,
            requests: Arc::default(),
        }
    }

    /// How many requests were made.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Asks for something.
    pub async fn get(&self, path: &str, accept: &str) -> Result<Vec<u8>, RequestError> {
        self.send(Method::GET, path, accept, Vec::new()).await
    }

    /// A request, tried again where the server is busy, or the connection breaks.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, RequestError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (trouble, wait) = match self.once(&method, path, accept, body.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            let busy = match trouble.status {
                None => tries < 3,
                Some(status) => status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error(),
            };
            if !busy || tries == TRIES {
                let again = if tries > 1 {
                    format!(" (tried {tries} times)")
                } else {
                    String::new()
                };
                return Err(RequestError {
                    text: format!("{}{again}", trouble.text),
                    ..trouble
                });
            }
            let wait = wait.map_or(Duration::from_millis(200 << tries), Duration::from_secs);
            tokio::time::sleep(wait.min(Duration::from_secs(LONGEST_WAIT))).await;
        }
    }

    async fn once(
        &self,
        method: &Method,
        path: &str,
        accept: &str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, (RequestError, Option<u64>)> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let broken = |text: String| (RequestError::of(text), None);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::ACCEPT, accept);
        let request = request
            .header(http::header::CONTENT_TYPE, JSON)
            .body(Body::from(body));
        let request = request.map_err(|e| broken(e.to_string()))?;
        let answer = self
            .client
            .send(request)
            .await
            .map_err(|e| broken(causes(&e)))?;
        let status = answer.status();
        let wait = answer
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|v| v.to_str().ok()?.parse().ok());
        let body = Limited::new(answer.into_body(), LARGEST).collect().await;
        let bytes = body.map_err(|e| match e.is::<LengthLimitError>() {
            true => broken(format!("the answer is longer than {} MiB", LARGEST >> 20)),
            false => broken(causes(&*e)),
        })?;
        let bytes = bytes.to_bytes();
        if status.is_success() {
            return Ok(bytes.into());
        }
        let said: Option<Value> = serde_json::from_slice(&bytes).ok();
        let said = plain(
            said.as_ref()
                .and_then(|v| v.at(&["message"]).as_str())
                .unwrap_or_default(),
        );
        let text = if said.is_empty() {
            status.to_string()
        } else {
            format!("{status}: {said}")
        };
        Err((
            RequestError {
                status: Some(status),
                text,
            },
            wait,
        ))
    }
}

/// An error with what caused it, each once.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = || std::iter::successors(Some(error), |e| e.source());
    // The plugin's command, its environment and what it printed are credentials: all texts that
    // hold them are left out.
    if let Some(text) = chain().find_map(|e| plugin_fault(e.downcast_ref()?)) {
        return text;
    }
    let mut all: Vec<String> = Vec::new();
    for error in chain() {
        let text = without_password(&plain(&error.to_string()));
        if !all.iter().any(|before| before.contains(&text)) {
            all.push(text);
        }
    }
    all.join(": ")
}

/// What is said of a credential plugin that gives none.
fn plugin_fault(error: &AuthError) -> Option<String> {
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

/// A text without the user and password of the addresses in it.
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
