//! The pages of lists, asked for ahead of whoever looks at them: while objects are compared, or a
//! fleet is rendered, the server makes the next ones.

use super::http::{Asking, JSON, RequestError};
use futures::future::{Either, select};
use http::StatusCode;
use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;
use tenantry::live::{Detail, Listing, Page};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Objects of a page.
const PAGE: usize = 500;
/// Most pages of a list.
const PAGES: usize = 20_000;
/// Lists that are asked for at once.
pub const AT_ONCE: usize = 4;
/// Room for the pages that wait for whoever looks at them, of all lists together, in KiB. Each list
/// may have one more in hand.
const ROOM: usize = 32 << 10;

const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// What comes of a list.
pub enum Sent {
    /// A page as the server wrote it, and its room among those that wait.
    Page(Vec<u8>, OwnedSemaphorePermit),
    /// Its continuation has expired, and it begins anew: what came before does not count.
    Anew,
    /// It could not be had.
    Failed(RequestError),
}

/// A list on its way. Whoever drops it wants no more of it.
pub struct Coming {
    /// What is listed.
    pub listing: Listing,
    /// When it was asked for.
    pub since: Instant,
    /// Its pages, in order. It ends where the list does.
    pub sent: UnboundedReceiver<Sent>,
}

/// Who fetches lists.
///
/// They are fetched in the order in which they begin, and have to be looked at in that order, as
/// many at once as are fetched at once; those that nobody wants are dropped before. So there is
/// always room at last: where a list that nobody looks at yet fills some, at most three before it
/// are not fetched to their end, and of the four that are looked at one is drained.
pub struct Lists(UnboundedSender<(Listing, UnboundedSender<Sent>)>);

impl Lists {
    /// Lists are fetched as long as this is there.
    pub fn new(runtime: &Handle, asking: Asking) -> Self {
        let (queue, mut waiting) = unbounded_channel::<(Listing, UnboundedSender<Sent>)>();
        runtime.spawn(async move {
            let (lists, room) = (
                Arc::new(Semaphore::new(AT_ONCE)),
                Arc::new(Semaphore::new(ROOM)),
            );
            while let Some((listing, to)) = waiting.recv().await {
                let Ok(turn) = Arc::clone(&lists).acquire_owned().await else {
                    return;
                };
                let fetching = Fetching {
                    asking: asking.clone(),
                    listing,
                    to: to.clone(),
                    room: Arc::clone(&room),
                };
                tokio::spawn(async move {
                    if let Err(e) = tokio::spawn(async move { fetching.list().await }).await {
                        let _ = to.send(Sent::Failed(RequestError::of(e.to_string())));
                    }
                    drop(turn);
                });
            }
        });
        Self(queue)
    }

    /// Begins a list, which is to be looked at before those that begin after it, or dropped.
    pub fn begin(&self, listing: Listing) -> Coming {
        let (to, sent) = unbounded_channel();
        // It is fetched as long as this is there.
        let _ = self.0.send((listing.clone(), to));
        Coming {
            listing,
            since: Instant::now(),
            sent,
        }
    }
}

/// A list that is fetched.
struct Fetching {
    asking: Asking,
    listing: Listing,
    to: UnboundedSender<Sent>,
    room: Arc<Semaphore>,
}

impl Fetching {
    /// Fetches it. One whose continuation has expired is fetched once more, from the beginning.
    async fn list(&self) {
        let failed = |text: String| Sent::Failed(RequestError::of(text));
        let mut again = true;
        'whole: loop {
            let mut next: Option<String> = None;
            let mut before: HashSet<blake3::Hash> = HashSet::new();
            for _ in 0..PAGES {
                let Some(page) = self.wanted_page(next.as_deref()).await else {
                    return;
                };
                let page = match page {
                    Err(trouble) if trouble.is(StatusCode::GONE) && again => {
                        again = false;
                        let _ = self.to.send(Sent::Anew);
                        continue 'whole;
                    }
                    Err(trouble) => {
                        let _ = self.to.send(Sent::Failed(trouble));
                        return;
                    }
                    Ok(page) => page,
                };
                // What is no list has no next page: whoever looks at it says so.
                let token =
                    Page::early_next(&page).unwrap_or_else(|| Page::next_of(&page).ok().flatten());
                let size = (page.len() >> 10).clamp(1, ROOM) as u32;
                let Ok(room) = Arc::clone(&self.room).acquire_many_owned(size).await else {
                    return;
                };
                let _ = self.to.send(Sent::Page(page, room));
                match token {
                    None => return,
                    Some(token) if !before.insert(blake3::hash(token.as_bytes())) => {
                        let _ = self
                            .to
                            .send(failed("the list comes back to where it was".to_owned()));
                        return;
                    }
                    token => next = token,
                }
            }
            let _ = self.to.send(failed(format!(
                "the list does not end within {PAGES} pages"
            )));
            return;
        }
    }

    /// A page, unless nobody wants it any more.
    async fn wanted_page(&self, token: Option<&str>) -> Option<Result<Vec<u8>, RequestError>> {
        let (page, dropped) = (pin!(self.page(token)), pin!(self.to.closed()));
        match select(page, dropped).await {
            Either::Left((page, _)) => Some(page),
            Either::Right(_) => None,
        }
    }

    /// A page: the first, or the one of a token.
    async fn page(&self, token: Option<&str>) -> Result<Vec<u8>, RequestError> {
        let mut path = format!("{}?limit={PAGE}", self.listing.path());
        if let Some(label) = self.listing.label {
            path += &format!("&labelSelector={label}");
        }
        if let Some(token) = token {
            path += &format!("&continue={}", url_encoded(token));
        }
        let accept = if self.listing.detail == Detail::Metadata {
            METADATA
        } else {
            JSON
        };
        self.asking.get(&path, accept).await
    }
}

fn url_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
