//! One stable's tags as far as they have been read: what came and nobody has taken yet, and the query that brings more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tdferry_common::batch::{TagRow, Value};
use tdferry_common::port::{PortResult, Side, Sink, Source};
use tdferry_common::schema::Stable;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::lease::within;

/// What a row takes besides its texts and tags: a name, a list, and their place in a map.
const ROW_BYTES: usize = 64;
/// Pages on their way from a database: one read while one is sorted in.
const PAGES_AHEAD: usize = 1;

/// Whose tags.
#[derive(Clone)]
pub(crate) enum Holder {
    Source(Arc<dyn Source>),
    Sink(Arc<dyn Sink>),
}

impl Holder {
    pub(super) const fn side(&self) -> Side {
        match self {
            Self::Source(_) => Side::Source,
            Self::Sink(_) => Side::Sink,
        }
    }

    fn all_tags<'a>(&'a self, stable: &'a Stable) -> BoxStream<'a, PortResult<Vec<TagRow>>> {
        match self {
            Self::Source(source) => source.all_tags(stable),
            Self::Sink(sink) => sink.all_tags(stable),
        }
    }
}

type Pages = mpsc::Receiver<PortResult<Vec<TagRow>>>;

/// One stable; its query ends with it.
pub(super) struct Reading {
    /// `None` before it is begun, and once it has ended.
    pages: Option<Pages>,
    begun: bool,
    /// What nobody has taken yet.
    rows: BTreeMap<String, Vec<Value>>,
    bytes: usize,
    /// Bytes kept of all stables.
    kept: Arc<AtomicUsize>,
}

impl Reading {
    pub(super) fn new(kept: Arc<AtomicUsize>) -> Self {
        Self { pages: None, begun: false, rows: BTreeMap::new(), bytes: 0, kept }
    }

    pub(super) const fn is_begun(&self) -> bool {
        self.begun
    }

    /// The permit goes back when the query has ended.
    pub(super) fn begin(&mut self, holder: &Holder, stable: &Stable, permit: OwnedSemaphorePermit) {
        self.begun = true;
        self.pages = Some(read(holder.clone(), stable.clone(), permit));
    }

    /// Reads on until all names are found, or as much as may be is kept for others.
    pub(super) async fn take(
        &mut self,
        names: &[String],
        (limit, side): (Duration, Side),
        is_full: impl Fn() -> bool,
    ) -> Vec<TagRow> {
        let mut found = Vec::with_capacity(names.len());
        let mut wanted: Vec<&String> = names.iter().collect();
        loop {
            wanted.retain(|name| match self.give(name) {
                Some(row) => {
                    found.push(row);
                    false
                }
                None => true,
            });
            if wanted.is_empty() || is_full() || !self.read_on(limit, side).await {
                return found;
            }
        }
    }

    /// Keeps a row until it is asked for.
    pub(super) fn keep(&mut self, row: TagRow) {
        // one that came twice
        drop(self.give(&row.name));
        let bytes = size(&row);
        self.bytes += bytes;
        self.kept.fetch_add(bytes, Ordering::Relaxed);
        self.rows.insert(row.name, row.tags);
    }

    fn give(&mut self, name: &str) -> Option<TagRow> {
        let (name, tags) = self.rows.remove_entry(name)?;
        let row = TagRow { name, tags };
        let bytes = size(&row);
        self.bytes -= bytes;
        self.kept.fetch_sub(bytes, Ordering::Relaxed);
        Some(row)
    }

    /// Reads a page; `false` where there is none. A database that fails is waited for by whoever asks by name.
    async fn read_on(&mut self, limit: Duration, side: Side) -> bool {
        let Some(pages) = &mut self.pages else { return false };
        let page = async { pages.recv().await.transpose() };
        match within(limit, 0, side, page).await {
            Ok(Some(page)) => {
                page.into_iter().for_each(|row| self.keep(row));
                true
            }
            Ok(None) => self.end(),
            Err(error) => {
                tracing::debug!(%error, "a stable's tags are not read to their end");
                self.end()
            }
        }
    }

    fn end(&mut self) -> bool {
        self.pages = None;
        false
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.kept.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Reads ahead of whoever takes, until nobody can any more.
fn read(holder: Holder, stable: Stable, permit: OwnedSemaphorePermit) -> Pages {
    let (sender, receiver) = mpsc::channel(PAGES_AHEAD);
    tokio::spawn(async move {
        let _permit = permit;
        let mut pages = holder.all_tags(&stable);
        loop {
            let page = tokio::select! {
                biased;
                () = sender.closed() => return,
                page = pages.next() => page,
            };
            let Some(page) = page else { return };
            let broken = page.is_err();
            if sender.send(page).await.is_err() || broken {
                return;
            }
        }
    });
    receiver
}

/// About what a row takes in memory.
fn size(row: &TagRow) -> usize {
    let text = |tag: &Value| match tag {
        Value::Binary(bytes) => bytes.len(),
        Value::Nchar(text) | Value::Json(text) => text.len(),
        _ => 0,
    };
    let tags: usize = row.tags.iter().map(|tag| size_of::<Value>() + text(tag)).sum();
    ROW_BYTES + row.name.len() + tags
}
