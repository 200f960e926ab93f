//! What changes in the structure of the source while it is followed: columns and tags that are added or made longer.
//!
//! The target is given them before anything is read by them. What was read since the last look is read once more, since
//! it was read without. What is dropped is waited for: it may come back.

use std::collections::BTreeMap;
use std::time::Duration;

use tdferry_common::port::{Sink, Source};
use tdferry_common::schema::Column;
use tdferry_common::time::Period;

use super::Tail;
use crate::lease::{Attempt, Worked};

/// Looks that lie between a change and its being found, at most: one may have been under way.
const LOOKS_BEHIND: u32 = 2;

/// Columns and tags as the source has them, by stable or normal table. The task may leave out some.
pub(super) type Seen = BTreeMap<String, (Vec<Column>, Vec<Column>)>;

/// What the source has of what is followed.
pub(super) async fn seen(attempt: &Attempt, source: &dyn Source, sink: &dyn Sink) -> Worked<Seen> {
    let (structures, stable) = (&attempt.session.structures, &attempt.claimed.stable);
    if stable.is_empty() {
        let tables = structures.normal(attempt, source).await?;
        let columns = |name: &String| Some((name.clone(), (tables.get(name)?.columns.clone(), Vec::new())));
        return Ok(attempt.claimed.shard_names().iter().filter_map(columns).collect());
    }
    let both = structures.both(attempt, source, sink).await?;
    let stable = both.source_stable(stable);
    Ok(stable.map(|one| (one.name.clone(), (one.columns.clone(), one.tags.clone()))).into_iter().collect())
}

/// Waits until the source has the stable that is to be followed, or it is not to be any more.
pub(super) async fn awaited(attempt: &Attempt, source: &dyn Source, sink: &dyn Sink) -> Worked<()> {
    let stable = &attempt.claimed.stable;
    let interval = attempt.spec.options.schema_polling_interval;
    let mut is_told = stable.is_empty();
    while !stable.is_empty() && attempt.ends_at() == i64::MAX && seen(attempt, source, sink).await?.is_empty()
    {
        if !std::mem::replace(&mut is_told, true) {
            tracing::warn!(stable, "the source has no such stable; it is followed once it is back");
        }
        tokio::select! {
            biased;
            () = attempt.drained() => attempt.go_on()?,
            () = tokio::time::sleep(interval) => {}
        }
        attempt.session.structures.refresh(attempt, interval).await;
    }
    Ok(())
}

impl Tail {
    /// Looks whether the structure is still the one that is read by, and follows it.
    pub(super) async fn structure(&mut self) -> Worked<()> {
        let interval = self.options().schema_polling_interval;
        self.restructure(interval).await?;
        if !std::mem::take(&mut self.is_altered) {
            return Ok(());
        }
        let behind = self.precision.units(interval * LOOKS_BEHIND + self.options().interval);
        let from = self.watermark.saturating_sub(behind).max(self.attempt.shard().period.from);
        let taken = self.take(Period { from, to: self.watermark }).await?;
        tracing::info!(
            rows = taken.read,
            "the source's structure changed; what was read since is read once more"
        );
        Ok(())
    }

    /// Reads by what the source has now; what is known of it is at most so old.
    pub(super) async fn restructure(&mut self, age: Duration) -> Worked<()> {
        let Self { attempt, source, sink, .. } = &*self;
        let structures = &attempt.session.structures;
        structures.refresh(attempt, age).await;
        let now = seen(attempt, source.as_ref(), sink.as_ref()).await?;
        let changed: Seen = now.into_iter().filter(|(name, one)| self.seen.get(name) != Some(one)).collect();
        if changed.is_empty() {
            return Ok(());
        }
        // which gives the target what it lacks of it
        structures.forget(attempt);
        self.layout = structures.layout(attempt, source.as_ref(), sink.as_ref()).await?;
        self.seen.extend(changed);
        self.is_altered = true;
        Ok(())
    }
}
