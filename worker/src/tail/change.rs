//! What changes in the structure of the source while it is followed: columns and tags that are added or made longer.
//!
//! The target is given them before anything is read by them, or a person is told that it lacks them. What was read since
//! the last look is read once more, since it was read without. What is dropped is waited for: it may come back.

use std::collections::BTreeMap;
use std::time::Duration;

use tdferry_common::port::{Sink, Source};
use tdferry_common::schema::Column;
use tdferry_common::time::Period;
use tokio::time::Instant;

use super::Tail;
use super::take::Taken;
use crate::lease::{Attempt, Worked};

/// Columns and tags as the source has them, by stable or normal table. The task may leave out some.
pub(super) type Seen = BTreeMap<String, (Vec<Column>, Vec<Column>)>;

/// What the source has of what is followed, and when it was asked.
pub(super) async fn seen(attempt: &Attempt, source: &dyn Source, sink: &dyn Sink) -> Worked<(Seen, Instant)> {
    let (structures, stable) = (&attempt.session.structures, &attempt.claimed.stable);
    if stable.is_empty() {
        let known = structures.normal(attempt, source).await?;
        let columns =
            |name: &String| Some((name.clone(), (known.tables.get(name)?.columns.clone(), Vec::new())));
        let seen = attempt.claimed.shard_names().iter().filter_map(columns).collect();
        return Ok((seen, known.asked));
    }
    let both = structures.both(attempt, source, sink).await?;
    let stable = both.source_stable(stable);
    let seen = stable.map(|one| (one.name.clone(), (one.columns.clone(), one.tags.clone())));
    Ok((seen.into_iter().collect(), both.asked))
}

/// What was read by a structure of which it is not known yet that it was still the source's by then.
#[derive(Debug, Default)]
pub(super) struct Unsure(Vec<(Instant, Period)>);

impl Unsure {
    pub(super) fn read(&mut self, period: Period) {
        self.0.push((Instant::now(), period));
    }

    /// Nothing had changed when the source was asked then.
    fn sure_until(&mut self, asked: Instant) {
        self.0.retain(|(read, _)| *read >= asked);
    }

    /// From where on.
    fn earliest(&self) -> Option<i64> {
        self.0.iter().map(|(_, period)| period.from).min()
    }

    /// Gives it up to be read once more, each moment once.
    fn take(&mut self) -> Vec<Period> {
        let mut periods: Vec<_> = std::mem::take(&mut self.0).into_iter().map(|(_, period)| period).collect();
        periods.sort_by_key(|period| period.from);
        let mut whole: Vec<Period> = Vec::new();
        for period in periods {
            match whole.last_mut().filter(|last| period.from <= last.to) {
                Some(last) => last.to = last.to.max(period.to),
                None => whole.push(period),
            }
        }
        whole
    }
}

/// Waits until the source has the stable that is to be followed; whether it is there. At a mark nobody waits any more.
pub(super) async fn awaited(attempt: &Attempt, source: &dyn Source, sink: &dyn Sink) -> Worked<bool> {
    let stable = &attempt.claimed.stable;
    let interval = attempt.spec.options.schema_polling_interval;
    let mut is_told = stable.is_empty();
    while !stable.is_empty() && seen(attempt, source, sink).await?.0.is_empty() {
        if attempt.ends_at() < i64::MAX {
            return Ok(false);
        }
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
    Ok(true)
}

impl Tail {
    /// Looks whether the structure is still the one that is read by, and follows it; what is known of it is at most so old.
    pub(super) async fn structure(&mut self, age: Duration) -> Worked<()> {
        self.restructure(age).await?;
        if !std::mem::take(&mut self.is_altered) {
            return Ok(());
        }
        let mut taken = Taken::default();
        for period in self.unsure.take() {
            taken.add(self.take(period).await?);
        }
        tracing::info!(
            rows = taken.read,
            "the source's structure changed; what was read since is read once more"
        );
        Ok(())
    }

    /// Reads by what the source has now; what is known of it is at most so old.
    pub(super) async fn restructure(&mut self, age: Duration) -> Worked<()> {
        let Self { attempt, source, sink, unsure, .. } = self;
        let structures = &attempt.session.structures;
        structures.refresh(attempt, age).await;
        let (now, asked) = seen(attempt, source.as_ref(), sink.as_ref()).await?;
        // what is gone is waited for
        let is_gone = now.is_empty();
        let changed: Seen = now.into_iter().filter(|(name, one)| self.seen.get(name) != Some(one)).collect();
        // what was altered before is still to be read once more
        if changed.is_empty() && !self.is_altered {
            unsure.sure_until(asked);
        }
        if is_gone || (changed.is_empty() && !self.without.is_any()) {
            return Ok(());
        }
        if !changed.is_empty() {
            structures.forget(attempt);
        }
        // which gives the target what it lacks of it, where the task does that
        let (layout, lacking) = structures.layout_to_follow(attempt, source.as_ref(), sink.as_ref()).await?;
        self.layout = layout;
        self.is_altered |= !changed.is_empty();
        self.seen.extend(changed);
        let since = self.unsure.earliest().unwrap_or(self.watermark);
        self.go_without(lacking, since);
        Ok(())
    }
}
