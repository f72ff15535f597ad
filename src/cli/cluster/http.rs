//! Sends requests to an API server, and tries them again when the server is busy.

use super::connection::{Access, Connection};
use super::credential_error::{CredentialError, causes};
use super::run_time::RunTime;
use crate::cli::CliError;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::client::Body;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tenantry::live::answer::AnswerLimit;
use tenantry::report::plain;

/// The most attempts of one request that the server answers with 429 or 5xx.
const MAX_ATTEMPTS: u32 = 5;

/// The most attempts of one request whose connection breaks, or that the server does not answer.
const MAX_BROKEN_ATTEMPTS: u32 = 3;

/// The longest pause between two attempts, even if `Retry-After` asks for more.
const MAX_PAUSE: Duration = Duration::from_secs(20);

/// The most characters of a server's message that are shown.
const MAX_MESSAGE: usize = 1_000;

/// The media type of whole objects.
pub const JSON: &str = "application/json";

/// The kind of a request's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server answered with a status that is no success.
    Status(StatusCode),
    /// There was no answer, or not a complete one.
    NoAnswer,
    /// The time of the run is over.
    RunOver,
    /// The answer is larger than what is read of one.
    TooLarge,
    /// The answer is not of the form that was asked for, or is refused.
    Unusable,
}

/// The reason why a request failed.
#[derive(Debug)]
pub struct RequestError {
    /// Its kind.
    pub failure: Failure,
    /// The message.
    pub text: String,
}

impl RequestError {
    /// Creates an error for an answer that cannot be used.
    pub const fn unusable(text: String) -> Self {
        Self::new(Failure::Unusable, text)
    }

    /// Creates an error.
    pub const fn new(failure: Failure, text: String) -> Self {
        Self { failure, text }
    }

    /// Turns the error into a fault of the whole run, for a request that the run depends on.
    pub fn fault(self, server: &str) -> CliError {
        let text = format!("`{}`: {}", plain(server), self.text);

        if self.may_pass() {
            CliError::Unavailable(text)
        } else {
            CliError::Cluster(text)
        }
    }

    /// Whether the server answered with this status.
    pub fn is(&self, status: StatusCode) -> bool {
        self.failure == Failure::Status(status)
    }

    /// Whether the server may answer when it is asked again: it was busy, or did not answer in time.
    pub fn may_pass(&self) -> bool {
        match self.failure {
            Failure::Status(status) => is_busy(status),
            Failure::NoAnswer | Failure::RunOver => true,
            Failure::TooLarge | Failure::Unusable => false,
        }
    }

    /// Whether another attempt may succeed, after `attempts` of them.
    fn may_retry(&self, attempts: u32) -> bool {
        match self.failure {
            Failure::NoAnswer => attempts < MAX_BROKEN_ATTEMPTS,
            Failure::Status(status) => is_busy(status) && attempts < MAX_ATTEMPTS,
            Failure::RunOver | Failure::TooLarge | Failure::Unusable => false,
        }
    }
}

impl From<CredentialError> for RequestError {
    fn from(error: CredentialError) -> Self {
        let failure = if error.is_late {
            Failure::RunOver
        } else {
            Failure::Unusable
        };
        Self::new(failure, error.text)
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

impl From<RequestError> for FailedAttempt {
    fn from(error: RequestError) -> Self {
        Self {
            error,
            retry_after: None,
        }
    }
}

/// A request to a server.
#[derive(Clone, Copy)]
pub struct ApiRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path, with the query.
    pub path: &'a str,
    /// The media type to ask for.
    pub accept: &'a str,
    /// The body; empty for none.
    pub body: &'a [u8],
    /// The most that is read of the answer.
    pub limit: AnswerLimit,
}

impl<'a> ApiRequest<'a> {
    /// A request that gets a resource.
    pub const fn get(path: &'a str, accept: &'a str, limit: AnswerLimit) -> Self {
        Self {
            method: &Method::GET,
            path,
            accept,
            body: &[],
            limit,
        }
    }
}

/// A client of one API server, which counts its requests. Clones share the count.
#[derive(Clone)]
pub struct HttpClient {
    connection: Arc<Connection>,
    requests: Arc<AtomicUsize>,
    /// The longest time of one request, from its first byte to the last one of its answer.
    request_timeout: Duration,
    time: RunTime,
}

impl HttpClient {
    /// Creates a client that sends over a connection.
    pub fn new(connection: Connection, request_timeout: Duration, time: RunTime) -> Self {
        Self {
            connection: Arc::new(connection),
            requests: Arc::default(),
            request_timeout,
            time,
        }
    }

    /// The number of requests so far; each attempt counts.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Sends a request, and returns the body of the answer. If the server is busy, or the connection
    /// breaks, the request is sent again. Nothing lasts longer than the time of the run.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub async fn send(&self, request: ApiRequest<'_>) -> Result<Vec<u8>, RequestError> {
        let mut attempts = 0;
        let mut renewed = false;

        loop {
            let access = self.connection.access().await?;
            attempts += 1;
            let failed = match self.send_in_time(&access, request).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };

            // The credential may have been taken back before its time.
            let is_refused = failed.error.is(StatusCode::UNAUTHORIZED);
            if is_refused && !renewed && self.connection.renew(&access).await? {
                renewed = true;
                continue;
            }

            if !failed.error.may_retry(attempts) {
                return Err(after(failed.error, attempts));
            }
            let pause = failed
                .retry_after
                .unwrap_or(Duration::from_millis(200 << attempts))
                .min(MAX_PAUSE);
            if pause >= self.time.left() {
                let mut error = after(failed.error, attempts);
                error.text += "; the pause before the next attempt is longer than the rest of the \
                               run (--timeout)";
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Makes one attempt, which ends after `--request-timeout` or with the run.
    async fn send_in_time(
        &self,
        access: &Access,
        request: ApiRequest<'_>,
    ) -> Result<Vec<u8>, FailedAttempt> {
        let left = self.time.left();
        if left.is_zero() {
            return Err(RequestError::new(Failure::RunOver, self.time.over()).into());
        }

        let patience = self.request_timeout.min(left);
        match tokio::time::timeout(patience, self.send_once(access, request)).await {
            Ok(answer) => answer,
            Err(_) if patience == left => {
                Err(RequestError::new(Failure::RunOver, self.time.over()).into())
            }
            Err(_) => {
                let seconds = patience.as_secs();
                let text = format!(
                    "no complete answer came within {seconds} s (--request-timeout {seconds})"
                );
                Err(RequestError::new(Failure::NoAnswer, text).into())
            }
        }
    }

    async fn send_once(
        &self,
        access: &Access,
        request: ApiRequest<'_>,
    ) -> Result<Vec<u8>, FailedAttempt> {
        self.requests.fetch_add(1, Ordering::Relaxed);

        let mut builder = Request::builder()
            .method(request.method)
            .uri(request.path)
            .header(ACCEPT, request.accept)
            .header(CONTENT_TYPE, JSON);
        if let Some(authorization) = &access.authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        let sent = builder
            .body(Body::from(request.body.to_vec()))
            .map_err(|e| RequestError::unusable(e.to_string()))?;

        let answer = access
            .client
            .send(sent)
            .await
            .map_err(|e| RequestError::new(Failure::NoAnswer, causes(&e)))?;

        let status = answer.status();
        let retry_after = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);

        let bytes = access.hide_credential(read_body(answer.into_body(), request.limit).await?);
        if status.is_success() {
            let checked = request.limit.check(&bytes);
            checked.map_err(|text| RequestError::new(Failure::TooLarge, text))?;
            return Ok(bytes);
        }

        Err(FailedAttempt {
            error: RequestError::new(Failure::Status(status), status_text(status, &bytes)),
            retry_after,
        })
    }
}

/// Adds the number of attempts to the error of the last one.
fn after(mut error: RequestError, attempts: u32) -> RequestError {
    if attempts > 1 {
        error.text += &format!(" (tried {attempts} times)");
    }
    error
}

/// Reads the body of an answer up to a limit.
async fn read_body(body: Body, limit: AnswerLimit) -> Result<Vec<u8>, RequestError> {
    match Limited::new(body, limit.bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(e) if e.is::<LengthLimitError>() => Err(RequestError::new(
            Failure::TooLarge,
            format!("the answer is longer than {} MiB", limit.bytes >> 20),
        )),
        Err(e) => Err(RequestError::new(Failure::NoAnswer, causes(&*e))),
    }
}

/// Describes an answer that is not a success: its status, and the message of its `Status` object.
fn status_text(status: StatusCode, body: &[u8]) -> String {
    #[derive(Default, serde::Deserialize)]
    struct Status {
        #[serde(default)]
        message: String,
    }

    let answer: Status = serde_json::from_slice(body).unwrap_or_default();
    let mut message = plain(&answer.message);
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
        message.truncate(end);
        message.push('…');
    }

    if message.is_empty() {
        status.to_string()
    } else {
        format!("{status}: {message}")
    }
}
