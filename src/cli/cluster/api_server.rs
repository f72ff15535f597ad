//! The API server of a live cluster: its version, its kinds, its objects, and its answers about
//! access. No request changes an object.

use super::connection::Connection;
use super::http::{ApiRequest, HttpClient, JSON, RequestError};
use super::kubeconfig::ServerTarget;
use super::lists::{self, FetchOptions, Fetched};
use super::run_time::RunTime;
use crate::cli::args::{Cli, ConnectArgs};
use crate::cli::{CliError, output};
use futures::stream::{self, StreamExt};
use http::Method;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tenantry::live::access::{self, Sample};
use tenantry::live::answer::AnswerLimit;
use tenantry::live::{Desired, ListError, Listing, ServedKinds};
use tenantry::report::plain;
use tenantry::value::Value;
use tokio::runtime::Runtime;

/// SubjectAccessReviews that are asked at the same time.
const CONCURRENT_REVIEWS: usize = 8;

/// The media type of aggregated discovery.
/// <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery>
const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Where a SubjectAccessReview is created. The server stores none of them.
const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// An API server that answered.
pub struct ApiServer {
    runtime: AsyncRuntime,
    http: HttpClient,
    /// The name to show: the context, or the address of the server.
    pub name: String,
    /// The version of Kubernetes, as `v1.36.3`.
    pub version: String,
    /// How long lists took so far, in microseconds.
    list_micros: AtomicU64,
}

impl ApiServer {
    /// Connects to the cluster of a context. Without a context, it is the current one, or the
    /// cluster that this process runs in.
    ///
    /// # Errors
    /// [`CliError::Unavailable`] if the server does not answer, [`CliError::Cluster`] if it refuses or
    /// cannot be found.
    pub fn connect(
        context: Option<&str>,
        connect: &ConnectArgs,
        time: RunTime,
    ) -> Result<Self, CliError> {
        let runtime = AsyncRuntime::new()?;
        let ServerTarget {
            name,
            config,
            credentials,
            user,
        } = runtime.block_on(ServerTarget::resolve(context, connect))?;
        let connection = runtime
            .block_on(Connection::open(config, credentials, user, time))
            .map_err(|e| e.fault(&name))?;
        let request_timeout = Duration::from_secs(connect.request_timeout);
        let http = HttpClient::new(connection, request_timeout, time);

        let version = ApiRequest::get("/version", JSON, AnswerLimit::OBJECT);
        let answer = runtime
            .block_on(http.send(version))
            .map_err(|e| e.fault(&name))?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|_| {
            let name = plain(&name);
            CliError::Cluster(format!("`{name}` answers, and is no Kubernetes API server"))
        })?;
        let version = plain(answer.at(&["gitVersion"]).as_str().unwrap_or("unknown"));

        Ok(Self {
            runtime,
            http,
            name,
            version,
            list_micros: AtomicU64::new(0),
        })
    }

    /// The number of requests so far.
    pub fn requests(&self) -> usize {
        self.http.requests()
    }

    /// How long lists took so far.
    pub fn list_time(&self) -> Duration {
        Duration::from_micros(self.list_micros.load(Ordering::Relaxed))
    }

    /// Asks for the kinds that the server serves. An aggregated API that does not answer is a gap.
    pub fn served(&self) -> Result<(ServedKinds, Vec<ListError>), CliError> {
        let kinds = |path| ApiRequest::get(path, DISCOVERY, AnswerLimit::PAGE);
        let (core, groups) = self.runtime.block_on(futures::future::join(
            self.http.send(kinds("/api")),
            self.http.send(kinds("/apis")),
        ));

        let mut served = ServedKinds::default();
        for answer in [core, groups] {
            let bytes = answer.map_err(|e| e.fault(&self.name))?;
            served
                .add(&bytes)
                .map_err(|text| CliError::Cluster(format!("`{}`: {text}", plain(&self.name))))?;
        }

        let stale = served.stale.iter();
        let gaps = stale.map(|version| stale_api(version)).collect();
        Ok((served, gaps))
    }

    /// Fetches lists, and compares each object with the wanted one.
    pub fn fetch(
        &self,
        cli: &Cli,
        wanted: &Arc<Desired>,
        listings: Vec<Listing>,
        options: FetchOptions,
    ) -> Fetched {
        let progress = progress_bar(cli, listings.len());
        let started = Instant::now();

        let fetched = self.runtime.block_on(lists::fetch(
            &self.http, listings, wanted, options, &progress,
        ));

        progress.finish_and_clear();
        self.list_micros
            .fetch_add(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        fetched
    }

    /// Asks for each sample whether the server allows it. The answers end with the first failure:
    /// each request was tried several times already.
    pub fn review(&self, samples: &[Sample]) -> Vec<Result<bool, RequestError>> {
        self.runtime.block_on(async {
            let mut answers = stream::iter(samples)
                .map(|sample| self.review_one(sample))
                .buffered(CONCURRENT_REVIEWS);

            let mut all = Vec::with_capacity(samples.len());
            while let Some(answer) = answers.next().await {
                let failed = answer.is_err();
                all.push(answer);
                if failed {
                    break;
                }
            }
            all
        })
    }

    async fn review_one(&self, sample: &Sample) -> Result<bool, RequestError> {
        let body = serde_json::to_vec(&sample.review()).unwrap_or_default();
        let request = ApiRequest {
            method: &Method::POST,
            body: &body,
            ..ApiRequest::get(ACCESS_REVIEWS, JSON, AnswerLimit::OBJECT)
        };
        let answer = self.http.send(request).await?;
        let answer: Value =
            serde_json::from_slice(&answer).map_err(|e| RequestError::unusable(e.to_string()))?;

        access::allowed(&answer)
            .ok_or_else(|| RequestError::unusable("the answer has no status".to_owned()))
    }
}

/// A runtime that waits for none of its threads when it ends: one may look up a name without end.
struct AsyncRuntime(Option<Runtime>);

impl AsyncRuntime {
    fn new() -> Result<Self, CliError> {
        let threads = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4));

        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .map(|runtime| Self(Some(runtime)))
            .map_err(CliError::io("tokio"))
    }
}

impl std::ops::Deref for AsyncRuntime {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.0.as_ref().expect("it is taken when it is dropped")
    }
}

impl Drop for AsyncRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Describes an aggregated API that does not answer, by its `group/version`.
fn stale_api(version: &str) -> ListError {
    ListError {
        group: version.split('/').next().unwrap_or_default().into(),
        kind: "*".into(),
        why: "its aggregated API does not answer".into(),
        command: match version.split_once('/') {
            Some((group, version)) => format!("kubectl describe apiservice {version}.{group}"),
            None => "kubectl get apiservices".to_owned(),
        },
        fix: "mend the Service behind it, or delete the APIService".into(),
        may_pass: false,
    }
}

fn progress_bar(cli: &Cli, lists: usize) -> ProgressBar {
    let bar = ProgressBar::new(lists as u64);

    bar.set_draw_target(if shows_progress(cli) {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    });
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} lists  {msg}") {
        bar.set_style(style);
    }
    bar
}

/// Replaces the last line of a terminal; without a terminal it writes nothing.
pub fn live_line(cli: &Cli, text: &str) {
    if shows_progress(cli) {
        output::err(&format!("\r\x1b[2K{}", plain(text)));
    }
}

fn shows_progress(cli: &Cli) -> bool {
    !cli.quiet && std::io::stderr().is_terminal()
}
