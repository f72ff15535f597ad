//! Fetches lists of objects, page by page, and observes each page as it arrives.

use super::http::{HttpClient, JSON, RequestError};
use futures::stream::{self, StreamExt};
use http::StatusCode;
use indicatif::ProgressBar;
use jiff::Timestamp;
use std::collections::HashSet;
use std::sync::Arc;
use tenantry::graph::Facts;
use tenantry::live::{Desired, Detail, ListError, Listing, Observations, Page, page};
use tenantry::source::Span;
use tokio::task::block_in_place;

/// Objects in a page.
const PAGE_SIZE: usize = 500;

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
    let fetch_list = |listing: Listing| {
        let fetch = ListFetch {
            http: http.clone(),
            listing: listing.clone(),
            wanted: Arc::clone(wanted),
            options,
            progress: progress.clone(),
        };
        async move {
            let task = tokio::spawn(async move { fetch.list().await });
            let list = task
                .await
                .unwrap_or_else(|e| Err(RequestError::new(e.to_string())));
            (listing, list)
        }
    };

    let mut lists: Vec<(Listing, Result<ObservedList, RequestError>)> = stream::iter(listings)
        .map(fetch_list)
        .buffer_unordered(CONCURRENT_LISTS)
        .inspect(|_| progress.inc(1))
        .collect()
        .await;

    lists.sort_by(|a, b| a.0.cmp(&b.0));

    let mut fetched = Fetched::default();
    for (listing, list) in lists {
        match list {
            Ok(list) => {
                fetched.batch.append(list.batch);
                fetched.objects.extend(list.objects);
            }
            Err(error) => fetched.gaps.push(gap(&listing, &error)),
        }
    }

    fetched
}

/// The observations of one list.
struct ObservedList {
    batch: Observations,
    objects: Vec<String>,
}

/// One list to fetch.
struct ListFetch {
    http: HttpClient,
    listing: Listing,
    wanted: Arc<Desired>,
    options: FetchOptions,
    progress: ProgressBar,
}

impl ListFetch {
    /// Fetches the list. The server forgets a continue token after some minutes and answers 410 then:
    /// the list is fetched once more from its first page.
    /// <https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks>
    async fn list(&self) -> Result<ObservedList, RequestError> {
        match self.pages().await {
            Err(error) if error.is(StatusCode::GONE) => self.pages().await,
            result => result,
        }
    }

    /// Fetches every page, from the first on.
    async fn pages(&self) -> Result<ObservedList, RequestError> {
        let facts = if self.options.digest {
            Facts::keeping(self.options.keep_objects)
        } else {
            Facts::live(self.options.keep_objects)
        };

        let mut list = ObservedList {
            batch: Observations::of(facts),
            objects: Vec::new(),
        };

        let mut token: Option<String> = None;
        // Digests, since a server may write tokens of any length.
        let mut used_tokens: HashSet<blake3::Hash> = HashSet::new();

        for _ in 0..MAX_PAGES {
            let bytes = self.page(token.as_deref()).await?;
            token = self.observe(&bytes, &mut list)?;

            match &token {
                None => return Ok(list),
                Some(next) if !used_tokens.insert(blake3::hash(next.as_bytes())) => {
                    let text = "the list comes back to where it was";
                    return Err(RequestError::new(text.to_owned()));
                }
                Some(_) => {}
            }
        }

        Err(RequestError::new(format!(
            "the list does not end within {MAX_PAGES} pages"
        )))
    }

    /// Fetches a page: the first, or the one that a continue token names.
    async fn page(&self, token: Option<&str>) -> Result<Vec<u8>, RequestError> {
        let mut path = format!("{}?limit={PAGE_SIZE}", self.listing.path());
        if let Some(label) = self.listing.label {
            path += &format!("&labelSelector={label}");
        }
        if let Some(token) = token {
            path += &format!("&continue={}", url_encoded(token));
        }

        let accept = match self.listing.detail {
            Detail::Metadata => METADATA,
            Detail::Whole => JSON,
        };
        self.http.get(&path, accept).await
    }

    /// Parses a page, adds its objects to the list, and returns the token of the next page. Other
    /// lists are read from the server meanwhile.
    fn observe(
        &self,
        bytes: &[u8],
        list: &mut ObservedList,
    ) -> Result<Option<String>, RequestError> {
        let options = self.options;
        let batch = &mut list.batch;

        let page = block_in_place(|| {
            let page = Page::read(&self.listing.kind, bytes)?;
            batch.look_at(
                &self.wanted,
                &self.listing,
                &page.items,
                options.span,
                options.now,
            );
            Ok(page)
        })
        .map_err(RequestError::new)?;

        batch.unread.extend(page.unread);
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

/// Describes a list that could not be fetched, and the fix.
fn gap(listing: &Listing, error: &RequestError) -> ListError {
    let fix = match error.status {
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

    ListError {
        group: listing.kind.group.clone(),
        kind: listing.kind.kind.clone(),
        why: error.text.clone(),
        command: listing.command(),
        fix: fix.into(),
    }
}

fn url_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
