//! Fetches lists of objects, page by page, and observes each page as it arrives.

use super::http::{ApiRequest, Failure, HttpClient, JSON, RequestError};
use crate::cli::bug::TASK_ENDED;
use futures::stream::{self, StreamExt};
use http::StatusCode;
use indicatif::ProgressBar;
use jiff::Timestamp;
use std::collections::HashSet;
use std::sync::Arc;
use tenantry::graph::Facts;
use tenantry::live::answer::{AnswerLimit, ListSums, ListTotals};
use tenantry::live::{Desired, Detail, ListError, Listing, Observations, Page, page};
use tenantry::source::Span;
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

/// Objects in a page.
const PAGE_SIZE: usize = 500;

/// The factor by which pages become smaller when one is too large to be read, and larger again.
const PAGE_STEP: usize = 10;

/// The most objects of a list that cannot be read. If there are more, the list itself is broken.
const MAX_UNREAD: usize = 1_000;

/// The most pages that a list may have.
const MAX_PAGES: usize = 20_000;

/// Lists that are fetched at the same time.
const CONCURRENT_LISTS: usize = 4;

/// The media type of a list that holds the metadata of each object alone.
const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// The details that are kept of the objects in a list.
#[derive(Clone, Copy, Debug)]
pub struct FetchOptions {
    /// The place that findings of the proof show for the objects: the cluster.
    pub span: Span,
    /// The time by which ages are counted.
    pub now: Timestamp,
    /// Whether objects are kept, so that admission policies can be evaluated for them.
    pub keep_objects: bool,
    /// Whether the digest of all objects is needed.
    pub digest: bool,
    /// Whether each object is also returned as JSON.
    pub json: bool,
}

/// The result of fetching lists.
#[derive(Default)]
pub struct Fetched {
    /// The observations of all lists.
    pub batch: Observations,
    /// The lists that could not be fetched.
    pub gaps: Vec<ListError>,
    /// Every object as one line of JSON, if [`FetchOptions::json`] is set.
    pub objects: Vec<String>,
}

/// Fetches lists, a few at a time. The result is sorted by listing, so that it does not depend on the
/// order in which lists end. A list that fails is a gap.
pub async fn fetch(
    http: &HttpClient,
    listings: Vec<Listing>,
    wanted: &Arc<Desired>,
    options: FetchOptions,
    progress: &ProgressBar,
) -> Fetched {
    let totals: Arc<ListTotals> = Arc::default();
    let permits = Arc::new(Semaphore::new(CONCURRENT_LISTS));
    let fetch_list = |listing: Listing| {
        let fetch = ListFetch {
            http: http.clone(),
            listing: listing.clone(),
            wanted: Arc::clone(wanted),
            options,
            progress: progress.clone(),
            totals: Arc::clone(&totals),
            permits: Arc::clone(&permits),
        };
        async move {
            let task = tokio::spawn(async move { fetch.list().await });
            let list = task.await.unwrap_or_else(|_| ObservedList {
                error: Some(RequestError::unusable(TASK_ENDED.to_owned())),
                ..ObservedList::default()
            });
            (listing, list)
        }
    };

    let mut lists: Vec<(Listing, ObservedList)> = stream::iter(listings)
        .map(fetch_list)
        .buffer_unordered(CONCURRENT_LISTS)
        .inspect(|_| progress.inc(1))
        .collect()
        .await;

    lists.sort_by(|a, b| a.0.cmp(&b.0));

    let mut fetched = Fetched::default();
    for (listing, list) in lists {
        fetched.gaps.extend(list.error.map(|e| gap(&listing, &e)));
        fetched.batch.append(list.batch);
        fetched.objects.extend(list.objects);
    }

    fetched
}

/// The observations of one list, or of its first pages.
#[derive(Default)]
struct ObservedList {
    batch: Observations,
    objects: Vec<String>,
    /// The sums over its pages.
    sums: ListSums,
    /// The reason why the other pages are missing.
    error: Option<RequestError>,
}

/// One list to fetch.
struct ListFetch {
    http: HttpClient,
    listing: Listing,
    wanted: Arc<Desired>,
    options: FetchOptions,
    progress: ProgressBar,
    totals: Arc<ListTotals>,
    /// One permit for each page that is read and parsed at the same time; a large page takes all, so
    /// that memory is bounded.
    permits: Arc<Semaphore>,
}

impl ListFetch {
    /// Fetches the list. The server forgets a continue token after some minutes and answers 410 then:
    /// the list is fetched once more from its first page. If a page cannot be fetched, the pages
    /// before it are kept.
    /// <https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks>
    async fn list(&self) -> ObservedList {
        let list = self.pages().await;

        match &list.error {
            Some(error) if error.is(StatusCode::GONE) => {
                self.totals.subtract(&self.listing.kind, &list.sums);
                self.pages().await
            }
            _ => list,
        }
    }

    /// Fetches every page, from the first on.
    async fn pages(&self) -> ObservedList {
        let facts = if self.options.digest {
            Facts::keeping(self.options.keep_objects)
        } else {
            Facts::live(self.options.keep_objects)
        };

        let mut list = ObservedList {
            batch: Observations::of(facts),
            ..ObservedList::default()
        };

        let mut next = NextPage::default();
        // Digests, since a server may write tokens of any length.
        let mut used_tokens: HashSet<blake3::Hash> = HashSet::new();

        for _ in 0..MAX_PAGES {
            next = match self.page(next, &mut list).await {
                Ok(Some(next)) => next,
                Ok(None) => return list,
                Err(mut error) => {
                    if list.batch.count > 0 {
                        error.text += &format!("; {} objects were read", list.batch.count);
                    }
                    list.error = Some(error);
                    return list;
                }
            };

            let is_new = used_tokens.insert(blake3::hash(next.token.as_bytes()));
            if !is_new {
                let text = "the server repeats a continue token";
                list.error = Some(RequestError::unusable(text.to_owned()));
                return list;
            }
        }

        let text = format!("the list does not end within {MAX_PAGES} pages");
        list.error = Some(RequestError::unusable(text));
        list
    }

    /// Fetches a page, and adds its objects to the list. Returns the page after it. A page that is
    /// too large to be read is fetched again with fewer objects.
    async fn page(
        &self,
        mut page: NextPage,
        list: &mut ObservedList,
    ) -> Result<Option<NextPage>, RequestError> {
        loop {
            let is_single = page.size == 1;
            let (limit, permits) = if is_single {
                (AnswerLimit::LARGE_PAGE, CONCURRENT_LISTS as u32)
            } else {
                (AnswerLimit::PAGE, 1)
            };
            let permits = self.permits.acquire_many(permits).await;

            let path = self.path(&page);
            let request = ApiRequest::get(&path, self.accept(), limit);
            match self.http.send(request).await {
                Ok(bytes) => {
                    let token = self.observe(&bytes, list)?;
                    drop(permits);
                    return Ok(token.map(|token| NextPage {
                        token,
                        size: (page.size * PAGE_STEP).min(PAGE_SIZE),
                    }));
                }
                Err(error) if error.failure == Failure::TooLarge && !is_single => {
                    page.size = (page.size / PAGE_STEP).max(1);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The path of a page, with its query.
    fn path(&self, page: &NextPage) -> String {
        let mut path = format!("{}?limit={}", self.listing.path(), page.size);
        if let Some(label) = self.listing.label {
            path += &format!("&labelSelector={label}");
        }
        if !page.token.is_empty() {
            path += &format!("&continue={}", url_encoded(&page.token));
        }

        path
    }

    const fn accept(&self) -> &'static str {
        match self.listing.detail {
            Detail::Metadata => METADATA,
            Detail::Whole => JSON,
        }
    }

    /// Parses a page, adds its objects to the list, and returns the token of the next page. Other
    /// lists are read from the server meanwhile.
    fn observe(
        &self,
        bytes: &[u8],
        list: &mut ObservedList,
    ) -> Result<Option<String>, RequestError> {
        let options = self.options;
        let (batch, sums) = (&mut list.batch, &mut list.sums);

        let page = block_in_place(|| {
            let page = Page::read(&self.listing.kind, bytes)?;
            let kind = &self.listing.kind;
            self.totals.add(kind, &page, bytes.len(), sums)?;
            batch.look_at(
                &self.wanted,
                &self.listing,
                &page.items,
                options.span,
                options.now,
            );
            Ok(page)
        })
        .map_err(RequestError::unusable)?;

        batch.unread.extend(page.unread);
        if batch.unread.len() > MAX_UNREAD {
            batch.unread.clear();
            let text = format!("more than {MAX_UNREAD} of its objects cannot be read");
            return Err(RequestError::unusable(text));
        }
        if options.json {
            list.objects
                .extend(page.items.into_iter().map(page::as_json));
        }

        let plural = &self.listing.kind.plural;
        self.progress
            .set_message(format!("{} {plural}", batch.count));
        Ok(page.next)
    }
}

/// A page to fetch.
struct NextPage {
    /// The continue token; empty for the first page.
    token: String,
    /// The most objects that it may have.
    size: usize,
}

impl Default for NextPage {
    fn default() -> Self {
        Self {
            token: String::new(),
            size: PAGE_SIZE,
        }
    }
}

/// Describes a list that could not be fetched, and the fix.
fn gap(listing: &Listing, error: &RequestError) -> ListError {
    let fix = match error.failure {
        Failure::Status(StatusCode::FORBIDDEN) => {
            "grant what `tenantry verify --print-rbac` prints"
        }
        Failure::Status(StatusCode::UNAUTHORIZED) => {
            "get new credentials: see the user of the context in the kubeconfig"
        }
        Failure::Status(StatusCode::NOT_FOUND) => "it was served a moment ago: run again",
        Failure::Status(StatusCode::TOO_MANY_REQUESTS) => {
            "the server is busy: run again later, or raise its limits for this user"
        }
        Failure::Status(_) => "see the API server's log, or that of the aggregated API behind it",
        Failure::NoAnswer => {
            "see whether the server can be reached, and answers within --request-timeout"
        }
        Failure::RunOver => "give the run more time: --timeout",
        Failure::TooLarge | Failure::Unusable => {
            "see what the API server, or the aggregated API behind it, answers"
        }
    };

    ListError {
        group: listing.kind.group.clone(),
        kind: listing.kind.kind.clone(),
        why: error.text.clone(),
        command: listing.command(),
        fix: fix.into(),
        may_pass: error.may_pass(),
    }
}

fn url_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
