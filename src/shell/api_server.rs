//! A live cluster's API server: how it is reached, what it serves, and what is listed of it.
//! Nothing is written.

use super::args::{Cli, Connect};
use super::http::{Asking, JSON, RequestError, causes};
use super::lists::{AT_ONCE, Coming, Lists, Sent};
use super::{Fault, output};
use futures::stream::{FuturesUnordered, StreamExt};
use http::{Method, StatusCode};
use hyper_util::client::proxy::matcher::Matcher;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tenantry::graph::Facts;
use tenantry::live::access::{self, Sample};
use tenantry::live::{Batch, Detail, Gap, Listing, Page, Served, Wanted};
use tenantry::report::plain;
use tenantry::source::Span;
use tenantry::value::Value;
use tokio::runtime::Runtime;
use tokio::task::block_in_place;

/// Samples that are asked at once.
const REVIEWS: usize = 8;

const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

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
    asking: Asking,
    lists: Lists,
    /// What it is called: the context, or its address.
    pub name: String,
    /// Its version, as `v1.36.3`.
    pub version: String,
    /// How long lists took, in microseconds.
    listed: AtomicU64,
}

impl Server {
    /// Connects to the cluster of a context: the current one where none is named, or the cluster
    /// that this runs in.
    pub fn connect(context: Option<&str>, connect: &Connect) -> Result<Self, Fault> {
        let threads = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 4));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .map_err(Fault::io("tokio"))?;
        let unreachable = |what: String| Fault::Cluster(plain(&what));
        let kubeconfig = kubeconfig()?;
        let current = || kubeconfig.as_ref()?.current_context.clone();
        let name = context
            .map(str::to_owned)
            .or_else(current)
            .unwrap_or_default();
        let config = runtime.block_on(async {
            match kubeconfig.clone() {
                Some(kubeconfig) if !name.is_empty() => {
                    let options = KubeConfigOptions {
                        context: Some(name.clone()),
                        ..KubeConfigOptions::default()
                    };
                    let read = Config::from_custom_kubeconfig(kubeconfig, &options).await;
                    read.map_err(|e| unreachable(format!("the context `{name}`: {}", causes(&e))))
                }
                None if context.is_some() => Err(unreachable(format!(
                    "the context `{name}`: there is no kubeconfig"
                ))),
                _ => Config::incluster().map_err(|e| {
                    unreachable(format!(
                        "there is no current context, and no cluster that this runs in: {}",
                        causes(&e)
                    ))
                }),
            }
        });
        let mut config = config?;
        let own = kubeconfig
            .as_ref()
            .and_then(|kubeconfig| own_proxy(kubeconfig, &name));
        config.proxy_url = proxy(&config.cluster_url, own).map_err(unreachable)?;
        let name = if name.is_empty() {
            config.cluster_url.to_string()
        } else {
            name
        };
        // As kubectl does, without the line's end.
        if let Some(file) = config
            .auth_info
            .token_file
            .clone()
            .filter(|_| kubeconfig.is_some())
        {
            let text = std::fs::read_to_string(&file).map_err(Fault::io(Path::new(&file)))?;
            config.auth_info.token = Some(text.trim().to_owned().into());
            config.auth_info.token_file = None;
        }
        config.connect_timeout = Some(Duration::from_secs(10.min(connect.request_timeout)));
        config.read_timeout = Some(Duration::from_secs(connect.request_timeout));
        config.default_retry = false;
        let client = runtime.block_on(async { Client::try_from(config) });
        let client = client.map_err(|e| unreachable(format!("`{name}`: {}", causes(&e))))?;
        let asking = Asking::by(client);
        let lists = Lists::new(runtime.handle(), asking.clone());
        let mut server = Self {
            runtime,
            asking,
            lists,
            name,
            version: String::new(),
            listed: AtomicU64::new(0),
        };
        let asking = server.asking.clone();
        let version = server
            .runtime
            .block_on(async move { asking.get("/version", JSON).await });
        let version = version.map_err(|t| t.fault(&server.name))?;
        let version: Value = serde_json::from_slice(&version).map_err(|_| {
            unreachable(format!(
                "`{}` answers, and is no Kubernetes API server",
                server.name
            ))
        })?;
        server.version = plain(version.at(&["gitVersion"]).as_str().unwrap_or("unknown"));
        Ok(server)
    }

    /// How many requests were made, and how long lists took.
    pub fn spent(&self) -> (usize, Duration) {
        (
            self.asking.requests(),
            Duration::from_micros(self.listed.load(Ordering::Relaxed)),
        )
    }

    /// What it serves; what it could not say of it is a gap.
    pub fn served(&self) -> Result<(Served, Vec<Gap>), Fault> {
        let asking = self.asking.clone();
        let answers = self.runtime.block_on(async move {
            futures::future::join(
                asking.get("/api", DISCOVERY),
                asking.get("/apis", DISCOVERY),
            )
            .await
        });
        let mut served = Served::default();
        for answer in [answers.0, answers.1] {
            let fault = |text: String| Fault::Cluster(format!("`{}`: {text}", plain(&self.name)));
            let bytes = answer.map_err(|t| t.fault(&self.name))?;
            served.add(&bytes).map_err(fault)?;
        }
        let gaps = served.stale.iter().map(|version| Gap {
            group: version.split('/').next().unwrap_or_default().into(),
            kind: "*".into(),
            why: "its aggregated API does not answer".into(),
            command: match version.split_once('/') {
                Some((group, version)) => format!("kubectl describe apiservice {version}.{group}"),
                None => "kubectl get apiservices".to_owned(),
            },
            fix: "mend the Service behind it, or delete the APIService".into(),
        });
        let gaps = gaps.collect();
        Ok((served, gaps))
    }

    /// Begins lists that will be taken.
    pub fn begin(&self, lists: Vec<Listing>) -> Vec<Coming> {
        lists
            .into_iter()
            .map(|listing| self.lists.begin(listing))
            .collect()
    }

    /// Takes lists, several at once, and looks at each page as it comes. `begun` are lists on their
    /// way: those that are not asked for after all are left.
    pub fn take(
        &self,
        cli: &Cli,
        wanted: &Arc<Wanted>,
        lists: Vec<Listing>,
        begun: Vec<Coming>,
        how: FetchOptions,
    ) -> Taken {
        let progress = progress(cli, lists.len());
        let started = Instant::now();
        let mut coming: Vec<Coming> = begun
            .into_iter()
            .filter(|c| lists.contains(&c.listing))
            .collect();
        let others: Vec<Listing> = lists
            .into_iter()
            .filter(|l| coming.iter().all(|c| c.listing != *l))
            .collect();
        coming.extend(self.begin(others));
        let started = coming
            .iter()
            .map(|list| list.since)
            .min()
            .unwrap_or(started);
        let mut taken: Vec<(Listing, Result<Seen, RequestError>)> = self.runtime.block_on(async {
            let mut waiting = coming.into_iter();
            let mut running = FuturesUnordered::new();
            let mut done = Vec::new();
            loop {
                while running.len() < AT_ONCE {
                    let Some(list) = waiting.next() else { break };
                    let (wanted, progress) = (Arc::clone(wanted), progress.clone());
                    let listing = list.listing.clone();
                    let task = tokio::spawn(async move {
                        let found = look(list, &wanted, how, &progress).await;
                        progress.inc(1);
                        found
                    });
                    running.push(async move {
                        let broken = |e: tokio::task::JoinError| RequestError::of(e.to_string());
                        (listing, task.await.map_err(broken).and_then(|found| found))
                    });
                }
                match running.next().await {
                    None => break,
                    Some(found) => done.push(found),
                }
            }
            done
        });
        progress.finish_and_clear();
        self.listed
            .fetch_add(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        // In one order, whichever came first.
        taken.sort_by(|a, b| a.0.cmp(&b.0));
        let mut all = Taken {
            batch: Batch::default(),
            gaps: Vec::new(),
            objects: Vec::new(),
        };
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

    /// Asks the samples: whether each is allowed. The first that the server does not answer, and
    /// why, is the last.
    pub fn review(&self, samples: &[Sample]) -> Vec<Result<bool, String>> {
        let asking = self.asking.clone();
        self.runtime.block_on(async move {
            let ask = |sample: &Sample| {
                let body = serde_json::to_vec(&sample.review()).unwrap_or_default();
                let asking = asking.clone();
                async move {
                    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
                    let answer = asking
                        .send(Method::POST, path, JSON, body)
                        .await
                        .map_err(|t| t.text)?;
                    let answer: Value =
                        serde_json::from_slice(&answer).map_err(|e| e.to_string())?;
                    access::allowed(&answer).ok_or_else(|| "the answer has no status".to_owned())
                }
            };
            let mut answers = futures::stream::iter(samples.iter().map(ask)).buffered(REVIEWS);
            let mut all = Vec::with_capacity(samples.len());
            while let Some(answer) = answers.next().await {
                let failed = answer.is_err();
                all.push(answer);
                // Each was tried for a while.
                if failed {
                    break;
                }
            }
            all
        })
    }
}

/// Looks at each page of a list as it comes.
async fn look(
    list: Coming,
    wanted: &Wanted,
    how: FetchOptions,
    progress: &ProgressBar,
) -> Result<Seen, RequestError> {
    let Coming {
        listing, mut sent, ..
    } = list;
    let nothing = || {
        let mut facts = if how.digest {
            Facts::keeping(how.keeps)
        } else {
            Facts::live(how.keeps)
        };
        let kind = &listing.kind;
        let all = listing.namespace.is_none() && listing.detail == Detail::Whole;
        if all && wanted.only.is_none() {
            facts.reserve(&kind.kind, wanted.count(&kind.group, &kind.kind));
        }
        (Batch::of(facts), Vec::new())
    };
    let (mut batch, mut objects) = nothing();
    // The last page's word that there is none after it.
    let mut ended = Err("the list has no pages");
    while let Some(next) = sent.recv().await {
        let (bytes, _room) = match next {
            Sent::Page(bytes, room) => (bytes, room),
            Sent::Anew => {
                (batch, objects) = nothing();
                continue;
            }
            Sent::Failed(trouble) => return Err(trouble),
        };
        // Who reads from the server goes on meanwhile.
        let page = block_in_place(|| {
            let page = Page::read(&listing.kind, &bytes)?;
            batch.look_at(wanted, &listing, &page.items, how.span, how.now);
            Ok(page)
        });
        let page = page.map_err(RequestError::of)?;
        batch.unread.extend(page.unread);
        if how.json {
            objects.extend(page.items.into_iter().map(tenantry::live::page::as_json));
        }
        progress.set_message(format!("{} {}", batch.count, listing.kind.plural));
        let next = page.next;
        ended = if next.is_none() {
            Ok(())
        } else {
            Err("the list ends before its last page")
        };
    }
    ended
        .map(|()| (batch, objects))
        .map_err(|why| RequestError::of(why.to_owned()))
}

/// What was seen in a list, and its objects as JSON where that was asked for.
type Seen = (Batch, Vec<String>);

/// How lists are taken.
#[derive(Clone, Copy, Debug)]
pub struct FetchOptions {
    /// What the objects are from, for a proof.
    pub span: Span,
    /// The time.
    pub now: Timestamp,
    /// Whether objects are kept for admission policies to be asked about them.
    pub keeps: bool,
    /// Whether a digest of all objects is wanted.
    pub digest: bool,
    /// Whether each object is wanted as JSON.
    pub json: bool,
}

/// The kubeconfig: the files that KUBECONFIG names and that are there, the first that says
/// something first; else the one in the home folder. Nothing where there is none.
fn kubeconfig() -> Result<Option<Kubeconfig>, Fault> {
    let named = std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty());
    let files: Vec<PathBuf> = match &named {
        Some(list) => std::env::split_paths(list)
            .filter(|p| !p.as_os_str().is_empty())
            .collect(),
        None => std::env::home_dir()
            .map(|home| home.join(".kube/config"))
            .into_iter()
            .collect(),
    };
    let mut all: Option<Kubeconfig> = None;
    for file in files.iter().filter(|f| f.exists()) {
        // What a parser says of it may show a credential.
        let read = Kubeconfig::read_from(file).map_err(|_| {
            Fault::Cluster(format!("{} cannot be read as a kubeconfig", file.display()))
        })?;
        let read = Kubeconfig {
            current_context: read.current_context.filter(|c| !c.is_empty()),
            ..read
        };
        all = Some(match all {
            Some(before) => before.merge(read).map_err(|e| Fault::Cluster(causes(&e)))?,
            None => read,
        });
    }
    if all.is_none() && named.is_some() {
        let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
        return Err(Fault::Cluster(format!(
            "KUBECONFIG names no file that is there: {}",
            plain(&names.join(", "))
        )));
    }
    Ok(all)
}

/// The proxy that a context's cluster names.
fn own_proxy(kubeconfig: &Kubeconfig, context: &str) -> Option<String> {
    let context = kubeconfig
        .contexts
        .iter()
        .find(|c| c.name == context)?
        .context
        .as_ref()?;
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|c| c.name == context.cluster)?
        .cluster
        .as_ref()?;
    cluster.proxy_url.clone().filter(|url| !url.is_empty())
}

/// The proxy on the way to a cluster, as kubectl chooses it: the one that the kubeconfig names,
/// whatever the environment says; else HTTPS_PROXY, but for this machine and what NO_PROXY has.
/// (The client's library holds NO_PROXY against the proxy, and not against the cluster.)
fn proxy(cluster: &http::Uri, own: Option<String>) -> Result<Option<http::Uri>, String> {
    let variable = |names: [&str; 2]| {
        names
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    let host = cluster
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let local = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    let url = match (own, variable(["HTTPS_PROXY", "https_proxy"])) {
        (Some(own), _) => own,
        (None, Some(url)) if !local => {
            let no = variable(["NO_PROXY", "no_proxy"]).unwrap_or_default();
            if Matcher::builder()
                .https(url.as_str())
                .no(no)
                .build()
                .intercept(cluster)
                .is_none()
            {
                return Ok(None);
            }
            url
        }
        _ => return Ok(None),
    };
    let whole = if url.contains("://") {
        url
    } else {
        format!("http://{url}")
    };
    whole
        .parse()
        .map(Some)
        .map_err(|_| "the proxy's address is none: see proxy-url, HTTPS_PROXY".to_owned())
}

fn gap(listing: &Listing, trouble: &RequestError) -> Gap {
    let fix = match trouble.status {
        Some(StatusCode::FORBIDDEN) => "grant what `tenantry verify --print-rbac` prints",
        Some(StatusCode::UNAUTHORIZED) => {
            "get new credentials: see the user of the context in the kubeconfig"
        }
        Some(StatusCode::NOT_FOUND) => "it was served a moment ago: run again",
        Some(StatusCode::TOO_MANY_REQUESTS) => {
            "the server is busy: run again later, or raise its limits for this user"
        }
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
    bar.set_draw_target(if shown {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    });
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} lists  {msg}") {
        bar.set_style(style);
    }
    bar
}

/// Says that something goes on, where somebody sees it.
pub fn live_line(cli: &Cli, text: &str) {
    if !cli.quiet && std::io::stderr().is_terminal() {
        output::err(&format!("\r\x1b[2K{}", plain(text)));
    }
}
