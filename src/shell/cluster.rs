//! A live cluster's API server: lists, one page after the other, with the retries that a server may ask for. Nothing is written.

use super::args::{Cli, Connect};
use super::{Fault, output};
use futures::stream::{FuturesUnordered, StreamExt};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tenantry::live::access::{self, Sample};
use tenantry::live::{Batch, Detail, Gap, Listing, Page, Served, Wanted};
use tenantry::source::Place;
use tenantry::value::Value;
use tokio::runtime::Runtime;

/// Objects of a page.
const PAGE: usize = 500;
/// Lists that are asked for at once.
const AT_ONCE: usize = 4;
/// How often a request is tried, and how long a server may ask to wait, in seconds.
const TRIES: u32 = 5;
const LONGEST_WAIT: u64 = 20;

const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const JSON: &str = "application/json";

/// Why a request has no answer.
#[derive(Debug)]
struct Trouble {
    status: Option<StatusCode>,
    text: String,
}

impl Trouble {
    fn is(&self, status: StatusCode) -> bool {
        self.status == Some(status)
    }
}

/// What is taken of a server.
pub struct Taken {
    /// What was seen.
    pub batch: Batch,
    /// What could not be had.
    pub gaps: Vec<Gap>,
    /// Every object as JSON, one a line, where that was asked for.
    pub objects: Vec<String>,
}

/// A server.
pub struct Server {
    runtime: Runtime,
    client: Client,
    /// What it is called: the context, or its address.
    pub name: String,
    /// Its version, as `v1.36.3`.
    pub version: String,
    requests: Arc<AtomicUsize>,
    listed: std::cell::Cell<Duration>,
}

impl Server {
    /// Connects to the cluster of a context: the current one where none is named, or the cluster that this runs in.
    pub fn connect(context: Option<&str>, connect: &Connect) -> Result<Self, Fault> {
        let threads = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .map_err(Fault::io("tokio"))?;
        let unreachable = |what: String| Fault::Cluster(what);
        let (config, name) = runtime.block_on(async {
            let named = match context {
                Some(context) => context.to_owned(),
                None => Kubeconfig::read().ok().and_then(|k| k.current_context).unwrap_or_default(),
            };
            let config = if named.is_empty() && context.is_none() {
                Config::infer().await.map_err(|e| {
                    unreachable(format!("there is no kubeconfig, and no cluster that this runs in: {e}"))
                })?
            } else {
                let options = KubeConfigOptions { context: Some(named.clone()), ..KubeConfigOptions::default() };
                Config::from_kubeconfig(&options)
                    .await
                    .map_err(|e| unreachable(format!("the context `{named}`: {e}")))?
            };
            let name = if named.is_empty() { config.cluster_url.to_string() } else { named };
            Ok::<_, Fault>((config, name))
        })?;
        let mut config = config;
        config.connect_timeout = Some(Duration::from_secs(10.min(connect.request_timeout)));
        config.read_timeout = Some(Duration::from_secs(connect.request_timeout));
        config.default_retry = false;
        let client = runtime.block_on(async { Client::try_from(config) });
        let client = client.map_err(|e| unreachable(format!("`{name}`: {}", causes(&e))))?;
        let mut server = Self {
            runtime,
            client,
            name,
            version: String::new(),
            requests: Arc::default(),
            listed: Default::default(),
        };
        let asking = server.asking();
        let version = server.runtime.block_on(async move { asking.get("/version", JSON).await });
        let version = version.map_err(|t| unreachable(format!("`{}`: {}", server.name, t.text)))?;
        let version: Value = serde_json::from_slice(&version)
            .map_err(|_| unreachable(format!("`{}` answers, and is no Kubernetes API server", server.name)))?;
        server.version = version.at(&["gitVersion"]).as_str().unwrap_or("unknown").to_owned();
        Ok(server)
    }

    fn asking(&self) -> Asking {
        Asking { client: self.client.clone(), requests: Arc::clone(&self.requests) }
    }

    /// How many requests were made, and how long lists took.
    pub fn spent(&self) -> (usize, Duration) {
        (self.requests.load(Ordering::Relaxed), self.listed.get())
    }

    /// What it serves; what it could not say of it is a gap.
    pub fn served(&self) -> Result<(Served, Vec<Gap>), Fault> {
        let asking = self.asking();
        let answers = self.runtime.block_on(async move {
            futures::future::join(asking.get("/api", DISCOVERY), asking.get("/apis", DISCOVERY)).await
        });
        let mut served = Served::default();
        for answer in [answers.0, answers.1] {
            let fault = |text: String| Fault::Cluster(format!("`{}`: {text}", self.name));
            let bytes = answer.map_err(|t| fault(format!("what it serves cannot be had: {}", t.text)))?;
            served.add(&bytes).map_err(fault)?;
        }
        let gaps = served.stale.iter().map(|version| Gap {
            group: version.split('/').next().unwrap_or_default().into(),
            kind: "*".into(),
            why: "its aggregated API does not answer".into(),
            command: format!("kubectl get apiservice | grep {version}"),
            fix: "mend the Service behind it, or delete the APIService".into(),
        });
        let gaps = gaps.collect();
        Ok((served, gaps))
    }

    /// Takes lists, several at once, and looks at each page as it comes.
    pub fn take(&self, cli: &Cli, wanted: &Arc<Wanted>, lists: Vec<Listing>, how: How) -> Taken {
        let progress = progress(cli, lists.len());
        let started = Instant::now();
        let mut taken: Vec<(Listing, Result<Seen, Trouble>)> = self.runtime.block_on(async {
            let mut waiting = lists.into_iter();
            let mut running = FuturesUnordered::new();
            let mut done = Vec::new();
            loop {
                while running.len() < AT_ONCE {
                    let Some(listing) = waiting.next() else { break };
                    let (asking, wanted, progress) = (self.asking(), Arc::clone(wanted), progress.clone());
                    running.push(tokio::spawn(async move {
                        let found = asking.list(&wanted, &listing, how, &progress).await;
                        progress.inc(1);
                        (listing, found)
                    }));
                }
                match running.next().await {
                    None => break,
                    Some(Ok(found)) => done.push(found),
                    // A task that panics has said so.
                    Some(Err(_)) => {}
                }
            }
            done
        });
        progress.finish_and_clear();
        self.listed.set(self.listed.get() + started.elapsed());
        // In one order, whichever came first.
        taken.sort_by(|a, b| a.0.cmp(&b.0));
        let mut all = Taken { batch: Batch::default(), gaps: Vec::new(), objects: Vec::new() };
        for (listing, found) in taken {
            match found {
                Ok((batch, objects)) => {
                    all.batch.append(batch);
                    all.objects.extend(objects);
                }
                Err(trouble) => all.gaps.push(gap(&listing, &trouble)),
            }
        }
        all
    }

    /// Asks the samples: whether each is allowed; nothing where the server does not say.
    pub fn review(&self, samples: &[Sample]) -> Vec<Result<bool, String>> {
        let asking = self.asking();
        self.runtime.block_on(async move {
            let ask = |sample: &Sample| {
                let body = serde_json::to_vec(&sample.review()).unwrap_or_default();
                let asking = asking.clone();
                async move {
                    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
                    let answer = asking.send(Method::POST, path, JSON, body).await.map_err(|t| t.text)?;
                    let answer: Value = serde_json::from_slice(&answer).map_err(|e| e.to_string())?;
                    access::allowed(&answer).ok_or_else(|| "the answer has no status".to_owned())
                }
            };
            futures::future::join_all(samples.iter().map(ask)).await
        })
    }
}

/// What was seen in a list, and its objects as JSON where that was asked for.
type Seen = (Batch, Vec<String>);

/// How lists are taken.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// What the objects are from, for a proof.
    pub place: Place,
    /// The time.
    pub now: Timestamp,
    /// Whether objects are kept for admission policies to be asked about them.
    pub keeps: bool,
    /// Whether each object is wanted as JSON.
    pub json: bool,
    /// Whether nothing is looked at: what listing alone costs.
    pub bare: bool,
}

#[derive(Clone)]
struct Asking {
    client: Client,
    requests: Arc<AtomicUsize>,
}

impl Asking {
    async fn get(&self, path: &str, accept: &str) -> Result<Vec<u8>, Trouble> {
        self.send(Method::GET, path, accept, Vec::new()).await
    }

    /// A request, tried again where the server is busy, or the connection breaks.
    async fn send(&self, method: Method, path: &str, accept: &str, body: Vec<u8>) -> Result<Vec<u8>, Trouble> {
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
                let again = if tries > 1 { format!(" (tried {tries} times)") } else { String::new() };
                return Err(Trouble { text: format!("{}{again}", trouble.text), ..trouble });
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
    ) -> Result<Vec<u8>, (Trouble, Option<u64>)> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let broken = |text: String| (Trouble { status: None, text }, None);
        let request = Request::builder().method(method).uri(path).header(http::header::ACCEPT, accept);
        let request = request.header(http::header::CONTENT_TYPE, JSON).body(Body::from(body));
        let request = request.map_err(|e| broken(e.to_string()))?;
        let answer = self.client.send(request).await.map_err(|e| broken(causes(&e)))?;
        let status = answer.status();
        let wait = answer.headers().get(http::header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        let bytes = answer.into_body().collect().await.map_err(|e| broken(causes(&e)))?.to_bytes();
        if status.is_success() {
            return Ok(bytes.into());
        }
        let said: Option<Value> = serde_json::from_slice(&bytes).ok();
        let said = said.as_ref().and_then(|v| v.at(&["message"]).as_str()).unwrap_or_default();
        let text = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
        Err((Trouble { status: Some(status), text }, wait))
    }

    /// A list, one page after the other. One whose continuation has expired is taken once more, from the beginning.
    async fn list(
        &self,
        wanted: &Wanted,
        listing: &Listing,
        how: How,
        progress: &ProgressBar,
    ) -> Result<Seen, Trouble> {
        let mut again = true;
        'whole: loop {
            let (mut batch, mut objects) = (Batch::default(), Vec::new());
            let mut next: Option<String> = None;
            loop {
                let mut path = format!("{}?limit={PAGE}", listing.path());
                if let Some(label) = listing.label {
                    path += &format!("&labelSelector={label}");
                }
                if let Some(token) = &next {
                    path += &format!("&continue={}", url_encoded(token));
                }
                let accept = if listing.detail == Detail::Metadata { METADATA } else { JSON };
                let answer = match self.get(&path, accept).await {
                    Err(trouble) if trouble.is(StatusCode::GONE) && again => {
                        again = false;
                        continue 'whole;
                    }
                    answer => answer?,
                };
                let broken = |text| Trouble { status: None, text };
                if how.bare {
                    next = Page::next_of(&answer).map_err(broken)?;
                    match next {
                        Some(_) => continue,
                        None => return Ok((batch, objects)),
                    }
                }
                let page = Page::read(&listing.kind, &answer).map_err(broken)?;
                batch.append(Batch::of(wanted, listing, &page.items, how.place, how.now, how.keeps));
                if how.json {
                    objects.extend(page.items.into_iter().map(tenantry::live::seen::as_json));
                }
                progress.set_message(format!("{} {}", batch.count, listing.kind.plural));
                match page.next {
                    Some(token) => next = Some(token),
                    None => return Ok((batch, objects)),
                }
            }
        }
    }
}

fn url_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// An error with what caused it, each once.
fn causes(error: &dyn std::error::Error) -> String {
    let mut all: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !all.iter().any(|before| before.contains(&text)) {
            all.push(text);
        }
        next = error.source();
    }
    all.join(": ")
}

fn gap(listing: &Listing, trouble: &Trouble) -> Gap {
    let fix = match trouble.status {
        Some(StatusCode::FORBIDDEN) => "grant what `tenantry verify --print-rbac` prints",
        Some(StatusCode::UNAUTHORIZED) => "get new credentials: see the user of the context in the kubeconfig",
        Some(StatusCode::NOT_FOUND) => "it was served a moment ago: run again",
        Some(StatusCode::TOO_MANY_REQUESTS) => "the server is busy: run again later, or raise its limits for this user",
        Some(_) => "see the API server's log, or that of the aggregated API behind it",
        None => "see whether the server can be reached, and answers within --request-timeout",
    };
    Gap {
        group: listing.kind.group.clone(),
        kind: listing.kind.kind.clone(),
        why: trouble.text.clone(),
        command: listing.command(),
        fix: fix.into(),
    }
}

fn progress(cli: &Cli, lists: usize) -> ProgressBar {
    let bar = ProgressBar::new(lists as u64);
    let shown = !cli.quiet && std::io::stderr().is_terminal();
    bar.set_draw_target(if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} lists  {msg}") {
        bar.set_style(style);
    }
    bar
}

/// Says that something goes on, where somebody sees it.
pub fn live_line(cli: &Cli, text: &str) {
    if !cli.quiet && std::io::stderr().is_terminal() {
        output::err(&format!("\r\x1b[2K{text}"));
    }
}
