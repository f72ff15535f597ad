//! The pages of lists, asked for ahead of whoever looks at them: while objects are compared, or a fleet is rendered, the
//! server makes the next ones.

use super::asking::{Asking, JSON, Trouble};
use http::StatusCode;
use std::sync::Arc;
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
/// Pages that wait for whoever looks at them, of all lists together: some 30 MB.
const AHEAD: usize = 32;

const METADATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// What comes of a list.
pub enum Sent {
    /// A page as the server wrote it, and its room among those that wait.
    Page(Vec<u8>, OwnedSemaphorePermit),
    /// Its continuation has expired, and it begins anew: what came before does not count.
    Anew,
    /// There is no more of it.
    Failed(Trouble),
}

/// A list on its way. Whoever drops it wants no more of it.
pub struct Coming {
    /// What is listed.
    pub listing: Listing,
    /// Its pages, in order. It ends where the list does.
    pub sent: UnboundedReceiver<Sent>,
}

/// Who takes lists.
///
/// They have to be looked at in the order in which they begin, as many at once as are taken at once: then of those that
/// wait for room, there is always one that somebody looks at.
pub struct Lists(UnboundedSender<(Listing, UnboundedSender<Sent>)>);

impl Lists {
    /// Lists are taken as long as this is there.
    pub fn new(runtime: &Handle, asking: Asking) -> Self {
        let (queue, mut waiting) = unbounded_channel::<(Listing, UnboundedSender<Sent>)>();
        runtime.spawn(async move {
            let (lists, room) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Semaphore::new(AHEAD)));
            while let Some((listing, to)) = waiting.recv().await {
                let Ok(turn) = Arc::clone(&lists).acquire_owned().await else { return };
                let taking = Taking { asking: asking.clone(), listing, to, room: Arc::clone(&room) };
                tokio::spawn(async move {
                    taking.list().await;
                    drop(turn);
                });
            }
        });
        Self(queue)
    }

    /// Begins a list.
    pub fn begin(&self, listing: Listing) -> Coming {
        let (to, sent) = unbounded_channel();
        // It is taken as long as this is there.
        let _ = self.0.send((listing.clone(), to));
        Coming { listing, sent }
    }
}

/// A list that is taken.
struct Taking {
    asking: Asking,
    listing: Listing,
    to: UnboundedSender<Sent>,
    room: Arc<Semaphore>,
}

impl Taking {
    /// Takes it. One whose continuation has expired is taken once more, from the beginning.
    async fn list(&self) {
        let failed = |text: String| Sent::Failed(Trouble { status: None, text });
        let mut again = true;
        'whole: loop {
            let mut next: Option<String> = None;
            for _ in 0..PAGES {
                let Ok(room) = Arc::clone(&self.room).acquire_owned().await else { return };
                if self.to.is_closed() {
                    return;
                }
                let page = match self.page(next.as_deref()).await {
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
                let token = Page::early_next(&page).or_else(|| Page::next_of(&page).ok().flatten());
                let _ = self.to.send(Sent::Page(page, room));
                match token {
                    None => return,
                    token if token == next => {
                        let _ = self.to.send(failed("the list comes back to where it was".to_owned()));
                        return;
                    }
                    token => next = token,
                }
            }
            let _ = self.to.send(failed(format!("the list does not end within {PAGES} pages")));
            return;
        }
    }

    /// A page: the first, or the one of a token.
    async fn page(&self, token: Option<&str>) -> Result<Vec<u8>, Trouble> {
        let mut path = format!("{}?limit={PAGE}", self.listing.path());
        if let Some(label) = self.listing.label {
            path += &format!("&labelSelector={label}");
        }
        if let Some(token) = token {
            path += &format!("&continue={}", url_encoded(token));
        }
        let accept = if self.listing.detail == Detail::Metadata { METADATA } else { JSON };
        self.asking.get(&path, accept).await
    }
}

fn url_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
