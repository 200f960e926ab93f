//! What changes in the structure of the source while it is followed: columns and tags that are added or made longer.
//!
//! The target is given them before anything is read by them. What was read since the last look is read once more, since
//! it was read without. What is dropped is waited for: it may come back.

use std::collections::BTreeMap;
use std::time::Duration;

use tdferry_common::options::SchemaMode;
use tdferry_common::port::{Side, Sink, Source};
use tdferry_common::schema::{Column, NormalTable, Stable};
use tdferry_common::time::Period;

use super::Tail;
use crate::lease::{Attempt, Worked};
use crate::structure::TABLES;

/// Looks that lie between a change and its being found, at most: one may have been under way.
const LOOKS_BEHIND: u32 = 2;

/// Columns and tags as the source has them, by stable or normal table. The task may leave out some.
pub(super) type Seen = BTreeMap<String, Shape>;
type Shape = (Vec<Column>, Vec<Column>);

/// What the source has of what is followed.
async fn seen(attempt: &Attempt, source: &dyn Source, sink: &dyn Sink) -> Worked<Seen> {
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

/// Waits until the source has the stable that is to be followed.
pub(super) async fn awaited(attempt: &Attempt, source: &dyn Source, sink: &dyn Sink) -> Worked<()> {
    let stable = &attempt.claimed.stable;
    let interval = attempt.spec.options.schema_polling_interval;
    let mut is_told = stable.is_empty();
    while !stable.is_empty() && seen(attempt, source, sink).await?.is_empty() {
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

/// What is read by at first: the target has been given what the source got while nobody followed.
pub(super) async fn begun(attempt: &Attempt, source: &dyn Source, sink: &dyn Sink) -> Worked<Seen> {
    let mut seen = match attempt.spec.options.schema {
        SchemaMode::Always => target_has(attempt, source, sink).await?,
        SchemaMode::None | SchemaMode::Only => seen(attempt, source, sink).await?,
    };
    follow(attempt, source, sink, &mut seen).await?;
    Ok(seen)
}

/// What the target has of what is followed, by the source's names.
async fn target_has(attempt: &Attempt, source: &dyn Source, sink: &dyn Sink) -> Worked<Seen> {
    let stable = attempt.claimed.stable.as_str();
    if stable.is_empty() {
        let mut seen = Seen::new();
        for names in attempt.claimed.shard_names().chunks(TABLES) {
            let found = attempt.ask("reading the target's normal tables", Side::Sink, || sink.tables(names)).await?;
            seen.extend(found.into_iter().map(|table| (table.name, (table.columns, Vec::new()))));
        }
        return Ok(seen);
    }
    let both = attempt.session.structures.both(attempt, source, sink).await?;
    let there = both.target_stable(&attempt.mapping().stable(stable));
    Ok(there.map(|one| (stable.to_owned(), (one.columns.clone(), one.tags.clone()))).into_iter().collect())
}

/// Gives the target what the source has more of than was seen; whether anything is not as it was seen.
async fn follow(attempt: &Attempt, source: &dyn Source, sink: &dyn Sink, known: &mut Seen) -> Worked<bool> {
    let now = seen(attempt, source, sink).await?;
    let changed: Seen = now.into_iter().filter(|(name, one)| known.get(name) != Some(one)).collect();
    if changed.is_empty() {
        return Ok(false);
    }
    if attempt.spec.options.schema == SchemaMode::Always {
        for (name, now) in &changed {
            if let Some(known) = known.get(name) {
                add(attempt, sink, name, (known, now)).await?;
            }
        }
    }
    attempt.session.structures.forget(attempt);
    known.extend(changed);
    Ok(true)
}

/// Gives the target what a stable or a table has more of.
async fn add(attempt: &Attempt, sink: &dyn Sink, name: &str, (known, now): (&Shape, &Shape)) -> Worked<()> {
    let (name, (columns, tags)) = (name.to_owned(), now.clone());
    let longer: Vec<_> = longer(&known.0, &columns).chain(longer(&known.1, &tags)).cloned().collect();
    if attempt.claimed.stable.is_empty() {
        let table = NormalTable { name: name.clone(), columns };
        attempt.ask("adding columns", Side::Sink, || sink.add_to_table(&table)).await?;
    } else {
        let stable = Stable { name: name.clone(), columns, tags };
        attempt.ask("adding columns and tags", Side::Sink, || sink.add_to_stable(&stable)).await?;
    }
    for column in &longer {
        attempt.ask("making a column longer", Side::Sink, || sink.widen_column(&name, column)).await?;
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
        tracing::info!(rows = taken.read, "the source's structure changed; what was read since is read once more");
        Ok(())
    }

    /// Reads by what the source has now; what is known of it is at most so old.
    pub(super) async fn restructure(&mut self, age: Duration) -> Worked<()> {
        let Self { attempt, source, sink, seen, .. } = self;
        let (source, sink) = (source.as_ref(), sink.as_ref());
        attempt.session.structures.refresh(attempt, age).await;
        if follow(attempt, source, sink, seen).await? {
            self.layout = attempt.session.structures.layout(attempt, source, sink).await?;
            self.is_altered = true;
        }
        Ok(())
    }
}

/// What is longer now than it was.
fn longer<'a>(known: &'a [Column], now: &'a [Column]) -> impl Iterator<Item = &'a Column> {
    now.iter().filter(|column| known.iter().any(|own| own.name == column.name && own.length < column.length))
}
