//! Tags that are changed in the source while it is followed: read at each look where the task asks for it, and given to the
//! target where they are others than before.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::TryStreamExt;
use tdferry_common::batch::TagRow;
use tdferry_common::port::{PortResult, Side};
use xxhash_rust::xxh3::xxh3_128;

use super::Tail;
use crate::lease::{Ended, Worked, within};
use crate::structure::Layout;
use crate::verify;

/// Subtables whose tags are held against the target's with one question.
const AT_ONCE: usize = 2_000;

/// Hashes of the tags that were seen last, by those of the names. At first none: all are held against the target.
pub(super) type Tags = BTreeMap<u128, u128>;

impl Tail {
    /// Gives the target the tags that changed since the last look.
    pub(super) async fn retag(&mut self) -> Worked<()> {
        let Layout::Stable { stable, .. } = &self.layout else { return Ok(()) };
        if !self.options().update_tags {
            return Ok(());
        }
        let (stable, source) = (stable.clone(), Arc::clone(&self.source));
        let mut pages = source.all_tags(&stable);
        let (mut changed, mut seen) = (Vec::new(), Vec::new());
        loop {
            let limit = self.attempt.session.timing.database_request;
            let page: PortResult<Option<Vec<TagRow>>> =
                within(limit, 0, Side::Source, pages.try_next()).await;
            match page {
                Ok(None) => break,
                Ok(Some(page)) => {
                    for row in page.into_iter().filter(|row| self.is_planned(&row.name)) {
                        let (name, tags) = (xxh3_128(row.name.as_bytes()), hash(&row));
                        if self.tags.get(&name) != Some(&tags) {
                            seen.push((name, tags));
                            changed.push(row);
                        }
                    }
                }
                // the next look is soon
                Err(error) if error.is_away() => return Ok(()),
                Err(error) => return Err(Ended::at_database(&error, "reading tags")),
            }
        }
        while !changed.is_empty() {
            self.attempt.go_on()?;
            let rows = changed.split_off(changed.len().saturating_sub(AT_ONCE));
            let set = verify::set_changed(&self.attempt, self.sink.as_ref(), &stable, rows).await?;
            if set > 0 {
                tracing::info!(stable = stable.name, subtables = set, "tags that changed are set");
            }
        }
        self.tags.extend(seen);
        Ok(())
    }
}

fn hash(row: &TagRow) -> u128 {
    xxh3_128(format!("{:?}", row.tags).as_bytes())
}
