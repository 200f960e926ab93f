//! The loop that keeps the mirror: list once, watch from there, list anew when the watch fell too far behind.

use std::time::Duration;

use super::mirror::Mirror;
use super::{Change, View};
use crate::keys::{self, Key};
use crate::store::{Ask, Store, StoreError, Watched};

/// After a failed listing or a broken watch; the store's own retries have waited before that.
const PAUSE: Duration = Duration::from_millis(200);

/// Keeps the mirror for ever; to stop, drop the future. Returns only when the store cannot be used at all.
pub(crate) async fn follow(store: &Store) -> StoreError {
    loop {
        match list(store).await {
            Ok(listed) => {
                store.view().replace(listed);
                watch(store).await;
            }
            Err(StoreError::Away { what, message }) => {
                tracing::warn!(what, error = %message, "store does not answer");
            }
            // history went on under the listing: start over
            Err(StoreError::Compacted) => {}
            Err(err) => return err,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Watches until the mirror must be listed anew.
pub(crate) async fn watch(store: &Store) {
    let view = store.view();
    loop {
        // a long answer may have broken off in the middle of a revision: what was taken of it is taken again
        let from = view.read(Mirror::revision).max(1);
        match store.watch(from).await {
            Ok(mut watching) => loop {
                match watching.next().await {
                    Watched::Changes(changes, complete) => view.take(&changes, complete),
                    Watched::Compacted => {
                        tracing::info!(
                            from,
                            "the store forgot history that was not heard of, everything is listed anew"
                        );
                        return;
                    }
                    Watched::Broken(message) => {
                        tracing::debug!(error = %message, "watch broke off, it is opened again");
                        break;
                    }
                }
            },
            Err(StoreError::Away { what, message }) => {
                tracing::warn!(what, error = %message, "store does not answer");
            }
            Err(_) => return,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads everything at one revision, page by page, without the groups' names.
pub(crate) async fn list(store: &Store) -> Result<Mirror, StoreError> {
    let mut listed = Mirror::default();
    let mut from = keys::ROOT.as_bytes().to_vec();
    let mut ask = Ask::PAGE;
    loop {
        let page = store.page_from(&from, ask).await?;
        if ask.revision == 0 {
            ask.revision = page.revision;
        }
        for found in &page.found {
            listed.apply_watched(&Change::from(found.clone()));
        }
        match page.found.last() {
            Some(last) if page.more => from = next_after(&last.key),
            _ => break,
        }
    }
    listed.complete_up_to(ask.revision);
    Ok(listed)
}

/// The next key to list. Groups are large and not mirrored: the rest of a plan's are skipped.
fn next_after(key: &[u8]) -> Vec<u8> {
    match Key::parse(key) {
        Some(Key::Group(task, plan, _)) => keys::end_of(&keys::groups(&task, plan)),
        _ => keys::after(key),
    }
}

impl View {
    pub(crate) fn take(&self, changes: &[Change], complete: i64) {
        self.write(|mirror| {
            changes.iter().for_each(|change| mirror.apply_watched(change));
            mirror.complete_up_to(complete);
        });
    }
}
