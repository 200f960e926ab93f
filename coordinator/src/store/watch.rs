//! The stream of everything that changes under our root, for the mirror. It may lag; it is in order.

use etcd_client::{EventType, WatchOptions, WatchStream};

use super::Store;
use super::error::{Failure, StoreError, sort};
use super::wire::Found;
use crate::keys;
use crate::view::Change;

/// A watch that is open.
pub(crate) struct Watching(WatchStream);

/// What a watch brings.
#[derive(Debug)]
pub(crate) enum Watched {
    /// Changes, in order, and the revision up to which everything has come; zero where it brings nothing new.
    Changes(Vec<Change>, i64),
    /// It fell behind what the store remembers: list anew.
    Compacted,
    /// It broke off: watch again from where it was.
    Broken(String),
}

impl Store {
    /// Watches everything of ours from a revision on.
    pub(crate) async fn watch(&self, from: i64) -> Result<Watching, StoreError> {
        let stream = self
            .wire()
            .until_answered("watch", || {
                let mut watch = self.wire().watch.clone();
                let options = WatchOptions::new()
                    .with_range(keys::end_of(keys::ROOT))
                    .with_start_revision(from)
                    .with_fragment();
                async move { watch.watch(keys::ROOT, Some(options)).await }
            })
            .await?;
        Ok(Watching(stream))
    }
}

impl Watching {
    /// Waits for the next changes.
    pub(crate) async fn next(&mut self) -> Watched {
        let answer = match self.0.message().await {
            Ok(Some(answer)) => answer,
            Ok(None) => return Watched::Broken("the store closed it".to_owned()),
            Err(err) => return broken(err),
        };
        // etcd cancels a watch on compacted history without giving a reason
        if answer.compact_revision() > 0 {
            return Watched::Compacted;
        }
        if answer.canceled() {
            return Watched::Broken(answer.cancel_reason().to_owned());
        }
        let changes: Vec<Change> = answer.events().iter().filter_map(change).collect();
        // only what it brings counts as complete: older etcds notify of progress before all events are out
        let complete = changes.last().map_or(0, |change| change.changed);
        Watched::Changes(changes, complete)
    }
}

fn change(event: &etcd_client::Event) -> Option<Change> {
    let found = Found::from(event.kv()?.clone());
    match event.event_type() {
        EventType::Put => Some(Change::from(found)),
        EventType::Delete => Some(Change::gone(found.key, found.changed)),
    }
}

fn broken(err: etcd_client::Error) -> Watched {
    match sort(err) {
        Failure::Final(StoreError::Compacted) => Watched::Compacted,
        Failure::Final(err) => Watched::Broken(err.to_string()),
        Failure::Unknown(message) => Watched::Broken(message),
    }
}
