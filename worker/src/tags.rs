//! Tags of a whole stable, read with one query while its create shards ask for them.
//!
//! It is a shortcut and promises nothing: what it does not bring is asked for by name. It knows no target.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use tdferry_common::batch::{TagRow, Value};
use tdferry_common::port::{PortResult, Side, Source};
use tdferry_common::schema::Stable;
use tokio::sync::mpsc;

use crate::lease::{Attempt, within};

/// A shard of fewer names asks for them: reading a whole stable for a few would not pay.
const LEAST_NAMES: usize = 1_000;
/// Tags kept for shards that have not asked yet: those of some 200,000 subtables, a small part of a worker's memory.
const MOST_BYTES: usize = 32 << 20;
/// What a row takes besides its texts and tags: a name, a list, and their place in a map.
const ROW_BYTES: usize = 64;
/// Pages on their way from the source: one read while one is sorted in.
const PAGES_AHEAD: usize = 1;

/// What is being read, by task as stored and stable.
#[derive(Clone, Default)]
pub(crate) struct StableTags(Arc<Mutex<BTreeMap<Key, Arc<tokio::sync::Mutex<Reading>>>>>);

type Key = (String, String);
type Pages = mpsc::Receiver<PortResult<Vec<TagRow>>>;

/// One stable as far as it has been read.
#[derive(Default)]
struct Reading {
    /// `None` before it is begun, and once it has ended.
    pages: Option<Pages>,
    begun: bool,
    /// What nobody has taken yet.
    rows: BTreeMap<String, Vec<Value>>,
    bytes: usize,
}

impl StableTags {
    /// Tags of these subtables as far as reading the stable brings them; each is given away once.
    pub(crate) async fn take(
        &self,
        attempt: &Attempt,
        source: &Arc<dyn Source>,
        stable: &Stable,
        names: &[String],
    ) -> Vec<TagRow> {
        if attempt.claimed.shard_names().len() < LEAST_NAMES {
            return Vec::new();
        }
        let reading = self.of(&attempt.claimed.spec, &stable.name);
        let mut reading = reading.lock().await;
        reading.begin(source, stable);
        reading.take(attempt, names).await
    }

    /// Lets go of a task's, whose subtables are all created.
    pub(crate) fn forget(&self, spec: &str) {
        self.lock().retain(|(of, _), _| of != spec);
    }

    fn of(&self, spec: &str, stable: &str) -> Arc<tokio::sync::Mutex<Reading>> {
        Arc::clone(self.lock().entry((spec.to_owned(), stable.to_owned())).or_default())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, Arc<tokio::sync::Mutex<Reading>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    fn begin(&mut self, source: &Arc<dyn Source>, stable: &Stable) {
        if !std::mem::replace(&mut self.begun, true) {
            self.pages = Some(read(Arc::clone(source), stable.clone()));
        }
    }

    /// Reads on until all names are found, or as much as may be is kept for others.
    async fn take(&mut self, attempt: &Attempt, names: &[String]) -> Vec<TagRow> {
        let mut found = Vec::with_capacity(names.len());
        let mut wanted: Vec<&String> = names.iter().collect();
        loop {
            wanted.retain(|name| match self.rows.remove(*name) {
                Some(tags) => {
                    let row = TagRow { name: (*name).clone(), tags };
                    self.bytes -= size(&row);
                    found.push(row);
                    false
                }
                None => true,
            });
            if wanted.is_empty() || self.bytes > MOST_BYTES || !self.read_on(attempt).await {
                return found;
            }
        }
    }

    /// Reads a page; `false` where there is none. A source that fails is waited for by whoever asks by name.
    async fn read_on(&mut self, attempt: &Attempt) -> bool {
        let Some(pages) = &mut self.pages else { return false };
        let page = async { pages.recv().await.transpose() };
        let limit = attempt.session.timing.database_request;
        match within(limit, 0, Side::Source, page).await {
            Ok(Some(page)) => {
                for row in page {
                    self.bytes += size(&row);
                    if let Some(before) = self.rows.insert(row.name.clone(), row.tags) {
                        self.bytes -= size(&TagRow { name: row.name, tags: before });
                    }
                }
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

/// Reads ahead of whoever takes, until nobody does any more.
fn read(source: Arc<dyn Source>, stable: Stable) -> Pages {
    let (sender, receiver) = mpsc::channel(PAGES_AHEAD);
    tokio::spawn(async move {
        let mut pages = source.all_tags(&stable);
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
